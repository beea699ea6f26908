"""The one model of a job that everything which shows it reads."""

from __future__ import annotations

from hpt.job.billing import savings_percent
from hpt.job.config import JobConfig, Objective, ResourceLimits, TrainingJobDefinition
from hpt.job.state import JobState, Point
from hpt.job.view import AttemptView, JobView, Span
from hpt.search import events as ev
from hpt.search.space import ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.trial import ObjectiveType, TrialStatus

SPACE = SearchSpace([ContinuousParameter("x", 0, 1), IntegerParameter("n", 1, 9)])
CONFIG = JobConfig(
    "job",
    "Random",
    TrainingJobDefinition("/bin/true", SPACE, Objective("loss", ObjectiveType.MINIMIZE), spot=True),
    ResourceLimits(4, 2),
    seed=1,
)


def launched(time: float, number: int, attempt: int = 1) -> list[ev.Event]:
    created = [ev.TrialCreated(time, number, {"x": number / 10, "n": number}, f"job-{number}")]
    return [*(created if attempt == 1 else []), ev.AttemptCreated(time, number, attempt)]


EVENTS: list[ev.Event] = [
    *launched(10.0, 1),
    *launched(10.0, 2),
    ev.StatusChanged(12.0, 1, "Training"),
    ev.MetricLogged(13.0, 1, 1, "loss", 0.9, 10),
    ev.Reported(13.0, 1, 0.9, 1.0),
    ev.MetricLogged(14.0, 1, 1, "accuracy", 0.1, 20),
    ev.AttemptEnded(15.0, 1, 1, "Preempted", None, "withdrawn"),
    ev.StatusChanged(16.0, 2, "Training"),
    *launched(17.0, 1, attempt=2),
    ev.StatusChanged(18.0, 1, "Training"),
    ev.MetricLogged(19.0, 1, 2, "loss", 0.5, 10),
    ev.TrialEnded(20.0, 2, TrialStatus.COMPLETED, 0.7),
    *launched(20.0, 3),
    ev.TrialEnded(22.5, 1, TrialStatus.COMPLETED, 0.5, model="/models/1"),
    *launched(23.0, 4),
    ev.TrialEnded(25.0, 4, TrialStatus.FAILED, None, "Failed", "exit code 1"),
]


def view(events: list[ev.Event] = EVENTS) -> JobView:
    return JobView(CONFIG, JobState.fold(ObjectiveType.MINIMIZE, 10.0, events))


def test_a_trial_has_its_times_attempts_and_curves() -> None:
    trial = view().trial(1)
    assert (trial.name, trial.value, trial.model) == ("job-1", 0.5, "/models/1")
    assert trial.hyperparameters == {"x": "0.1", "n": "1"}
    assert trial.attempts == (
        AttemptView(1, 10.0, 15.0, "Preempted"),
        AttemptView(2, 17.0, 22.5, "Completed"),
    )
    assert trial.curves == {
        "loss": (Point(13.0, 0.9, 1), Point(19.0, 0.5, 2)),
        "accuracy": (Point(14.0, 0.1, 1),),
    }
    assert trial.latest == {"loss": (0.5, 19.0), "accuracy": (0.1, 14.0)}
    assert (trial.created, trial.training_start, trial.training_end) == (10.0, 12.0, 22.5)
    assert trial.training_seconds == (15.0 - 12.0) + (22.5 - 18.0)
    assert trial.billable_seconds(0.5) == 4


def test_the_timeline_gives_each_attempt_the_lowest_free_slot() -> None:
    assert view().spans == [
        Span(0, 1, 1, 10.0, 15.0),
        Span(1, 2, 1, 10.0, 20.0),
        Span(0, 1, 2, 17.0, 22.5),
        Span(1, 3, 1, 20.0, None),
        Span(0, 4, 1, 23.0, 25.0),
    ]


def test_how_busy_the_slots_were() -> None:
    trained = (15 - 12) + (20 - 16) + (22.5 - 18)  # trial 3 has not begun to train, nor has trial 4
    assert view().busy(now=30.0) == trained / (20 * 2)
    assert view([]).busy(now=10.0) == 0.0


def test_the_best_so_far_and_the_order_by_value() -> None:
    job = view()
    assert [(time, trial.number) for time, trial in job.best_so_far] == [(20.0, 2), (22.5, 1)]
    assert [trial.number for trial in job.best_first()] == [1, 2, 3, 4]
    assert [trial.number for trial in job.running] == [3]
    assert job.best is job.trial(1)


def test_counters_are_those_of_the_job() -> None:
    job = view()
    assert job.launched == 4
    assert job.training_counters["Completed"] == 2
    assert job.objective_counters == {"Succeeded": 2, "Pending": 1, "Failed": 1}


def test_a_trial_stays_as_it_was_when_it_was_looked_at() -> None:
    state = JobState.fold(ObjectiveType.MINIMIZE, 10.0, EVENTS[:6])
    trial = JobView(CONFIG, state).trial(1)
    for event in EVENTS[6:9]:
        state.apply(event)
    assert (len(trial.curves), trial.attempts[0].outcome) == (1, "")


def test_what_is_charged_is_compared_with_all_the_time_on_machines() -> None:
    """Of two attempts, at half the price: the first was interrupted after its download."""
    trial = view(
        [
            *launched(10.0, 1),
            ev.StatusChanged(11.0, 1, "Downloading"),
            ev.AttemptEnded(15.0, 1, 1, "Preempted", None, "withdrawn", charged=2),
            *launched(17.0, 1, attempt=2),
            ev.StatusChanged(20.0, 1, "Downloading"),
            ev.StatusChanged(24.0, 1, "Training"),
            ev.StatusChanged(29.0, 1, "Uploading"),
            ev.TrialEnded(30.0, 1, TrialStatus.COMPLETED, 0.5, charged=5),
        ]
    ).trial(1)
    assert trial.training_seconds == 6.0
    assert trial.machine_seconds == (15.0 - 11.0) + (30.0 - 20.0)
    assert trial.charged == trial.billable_seconds() == 7
    assert savings_percent(trial.charged, trial.machine_seconds) == 50.0
    assert trial.preempted == 1
