"""Every acquisition leads a search to the best of a simple function, and keeps what all searches promise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import hpt
from hpt.errors import InputError
from hpt.search import core
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.strategies.bayesian import BayesianStrategy
from hpt.search.trial import Config

SPACE = SearchSpace(
    [
        ContinuousParameter("x", 0, 1, "Linear"),
        IntegerParameter("n", 1, 20, "Linear"),
        CategoricalParameter("c", ["a", "b", "c"]),
    ]
)


def value(config: Config) -> float:
    return (float(config["x"]) - 0.3) ** 2 + 0.01 * abs(int(config["n"]) - 7) + 0.1 * (config["c"] != "b")


STRATEGIES: dict[str, Callable[[], BayesianStrategy]] = {
    **{name: partial(BayesianStrategy, acquisition=name) for name in core.ACQUISITIONS},
    "LogEI, hyperparameters sampled": partial(BayesianStrategy, samples=4),
    "UCB, hyperparameters sampled": partial(BayesianStrategy, acquisition="UCB", samples=4),
}


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_it_finds_the_best(strategy: Callable[[], BayesianStrategy]) -> None:
    tuner = hpt.Tuner(SPACE, "Minimize", strategy(), seed=3)
    best = np.inf
    for _ in range(40):
        [trial] = tuner.ask()
        best = min(best, value(trial.config))
        tuner.tell(trial.number, value(trial.config))
    assert best < 0.02
    assert len({str(trial.config) for trial in tuner.trials}) == 40


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_eight_at_once_equal_eight_one_by_one(strategy: Callable[[], BayesianStrategy]) -> None:
    at_once, one_by_one = (hpt.Tuner(SPACE, "Minimize", strategy(), seed=3) for _ in range(2))
    for tuner in (at_once, one_by_one):
        for k in range(8):
            config = {"x": k / 8, "n": 1 + 2 * k, "c": "abc"[k % 3]}
            tuner.add(config, value(config))
    together = [trial.config for trial in at_once.ask(4)]
    assert together == [one_by_one.ask()[0].config for _ in range(4)]
    assert len({str(config) for config in together}) == 4


def test_another_name_is_refused() -> None:
    with pytest.raises(InputError, match="'PI' is not known; choose one of LogEI, AugmentedLogEI, "):
        BayesianStrategy(acquisition="PI")


@pytest.mark.parametrize(("n", "differ"), [(20, True), (29, True), (30, False)])
def test_samples_are_averaged_over_while_observations_are_few(n: int, differ: bool) -> None:
    asked = []
    for strategy in (BayesianStrategy(), BayesianStrategy(samples=4)):
        tuner = hpt.Tuner(SPACE, "Minimize", strategy, seed=3)
        for k in range(n):
            config = {"x": (0.37 * k) % 1, "n": 1 + (7 * k) % 20, "c": "abc"[k % 3]}
            tuner.add(config, value(config))
        asked.append(tuner.ask()[0].config)
    assert (asked[0] != asked[1]) == differ


@pytest.mark.parametrize("name", ["samples", "sampled_until", "threads", "first"])
@pytest.mark.parametrize("count", [-1, 1.5, float("nan"), "3", True])
def test_counts_are_integers(name: str, count: Any) -> None:
    with pytest.raises(InputError, match=f"{name} {count!r} is not an integer of at least [01]; give"):
        BayesianStrategy(**{name: count})


@pytest.mark.parametrize("name", ["tail_limit", "doubling"])
@pytest.mark.parametrize("number", [0.0, -2.0, float("nan")])
def test_a_tail_and_a_doubling_are_above_0(name: str, number: float) -> None:
    with pytest.raises(InputError, match=f"{name} {number} is not above 0; give"):
        BayesianStrategy(**{name: number})


@pytest.mark.parametrize(("noise", "expected"), [(0.0, "LogEI"), (0.1, "AugmentedLogEI")])
def test_the_fit_decides_whether_the_improvement_is_augmented(noise: float, expected: str) -> None:
    rng, asked = np.random.default_rng(1), []
    errors = noise * rng.normal(size=30)
    for acquisition in (None, "LogEI", "AugmentedLogEI"):
        tuner = hpt.Tuner(SPACE, "Minimize", BayesianStrategy(acquisition=acquisition), seed=3)
        for k, error in enumerate(errors):
            config = {"x": (0.37 * (k % 10)) % 1, "n": 1 + k % 10, "c": "abc"[k % 2]}  # each thrice
            tuner.add(config, value(config) + error)
        asked.append(tuner.ask()[0].config)
    assert asked[1] != asked[2]
    assert asked[0] == asked[1 if expected == "LogEI" else 2]
