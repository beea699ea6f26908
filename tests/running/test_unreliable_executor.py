"""An executor that fails: no news, a submission that waits, a stop that is asked for again."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import ExecutorError, InputError, StorageError
from hpt.executors.base import AttemptKey, Executor, Submission
from hpt.executors.factory import make_executor
from hpt.executors.local import LocalExecutor
from hpt.executors.simulated import Curve, Faults
from hpt.job.config import HyperbandConfig
from hpt.job.state import JobState, JobStatus
from hpt.running.attempts import LONGEST_PAUSE, PATIENCE, Backoff
from hpt.running.runner import TuningJobRunner
from hpt.search import events as ev
from hpt.search.trial import ObjectiveType
from hpt.storage.memory import MemoryStorage
from tests.faults.jobs import FaultJob
from tests.running.simulated import Simulated, job
from tests.running.unreliable import UnreliableExecutor

FAULTS = Faults(failures=0.1, losses=0.2, startup=3.0)


def courses(events: list[ev.Event]) -> dict[int, list[tuple[Any, ...]]]:
    """What happened to each trial, in order, but for when."""
    found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for event in events:
        number = getattr(event, "number", 0)
        values = [getattr(event, each.name) for each in fields(event) if each.name not in ("time", "name")]
        found[number].append((type(event).__name__, *map(str, values)))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_same_happens_as_without_failures_but_at_other_times(seed: int) -> None:
    config = job(definition={"retry_attempts": 3, "checkpoint_uri": "/tmp/c" if seed % 2 else None})
    plain = Simulated(config, faults=FAULTS)
    plain.run()
    flaky = Simulated(config, faults=FAULTS, wrap=lambda inner: UnreliableExecutor(inner, 0.4, seed))
    flaky.run()
    assert courses(flaky.events) == courses(plain.events)
    assert flaky.executor.failed["poll"] > 20 and flaky.executor.failed["submit"] > 5  # type: ignore[attr-defined]
    assert str(flaky.runner.state.status) == "Completed"


@pytest.mark.parametrize("seed", range(4))
def test_hyperband_stops_what_it_decided_to_stop(seed: int) -> None:
    config = job("Hyperband", hyperband=HyperbandConfig(27), definition={"retry_attempts": 5})
    made = Simulated(config, faults=FAULTS, wrap=lambda inner: UnreliableExecutor(inner, 0.5, seed))
    runner = made.run()
    assert (runner.state.status, runner.state.launched) == (JobStatus.COMPLETED, 40)
    assert JobState.fold(ObjectiveType.MINIMIZE, 0.0, made.events).jobs == runner.state.jobs
    stopped = {event.number for event in made.events if isinstance(event, ev.StopDecided)}
    assert len(stopped) > 10
    assert all(runner.state.jobs[number].status.ended for number in stopped)
    assert made.executor.failed["stop"] > 3  # type: ignore[attr-defined]


def test_real_programs_run_once_each(tmp_path: Path) -> None:
    made = FaultJob(tmp_path / "made", strategy="Random", parallel=2, trials=6, pause=0.05)
    storage = MemoryStorage()
    storage.create(made.config.name, {}, 0.0)
    executor = UnreliableExecutor(LocalExecutor(tmp_path / "trials"), 0.4, 3)
    said: list[str] = []
    runner = TuningJobRunner(
        made.config,
        0.0,
        [],
        storage,
        storage.acquire(made.config.name),
        executor,
        say=said.append,
    )
    runner.run()
    executor.close()
    assert runner.state.training_counters["Completed"] == 6
    assert set(made.runs_by_name().values()) == {1}
    assert any(
        words.startswith("no news of the running training jobs: the service is busy") for words in said
    )
    assert "there is news of the running training jobs again" in said


def test_a_silent_executor_ends_the_runner_and_the_job_goes_on_later() -> None:
    made = Simulated(job(jobs=4), wrap=UnreliableExecutor)
    made.release()
    made.take(patience=100.0)
    for _ in range(10):
        made.runner.step()
        made.simulated.sleep(1.0)
    made.executor.down = {"poll"}  # type: ignore[attr-defined]
    began = made.clock.now
    with pytest.raises(
        ExecutorError, match=r"no news .* for \d+ s: the service is busy; resume the job once"
    ):
        made.run()
    assert made.clock.now - began >= 100.0
    assert made.executor.calls["poll"] < 40  # type: ignore[attr-defined]
    assert made.said == ["no news of the running training jobs: the service is busy; asking again"]
    made.release()
    made.executor.down = set()  # type: ignore[attr-defined]
    made.take()
    made.run()
    assert made.runner.state.training_counters["Completed"] == 4
    assert all(each.attempt == 1 for each in made.runner.state.jobs.values())


def test_a_submission_waits_and_is_no_loss() -> None:
    made = Simulated(job(jobs=3, parallel=3), wrap=UnreliableExecutor)
    made.executor.down = {"submit"}  # type: ignore[attr-defined]
    for _ in range(50):
        made.runner.step()
        made.simulated.sleep(1.0)
    state = made.runner.state
    assert [(each.live, each.lost, each.attempt) for each in state.jobs.values()] == [(True, 0, 1)] * 3
    first = state.jobs[1].name
    assert made.said == [f"{first} cannot be started now: the service is busy; trying again"]
    assert made.executor.calls["submit"] < 15  # type: ignore[attr-defined]
    made.executor.down = set()  # type: ignore[attr-defined]
    made.run()
    assert state.training_counters["Completed"] == 3
    assert sum(isinstance(event, ev.AttemptCreated) for event in made.events) == 3


def test_a_stop_is_asked_for_until_it_is_acknowledged() -> None:
    made = Simulated(job(jobs=2, parallel=2), wrap=UnreliableExecutor)
    made.runner.step()
    made.executor.down = {"stop"}  # type: ignore[attr-defined]
    made.runner.request_stop()
    for _ in range(10):
        made.runner.step()
        made.simulated.sleep(1.0)
    assert made.executor.failed["stop"] >= 3  # type: ignore[attr-defined]
    assert not made.runner.finished
    made.executor.down = set()  # type: ignore[attr-defined]
    made.run()
    assert made.runner.state.status is JobStatus.STOPPED
    assert {str(each.status) for each in made.runner.state.jobs.values()} == {"Stopped"}
    asked = sum(isinstance(event, ev.StopDecided) for event in made.events)
    assert asked == 2


def test_an_interrupted_job_submits_later_what_was_waiting() -> None:
    made = Simulated(job(jobs=4, parallel=2), wrap=UnreliableExecutor)
    made.executor.down = {"submit"}  # type: ignore[attr-defined]
    made.runner.step()
    made.runner.interrupt()
    made.run()
    assert made.runner.finished and not made.runner.state.status.ended
    assert all(each.live for each in made.runner.state.jobs.values())
    made.release()
    made.executor.down = set()  # type: ignore[attr-defined]
    made.take()
    made.run()
    assert [(each.attempt, str(each.status)) for each in made.runner.state.jobs.values()] == [
        (1, "Completed")
    ] * 4


class _Refusing:
    """Refuses the first submissions with an error."""

    def __init__(self, inner: Executor, error: Exception, times: int) -> None:
        self.inner, self.error, self.times = inner, error, times
        self.poll, self.stop, self.close = inner.poll, inner.stop, inner.close

    def submit(self, submission: Submission) -> None:
        self.times -= 1
        if self.times >= 0:
            raise self.error
        self.inner.submit(submission)


def test_an_attempt_that_cannot_be_started_is_lost() -> None:
    config = job(jobs=2, parallel=1, definition={"retry_attempts": 1})
    made = Simulated(config, wrap=lambda inner: _Refusing(inner, ExecutorError("no program"), 3))
    first, second = made.run().state.jobs.values()
    assert (str(first.status), first.lost, first.retryable) == ("Failed", 2, True)
    assert first.failure_reason == "the infrastructure failed 2 times; the last time: no program"
    assert (str(second.status), second.lost, second.reports) == ("Completed", 1, 27)


def test_a_full_disk_ends_the_runner_and_the_job_goes_on_later() -> None:
    made = Simulated(job(jobs=2, parallel=2), wrap=lambda inner: _Refusing(inner, StorageError("full"), 1))
    with pytest.raises(StorageError, match="full"):
        made.run()
    made.release()
    made.take()
    assert made.run().state.training_counters["Completed"] == 2
    assert all(each.attempt == 1 for each in made.runner.state.jobs.values())


def test_pauses_grow_and_a_clock_that_is_set_back_ends_one() -> None:
    now = 1000.0
    backoff = Backoff(lambda: now)
    assert backoff.over and not backoff.failing
    pauses = []
    for _ in range(12):
        backoff.failed()
        start = now
        while not backoff.over:
            now += 0.05
        pauses.append(now - start)
    assert all(a <= b + 1e-9 for a, b in pairwise(pauses))
    assert pauses[0] == pytest.approx(0.1, abs=0.06)
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE, abs=0.06)
    assert backoff.failed() > 30
    now -= 3600
    assert backoff.over
    backoff.succeeded()
    assert not backoff.failing and backoff.failed() == 0.0
    assert PATIENCE > 10 * LONGEST_PAUSE


def test_executors_are_made_by_name(tmp_path: Path) -> None:
    executor = make_executor("local", tmp_path)
    assert isinstance(executor, LocalExecutor)
    executor.stop(AttemptKey("job-001", 1))
    with pytest.raises(InputError, match="executor 'locl' is not known; use one of local"):
        make_executor("locl", tmp_path)


def test_a_curve_without_values_ends_at_once_whatever_fails() -> None:
    made = Simulated(
        job(jobs=3, parallel=1),
        curves=lambda config: Curve([1.0], 0.0),
        wrap=lambda inner: UnreliableExecutor(inner, 0.5, 1),
    )
    assert made.run().state.training_counters["Completed"] == 3
