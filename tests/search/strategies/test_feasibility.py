"""Failures make their neighbourhood less attractive, and change nothing else."""

from __future__ import annotations

import random
from dataclasses import replace
from math import inf

import numpy as np
import pytest

import hpt
from hpt.search import core
from hpt.search.history import Float64Array
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.strategies.bayesian import BayesianStrategy
from hpt.search.strategies.feasibility import MOST, Feasibility, labelled
from hpt.search.trial import Config

SPACE = SearchSpace([ContinuousParameter(name, 0, 1, "Linear") for name in "abc"])
MIXED = SearchSpace(
    [
        ContinuousParameter("a", 0, 1, "Linear"),
        IntegerParameter("b", 1, 9, "Linear"),
        CategoricalParameter("c", ["u", "v", "w"]),
    ]
)


def bowl(config: Config) -> float:
    """Lowest at 0.7 in every parameter."""
    return sum((float(value) - 0.7) ** 2 for value in config.values())


class WithoutFeasibility(BayesianStrategy):
    """The same search without a model of success."""

    def __init__(self) -> None:
        super().__init__()
        self._search._feasibility.model = lambda *_: None  # type: ignore[method-assign]


def search(strategy: BayesianStrategy, fails: float | None, seed: int, trials: int = 30) -> tuple[float, int]:
    """The best value and the failures, of a program that fails where a > 0.75, or at random."""
    tuner = hpt.Tuner(SPACE, "Minimize", strategy, seed=seed)
    rng, best, failures = random.Random(seed), np.inf, 0
    for _ in range(trials):
        [trial] = tuner.ask()
        if float(trial.config["a"]) > 0.75 if fails is None else rng.random() < fails:
            tuner.tell(trial.number, status="Failed")
            failures += 1
        else:
            best = min(best, bowl(trial.config))
            tuner.tell(trial.number, bowl(trial.config))
    return float(best), failures


@pytest.mark.parametrize("seed", range(3))
def test_where_trials_fail_few_are_tried(seed: int) -> None:
    without, cautious = search(WithoutFeasibility(), None, seed), search(BayesianStrategy(), None, seed)
    assert 3 * cautious[1] <= 2 * without[1]
    assert cautious[0] <= without[0] + 1e-3


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_failures_at_random_keep_the_search_from_nothing(seed: int) -> None:
    best, failures = search(BayesianStrategy(), 0.25, seed)
    assert failures >= 5
    assert best < 1e-3


def test_without_a_failure_not_a_bit_changes() -> None:
    tuners = [
        hpt.Tuner(MIXED, "Minimize", each, seed=5) for each in (BayesianStrategy(), WithoutFeasibility())
    ]
    for _ in range(12):
        [one], [other] = (tuner.ask() for tuner in tuners)
        assert one.config == other.config
        for tuner in tuners:
            tuner.tell(one.number, float(one.config["a"]) + int(one.config["b"]))


def test_caches_may_be_dropped_and_eight_asked_at_once() -> None:
    strategy = BayesianStrategy()
    kept = hpt.Tuner(MIXED, "Minimize", strategy, seed=5)
    dropped = BayesianStrategy()
    forgetful = hpt.Tuner(MIXED, "Minimize", dropped, seed=5)
    for round_ in range(5):
        at_once = kept.ask(4)
        one_by_one = []
        for _ in range(4):
            dropped._search._feasibility = Feasibility()
            one_by_one += forgetful.ask()
        assert [trial.config for trial in at_once] == [trial.config for trial in one_by_one]
        for trial in at_once:
            failed = trial.number % 3 == 0
            for tuner in (kept, forgetful):
                if failed:
                    tuner.tell(trial.number, status="Failed")
                else:
                    tuner.tell(trial.number, float(trial.config["a"]) + round_)


def rows(count: int, seed: int) -> Float64Array:
    return np.random.default_rng(seed).uniform(size=(count, 3))


def test_a_long_history_is_represented_by_a_part() -> None:
    X, F = rows(700, 1), rows(300, 2)
    points, labels = labelled(SPACE.coordinates, X, X.sum(1), F)
    assert len(points) == len(labels) == 2 * MOST
    assert labels.sum() == MOST
    assert (points[MOST:] == F[-MOST:]).all()
    best = X[np.argmin(X.sum(1))]
    assert (points[:MOST] == best).all(1).any()


def test_there_is_no_model_before_the_first_failure() -> None:
    X = rows(5, 3)
    assert Feasibility().model(SPACE.coordinates, X, X[:, 0], X[:0]) is None


@pytest.mark.parametrize("failures", [1, 3])
def test_equal_points_may_succeed_and_fail(failures: int) -> None:
    X = rows(5, 3)
    model = Feasibility().model(SPACE.coordinates, X, X[:, 0], np.repeat(X[:1], failures, axis=0))
    assert model is not None
    mean, variance = model.predict(X)
    assert np.isfinite(mean).all()
    assert (variance >= 0).all()


def test_the_core_refuses_labels_of_another_space() -> None:
    X = rows(5, 3)
    at = core.fit(SPACE.coordinates, X, X[:, 0])
    model = core.Model(SPACE.coordinates, X, X[:, 0], at)
    other = SearchSpace([ContinuousParameter("a", 0, 1, "Linear")])
    labels = core.Model(other.coordinates, X[:, :1], X[:, 0], core.fit(other.coordinates, X[:, :1], X[:, 0]))
    with pytest.raises(ValueError, match="labels are of another space"):
        model.propose(X[:0], X[:0], 1, 1, labels=labels)
    whole = SearchSpace([IntegerParameter(name, 0, 1, "Linear") for name in "abc"])
    at = core.Hyperparameters((0.3,) * 3, tail_limit=inf)
    labels = core.Model(whole.coordinates, X.round(), X[:, 0].round(), at)
    with pytest.raises(ValueError, match="labels are of another space"):
        model.propose(X[:0], X[:0], 1, 1, labels=labels)
    labels = core.Model(SPACE.coordinates, X, X[:, 0].round(), replace(at, tail_limit=2.0))
    with pytest.raises(ValueError, match="labels are compressed; give their model an infinite tail limit"):
        model.propose(X[:0], X[:0], 1, 1, labels=labels)


def test_what_is_kept_is_of_these_values_alone() -> None:
    """Beyond what the model holds, which successes stand for all depends on their values."""
    X, F, shared = rows(400, 1), rows(5, 2), Feasibility()
    shared.model(SPACE.coordinates, X, X[:, 0], F)
    again = shared.model(SPACE.coordinates, X, -X[:, 0], F)
    fresh = Feasibility().model(SPACE.coordinates, X, -X[:, 0], F)
    assert again is not None
    assert fresh is not None
    assert again.predict(rows(9, 3))[0].tolist() == fresh.predict(rows(9, 3))[0].tolist()
