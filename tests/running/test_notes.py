"""A runner takes the notes left with its job into account, whenever they are left, in simulated time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hpt.errors import StorageError
from hpt.executors.simulated import Curve, SimulatedExecutor, VirtualClock, metric_definition
from hpt.job.config import JobConfig, Objective, ResourceLimits, TrainingJobDefinition
from hpt.job.notes import STOP, STOP_TRAINING_JOB, stop_requested
from hpt.job.state import JobStatus
from hpt.running.runner import TuningJobRunner
from hpt.search import events as ev
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType
from hpt.storage.base import Storage
from hpt.storage.memory import MemoryStorage
from hpt.storage.sqlite import SQLiteStorage

CONFIG = JobConfig(
    "job",
    "Random",
    TrainingJobDefinition(
        "/bin/true",
        SearchSpace([ContinuousParameter("x", 0, 1)]),
        Objective("m", ObjectiveType.MINIMIZE),
        metric_definitions=(metric_definition("m"),),
    ),
    ResourceLimits(6, 2),
    seed=1,
)
Again = Callable[[], tuple[TuningJobRunner, SimulatedExecutor]]


@pytest.fixture(params=["memory", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    storage: Storage = MemoryStorage() if request.param == "memory" else SQLiteStorage(tmp_path)
    storage.create("job", {}, 0.0)
    return storage


@pytest.fixture
def again(storage: Storage) -> Again:
    """Makes another runner of the job, whose trials take 30 s, from what is recorded."""
    clock = VirtualClock()

    def make() -> tuple[TuningJobRunner, SimulatedExecutor]:
        executor = SimulatedExecutor(lambda config: Curve([0.5, 0.4, 0.3], 10.0), clock)
        lease, events = storage.acquire("job"), storage.read("job")[1]
        runner = TuningJobRunner(CONFIG, 0.0, events, storage, lease, executor, clock=clock)
        return runner, executor

    return make


def requests(storage: Storage) -> int:
    return sum(isinstance(event, ev.JobStopRequested) for event in storage.read("job")[1])


def test_a_stop_left_any_number_of_times_stops_once(storage: Storage, again: Again) -> None:
    runner, executor = again()
    runner.step()
    for _ in range(3):
        storage.add_note("job", STOP)
        storage.add_note("job", {"Tags": {"a": "b"}})
        runner.step()
    runner.run(sleep=executor.sleep)
    assert (runner.state.status, runner.state.launched) == (JobStatus.STOPPED, 2)
    assert requests(storage) == 1


def test_a_stop_left_before_anything_ran_launches_nothing(storage: Storage, again: Again) -> None:
    storage.add_note("job", STOP)
    runner, executor = again()
    runner.run(sleep=executor.sleep)
    assert (runner.state.status, runner.state.launched, requests(storage)) == (JobStatus.STOPPED, 0, 1)


def test_notes_added_while_the_job_does_not_run_are_taken_into_account(
    storage: Storage, again: Again
) -> None:
    runner, _ = again()
    runner.step()
    storage.release(runner._lease)
    storage.add_note("job", {STOP_TRAINING_JOB: 1})
    storage.add_note("job", STOP)
    runner, executor = again()
    runner.run(sleep=executor.sleep)
    assert runner.state.status is JobStatus.STOPPED
    reasons = [runner.state.jobs[number].stop_reason for number in (1, 2)]
    assert reasons == [ev.StopReason.USER, ev.StopReason.JOB]


def test_a_note_of_a_newer_version_ends_the_runner_and_loses_nothing(storage: Storage, again: Again) -> None:
    runner, _ = again()
    runner.step()
    recorded = storage.read("job")[1]
    storage.add_note("job", {"PauseTrainingJob": 1})
    with pytest.raises(StorageError, match=r"'PauseTrainingJob': written by a newer hpt, upgrade$"):
        runner.step()
    assert storage.read("job")[1] == recorded
    storage.release(runner._lease)
    with pytest.raises(StorageError, match="PauseTrainingJob"):
        again()[0].step()


def test_a_stop_outlives_a_finished_step(storage: Storage, again: Again) -> None:
    """The runner dies after it has read the note and before it has recorded the stop."""
    runner, _ = again()
    runner.step()
    storage.add_note("job", STOP)
    runner._boundary = lambda name: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        runner.step()
    assert requests(storage) == 0 and stop_requested(storage.notes("job"))
    storage.release(runner._lease)
    runner, executor = again()
    runner.run(sleep=executor.sleep)
    assert (runner.state.status, requests(storage)) == (JobStatus.STOPPED, 1)


def test_a_runner_that_is_not_asked_to_stop_goes_on(storage: Storage, again: Again) -> None:
    storage.add_note("job", {"Tags": {"a": None}, "Of": "job-001"})
    runner, executor = again()
    runner.run(sleep=executor.sleep)
    assert (runner.state.status, runner.state.launched) == (JobStatus.COMPLETED, 6)
