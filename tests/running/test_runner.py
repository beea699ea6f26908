"""The runner over real training programs: limits, losses, stops and what failing storage does."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hpt.errors import StorageError
from hpt.executors.local import LocalExecutor
from hpt.job.config import JobConfig, ResourceLimits
from hpt.job.state import JobState, JobStatus, training_job_name
from hpt.job.view import trial_view
from hpt.running.runner import TuningJobRunner
from hpt.search import events as ev
from hpt.search.trial import Decision
from hpt.storage.base import Lease
from hpt.storage.memory import MemoryStorage
from tests.faults.jobs import FaultJob


def make(tmp_path: Path, config: JobConfig, storage: MemoryStorage | None = None) -> TuningJobRunner:
    created = time.time()
    storage = storage or MemoryStorage()
    storage.create(config.name, {}, created)
    lease = storage.acquire(config.name)
    return TuningJobRunner(config, created, [], storage, lease, LocalExecutor(tmp_path / "trials"))


@pytest.fixture
def config(tmp_path: Path) -> JobConfig:
    return FaultJob(tmp_path / "made", strategy="Random").config


def with_pause(config: JobConfig, pause: float, **limits: object) -> JobConfig:
    definition = replace(config.definition, hyperparameters={"pause": repr(pause)})
    return replace(config, definition=definition, limits=replace(config.limits, **limits))  # type: ignore[arg-type]


def test_the_wall_clock_of_the_job_ends_it_completed(tmp_path: Path, config: JobConfig) -> None:
    limits = ResourceLimits(None, 2, 1.5)
    runner = make(tmp_path, replace(with_pause(config, 30.0), limits=limits))
    started = time.monotonic()
    runner.run()
    assert time.monotonic() - started < 15
    assert runner.state.status is JobStatus.COMPLETED
    assert runner.state.criterion == "MaxRuntimeInSeconds"
    assert runner.state.training_counters["Stopped"] == 2


def test_the_deadline_of_a_training_job_keeps_its_last_value(tmp_path: Path, config: JobConfig) -> None:
    config = with_pause(config, 0.7, max_jobs=1)
    config = replace(config, definition=replace(config.definition, max_runtime_seconds=1.0))
    runner = make(tmp_path, config)
    runner.run()
    [job] = runner.state.jobs.values()
    assert (str(job.status), job.secondary) == ("Stopped", "MaxRuntimeExceeded")
    assert job.value is not None and str(job.objective_status) == "Succeeded"


def test_a_long_log_is_read_without_pauses(tmp_path: Path, config: JobConfig) -> None:
    program = tmp_path / "floods.py"
    program.write_text("for i in range(40_000): print('x' * 200)\nprint('loss=1.5;')\n")
    definition = replace(config.definition, training_image=str(program), hyperparameters={})
    runner = make(tmp_path, replace(config, definition=definition, limits=ResourceLimits(1, 1)))
    while not runner.state.jobs:
        runner.step()
    [job] = runner.state.jobs.values()
    end = tmp_path / "trials" / job.name / "attempts" / "1" / "exit.json"
    deadline = time.monotonic() + 30
    while not end.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    pauses: list[float] = []
    runner.run(sleep=pauses.append, shortest=0.01)
    assert (str(job.status), job.value) == ("Completed", 1.5)
    assert len(pauses) >= 7 and {*pauses} == {0.01}  # of 8 MB, a MiB at a time


class _StopAtSecond:
    """A stopping rule that stops every trial at its second report."""

    def decide(self, history: object, number: int) -> Decision:
        return Decision.STOP if len(history.trial(number).reports) >= 2 else Decision.CONTINUE  # type: ignore[attr-defined]


def test_a_stopping_rule_stops_and_later_values_still_count(tmp_path: Path, config: JobConfig) -> None:
    runner = make(tmp_path, with_pause(config, 0.4, max_jobs=1))
    runner._tuner._stopping_rule = _StopAtSecond()
    runner.run()
    [job] = runner.state.jobs.values()
    assert str(job.status) in ("Stopped", "Completed")
    assert job.stop_reason == ev.StopReason.RULE
    assert job.stopped_by is not None and job.stopped_by.rule == "_StopAtSecond"
    assert (job.stopped_by.report, job.stopped_by.value) == (2, job.curves["loss"][1].value)
    assert trial_view(config, job).stopped_by == job.stopped_by
    assert job.value == job.metrics["loss"][0]


def test_one_stopped_before_its_program_started_says_so(tmp_path: Path, config: JobConfig) -> None:
    created = time.time()
    storage = MemoryStorage()
    storage.create(config.name, {}, created)
    [trial] = config.definition.space.sample(1, np.random.default_rng(1))
    events = [
        ev.TrialCreated(created, 1, trial, "job-001"),
        ev.AttemptCreated(created, 1, 1),
        ev.AttemptEnded(created, 1, 1, ev.AttemptOutcome.LOST, None, "the host was restarted"),
    ]
    storage.append(lease := storage.acquire(config.name), events, {})
    executor = LocalExecutor(tmp_path / "trials")
    runner = TuningJobRunner(config, created, events, storage, lease, executor)
    runner.request_stop()
    runner.run()
    [job] = runner.state.jobs.values()
    assert (str(job.status), job.failure_reason) == ("Stopped", "stopped before the program started")


def test_finite_space_exhausted(tmp_path: Path, config: JobConfig) -> None:
    from hpt.search.space import CategoricalParameter, IntegerParameter, SearchSpace

    space = SearchSpace([IntegerParameter("depth", 1, 2), CategoricalParameter("kind", ["a", "b"])])
    definition = replace(config.definition, space=space, hyperparameters={"x": "0.5", "pause": "0"})
    runner = make(tmp_path, replace(config, definition=definition, limits=ResourceLimits(100, 3)))
    runner.run()
    assert runner.state.status is JobStatus.COMPLETED
    assert runner.state.criterion == "SearchSpaceExhausted"
    assert len({tuple(job.config.values()) for job in runner.state.jobs.values()}) == 4


class _FullDisk(MemoryStorage):
    """The real in-memory storage, on a disk that is full from the `after`-th append on."""

    after = 10**9

    def append(self, lease: Lease, events: Sequence[ev.Event], summary: Mapping[str, object]) -> None:
        self.after -= 1
        if self.after < 0:
            raise StorageError("database or disk is full")
        super().append(lease, events, summary)


def test_a_failed_append_submits_nothing_and_loses_nothing(tmp_path: Path, config: JobConfig) -> None:
    storage = _FullDisk()
    storage.after = 1
    config = with_pause(config, 0.05, max_jobs=4, max_parallel_jobs=2)
    runner = make(tmp_path, config, storage)
    with pytest.raises(StorageError, match="full"):
        runner.run()
    _, events = storage.read(config.name)
    launched = {event.name for event in events if isinstance(event, ev.TrialCreated)}
    assert {path.name for path in (tmp_path / "trials").iterdir()} == launched
    storage.after = 10**9
    again = TuningJobRunner(
        config,
        runner.state.created,
        events,
        storage,
        Lease(config.name, 1),
        LocalExecutor(tmp_path / "trials"),
    )
    again.run()
    assert again.state.training_counters["Completed"] == 4
    runs = Path(config.definition.environment["RUNS"]).read_text().split()
    assert len(runs) == len(set(runs)) == 4


def test_names_are_a_function_of_the_job() -> None:
    name = training_job_name("job", 7, 1, 1234.5)
    assert name == training_job_name("job", 7, 1, 1234.5)
    assert name.startswith("job-007-") and len(name) == len("job-007-") + 8
    assert name != training_job_name("job", 7, 1, 1234.6)
    assert training_job_name("job", 1234, 1, 0.0).startswith("job-1234-")


def test_state_is_the_fold_of_its_events(tmp_path: Path, config: JobConfig) -> None:
    storage = MemoryStorage()
    runner = make(tmp_path, with_pause(config, 0.01, max_jobs=3), storage)
    runner.run()
    record, events = storage.read(config.name)
    folded = JobState.fold(config.definition.objective.type, record.created, events)
    assert folded.summary() == runner.state.summary() == record.summary
    assert folded.jobs == runner.state.jobs
