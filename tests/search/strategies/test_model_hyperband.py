from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest

from hpt.search import core
from hpt.search.space import (
    CategoricalParameter,
    ContinuousParameter,
    Coordinate,
    IntegerParameter,
    SearchSpace,
)
from hpt.search.stopping.successive_halving import SuccessiveHalving
from hpt.search.strategies.hyperband import HyperbandStrategy
from hpt.search.strategies.model_hyperband import (
    ENDS,
    FROM_ENDS,
    ModelHyperbandStrategy,
    log_improvement,
)
from hpt.search.strategies.model_search import first_points
from hpt.search.strategies.multi_algorithm import MultiAlgorithmHyperband
from hpt.search.strategies.passages import END, ONE_FOR_ONE, STEEPEST, Passages, line
from hpt.search.trial import Config, Decision, Verdict
from hpt.search.tuner import Tuner

SPACE = SearchSpace(
    [
        ContinuousParameter("a", 0, 1),
        ContinuousParameter("b", 0, 1),
        IntegerParameter("k", 1, 9),
        CategoricalParameter("c", ["x", "y", "z"]),
    ]
)


def value(config: Config, step: int) -> float:
    a, b, k = float(config["a"]), float(config["b"]), float(config["k"])
    floor = (a - 0.4) ** 2 + (b - 0.7) ** 2 + (k - 3) ** 2 / 50 + 0.2 * (config["c"] != "y")
    return floor + (0.5 + a / 4) / step


def search(tuner: Tuner, budget: int, parallel: int = 3) -> Tuner:
    """Spend so many reports, one on each running trial in turn."""
    steps: dict[int, int] = {trial.number: len(trial.reports) for trial in tuner.history.running}
    for _ in range(budget):
        if len(steps) < parallel:
            for trial in tuner.ask(parallel - len(steps)):
                steps[trial.number] = 0
        number = min(steps, key=lambda each: (steps[each], each))
        steps[number] += 1
        if tuner.report(number, value(tuner.history.trial(number).config, steps[number]), steps[number]) is (
            Decision.STOP
        ):
            tuner.tell(number, status="Stopped")
            del steps[number]
    return tuner


def best(tuner: Tuner) -> float:
    """The best loss at the full resource among those that came so far."""
    return min(value(trial.config, 27) for trial in tuner.trials if len(trial.reports) == 27)


def test_it_finds_better_configurations_than_random_ones_at_equal_cost() -> None:
    wins = []
    for seed in range(5):
        model = search(Tuner(SPACE, "Minimize", ModelHyperbandStrategy(27), seed=seed), 270)
        random = search(Tuner(SPACE, "Minimize", HyperbandStrategy(27), seed=seed), 270)
        wins.append(best(model) < best(random))
    assert sum(wins) >= 4


def test_suggestions_are_a_function_of_the_history() -> None:
    tuner = search(Tuner(SPACE, "Minimize", ModelHyperbandStrategy(27), seed=3), 120)
    history = tuner.history
    along = tuner._strategy.suggest(history, 4, 3)
    fresh = ModelHyperbandStrategy(27)
    assert fresh.suggest(history, 4, 3) == along
    one_by_one = []
    for _ in range(4):
        [suggestion] = ModelHyperbandStrategy(27).suggest(history, 1, 3)
        one_by_one.append(suggestion)
        history = history.with_pending([suggestion.config])
    assert one_by_one == along
    assert pickle.loads(pickle.dumps(fresh)).suggest(tuner.history, 4, 3) == along
    past = tuner.history
    search(tuner, 60)
    tuner.propose(1)  # the cache is ahead of the past now
    assert tuner._strategy.suggest(past, 4, 3) == along


def test_no_configuration_comes_twice_and_a_finite_space_is_used_up() -> None:
    space = SearchSpace([IntegerParameter("k", 1, 9), CategoricalParameter("c", ["x", "y", "z"])])
    tuner = Tuner(space, "Minimize", ModelHyperbandStrategy(3), seed=1)
    while trials := tuner.ask(2):
        for trial in trials:
            for step in (1, 2, 3):
                if tuner.report(trial.number, abs(int(trial.config["k"]) - 4) + 1 / step, step) == "Stop":
                    break
            tuner.tell(trial.number, status="Stopped" if trial.number % 5 else "Failed")
    assert len(tuner.trials) == 27
    assert len({space.key(trial.config) for trial in tuner.trials}) == 27


