"""A search that has converged looks elsewhere, and nothing else makes it do so."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

import hpt
from hpt.search.history import Float64Array
from hpt.search.parameters import CategoricalParameter, ContinuousParameter, IntegerParameter
from hpt.search.space import SearchSpace
from hpt.search.strategies.basins import NEAR, ROUND, Basins, converged
from hpt.search.strategies.bayesian import BayesianStrategy
from hpt.search.trial import Config

PLANE = SearchSpace([ContinuousParameter(name, 0, 1, "Linear") for name in ("x", "y")])
WIDE, NARROW = np.array([0.7, 0.65]), np.array([0.12, 0.2])


def funnels(point: Sequence[float]) -> float:
    """A wide funnel down to -1 and a narrow one, which a search that begins in the middle misses, to -1.5."""
    wide, narrow = (float(((np.array(point) - place) ** 2).sum()) for place in (WIDE, NARROW))
    return -math.exp(-8 * wide) - 1.5 * math.exp(-60 * narrow)


def crowd(
    centre: Sequence[float], count: int, rng: np.random.Generator, value: float
) -> tuple[Float64Array, Float64Array]:
    X = np.array(centre) + 1e-3 * rng.uniform(-1, 1, (count, len(centre)))
    return X, value + 1e-6 * rng.random(count)


def scattered(count: int, rng: np.random.Generator) -> tuple[Float64Array, Float64Array]:
    return rng.random((count, 2)), rng.random(count)


def basins(*parts: tuple[Float64Array, Float64Array]) -> Basins | None:
    X, y = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    return converged(PLANE.coordinates, X, y)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_values_that_no_one_can_tell_apart_have_converged(rng: np.random.Generator) -> None:
    found = basins(scattered(20, rng), crowd([0.3, 0.6], 6, rng, -1.0))
    assert found is not None and found.best and len(found.centres) == 1 and found.centres[0] >= 20
    assert found.kept[:20].all() and found.kept[20:].sum() == 1


def test_fewer_values_than_that_have_not(rng: np.random.Generator) -> None:
    assert basins(scattered(20, rng), crowd([0.3, 0.6], 4, rng, -1.0)) is None


def test_repeats_of_one_place_are_not_several(rng: np.random.Generator) -> None:
    repeated = np.tile([0.3, 0.6], (12, 1)), np.full(12, -1.0)
    assert basins(scattered(20, rng), repeated) is None


def test_equal_values_in_different_places_have_not(rng: np.random.Generator) -> None:
    X, y = scattered(40, rng)
    assert converged(PLANE.coordinates, X, np.maximum(y, 0.5)) is None
    assert converged(PLANE.coordinates, X, np.zeros(40)) is None


@pytest.mark.parametrize("noise", [1e-3, 0.1])
def test_noise_is_no_convergence(noise: float, rng: np.random.Generator) -> None:
    X, y = crowd([0.3, 0.6], 60, rng, -1.0)
    assert basins(scattered(20, rng), (X, y + noise * rng.normal(size=60))) is None


def test_steps_towards_an_optimum_are_no_convergence(rng: np.random.Generator) -> None:
    X = np.array([0.3, 0.6]) + 0.04 * 0.8 ** np.arange(15)[:, np.newaxis]
    assert basins(scattered(20, rng), (X, -1.0 + ((X - [0.3, 0.6]) ** 2).sum(axis=1))) is None


def test_a_better_place_is_returned_to(rng: np.random.Generator) -> None:
    """What had converged before remains known, so that its crowd does not blind the model."""
    better = np.array([[0.8, 0.1]]), np.array([-1.2])
    found = basins(scattered(20, rng), crowd([0.3, 0.6], 9, rng, -1.0), better)
    assert found is not None and not found.best
    assert found.kept[-1] and found.kept[20:-1].sum() == 1


def test_two_places_may_have_converged(rng: np.random.Generator) -> None:
    found = basins(scattered(20, rng), crowd([0.3, 0.6], 9, rng, -1.0), crowd([0.8, 0.1], 9, rng, -1.2))
    assert found is not None and found.best and found.centres[0] >= 29 and 20 <= found.centres[1] < 29


def test_huge_values_are_survived(rng: np.random.Generator) -> None:
    X, y = scattered(20, rng)
    found = basins((X, np.where(np.arange(20) < 8, 1e308, y)), crowd([0.3, 0.6], 6, rng, -1e308))
    assert found is None or found.best


def test_categories_are_apart() -> None:
    space = SearchSpace(
        [CategoricalParameter("kind", list("abcdef")), ContinuousParameter("x", 0, 1, "Linear")]
    )
    X = np.column_stack([np.arange(24) % 6, np.linspace(0.5, 0.501, 24)])
    y = np.where(X[:, 0] == 2, 0.0, 1.0 + X[:, 0])
    assert converged(space.coordinates, X, y) is None
    more = np.column_stack([np.full(3, 2.0), np.linspace(0.5, 0.501, 3)])
    found = converged(space.coordinates, np.concatenate([X, more]), np.concatenate([y, np.zeros(3)]))
    assert found is not None and found.kept.sum() == 21


def plane(strategy: BayesianStrategy | str = "Bayesian", seed: int = 1) -> hpt.Tuner:
    return hpt.Tuner(PLANE, "Minimize", strategy, seed=seed)


def point(config: Config) -> tuple[float, float]:
    return float(config["x"]), float(config["y"])


def far(config: Config, place: Float64Array) -> bool:
    return float(np.sqrt(((np.array(point(config)) - place) ** 2).mean())) > 2 * NEAR


def in_the_wide_funnel(strategy: BayesianStrategy | str = "Bayesian") -> hpt.Tuner:
    """A tuner that knows the wide funnel alone, to its bottom."""
    tuner, rng = plane(strategy), np.random.default_rng(5)
    places = [place for place in rng.random((14, 2)) if ((place - NARROW) ** 2).sum() > 0.04]
    places += [WIDE + 0.1 * 0.3**k * rng.uniform(-1, 1, 2) for k in range(14)]
    for place in places:
        tuner.add({"x": float(place[0]), "y": float(place[1])}, funnels(place))
    return tuner


def test_a_converged_search_looks_elsewhere_and_goes_on_improving_what_it_has() -> None:
    tuner = in_the_wide_funnel()
    elsewhere = {}
    for _ in range(2 * len(ROUND)):
        [trial] = tuner.ask()
        elsewhere[trial.number] = far(trial.config, WIDE)
        tuner.tell(trial.number, -math.exp(-8 * float(((np.array(point(trial.config)) - WIDE) ** 2).sum())))
    as_ever = [number for number in elsewhere if ROUND[number % len(ROUND)] is None]
    assert [number for number in elsewhere if not elsewhere[number]] == as_ever


def test_it_finds_the_better_funnel_and_stays_there() -> None:
    tuner = in_the_wide_funnel()
    found = []
    for _ in range(40):
        [trial] = tuner.ask()
        tuner.tell(trial.number, funnels(point(trial.config)))
        found.append(not far(trial.config, NARROW))
    best = tuner.best()
    assert best is not None and best.value < -1.51
    assert sum(found) > 10


def test_asking_for_many_is_asking_many_times_and_no_cache_counts() -> None:
    at_once = in_the_wide_funnel()
    configs = [trial.config for trial in at_once.ask(9)]
    one_by_one = in_the_wide_funnel()
    assert configs == [one_by_one.ask()[0].config for _ in range(9)]
    history = in_the_wide_funnel().history
    for config in configs:
        assert BayesianStrategy(threads=2).suggest(history, 1, 1)[0].config == config
        history = history.with_pending([config])
    assert len({point(config) for config in configs}) == 9


def test_a_noisy_search_is_the_one_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def noisy() -> list[Config]:
        tuner, rng = plane(), np.random.default_rng(2)
        for _ in range(40):
            [trial] = tuner.ask()
            tuner.tell(trial.number, funnels(point(trial.config)) + 0.05 * rng.normal())
        return [trial.config for trial in tuner.history]

    expected = noisy()
    monkeypatch.setattr("hpt.search.strategies.model_search.converged", lambda *arguments: None)
    assert noisy() == expected


def test_a_crowd_on_a_plateau_of_integers_uses_the_space_up() -> None:
    space = SearchSpace([IntegerParameter("n", 1, 60)])
    tuner = hpt.Tuner(space, "Minimize", "Bayesian", seed=4)
    numbers = []
    while trials := tuner.ask():
        numbers.append(int(trials[0].config["n"]))
        tuner.tell(trials[0].number, float(max(abs(numbers[-1] - 30), 6)))
    assert sorted(numbers) == list(range(1, 61))
