from __future__ import annotations

import pickle

import numpy as np
import pytest

from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.stopping.successive_halving import SuccessiveHalving
from hpt.search.strategies import model_hyperband
from hpt.search.strategies.hyperband import HyperbandStrategy
from hpt.search.strategies.model_hyperband import ModelHyperbandStrategy, _gains, _Observation, _thinned
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


def observation(row: np.ndarray, level: int, y: float) -> _Observation:
    return _Observation(row, level, y)


def test_gains_are_those_of_trials_that_went_on() -> None:
    p, q, r = (np.zeros(1) for _ in range(3))
    observations = [
        observation(p, 0, 1.0),
        observation(p, 1, 0.5),
        observation(p, 2, 0.4),
        observation(q, 0, 2.0),
        observation(q, 1, 1.3),
        observation(r, 0, 9.0),
    ]
    assert _gains(observations, 2) == pytest.approx([-0.6 - 0.1, -0.1, 0.0])
    assert _gains([observation(r, 0, 9.0)], 3) == [0.0] * 4


def test_one_trial_that_diverged_at_first_does_not_move_the_others() -> None:
    trials = [np.zeros(1) for _ in range(9)]
    firsts = [1e6, *np.linspace(1.0, 2.0, 8)]
    observations = [
        observation(row, level, y)
        for row, first in zip(trials, firsts, strict=True)
        for level, y in ((0, float(first)), (1, 0.5))
    ]
    assert -1.5 < _gains(observations, 1)[0] < -0.5


def test_of_too_many_observations_high_levels_and_all_qualities_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_hyperband, "MOST", 10)
    rows = [np.array([float(i)]) for i in range(30)]
    observations = [observation(row, 1 if i % 6 == 0 else 0, float(i)) for i, row in enumerate(rows)]
    kept = _thinned(observations)
    assert len(kept) == 10
    assert [each for each in observations if each.level == 1] == [each for each in kept if each.level == 1]
    low = [each.y for each in kept if each.level == 0]
    assert low[0] == 1.0 and low[-1] == 29.0
    assert [each.y for each in kept] == sorted(each.y for each in kept)
    assert _thinned(observations[:10]) == observations[:10]