def test_values_that_are_no_numbers_do_no_harm() -> None:
    tuner = Tuner(SPACE, "Maximize", ModelHyperbandStrategy(9), seed=1)
    for trial in tuner.ask(20):
        for step in (1, 2, 3):
            bad = trial.number % 4 == 0
            if tuner.report(trial.number, float("nan") if bad else trial.number / step, step) == "Stop":
                break
        tuner.tell(trial.number, status="Stopped")
    assert len(tuner.ask(3)) == 3


def test_rules_and_first_points() -> None:
    rule = SuccessiveHalving(9, brackets=2, seed=4)
    tuner = Tuner(SPACE, "Minimize", ModelHyperbandStrategy(rule=rule), seed=1)
    [first] = tuner.ask()
    assert (first.config["a"], first.config["b"], first.config["k"]) == (0.5, 0.5, 5)
    assert tuner.report(1, 1.0, 9) is Decision.STOP


def test_the_line_is_that_of_the_pairs_whichever_were_let_go_on() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal(400)
    pairs = np.column_stack([x, 2.0 + 0.4 * x + 0.1 * rng.standard_normal(400)])
    slope, at = line(pairs)
    assert slope == pytest.approx(0.4, abs=0.03) and at == pytest.approx(2.0, abs=0.03)
    went_on = pairs[x < np.quantile(x, 0.2)]
    assert line(went_on)[0] == pytest.approx(0.4, abs=0.1)


def test_few_pairs_differ_at_the_end_as_they_did_at_the_rung() -> None:
    assert line(np.empty((0, 2))) == (1.0, 0.0)
    assert line(np.array([[3.0, 1.0]])) == (1.0, -2.0)
    assert line(np.array([[0.0, 1.0], [1.0, 1.0]]))[0] == ONE_FOR_ONE / (ONE_FOR_ONE + 1)
    assert line(np.array([[2.0, 1.0], [2.0, 4.0]])) == (1.0, 0.5)


def test_one_trial_that_diverged_at_first_does_not_move_the_line() -> None:
    x = np.linspace(1.0, 2.0, 20)
    pairs = np.column_stack([x, 0.5 * x])
    diverged = np.vstack([pairs, [1e6, 0.6]])
    assert line(diverged) == pytest.approx(line(pairs), abs=0.1)


def test_noise_in_values_that_lie_close_to_each_other_makes_no_steep_line() -> None:
    assert line(np.array([[1.0, 1.0], [1.001, 2.0], [1.002, 3.0]]))[0] == STEEPEST


def test_a_rung_that_misleads_says_nothing() -> None:
    x = np.linspace(0.0, 1.0, 30)
    slope, at = line(np.column_stack([x, 1.0 - x]))
    assert (slope, at) == (0.0, 0.5)


def test_targets_are_what_was_known_with_the_observation_and_count_for_the_end() -> None:
    tuner = Tuner(SPACE, "Minimize", "Random", seed=1)
    tuner.ask(3)
    passages = Passages(tuner.history, SuccessiveHalving(9))
    for number, value, step in ((1, 4.0, 1), (2, 6.0, 1), (1, 2.0, 3), (1, 1.0, 9), (2, 3.0, 3)):
        tuner.report(number, value, step)
    assert passages.view(tuner.history).ended == 1
    assert passages.targets(2).tolist() == [4.0, 6.0]  # nobody went on yet
    assert passages.targets(4).tolist() == [1.0, 3.0, 1.0, 1.0]  # less by 2 to the next rung, by 1 to the end
    slope, at = line(np.array([[4.0, 2.0], [6.0, 3.0]]))
    assert passages.targets(5) == pytest.approx([4 * slope + at - 1, 6 * slope + at - 1, 1, 1, 2])
    again = Passages(tuner.history, SuccessiveHalving(9))
    again.view(tuner.history)
    assert again.targets(4).tobytes() == passages.targets(4).tobytes()


