from __future__ import annotations

import pickle
from collections import Counter
from math import nan

import pytest

from hpt.errors import InputError
from hpt.search.stopping.median import MedianRule, median, running_averages
from hpt.search.trial import Decision, Verdict
from hpt.search.tuner import Tuner
from tests.reference import stopping as twin
from tests.search.stopping.courses import SPACE, Watched, run


@pytest.mark.parametrize("objective", ["Minimize", "Maximize"])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "guards",
    [(1, 1, 0.0, "survivors"), (5, 2, 0.1, "survivors"), (3, 4, 0.5, "survivors"), (1, 1, 0.0, "all")],
)
def test_every_decision_is_that_of_the_twin(
    objective: str, seed: int, guards: tuple[int, int, float, str]
) -> None:
    seen: Counter[Decision] = Counter()

    def check(history, number, decision):
        seen[decision] += 1
        assert decision is twin.median_rule(history, number, *guards)

    min_trials, min_steps, step_fraction, compare = guards
    rule = MedianRule(
        min_trials=min_trials, min_steps=min_steps, step_fraction=step_fraction, compare=compare
    )
    views = []
    for tuner in run(Watched(rule, check), seed, objective=objective):
        history = tuner.history
        views += [(history, trial.number) for trial in history.running if trial.reports]
    assert min(seen[Decision.STOP], seen[Decision.CONTINUE]) >= 3
    for history, number in views[::-17]:  # also of the past, which the cache is ahead of
        expected = twin.median_rule(history, number, *guards)
        assert rule.decide(history, number) is expected
        assert pickle.loads(pickle.dumps(rule)).decide(history, number) is expected


def test_a_cache_of_another_history_is_not_used() -> None:
    rule = MedianRule.plain()
    tuners = [Tuner(SPACE, "Minimize", "Random", seed=1, stopping_rule=rule) for _ in range(2)]
    for tuner, value in zip(tuners, (1.0, 3.0), strict=True):
        tuner.ask(2)
        tuner.report(1, value, 1)
        tuner.tell(1)
        tuner.report(2, 2.0, 1)
    answers = [rule.decide(tuner.history, 2) for tuner in (*tuners, *tuners)]
    assert answers == [Decision.STOP, Decision.CONTINUE] * 2


def test_a_trial_that_ended_is_not_judged() -> None:
    tuner = Tuner(SPACE, "Minimize", "Random", seed=1, stopping_rule=MedianRule.plain())
    tuner.ask(2)
    for number, value in ((1, 1.0), (2, 9.0)):
        tuner.report(number, value, 1)
        tuner.tell(number)
    assert MedianRule.plain().decide(tuner.history, 2) is Decision.CONTINUE


def test_stopped_trials_are_compared_with_or_left_out() -> None:
    """Two trials of three steps, and one that was stopped after a bad first: at step 3, survivors have a
    median of 0.5, all have one of 0.6."""
    stops = {}
    for compare in ("survivors", "all"):
        rule = MedianRule(min_trials=1, min_steps=3, step_fraction=0.0, compare=compare)
        tuner = Tuner(SPACE, "Minimize", "Random", seed=1, stopping_rule=rule)
        tuner.ask(4)
        for number, values in ((1, [0.4] * 3), (2, [0.6] * 3), (3, [0.9])):
            for step, value in enumerate(values, 1):
                tuner.report(number, value, step)
            tuner.tell(number, status="Stopped" if number == 3 else "Completed")
        for step, value in enumerate([0.55] * 3, 1):
            stops[compare] = tuner.report(4, value, step)
        if compare == "survivors":
            assert tuner.trials[3].stopped_by == Verdict("MedianRule", 3, 0.55, 0.5)
    assert stops == {"survivors": Decision.STOP, "all": Decision.CONTINUE}


def test_a_maximised_threshold_is_in_its_own_sign() -> None:
    tuner = Tuner(SPACE, "Maximize", "Random", seed=1, stopping_rule=MedianRule.plain())
    tuner.ask(2)
    tuner.report(1, 0.9, 1)
    tuner.tell(1)
    assert tuner.report(2, 0.7, 1) is Decision.STOP
    assert tuner.trials[1].stopped_by == Verdict("MedianRule", 1, 0.7, 0.9)


def test_an_average_is_correctly_rounded() -> None:
    assert running_averages([0.1] * 7) == [0.1] * 7
    assert running_averages([1e308, 1e308, -1e308]) == [1e308, 1e308, 1e308 / 3]
    assert running_averages([5e-324, 0.0, 5e-324]) == [5e-324, 0.0, 5e-324]
    assert running_averages([]) == []


def test_the_median_of_huge_values_does_not_overflow() -> None:
    assert median([1.5e308, 1.7e308]) == 1.6e308


@pytest.mark.parametrize(
    ("guards", "message"),
    [
        ({"min_trials": 0}, "min_trials 0 is not an integer of at least 1"),
        ({"min_steps": 1.5}, "min_steps 1.5 is not an integer of at least 1"),
        ({"step_fraction": nan}, "step_fraction nan is not a number from 0 to 1"),
        ({"compare": "running"}, "compare 'running' is not known; use 'survivors' or 'all'"),
        ({"step_fraction": 2}, "step_fraction 2 is not a number from 0 to 1"),
    ],
)
def test_bad_guards(guards: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MedianRule(**guards)


def test_a_decision_costs_the_same_however_many_trials_ended() -> None:
    """Counted, not timed: what a decision looks at of the trials that ended."""
    rule = MedianRule.plain()
    tuner = Tuner(SPACE, "Minimize", "Random", seed=1)
    looked: list[int] = []

    class Counting(type(tuner.history)):  # type: ignore[misc]
        def __getitem__(self, index):
            looked.append(index)
            return super().__getitem__(index)

        @property
        def ended(self):
            raise AssertionError("this copies every trial that ended")

    for number in range(1, 401):
        tuner.ask()
        for step in range(1, 4):
            tuner.report(number, float(number % 7 + step), step)
            history = tuner.history
            history.__class__ = Counting
            before = len(looked)
            rule.decide(history, number)
            assert len(looked) - before <= 1
        tuner.tell(number)
    assert len(looked) == 399
