"""Counters and the best training job as events change them (behaviour 6.6, 12.3)."""

from __future__ import annotations

import pytest

from hpt.errors import StorageError
from hpt.job.state import JobState, JobStatus
from hpt.search import events as ev
from hpt.search.trial import ObjectiveType, TrialStatus


def created(number: int) -> list[ev.Event]:
    return [ev.TrialCreated(number, number, {"x": 0.5}, f"t{number}"), ev.AttemptCreated(number, number, 1)]


def test_counters_of_the_worked_example() -> None:
    """behaviour 12.3: 10 launched; 5 completed (one without a metric), 2 stopped, 1 failed, 2 running."""
    state = JobState(ObjectiveType.MAXIMIZE, 0.0)
    for number in range(1, 11):
        for event in created(number):
            state.apply(event)
    for number in range(1, 6):
        state.apply(ev.TrialEnded(20.0, number, TrialStatus.COMPLETED, None if number == 1 else 0.5))
    for number in (6, 7):
        state.apply(ev.TrialEnded(20.0, number, TrialStatus.STOPPED, 0.4))
    state.apply(ev.TrialEnded(20.0, 8, TrialStatus.FAILED, None))
    assert list(state.training_counters.values()) == [5, 2, 0, 1, 2]
    assert list(state.training_counters) == [
        "Completed",
        "InProgress",
        "RetryableError",
        "NonRetryableError",
        "Stopped",
    ]
    assert state.objective_counters == {"Succeeded": 6, "Pending": 2, "Failed": 2}
    assert sum(state.training_counters.values()) == sum(state.objective_counters.values()) == state.launched


@pytest.mark.parametrize(
    ("objective", "values", "best"),
    [
        (ObjectiveType.MAXIMIZE, [0.5, 0.9, 0.9, 0.1], 2),
        (ObjectiveType.MINIMIZE, [0.5, 0.1, 0.9, 0.1], 2),
        (ObjectiveType.MAXIMIZE, [float("nan"), float("inf"), -1.0, -2.0], 3),
        (ObjectiveType.MINIMIZE, [None, None, None, 7.0], 4),
    ],
)
def test_best_and_ties(objective: ObjectiveType, values: list[float | None], best: int) -> None:
    state = JobState(objective, 0.0)
    for number in range(1, 5):
        for event in created(number):
            state.apply(event)
    for number in (4, 3, 2, 1):  # a tie goes to the earlier launched, whichever ended first
        state.apply(ev.TrialEnded(9.0, number, TrialStatus.COMPLETED, values[number - 1]))
    assert state.best is not None and state.best.number == best


def test_lost_and_interrupted_attempts_are_counted_apart() -> None:
    state = JobState(ObjectiveType.MINIMIZE, 0.0)
    for event in created(1):
        state.apply(event)
    state.apply(ev.StopDecided(2.0, 1, ev.StopReason.INTERRUPTED))
    state.apply(ev.AttemptEnded(3.0, 1, 1, ev.AttemptOutcome.INTERRUPTED))
    job = state.jobs[1]
    assert (job.lost, job.interrupted, job.live, job.stop_reason) == (0, 1, False, "")
    assert job.status is TrialStatus.IN_PROGRESS
    state.apply(ev.AttemptCreated(4.0, 1, 2))
    state.apply(ev.AttemptEnded(5.0, 1, 2, ev.AttemptOutcome.LOST, None, "host restarted"))
    assert (job.lost, job.interrupted, job.attempt) == (1, 1, 2)
    state.apply(ev.AttemptCreated(6.0, 1, 3))
    state.apply(ev.TrialEnded(7.0, 1, TrialStatus.FAILED, None, retryable=True))
    assert state.training_counters["RetryableError"] == 1
    starts = [transition.secondary for transition in job.transitions]
    assert starts == ["Starting", "Interrupted", "Starting", "Restarting", "Starting", "Failed"]


def test_only_a_users_stop_ends_as_stopped() -> None:
    state = JobState(ObjectiveType.MINIMIZE, 0.0)
    state.apply(ev.JobStopRequested(1.0, "MaxRuntimeInSeconds"))
    assert state.status is JobStatus.IN_PROGRESS
    state = JobState(ObjectiveType.MINIMIZE, 0.0)
    state.apply(ev.JobStopRequested(1.0, "StopRequested"))
    assert state.status is JobStatus.STOPPING


@pytest.mark.parametrize(
    "event", [ev.TrialEnded(0.0, 9, TrialStatus.COMPLETED), ev.Reported(0.0, 9, 1.0, 1.0)]
)
def test_a_damaged_log_is_told_apart(event: ev.Event) -> None:
    with pytest.raises(StorageError, match="damaged"):
        JobState(ObjectiveType.MINIMIZE, 0.0).apply(event)


def test_an_end_that_this_version_does_not_know_is_refused() -> None:
    with pytest.raises(StorageError, match=r"unknown status 'Migrated': written by a newer hpt, upgrade$"):
        JobState(ObjectiveType.MINIMIZE, 0.0).apply(ev.JobEnded(1.0, "Migrated", ""))


def test_events_survive_json_exactly() -> None:
    events = [
        ev.TrialCreated(1.5, 1, {"x": 0.1 + 0.2, "n": 2**62, "k": "é\udcff", "b": True}, "n", None),
        ev.TrialEnded(2.0, 1, TrialStatus.STOPPED, float("inf"), "Stopped", "why", True, "/m"),
        ev.MetricLogged(3.0, 1, 2, "loss", 5e-324, 77),
        ev.ObservationAdded(0.0, {"x": -0.0}, -1e308),
    ]
    for event in events:
        again = ev.from_json(*ev.to_json(event))
        assert again == event and type(again) is type(event)
    with pytest.raises(StorageError, match="upgrade"):
        ev.from_json("Teleported", "{}")
