"""`Auto` numbers are linear or logarithmic as the likelihood has it; explicit scales never change."""

from __future__ import annotations

import math

import numpy as np
import pytest

import hpt
from hpt.search.space import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
    Parameter,
    SearchSpace,
)
from hpt.search.strategies.auto_scale import ScaledSpace, eligible
from hpt.search.strategies.bayesian import BayesianStrategy
from hpt.search.strategies.multi_algorithm import MultiAlgorithmBayesian

PARAMETERS: list[Parameter] = [
    ContinuousParameter("rate", 1e-6, 1),
    IntegerParameter("units", 1, 4096),
    ContinuousParameter("explicit", 1e-6, 1, "Linear"),
    ContinuousParameter("narrow", 0.01, 1),
    ContinuousParameter("zero", 0, 1),
    IntegerParameter("few", 1, 999),
    CategoricalParameter("how", ["a", "b"]),
]


def test_only_auto_numbers_over_three_decades_are_eligible() -> None:
    assert eligible(SearchSpace(PARAMETERS)) == {0, 1}
    assert (
        eligible(SearchSpace([IntegerParameter("n", 1, 2**50)])) == frozenset()
    )  # logarithmic stops at 2**44
    assert eligible(SearchSpace([ContinuousParameter("x", 1e-300, 1e300)])) == {0}


def test_columns_are_placed_as_a_logarithmic_declaration_encodes_them() -> None:
    space = SearchSpace(PARAMETERS)
    scaled = ScaledSpace(space, frozenset({0, 1}))
    configs = space.sample(200, np.random.default_rng(0))
    configs[0].update(rate=1e-6, units=1)
    configs[1].update(rate=1.0, units=4096)
    placed = scaled.place(space.encode(configs))
    np.testing.assert_allclose(placed, scaled.space.encode(configs), rtol=0, atol=1e-10)
    assert scaled.space.parameters[0] == ContinuousParameter("rate", 1e-6, 1, "Logarithmic")
    assert scaled.space.parameters[2:] == space.parameters[2:]
    assert scaled.space.decode(placed)[0]["units"] == 1
    for a, b in ((1e-300, 1e300), (1e-12, 1e12)):
        wide = SearchSpace([ContinuousParameter("x", a, b)])
        ends = ScaledSpace(wide, frozenset({0})).place(np.array([[0.0], [1.0]]))
        assert ends.tolist() == [[0.0], [1.0]]


def search(scaling: str, goal: float, trials: int, seed: int) -> tuple[hpt.Tuner, BayesianStrategy, float]:
    """Minimises the squared distance from `goal` in decades, and to a number on a linear scale."""
    strategy = BayesianStrategy()
    space = SearchSpace(
        [ContinuousParameter("rate", 1e-8, 1, scaling), ContinuousParameter("share", 0, 1, scaling)]
    )
    tuner = hpt.Tuner(space, objective="Minimize", strategy=strategy, seed=seed)
    best = math.inf
    for _ in range(trials):
        [trial] = tuner.ask()
        rate, share = float(trial.config["rate"]), float(trial.config["share"])
        value = (math.log10(rate) - goal) ** 2 + 4 * (share - 0.3) ** 2
        tuner.tell(trial.number, value)
        best = min(best, value)
    return tuner, strategy, best


def multi_algorithm_search(scaling: str, seed: int) -> tuple[MultiAlgorithmBayesian, float]:
    """An algorithm whose rate matters by its decades and its units as they are, beside a poor one."""
    strategy = MultiAlgorithmBayesian(max_jobs=40)
    spaces = {
        "good": SearchSpace(
            [ContinuousParameter("rate", 1e-8, 1, scaling), IntegerParameter("units", 1, 4000, "Auto")]
        ),
        "poor": SearchSpace([ContinuousParameter("x", 0, 1)]),
    }
    tuner = hpt.Tuner(spaces, objective="Minimize", strategy=strategy, seed=seed)
    for _ in range(40):
        [trial] = tuner.ask()
        if trial.definition == "poor":
            tuner.tell(trial.number, 30 + float(trial.config["x"]))
            continue
        rate, units = float(trial.config["rate"]), int(trial.config["units"])
        tuner.tell(trial.number, (math.log10(rate) + 5.5) ** 2 + (units / 1000 - 2.6) ** 2)
    assert tuner.best_value is not None
    return strategy, tuner.best_value


def chosen(strategy: BayesianStrategy) -> frozenset[int]:
    return list(strategy._search._fits.values())[-1].scaled.logarithmic


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_likelihood_finds_the_logarithmic_scale_and_the_search_the_low_decade(seed: int) -> None:
    _, strategy, best = search("Auto", -5.5, 30, seed)
    assert chosen(strategy) == {0}
    _, linear, worse = search("Linear", -5.5, 30, seed)
    assert chosen(linear) == frozenset()
    assert best < 1e-4
    assert worse > 100 * best


@pytest.mark.parametrize("seed", [1, 2])
def test_every_algorithm_of_a_multi_algorithm_search_has_its_scales_found(seed: int) -> None:
    """As good as with the logarithm declared; a linear scale is worse by orders of magnitude."""
    strategy, best = multi_algorithm_search("Auto", seed)
    scales = {
        name: list(search._fits.values())[-1].scaled.logarithmic
        for name, search in strategy._searches.items()
    }
    assert scales == {"good": {0}, "poor": frozenset()}
    declared, linear = (
        multi_algorithm_search("Logarithmic", seed)[1],
        multi_algorithm_search("Linear", seed)[1],
    )
    assert max(best, declared) < 1e-3
    assert linear > 100 * max(best, declared)


def test_a_multi_algorithm_search_needs_its_scales() -> None:
    """Ten times the most that is left where they are found, above."""
    assert np.median([multi_algorithm_search("Linear", seed)[1] for seed in range(1, 6)]) > 1e-2


def test_a_linear_function_keeps_its_scale() -> None:
    strategy = BayesianStrategy()
    space = SearchSpace([ContinuousParameter("x", 1e-4, 1), ContinuousParameter("y", 0, 1)])
    tuner = hpt.Tuner(space, objective="Minimize", strategy=strategy, seed=4)
    for _ in range(25):
        [trial] = tuner.ask()
        x, y = float(trial.config["x"]), float(trial.config["y"])
        tuner.tell(trial.number, math.sin(6 * x) + (y - 0.5) ** 2)
    assert chosen(strategy) == frozenset()


def test_every_other_first_point_is_spread_over_decades() -> None:
    tuner = hpt.Tuner(
        SearchSpace([ContinuousParameter(f"x{i}", 1e-9, 1) for i in range(8)]), "Minimize", "Bayesian", seed=5
    )
    rows = [list(trial.config.values()) for trial in tuner.ask(10)]
    low = [sum(float(value) < 1e-3 for value in row) for row in rows]
    assert sum(low[1::2]) > 15  # of 40, two thirds are expected
    assert sum(low[::2]) <= 2


def test_the_choice_depends_on_the_history_alone() -> None:
    kept, _, _ = search("Auto", -4.0, 40, 6)
    forgetful = BayesianStrategy()
    dropped = hpt.Tuner(kept.history.space, objective="Minimize", strategy=forgetful, seed=6)
    for trial in sorted(kept.history.ended, key=lambda each: each.number):
        forgetful._search._fits.clear()
        [again] = dropped.ask()
        assert again.config == trial.config
        assert trial.value is not None
        dropped.tell(again.number, trial.value)
