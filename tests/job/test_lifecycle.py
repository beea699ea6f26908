"""Every status and every way from one to another, as behaviour 12.1 and 12.2 list them."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hpt.errors import StorageError
from hpt.executors.local import LocalExecutor
from hpt.job.lifecycle import (
    NOTHING,
    PRIMARY,
    SECONDARY,
    TRAINING_JOB,
    TUNING_JOB,
    check_training_job,
    check_tuning_job,
)
from hpt.job.notes import STOP_TRAINING_JOB
from hpt.job.state import STOP_REQUESTED, JobState, JobStatus
from hpt.running.runner import TuningJobRunner
from hpt.sagemaker.request.model import load_shapes
from hpt.search import events as ev
from hpt.search.trial import ObjectiveType, TrialStatus
from hpt.storage.memory import MemoryStorage
from tests.faults.jobs import FaultJob

LEGACY = {"LaunchingMLInstances", "PreparingTrainingStack", "DownloadingTrainingImage"}
WAYS = {  # behaviour 12.1, written out once more
    (NOTHING, "InProgress"),
    *(("InProgress", end) for end in ("Completed", "Failed", "Stopping")),
    ("Stopping", "Stopped"),
    *((end, "InProgress") for end in ("Completed", "Stopped")),  # with a larger budget
    *((end, "Deleting") for end in ("Completed", "Failed", "Stopped", "DeleteFailed")),
    *(("Deleting", end) for end in (NOTHING, "DeleteFailed")),
}


def test_the_tables_know_the_services_statuses_and_no_other() -> None:
    shapes = load_shapes()
    assert set(TUNING_JOB) - {NOTHING} == set(shapes["HyperParameterTuningJobStatus"]["enum"])
    assert set(TRAINING_JOB) == set(shapes["TrainingJobStatus"]["enum"])
    assert set(SECONDARY) == set(PRIMARY) <= set(shapes["SecondaryStatus"]["enum"])
    assert LEGACY.isdisjoint(SECONDARY)
    for table in (TUNING_JOB, TRAINING_JOB, SECONDARY):
        assert set().union(*table.values()) <= set(table)


@pytest.mark.parametrize(("before", "after"), list(itertools.product(TUNING_JOB, TUNING_JOB)))
def test_each_pair_of_tuning_job_statuses(before: str, after: str) -> None:
    if (before, after) in WAYS:
        check_tuning_job(before, after)
    else:
        with pytest.raises(StorageError, match="damaged"):
            check_tuning_job(before, after)


COURSES = {  # behaviour 11.2 and 12.2; the primary status follows from each
    "plain": "Starting Downloading Training Uploading Completed",
    "one interruption": "Starting Downloading Training Interrupted Starting Downloading Training Uploading "
    "Completed",
    "waited too long": "Starting Downloading Training Interrupted Starting Stopping MaxWaitTimeExceeded",
    "interrupted twice": "Starting Downloading Training Interrupted Starting Downloading Training "
    "Interrupted Downloading Training Stopping MaxWaitTimeExceeded",
    "never launched": "Starting Stopping MaxWaitTimeExceeded",
    "reserved capacity": "Starting Pending Downloading Training Uploading Completed",
    "stopped": "Starting Downloading Training Stopping Uploading Stopped",
    "out of time": "Starting Downloading Training Stopping Uploading MaxRuntimeExceeded",
    "program failed": "Starting Downloading Training Failed",
    "retried": "Starting Downloading Training Restarting Starting Downloading Training Uploading Completed",
    "failed before its stop": "Starting Training Stopping Failed",
}


def primary(secondary: str, before: str) -> str:
    return "Stopping" if (before, secondary) == ("Stopping", "Uploading") else PRIMARY[secondary]


@pytest.mark.parametrize("course", COURSES.values(), ids=COURSES)
def test_courses_of_training_jobs(course: str) -> None:
    status = "InProgress"
    steps = course.split()
    for before, after in itertools.pairwise(steps):
        following = primary(after, status)
        check_training_job((status, before), (following, after), "t")
        status = following
    assert status in ("Completed", "Failed", "Stopped")


@pytest.mark.parametrize(
    "course",
    [
        "Training Downloading",
        "Uploading Training",
        "Training Starting",
        "Training Stopped",
        "Completed Training",
        "Stopped Failed",
        "Stopping Training",
        "Interrupted Training",
        "Training Nonsense",
    ],
)
def test_ways_that_do_not_exist(course: str) -> None:
    before, after = course.split()
    status = PRIMARY[before]
    with pytest.raises(StorageError, match=r"training job t .*damaged"):
        check_training_job((status, before), (PRIMARY.get(after, "InProgress"), after), "t")


def test_a_secondary_status_belongs_to_its_primary_one() -> None:
    with pytest.raises(StorageError, match="belongs to Completed"):
        check_training_job(("InProgress", "Uploading"), ("InProgress", "Completed"), "t")


def begun(*extra: ev.Event) -> JobState:
    state = JobState(ObjectiveType.MINIMIZE, 0.0)
    for event in (ev.TrialCreated(1.0, 1, {"x": 0.5}, "t1"), ev.AttemptCreated(1.0, 1, 1), *extra):
        state.apply(event)
    return state


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (ev.StatusChanged(3.0, 1, "Downloading"), "Training to Downloading"),
        (ev.StatusChanged(3.0, 1, "Completed"), "belongs to Completed"),
        (ev.TrialEnded(3.0, 1, TrialStatus.COMPLETED, secondary="Stopped"), "Training to Stopped"),
        (ev.AttemptCreated(3.0, 1, 2), "Training to Starting"),
        (ev.JobEnded(3.0, "Completed", "x"), "while 1 training job runs"),
        (ev.JobEnded(3.0, "Stopped", "x"), "InProgress to Stopped"),
    ],
)
def test_the_fold_refuses_a_log_that_goes_another_way(last: ev.Event, message: str) -> None:
    state = begun(ev.StatusChanged(2.0, 1, "Training"))
    with pytest.raises(StorageError, match=message):
        state.apply(last)


def test_nothing_follows_the_end_of_a_tuning_job() -> None:
    for event in (ev.JobEnded(3.0, "Failed", "x"), ev.JobStopRequested(3.0, STOP_REQUESTED)):
        state = begun(ev.TrialEnded(2.0, 1, TrialStatus.COMPLETED), ev.JobEnded(2.5, "Completed", "x"))
        with pytest.raises(StorageError, match="damaged"):
            state.apply(event)


def test_what_is_stopped_was_stopping_before_and_what_is_lost_then_is_not_restarted() -> None:
    state = begun(ev.TrialEnded(4.0, 1, TrialStatus.STOPPED, 0.5, "MaxRuntimeExceeded"))
    assert [entry.secondary for entry in state.jobs[1].transitions] == [
        "Starting",
        "Stopping",
        "MaxRuntimeExceeded",
    ]
    state = begun(
        ev.StopDecided(2.0, 1, ev.StopReason.USER),
        ev.AttemptEnded(3.0, 1, 1, ev.AttemptOutcome.LOST, None, "gone"),
        ev.TrialEnded(3.0, 1, TrialStatus.STOPPED),
    )
    assert [entry.secondary for entry in state.jobs[1].transitions] == ["Starting", "Stopping", "Stopped"]
    assert (state.jobs[1].lost, state.jobs[1].lost_reason) == (1, "gone")


def test_one_training_job_is_stopped_by_a_note_and_the_tuning_job_goes_on(tmp_path: Path) -> None:
    job = FaultJob(tmp_path, trials=4, pause=0.15)
    storage = MemoryStorage()
    storage.create(job.name, {}, 0.0)
    created = time.time()
    lease = storage.acquire(job.name)
    runner = TuningJobRunner(job.config, created, [], storage, lease, LocalExecutor(tmp_path / "t"))
    while not runner.state.jobs or not runner.state.jobs[1].reports:
        runner.step()
        time.sleep(0.01)
    for number in (1, 77):
        storage.add_note(job.name, {STOP_TRAINING_JOB: number})
    storage.add_note(job.name, {"Tags": {}})
    runner.run()
    assert runner.state.status is JobStatus.COMPLETED
    first = runner.state.jobs[1]
    assert (str(first.status), first.stop_reason, first.secondary) == (
        "Stopped",
        ev.StopReason.USER,
        "Stopped",
    )
    assert first.value is not None and str(first.objective_status) == "Succeeded"
    assert runner.state.training_counters["Completed"] == 3


def test_a_training_job_out_of_time_shows_when_it_was_told_to_stop(tmp_path: Path) -> None:
    job = FaultJob(tmp_path, trials=1, pause=0.5)
    config = replace(job.config, definition=replace(job.config.definition, max_runtime_seconds=1.0))
    storage = MemoryStorage()
    storage.create(config.name, {}, 0.0)
    lease = storage.acquire(config.name)
    runner = TuningJobRunner(config, time.time(), [], storage, lease, LocalExecutor(tmp_path / "t"))
    runner.run()
    [trial] = runner.state.jobs.values()
    course = [entry.secondary for entry in trial.transitions]
    assert course[0] == "Starting" and course[-1] == "MaxRuntimeExceeded"
    assert "Stopping" in course and course.index("Training") < course.index("Stopping")
    times = [entry.start for entry in trial.transitions]
    assert times == sorted(times)