def test_the_model_sees_every_rung_that_a_trial_reached_in_the_order_of_reports() -> None:
    tuner = Tuner(SPACE, "Maximize", "Random", seed=1)
    tuner.ask(3)
    for number, value, step in ((2, 1.0, 1), (1, 2.0, 1), (1, 2.5, 2), (2, 3.0, 4), (1, float("nan"), 3)):
        tuner.report(number, value, step)
    tuner.tell(2, status="Completed")  # before the maximum: that is its end
    tuner.report(1, 5.0, 9)
    observed = Passages(tuner.history, SuccessiveHalving(9))
    seen = observed.view(tuner.history)
    assert observed.levels == [0, 0, 1, 2, 2] and seen.ended == 2
    assert seen.y.tolist() == [-1.0, -2.0, -3.0, -3.0, -5.0]
    assert seen.X[:, -1] == pytest.approx([0, 0, END / 2, END, END])
    assert len(seen.pending) == 2 and (seen.pending[:, -1] == END).all()


def test_a_history_read_in_steps_is_seen_as_one_read_at_once() -> None:
    tuner = Tuner(SPACE, "Minimize", ModelHyperbandStrategy(27), seed=5)
    observed = Passages(tuner.history, SuccessiveHalving(27))
    for _ in range(12):
        search(tuner, 9)
        fresh = Passages(tuner.history, SuccessiveHalving(27))
        along, again = observed.view(tuner.history), fresh.view(tuner.history)
        assert along.X.tobytes() == again.X.tobytes()
        assert observed.targets(len(along.y)).tobytes() == fresh.targets(len(again.y)).tobytes()


def test_only_the_end_is_proposed_and_no_configuration_that_was_seen_at_a_rung() -> None:
    coordinates = (
        Coordinate("integer", "linear", 1.0, 6.0, 6),
        Coordinate("integer", "linear", 1.0, 1.0, 1),
    )
    X = np.array([[(k + 0.5) / 6, place] for k, place in ((0, 0.0), (1, 0.2), (2, 0.0), (4, END), (5, 0.0))])
    model = core.Model(coordinates, X, np.arange(5.0), core.Hyperparameters((0.3, 0.3)))
    row = model.propose(X[:0], X[:0], 1, 6)
    assert row is not None and row.tolist() == [3.5 / 6, END]
    assert model.propose(X[:0], np.array([[3.5 / 6, END]]), 1, 6) is None


def test_one_trial_in_three_is_proposed_as_bayesian_search_of_final_values_would() -> None:
    strategy = ModelHyperbandStrategy(27)
    tuner = search(Tuner(SPACE, "Minimize", strategy, seed=2), 400)
    while (tuner.history.last_number + 1) % FROM_ENDS:
        tuner.ask()
    ends = [trial for trial in tuner.trials if len(trial.reports) == 27]
    assert len(ends) >= first_points(len(SPACE.columns))
    bayesian = Tuner(SPACE, "Minimize", "Bayesian", seed=2)
    for trial in ends:
        bayesian.add(trial.config, trial.reports[-1].value)
    [suggestion] = strategy.suggest(tuner.history, 1, 2)
    means, variances = bayesian._strategy.predict(bayesian.history, [suggestion.config])
    assert means[0] - 2 * variances[0] ** 0.5 < min(trial.reports[-1].value for trial in ends)
    used = strategy._search._search_of_ends._model
    assert used is not None and used.count == len(ends)  # and none of the values at rungs


def reports_until_stopped(tuner: Tuner, curve: Callable[[float, int], float], trials: int) -> list[int]:
    """How often each trial of a search for `a` reports before it is stopped, one after another."""
    counts = []
    for _ in range(trials):
        [trial] = tuner.ask()
        step = 1
        while tuner.report(trial.number, curve(float(trial.config["a"]), step), step) == "Continue":
            step += 1
        tuner.tell(trial.number, status="Stopped")
        counts.append(step)
    return counts


ONE = SearchSpace([ContinuousParameter("a", 0, 1)])


