from __future__ import annotations

import pickle

import numpy as np
import pytest

from hpt.search import convergence, core
from hpt.search.convergence import Convergence, regret_bound
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.tuner import Tuner

SPACE = SearchSpace(
    [
        ContinuousParameter("a", 0, 1),
        ContinuousParameter("b", 0, 1),
        IntegerParameter("k", 1, 9),
        CategoricalParameter("c", ["x", "y", "z"]),
    ]
)


def loss(config: dict[str, object]) -> float:
    a, b, k = float(config["a"]), float(config["b"]), float(config["k"])  # type: ignore[arg-type]
    return 1 + (a - 0.4) ** 2 + (b - 0.7) ** 2 + (k - 3) ** 2 / 50 + 0.2 * (config["c"] != "y")


def searched(count: int, seed: int = 1, strategy: str = "Bayesian") -> Tuner:
    tuner = Tuner(SPACE, "Minimize", strategy, seed=seed)
    for _ in range(count):
        [trial] = tuner.ask()
        tuner.tell(trial.number, loss(trial.config))
    return tuner


@pytest.mark.parametrize("count", [12, 20, 30])
def test_the_bound_is_near_that_of_a_dense_search(count: int) -> None:
    history = searched(count).history
    X, y = history.X, history.y
    fit = core.fit(SPACE.coordinates, X, y)
    bound = regret_bound(SPACE, X, y, fit, 1)
    model = core.Model(SPACE.coordinates, X, y, fit)
    width = convergence.beta(len(y), 4) ** 0.5
    upper = model.predict_band(X, width)[1].min()
    everywhere = SPACE.encode(SPACE.sample(100_000, np.random.default_rng(0)))
    dense = max(0.0, upper - model.predict_band(everywhere, width)[0].min())
    assert bound >= dense * 0.99 - 1e-9  # 4000 times the points find nothing lower
    assert bound >= y.min() - loss({"a": 0.4, "b": 0.7, "k": 3, "c": "y"}) - 1e-6


def test_the_bound_shrinks_as_the_search_learns() -> None:
    history = searched(45).history

    def bound(n: int) -> float:
        X, y = history.X[:n], history.y[:n]
        return regret_bound(SPACE, X, y, core.fit(SPACE.coordinates, X, y), 1)

    assert bound(45) < 0.3 * bound(12)


@pytest.mark.slow
def test_a_pure_function_of_the_history() -> None:
    tuner = Tuner(SPACE, "Minimize", "Bayesian", seed=1)
    along = Convergence(7)
    answers = []
    for _ in range(40):
        [trial] = tuner.ask()
        tuner.tell(trial.number, loss(trial.config))
        history = tuner.history
        answers.append(along.holds(history))
        assert Convergence(7).holds(history) == answers[-1]
        assert pickle.loads(pickle.dumps(along)).holds(history) == answers[-1]
    assert answers.index(True) >= 11
    other = searched(40, seed=2).history
    assert along.holds(other) == Convergence(7).holds(other)


def test_a_search_that_is_not_done_has_not_converged() -> None:
    history = searched(30, strategy="Random").history
    assert history.y.min() > 1.02
    assert not Convergence(1).holds(history)


def test_what_it_stops_short_of_is_about_one_percent() -> None:
    for seed in range(3):
        tuner = Tuner(SPACE, "Minimize", "Bayesian", seed=seed)
        rule = Convergence(seed)
        for _ in range(100):
            [trial] = tuner.ask()
            tuner.tell(trial.number, loss(trial.config))
            if rule.holds(tuner.history):
                break
        else:
            pytest.fail("never converged")
        assert tuner.best_value is not None and tuner.best_value < 1.015


def test_of_very_many_objectives_the_best_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    history = searched(60, strategy="Random").history
    monkeypatch.setattr(convergence, "MOST", 20)
    X, y = convergence._best(history, 60)
    assert len(X) == len(y) == 20
    assert sorted(y) == sorted(history.y)[:20]
    places = [list(history.y).index(value) for value in y]
    assert places == sorted(places)
