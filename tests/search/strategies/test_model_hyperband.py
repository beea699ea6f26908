from __future__ import annotations

import pickle

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
from hpt.search.stopping.adaptive_halving import AdaptiveHalving
from hpt.search.stopping.successive_halving import SuccessiveHalving
from hpt.search.strategies.hyperband import HyperbandStrategy
from hpt.search.strategies.model_hyperband import END, ModelHyperbandStrategy, _gains, _Observations
from hpt.search.strategies.model_search import first_points
from hpt.search.strategies.multi_algorithm import MultiAlgorithmHyperband
from hpt.search.trial import Config, Decision
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


def test_gains_are_those_of_trials_that_went_on() -> None:
    numbers, levels = [1, 2, 3, 1, 2, 1], [0, 0, 0, 1, 1, 2]
    values = [1.0, 2.0, 9.0, 0.5, 1.3, 0.4]
    assert _gains(numbers, levels, values, 2) == pytest.approx([-0.6 - 0.1, -0.1, 0.0])
    assert _gains([3], [0], [9.0], 3) == [0.0] * 4


def test_one_trial_that_diverged_at_first_does_not_move_the_others() -> None:
    firsts = [1e6, *np.linspace(1.0, 2.0, 8).tolist()]
    numbers = [*range(1, 10), *range(1, 10)]
    assert -1.5 < _gains(numbers, [0] * 9 + [1] * 9, [*firsts, *[0.5] * 9], 1)[0] < -0.5


def test_the_model_sees_every_rung_that_a_trial_reached_in_the_order_of_reports() -> None:
    tuner = Tuner(SPACE, "Maximize", "Random", seed=1)
    tuner.ask(3)
    for number, value, step in ((2, 1.0, 1), (1, 2.0, 1), (1, 2.5, 2), (2, 3.0, 4), (1, float("nan"), 3)):
        tuner.report(number, value, step)
    tuner.tell(2, status="Completed")  # before the maximum: that is its end
    tuner.report(1, 5.0, 9)
    observed = _Observations(tuner.history, SuccessiveHalving(9))
    seen = observed.view(tuner.history)
    assert (seen.numbers, seen.levels) == ((2, 1, 2, 2, 1), (0, 0, 1, 2, 2))
    assert seen.y.tolist() == [-1.0, -2.0, -3.0, -3.0, -5.0]
    assert seen.X[:, -1] == pytest.approx([0, 0, END / 2, END, END])
    assert len(seen.pending) == 2 and (seen.pending[:, -1] == END).all()


def test_a_history_read_in_steps_is_seen_as_one_read_at_once() -> None:
    tuner = Tuner(SPACE, "Minimize", ModelHyperbandStrategy(27), seed=5)
    observed = _Observations(tuner.history, SuccessiveHalving(27))
    for _ in range(12):
        search(tuner, 9)
        along, fresh = observed.view(tuner.history), _Observations(tuner.history, SuccessiveHalving(27))
        assert along.numbers == fresh.view(tuner.history).numbers
        assert along.X.tobytes() == fresh.view(tuner.history).X.tobytes()


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


def test_whole_trials_are_those_that_bayesian_search_of_final_values_proposes() -> None:
    strategy = ModelHyperbandStrategy(27)
    period = strategy.rule.period
    tuner = search(Tuner(SPACE, "Minimize", strategy, seed=2), 250)
    while tuner.history.last_number % period:
        tuner.ask()
    history = tuner.history
    ends = [trial for trial in tuner.trials if len(trial.reports) == 27]
    bayesian = Tuner(SPACE, "Minimize", "Bayesian", seed=2)
    for trial in ends:
        bayesian.add(trial.config, trial.reports[-1].value)
    assert len(ends) >= first_points(len(SPACE.columns))
    [whole] = strategy.suggest(history, 1, 2)
    joint = ModelHyperbandStrategy(rule=AdaptiveHalving(27)).suggest(history, 1, 2)
    assert whole != joint[0]
    expected = bayesian._strategy.predict(bayesian.history, [whole.config])
    assert expected[0][0] - 2 * expected[1][0] ** 0.5 < min(trial.reports[-1].value for trial in ends)


def test_whole_trials_are_counted_by_definition() -> None:
    strategy = MultiAlgorithmHyperband(lambda: ModelHyperbandStrategy(9))
    tuner = Tuner({"one": SPACE, "other": SPACE}, "Minimize", strategy, seed=1)
    period = AdaptiveHalving(9).period
    reports: dict[str | None, list[int]] = {"one": [], "other": []}
    for _ in range(8 * period):
        [trial] = tuner.ask()
        step = 1
        while tuner.report(trial.number, 1.0 if trial.number < 3 else 1.0 + trial.number, step) == "Continue":
            step += 1
        tuner.tell(trial.number, status="Stopped")
        reports[trial.definition].append(step)
    for counts in reports.values():
        whole = counts[::period]
        assert len(whole) == 4 and set(whole) == {9}
        assert counts.count(9) < 8
