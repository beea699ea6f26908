"""behaviour 7: early stopping by the median rule."""

from __future__ import annotations

import pytest

from hpt.errors import ValidationError
from hpt.job.config import EarlyStopping
from hpt.sagemaker.request.parse import parse_request, read_request, to_request
from hpt.search.stopping.median import MedianRule, running_averages
from hpt.search.trial import Decision, ObjectiveStatus, TrialStatus
from hpt.search.tuner import Tuner
from tests.sagemaker.request.samples import CONFIG, edit, single
from tests.search.stopping.courses import SPACE

COURSES = {
    "J1": ([0.90, 0.70, 0.60, 0.55], [0.9000, 0.8000, 0.7333, 0.6875]),
    "J2": ([0.80, 0.60, 0.50, 0.45], [0.8000, 0.7000, 0.6333, 0.5875]),
    "J3": ([1.00, 0.95, 0.93, 0.92], [1.0000, 0.9750, 0.9600, 0.9500]),
    "J4": ([0.85, 0.78, 0.74, 0.72], [0.8500, 0.8150, 0.7900, 0.7725]),
    "J5": ([0.95, 0.80, 0.66, 0.60], [0.9500, 0.8750, 0.8033, 0.7525]),
}
"""The jobs that ended, by step: their values and their running averages (7.3)."""


def after(*courses: list[float], rule: MedianRule | None = None, objective: str = "Minimize") -> Tuner:
    """A tuner in which jobs with these courses have ended."""
    rule = rule or MedianRule.plain()
    tuner = Tuner(SPACE, objective, "Random", seed=1, stopping_rule=rule)
    for course in courses:
        [trial] = tuner.ask()
        for step, value in enumerate(course, 1):
            if tuner.report(trial.number, value, step) is Decision.STOP:
                pass  # it goes on all the same: these courses are given
        tuner.tell(trial.number)
    return tuner


def decisions(tuner: Tuner, values: list[float]) -> list[Decision]:
    """What is decided of a new job at each of its values, up to the stop."""
    [trial] = tuner.ask()
    found = []
    for step, value in enumerate(values, 1):
        found.append(tuner.report(trial.number, value, step))
        if found[-1] is Decision.STOP:
            tuner.tell(trial.number, status="Stopped")
            break
    return found


GO, STOP = Decision.CONTINUE, Decision.STOP
TABLE = [course for course, _ in COURSES.values()]


@pytest.mark.parametrize("job", COURSES)
def test_running_averages_of_the_table(job: str) -> None:
    values, averages = COURSES[job]
    assert running_averages(values) == pytest.approx(averages, abs=5e-5)


def test_j6_is_stopped_after_step_4_and_keeps_its_last_value() -> None:
    tuner = after(*TABLE)
    assert decisions(tuner, [0.88, 0.81, 0.78, 0.76]) == [GO, GO, GO, STOP]
    trial = tuner.history.trial(6)
    assert (trial.value, trial.status) == (0.76, TrialStatus.STOPPED)
    assert trial.objective_status is ObjectiveStatus.SUCCEEDED


def test_j7_goes_on_when_equal_and_is_stopped_when_worse() -> None:
    assert decisions(after(*TABLE), [0.90, 0.82]) == [GO, STOP]


@pytest.mark.parametrize(("step", "median"), [(1, 0.875), (2, 0.8075), (3, 0.7617), (4, 0.73)])
def test_of_an_even_number_the_mean_of_the_middle_two(step: int, median: float) -> None:
    for value, expected in ((median - 1e-3, GO), (median + 1e-3, STOP)):
        assert decisions(after(*TABLE[:4]), [0.0] * (step - 1) + [value])[-1] is expected


def test_maximize_is_the_mirror_image() -> None:
    tuner = after(*([-value for value in course] for course in TABLE), objective="Maximize")
    assert decisions(tuner, [-0.88, -0.81, -0.78, -0.76]) == [GO, GO, GO, STOP]


def test_only_jobs_that_ended_with_an_objective_and_are_long_enough_are_predecessors() -> None:
    tuner = after(*TABLE, [0.1])
    assert decisions(tuner, [0.87, 0.81]) == [GO, GO]  # at step 2 the short one does not count
    tuner = after([0.1, 0.1])
    tuner.ask(2)
    tuner.report(2, 5.0, 1)
    tuner.tell(2, status="Failed")
    tuner.report(3, 9.0, 1)  # running
    assert decisions(tuner, [0.1, 0.11]) == [GO, STOP]


def test_without_predecessors_everything_goes_on() -> None:
    assert decisions(after(), [9.0, 9.0]) == [GO, GO]


@pytest.mark.parametrize(("max_jobs", "least"), [(20, 5), (21, 10), (None, 10)])
def test_guard_on_the_number_of_ended_jobs(max_jobs: int | None, least: int) -> None:
    rule = EarlyStopping().rule(max_jobs)
    course = [0.5] * 4
    assert decisions(after(*[course] * (least - 1), rule=rule), [9.0] * 4) == [GO] * 4
    rule = EarlyStopping().rule(max_jobs)
    assert decisions(after(*[course] * least, rule=rule), [9.0] * 4) == [GO, STOP]  # from step 2


def test_guard_on_the_steps_is_a_tenth_of_the_median_length() -> None:
    rule = MedianRule(min_trials=5)
    lengths = (10, 20, 45, 60, 70)
    tuner = after(*([0.5] * length for length in lengths), rule=rule)
    assert decisions(tuner, [9.0] * 10) == [GO] * 4 + [STOP]  # 4.5 steps, so from step 5


def test_a_local_word_compares_with_all_predecessors() -> None:
    """J1 and J2 ran four steps, three others were stopped at their first, far behind: the literal reading
    spares what is worse than those that got as far."""
    courses = [COURSES["J1"][0], COURSES["J2"][0], [0.95], [1.0], [1.1]]
    values = [0.9, 0.85, 0.8, 0.75]
    assert decisions(after(*courses), values) == [GO, STOP]
    literal = MedianRule(min_trials=1, min_steps=1, step_fraction=0.0, compare="all")
    assert decisions(after(*courses, rule=literal), values) == [GO] * 4
    switch = f"{CONFIG}.TrainingJobEarlyStoppingType"
    read = parse_request(edit(single(), {switch: "AutoAll"}))
    assert read.early_stopping == EarlyStopping(compare="all")
    assert read.early_stopping.rule(30).compare == "all"
    assert to_request(read)[CONFIG]["TrainingJobEarlyStoppingType"] == "AutoAll"
    with pytest.raises(ValidationError, match=r"'AutoAll' is not known; use one of Off, Auto$"):
        parse_request(edit(single(), {switch: "AutoAll"}), strict=True)
    with pytest.raises(ValidationError, match=r"'Never' is not known; use one of Off, Auto, AutoAll$"):
        parse_request(edit(single(), {switch: "Never"}))


def test_auto_is_the_rule_and_off_is_none() -> None:
    switch = f"{CONFIG}.TrainingJobEarlyStoppingType"
    on = parse_request(edit(single(), {switch: "Auto"}), strict=True)
    assert on.early_stopping == EarlyStopping()
    assert to_request(on)[CONFIG]["TrainingJobEarlyStoppingType"] == "Auto"
    for changes in ({switch: "Off"}, {}):
        off, echo, _ = read_request(edit(single(), changes), strict=True)
        assert off.early_stopping is None
        assert echo[CONFIG]["TrainingJobEarlyStoppingType"] == "Off"
