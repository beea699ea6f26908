from __future__ import annotations

import pickle
from collections import Counter
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt.errors import InputError
from hpt.search.stopping.successive_halving import SuccessiveHalving, bracket_starts, quantile, rung_levels
from hpt.search.strategies.hyperband import HyperbandStrategy
from hpt.search.trial import Decision, Verdict
from hpt.search.tuner import Tuner
from tests.reference import stopping as twin
from tests.search.stopping.courses import SPACE, Watched, run


@pytest.mark.parametrize("objective", ["Minimize", "Maximize"])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "arguments",
    [
        {"max_resource": 27},
        {"max_resource": 20, "min_resource": 2, "eta": 2},
        {"max_resource": 27, "brackets": 3},
        {"max_resource": 16, "eta": 4, "brackets": 3},
        {"max_resource": 9, "stops_at_max": False},
    ],
)
def test_every_decision_is_that_of_the_twin(objective: str, seed: int, arguments: dict[str, int]) -> None:
    rule = SuccessiveHalving(**arguments, seed=seed)
    brackets = {number: rule.bracket(number) for number in range(1, 1000)}
    seen: Counter[Decision] = Counter()

    def expected(history, number):
        eta = arguments.get("eta", 3)
        return twin.successive_halving(
            history, number, rule.rungs, rule.max_resource, eta, brackets, rule.stops_at_max
        )

    def check(history, number, decision):
        seen[decision] += 1
        assert decision is expected(history, number)

    views = []
    for tuner in run(Watched(rule, check), seed, objective=objective, steps=700):
        history = tuner.history
        views += [(history, trial.number) for trial in history.running if trial.reports]
    assert min(seen[Decision.STOP], seen[Decision.CONTINUE]) > 10
    for history, number in views[::-17]:  # also of the past, which the cache is ahead of
        assert rule.decide(history, number) is expected(history, number)
        assert pickle.loads(pickle.dumps(rule)).decide(history, number) is expected(history, number)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30).map(sorted), st.sampled_from([2, 3, 4, 2.5, 10])
)
def test_the_quantile_is_numpys(values: list[float], eta: float) -> None:
    assert quantile(values, eta) == pytest.approx(float(np.quantile(values, 1 / eta)), rel=1e-9, abs=1e-9)


def test_the_quantile_of_the_largest_floats() -> None:
    assert quantile([-1.7e308, 1.7e308], 3) == pytest.approx(-1.7e308 / 3)


def test_the_quantile_among_infinities() -> None:
    assert quantile([1.0, inf, inf], 3) == inf
    assert quantile([1.0, 2.0, 3.0, inf], 3) == 2.0
    assert quantile([inf] * 5, 3) == inf


def test_rungs_below_the_end() -> None:
    assert rung_levels(100, 1, 3) == (1, 3, 9, 27, 81)
    assert rung_levels(81, 2, 3) == (2, 6, 18, 54)
    assert rung_levels(5, 5, 3) == ()


def test_a_job_whose_least_and_most_resource_are_one_is_stopped_there_only() -> None:
    tuner = Tuner(SPACE, "Minimize", HyperbandStrategy(rule=SuccessiveHalving(5, 5)), seed=1)
    tuner.ask(6)
    for number in range(1, 7):
        for step in range(1, 6):
            decision = tuner.report(number, float(number * step), step)
            assert decision is (Decision.STOP if step == 5 else Decision.CONTINUE)


def test_a_stop_at_a_rung_and_one_at_the_end_give_different_reasons() -> None:
    tuner = Tuner(SPACE, "Maximize", HyperbandStrategy(rule=SuccessiveHalving(4)), seed=1)
    tuner.ask(4)
    for number, value in ((1, 0.9), (2, 0.8), (3, 0.7)):
        stopped = tuner.report(number, value, 1) is Decision.STOP
        assert stopped == (number == 3)
    assert tuner.trials[2].stopped_by == Verdict("SuccessiveHalving", 1, 0.7, pytest.approx(5 / 6))
    assert tuner.report(1, 0.95, 4) is Decision.STOP
    assert tuner.trials[0].stopped_by == Verdict("MaxResource", 2, 0.95, None)
    tuner.ask()
    assert tuner.report(4, nan, 1) is Decision.STOP
    verdict = tuner.trials[3].stopped_by
    assert verdict is not None and verdict.rule == "SuccessiveHalving" and verdict.value != verdict.value


def test_brackets_are_drawn_in_proportion() -> None:
    rule = SuccessiveHalving(81, brackets=5, seed=4)
    drawn = Counter(rule.bracket(number) for number in range(1, 4001))
    starts = bracket_starts(4, 3)
    assert starts == (81, 34, 15, 8, 5)
    for s, count in enumerate(starts):
        expected = 4000 * count / sum(starts)
        assert abs(drawn[s] - expected) < 5 * expected**0.5
    again = SuccessiveHalving(81, brackets=5, seed=4)
    assert [again.bracket(number) for number in range(1, 50)] == [
        rule.bracket(number) for number in range(1, 50)
    ]
    assert {SuccessiveHalving(81).bracket(number) for number in range(1, 50)} == {0}