@pytest.mark.parametrize("sign", [1, -1])
def test_it_finds_the_best_end_whether_early_values_tell_or_mislead(sign: int) -> None:
    """The first `ENDS` trials and the explorers reach their end in either case, and most do not."""

    def curve(a: float, step: int) -> float:
        return (a - 0.3) ** 2 * (1 if step == 27 else sign) + 1 / step

    tuner = Tuner(ONE, "Minimize", ModelHyperbandStrategy(27), seed=2)
    counts = reports_until_stopped(tuner, curve, 27)
    assert set(counts[:ENDS]) == {27} and counts[8] == counts[26] == 27
    assert np.mean(counts) < 18
    assert min(abs(float(each.config["a"]) - 0.3) for each in tuner.trials if len(each.reports) == 27) < 0.02


def test_the_reason_for_giving_up_names_the_promise_and_no_threshold() -> None:
    tuner = Tuner(ONE, "Minimize", ModelHyperbandStrategy(27), seed=2)
    reports_until_stopped(tuner, lambda a, step: (a - 0.3) ** 2 + 1 / step, 16)
    [trial] = tuner.ask()
    assert tuner.report(trial.number, 5.0, 1) is Decision.STOP
    verdict = tuner.history.trial(trial.number).stopped_by
    assert verdict == Verdict("ExpectedImprovement", 1, 5.0, None)
    [trial] = tuner.ask()
    assert tuner.report(trial.number, float("nan"), 1) is Decision.STOP
    assert tuner.report(tuner.ask()[0].number, 0.1, 27) is Decision.STOP
    assert tuner.trials[-1].stopped_by == Verdict("MaxResource", 1, 0.1, None)


def test_a_decision_is_a_function_of_the_history() -> None:
    """Also of the past, which the cache is ahead of, and where another search is asked in between."""
    views = []
    strategy = ModelHyperbandStrategy(27)

    class Watched:
        def decide(self, history, number):  # type: ignore[no-untyped-def]
            decision = strategy.decide(history, number)
            views.append((history, number, decision))
            return decision

    search(Tuner(SPACE, "Minimize", strategy, seed=3, stopping_rule=Watched()), 200)
    assert {decision for _, _, decision in views} == set(Decision)
    fresh = ModelHyperbandStrategy(27)
    for history, number, decision in views[::-5]:
        assert strategy.decide(history, number) is decision
        assert fresh.decide(history, number) is decision
        assert pickle.loads(pickle.dumps(strategy)).decide(history, number) is decision


def test_the_log_of_the_expected_improvement_is_that_of_its_integral() -> None:
    for mean, deviation, best in ((0.3, 0.2, 0.1), (-1.0, 0.5, 2.0), (4.0, 1.0, 0.0)):
        f = np.linspace(mean - 12 * deviation, best, 400_001)
        density = np.exp(-(((f - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))
        improvement = np.trapezoid((best - f) * density, f)
        assert log_improvement(mean, deviation, best) == pytest.approx(np.log(improvement), abs=1e-4)
    assert log_improvement(30.001, 1.0, 0.0) == pytest.approx(log_improvement(29.999, 1.0, 0.0), abs=0.07)
    assert log_improvement(1.0, 0.0, 3.0) == pytest.approx(np.log(2.0))
    assert log_improvement(3.0, 0.0, 1.0) == -np.inf


def test_definitions_are_judged_in_their_own_histories() -> None:
    """What one does in a search of two is what it does alone, and the other's values do not matter."""
    strategy = MultiAlgorithmHyperband(lambda: ModelHyperbandStrategy(9))
    tuner = Tuner({"one": ONE, "other": ONE}, "Minimize", strategy, seed=1)
    counts: dict[str | None, list[int]] = {"one": [], "other": []}
    for _ in range(40):
        [trial] = tuner.ask()
        step, worse = 1, 100.0 * (trial.definition == "other")
        while (
            tuner.report(trial.number, worse + (float(trial.config["a"]) - 0.3) ** 2 + 1 / step, step)
            == "Continue"
        ):
            step += 1
        tuner.tell(trial.number, status="Stopped")
        counts[trial.definition].append(step)
    for reports in counts.values():
        assert len(reports) == 20 and set(reports[:ENDS]) == {9} and min(reports) == 1
    part = ModelHyperbandStrategy(9)
    history = tuner.history.of("other")
    assert all(part.decide(history, trial.number) is Decision.CONTINUE for trial in history.ended)
