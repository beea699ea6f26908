"""The course of a training job as clients read it (behaviour 11.2, 12.2)."""

from __future__ import annotations

import pytest

from hpt.job.state import JobState, TrainingJob
from hpt.job.transitions import whole_course
from hpt.search import events as ev
from hpt.search.events import AttemptOutcome, StopReason
from hpt.search.trial import ObjectiveType, TrialStatus


def job_after(*events: ev.Event) -> TrainingJob:
    first = [ev.TrialCreated(0.0, 1, {}, "t-001-00000000"), ev.AttemptCreated(0.0, 1, 1)]
    return JobState.fold(ObjectiveType.MINIMIZE, 0.0, [*first, *events]).jobs[1]


def ended(status: TrialStatus, secondary: str = "", reason: str = "") -> ev.TrialEnded:
    return ev.TrialEnded(9.0, 1, status, None, secondary or str(status), reason)


TRAINING = ev.StatusChanged(1.0, 1, "Training")
UPLOADING = ev.StatusChanged(5.0, 1, "Uploading")
PREEMPTED = ev.AttemptEnded(3.0, 1, 1, AttemptOutcome.PREEMPTED)
INTERRUPTED = ev.AttemptEnded(3.0, 1, 1, AttemptOutcome.INTERRUPTED)
LOST = ev.AttemptEnded(3.0, 1, 1, AttemptOutcome.LOST, message="the machine is gone")
AGAIN = ev.AttemptCreated(4.0, 1, 2)

COURSES = {
    "undisturbed": (
        [ev.StatusChanged(0.5, 1, "Downloading"), TRAINING, UPLOADING, ended(TrialStatus.COMPLETED)],
        "Starting Downloading Training Uploading Completed",
    ),
    "nothing to download or to upload": (
        [TRAINING, ended(TrialStatus.COMPLETED)],
        "Starting Downloading Training Uploading Completed",
    ),
    "over between two looks": (
        [ended(TrialStatus.COMPLETED)],
        "Starting Downloading Training Uploading Completed",
    ),
    "one interruption": (
        [
            TRAINING,
            PREEMPTED,
            AGAIN,
            ev.StatusChanged(5.0, 1, "Training"),
            ev.StatusChanged(6.0, 1, "Uploading"),
            ended(TrialStatus.COMPLETED),
        ],
        "Starting Downloading Training Interrupted Starting Downloading Training Uploading Completed",
    ),
    "waited too long": (
        [
            TRAINING,
            PREEMPTED,
            AGAIN,
            ev.StopDecided(6.0, 1, StopReason.WAIT),
            ended(TrialStatus.STOPPED, "MaxWaitTimeExceeded"),
        ],
        "Starting Downloading Training Interrupted Starting Stopping MaxWaitTimeExceeded",
    ),
    "never launched": (
        [ev.StopDecided(6.0, 1, StopReason.WAIT), ended(TrialStatus.STOPPED, "MaxWaitTimeExceeded")],
        "Starting Stopping MaxWaitTimeExceeded",
    ),
    "interrupted, then waited too long while training": (
        [
            ev.AttemptEnded(0.5, 1, 1, AttemptOutcome.PREEMPTED),
            ev.AttemptCreated(1.0, 1, 2),
            ev.StatusChanged(2.0, 1, "Training"),
            ev.StopDecided(6.0, 1, StopReason.WAIT),
            ended(TrialStatus.STOPPED, "MaxWaitTimeExceeded"),
        ],
        "Starting Interrupted Starting Downloading Training Stopping MaxWaitTimeExceeded",
    ),
    "run limit": (
        [
            TRAINING,
            ev.StopDecided(6.0, 1, StopReason.DEADLINE),
            ended(TrialStatus.STOPPED, "MaxRuntimeExceeded"),
        ],
        "Starting Downloading Training Stopping Uploading MaxRuntimeExceeded",
    ),
    "failed": (
        [TRAINING, ended(TrialStatus.FAILED, reason="exit code 1")],
        "Starting Downloading Training Failed",
    ),
    "lost and run again": (
        [TRAINING, LOST, AGAIN, ev.StatusChanged(5.0, 1, "Training")],
        "Starting Downloading Training Restarting Starting Downloading Training",
    ),
}


@pytest.mark.parametrize("case", COURSES)
def test_every_phase_is_shown_with_a_message(case: str) -> None:
    events, statuses = COURSES[case]
    course = whole_course(job_after(*events))
    assert " ".join(each.secondary for each in course) == statuses
    assert all(each.message for each in course)
    starts = [each.start for each in course]
    assert starts == sorted(starts)


def test_the_messages_of_an_undisturbed_course_are_the_service_s() -> None:
    course = whole_course(job_after(TRAINING, ended(TrialStatus.COMPLETED)))
    assert [each.message for each in course] == [
        "Starting the training job",
        "Downloading input data",
        "Training image download completed. Training in progress.",
        "Uploading generated training model",
        "Training job completed",
    ]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (StopReason.RULE, "stopped early by the tuning job"),
        (StopReason.MAX_RESOURCE, "it has reached MaxResource"),
        (StopReason.USER, "a stop was requested"),
        (StopReason.DEADLINE, "its runtime exceeded MaxRuntimeInSeconds"),
        (StopReason.WAIT, "its waiting time exceeded MaxWaitTimeInSeconds"),
        (StopReason.JOB, "the tuning job is ending"),
    ],
)
def test_a_stop_says_why(reason: StopReason, words: str) -> None:
    course = whole_course(job_after(TRAINING, ev.StopDecided(2.0, 1, reason)))
    assert course[-1].message == f"Stopping the training job: {words}"


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([ended(TrialStatus.FAILED, reason="exit code 1")], "Training job failed: exit code 1"),
        ([TRAINING, PREEMPTED], "Training job interrupted. Waiting for capacity."),
        ([TRAINING, LOST], "Restarting the training job: the machine is gone"),
        ([TRAINING, PREEMPTED, AGAIN], "Starting the training job again"),
        (
            [ev.StopDecided(2.0, 1, StopReason.USER), ended(TrialStatus.STOPPED)],
            "Training job stopped",
        ),
        (
            [
                ev.StopDecided(2.0, 1, StopReason.DEADLINE),
                ended(TrialStatus.STOPPED, "MaxRuntimeExceeded"),
            ],
            "Training job runtime exceeded MaxRuntimeInSeconds",
        ),
    ],
)
def test_the_last_transition_says_how_it_stands(events: list[ev.Event], message: str) -> None:
    assert whole_course(job_after(*events))[-1].message == message