def test_the_last_bracket_is_never_judged_before_the_end() -> None:
    rule = SuccessiveHalving(9, brackets=3, seed=0)
    free = [number for number in range(1, 60) if rule.bracket(number) == 2]
    tuner = Tuner(SPACE, "Minimize", "Random", seed=1, stopping_rule=rule)
    tuner.ask(59)
    for number in sorted(set(range(1, 60)) - set(free)):
        tuner.report(number, 0.0, 1)
    for number in free:
        for step in range(1, 9):
            assert tuner.report(number, 1e9, step) is Decision.CONTINUE
        assert tuner.report(number, 1e9, 9) is Decision.STOP


def test_one_that_may_end_by_itself_is_never_stopped_at_the_end() -> None:
    rule = SuccessiveHalving(9, stops_at_max=False)
    tuner = Tuner(SPACE, "Minimize", "Random", seed=1, stopping_rule=rule)
    tuner.ask(1)
    for step in range(1, 10):
        assert tuner.report(1, float(step), step) is Decision.CONTINUE
    for step in range(10, 300):  # a program that reports more often than the epochs it was given
        assert tuner.report(1, 1e9, step) is Decision.CONTINUE


def test_what_a_stopped_trial_still_prints_counts_for_no_rung() -> None:
    tuner = Tuner(SPACE, "Minimize", HyperbandStrategy(rule=SuccessiveHalving(27)), seed=1)
    tuner.ask(6)
    for number, value in ((1, 1.0), (2, 1.0), (3, 1.0)):
        assert tuner.report(number, value, 1) is Decision.CONTINUE
    assert tuner.report(4, 5.0, 1) is Decision.STOP
    for step in (2, 3):  # printed before the stop reaches it: part of its series, of no rung
        assert tuner.report(4, 0.0, step) is Decision.STOP
    tuner.tell(4, status="Stopped")
    assert tuner.history.trial(4).value == 0.0
    assert [report.value for report in tuner.history.trial(4).reports] == [5.0, 0.0, 0.0]
    for number in (1, 2, 3):  # with the 0.0 of trial 4 the third of them would be stopped
        tuner.report(number, 1.0, 2)
        assert tuner.report(number, 1.0, 3) is Decision.CONTINUE


def test_nan_is_never_good_enough() -> None:
    tuner = Tuner(SPACE, "Maximize", HyperbandStrategy(rule=SuccessiveHalving(27)), seed=1)
    tuner.ask(5)
    assert [tuner.report(number, nan, 1) for number in (1, 2)] == [Decision.CONTINUE] * 2
    assert tuner.report(3, inf, 1) is Decision.STOP
    assert tuner.report(4, -1e300, 1) is Decision.CONTINUE


def test_reports_that_come_twice_or_late_count_once() -> None:
    tuner = Tuner(SPACE, "Minimize", HyperbandStrategy(rule=SuccessiveHalving(27)), seed=1)
    tuner.ask(4)
    for number in (1, 2, 3):
        tuner.report(number, 1.0, 1)
        tuner.report(number, 1.0, 3)
    assert tuner.report(4, 0.5, 3) is Decision.CONTINUE
    assert tuner.report(4, 9.0, 3) is Decision.CONTINUE  # the same rung again
    assert tuner.report(4, 9.0, 1) is Decision.CONTINUE  # one it has passed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_resource": 0}, "max_resource 0 is not a number of 1 or more"),
        ({"max_resource": inf}, "max_resource inf is not a number of 1 or more"),
        ({"max_resource": 20_001}, "max_resource 20001 is above the maximum 20000; lower it"),
        ({"max_resource": 9, "min_resource": 10}, "min_resource 10 is above max_resource 9; swap them"),
        ({"max_resource": 9, "eta": 1.5}, "eta 1.5 is not a number of 2 or more"),
        ({"max_resource": 9, "brackets": 4}, "brackets 4 is not an integer from 1 to 3"),
        ({"max_resource": 9, "seed": -1}, "seed -1 is not an integer"),
    ],
)
def test_bad_arguments(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SuccessiveHalving(**arguments)


def test_hyperband_by_name_alone_says_what_it_needs() -> None:
    with pytest.raises(
        InputError, match="needs to know the most reports a trial makes; give it as max_resource"
    ):
        Tuner(SPACE, "Minimize", "Hyperband")


def test_configurations_are_those_of_random_search() -> None:
    hyperband = Tuner(SPACE, "Minimize", HyperbandStrategy(rule=SuccessiveHalving(9)), seed=5)
    random = Tuner(SPACE, "Minimize", "Random", seed=5)
    assert [trial.config for trial in hyperband.ask(20)] == [trial.config for trial in random.ask(20)]


def test_a_tuner_with_hyperband_goes_through_pickle() -> None:
    tuner = Tuner(SPACE, "Minimize", HyperbandStrategy(rule=SuccessiveHalving(9)), seed=5)
    tuner.ask(5)
    for number in (1, 2, 3):
        tuner.report(number, 1.0, 1)
    for each in (tuner, pickle.loads(pickle.dumps(tuner))):
        assert each.report(4, 2.0, 1) is Decision.STOP
        assert each.report(5, 0.5, 1) is Decision.CONTINUE


def test_a_decision_costs_the_same_however_many_trials_ended() -> None:
    """Counted, not timed: what a decision looks at of the trials that ended."""
    tuner = Tuner(SPACE, "Minimize", "Random", seed=1)
    rule = SuccessiveHalving(9)
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
