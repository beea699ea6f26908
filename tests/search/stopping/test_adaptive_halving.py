from __future__ import annotations

import pickle
from collections.abc import Callable
from math import inf, nan

import numpy as np
import pytest

from hpt.search.stopping.adaptive_halving import AdaptiveHalving, is_power, normal_score, regression
from hpt.search.stopping.courses import Courses
from hpt.search.stopping.successive_halving import SuccessiveHalving
from hpt.search.strategies.hyperband import HyperbandStrategy
from hpt.search.trial import Decision, Verdict
from hpt.search.tuner import Tuner
from tests.search.stopping.courses import SPACE, Watched, run

Curve = Callable[[float, int], float]
END = 27


def informative(x: float, epoch: int) -> float:
    return x + 1 / epoch


def misleading(x: float, epoch: int) -> float:
    """Whoever is quick ends badly."""
    return 1 - x / epoch if epoch < END else x


def spent(curve: Curve, budget: int = 1500, rule: SuccessiveHalving | None = None) -> Tuner:
    """So many epochs, three trials at a time, each of its own x in [0, 1]."""
    xs = np.random.default_rng(1).random(2000).tolist()
    tuner = Tuner(SPACE, "Minimize", HyperbandStrategy(rule=rule or AdaptiveHalving(END)), seed=1)
    running: dict[int, int] = {}
    for _ in range(budget):
        while len(running) < 3:
            running[tuner.ask()[0].number] = 0
        number = min(running, key=lambda each: (running[each], each))
        running[number] += 1
        if tuner.report(number, curve(xs[number], running[number]), running[number]) is Decision.STOP:
            tuner.tell(number, status="Stopped")
            del running[number]
    return tuner


def reached(tuner: Tuner, epoch: int) -> float:
    """The share of trials that came so far."""
    return float(np.mean([len(trial.reports) >= epoch for trial in tuner.history.ended]))


def test_where_early_epochs_tell_all_few_go_on_and_where_they_mislead_most_do() -> None:
    strict, lax = spent(informative), spent(misleading)
    assert reached(strict, 3) < 0.3
    assert reached(lax, 3) > 0.55
    assert reached(lax, END) > 3 * reached(strict, END)


def test_it_finds_what_a_fixed_share_never_trains_to_the_end() -> None:
    best = [
        min(
            trial.value
            for trial in tuner.history.ended
            if len(trial.reports) == END and trial.value is not None
        )
        for tuner in (spent(misleading), spent(misleading, rule=SuccessiveHalving(END)))
    ]
    assert best[0] < best[1] / 2


def test_a_decision_is_a_function_of_the_history() -> None:
    rule = AdaptiveHalving(27, brackets=2, seed=3)
    views = []

    def check(history, number, decision):
        views.append((history, number, decision))

    for _ in run(Watched(rule, check), 4, objective="Maximize", steps=500):
        pass
    assert {Decision.STOP, Decision.CONTINUE} == {decision for _, _, decision in views}
    for history, number, decision in views[::-7]:  # also of the past, which the cache is ahead of
        assert rule.decide(history, number) is decision
        assert pickle.loads(pickle.dumps(rule)).decide(history, number) is decision


def test_values_that_are_no_numbers_never_pass_and_the_reason_names_the_threshold() -> None:
    tuner = Tuner(SPACE, "Maximize", HyperbandStrategy(4), seed=1)
    tuner.ask(5)
    assert tuner.report(1, 0.9, 1) is Decision.CONTINUE
    assert tuner.report(2, 0.8, 1) is Decision.STOP
    assert tuner.trials[1].stopped_by == Verdict("AdaptiveHalving", 1, 0.8, 0.9)
    assert tuner.report(3, -5.0, 1) is Decision.CONTINUE  # the third shows what the rung tells
    assert tuner.report(4, nan, 1) is Decision.STOP
    assert tuner.report(5, inf, 1) is Decision.STOP
    assert tuner.report(1, 0.95, 4) is Decision.STOP
    assert tuner.trials[0].stopped_by == Verdict("MaxResource", 2, 0.95, None)


def test_equal_values_all_go_on() -> None:
    tuner = Tuner(SPACE, "Minimize", HyperbandStrategy(27), seed=1)
    tuner.ask(20)
    assert {tuner.report(number, 0.5, 1) for number in range(1, 21)} == {Decision.CONTINUE}


def test_the_regression_is_that_of_the_pairs_with_the_prior_as_further_ones() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(400)
    z = 0.3 * x + 0.5 * rng.standard_normal(400)
    told = regression(list(zip(x.tolist(), z.tolist(), strict=True)), 0.7)
    slope, at = np.polyfit(x - x.mean(), z, 1)
    assert told.slope == pytest.approx(slope, abs=0.02) and told.at == pytest.approx(at, abs=0.02)
    assert told.variance == pytest.approx(0.25, rel=0.1)
    none = regression([], 0.7)
    assert (none.slope, none.at, none.variance) == pytest.approx((0.7, 0.0, 0.51))


def test_choosing_trials_by_their_value_at_the_rung_does_not_hide_what_it_tells() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal(3000)
    z = 0.8 * x + 0.6 * rng.standard_normal(3000)
    went_on = x < np.quantile(x, 0.2)
    assert np.corrcoef(x[went_on], z[went_on])[0, 1] < 0.6
    told = regression(list(zip(x[went_on].tolist(), z[went_on].tolist(), strict=True)), 0.7)
    assert told.slope == pytest.approx(0.8, abs=0.1)


def test_ends_of_trials_that_end_by_themselves_or_fail() -> None:
    tuner = Tuner(SPACE, "Minimize", "Random", seed=1)
    tuner.ask(4)
    for number in (1, 2, 3, 4):
        tuner.report(number, float(number), 1)
    tuner.tell(1, status="Completed")
    tuner.tell(2, status="Failed")
    tuner.tell(3, status="Stopped")
    tuner.report(4, 0.5, 9)
    tuner.tell(4, status="Stopped")
    courses = Courses(tuner.history, SuccessiveHalving(9))
    courses.read(tuner.history)
    assert courses.of(None).ends == [({0: 1.0}, 1.0), ({0: 4.0}, 0.5)]


def test_scores_and_powers() -> None:
    assert normal_score(1, 1) == 0.0
    assert normal_score(2, 10) == pytest.approx(-normal_score(9, 10))
    assert [number for number in range(1, 30) if is_power(number, 3)] == [1, 3, 9, 27]


def test_one_that_was_to_stop_and_completed_all_the_same_did_not_reach_its_end() -> None:
    known = []
    for status in ("Stopped", "Completed"):
        tuner = Tuner(SPACE, "Minimize", HyperbandStrategy(rule=AdaptiveHalving(END)), seed=1)
        verdicts = []
        for value in (1.0, 2.0, 1.5, 3.0):
            [trial] = tuner.ask()
            verdicts.append(tuner.report(trial.number, value, 1))
            stopped = verdicts[-1] is Decision.STOP
            tuner.tell(trial.number, value, status=status if stopped else "Completed")
        courses = Courses(tuner.history, AdaptiveHalving(END))
        courses.read(tuner.history)
        known.append((verdicts, courses.passages, courses.of(None).ends))
    assert known[0] == known[1] and Decision.STOP in known[0][0]
