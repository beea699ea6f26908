"""Configurations are observed again where that teaches more than a new one, if that is asked for."""

from __future__ import annotations

import math
import pickle
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import hpt
from hpt.errors import InputError
from hpt.search import core
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.strategies.repeats import Tried, expected_gain, worth_repeating

PLAIN = SearchSpace([ContinuousParameter("x", 0, 1), ContinuousParameter("y", 0, 1)])
FINITE = SearchSpace([CategoricalParameter("kind", ["a", "b", "c"]), IntegerParameter("depth", 1, 4)])
LARGER = SearchSpace([IntegerParameter("depth", 1, 12), IntegerParameter("width", 1, 9)])
SEVERAL = {"plain": PLAIN, "larger": LARGER}


def loss(config: Any) -> float:
    if "kind" in config:
        return 0.1 * "abc".index(str(config["kind"])) + 0.05 * abs(int(config["depth"]) - 3)
    if "width" in config:
        return 0.01 * (int(config["depth"]) - 8) ** 2 + 0.02 * (int(config["width"]) - 3) ** 2
    return (float(config["x"]) - 0.3) ** 2 + (float(config["y"]) - 0.7) ** 2


def new(space: Any, seed: int = 1, **options: Any) -> hpt.Tuner:
    return hpt.Tuner(space, "Minimize", seed=seed, **options)


def searched(
    tuner: hpt.Tuner, trials: int, noise: float, between: Callable[[hpt.Tuner], hpt.Tuner] = lambda t: t
) -> hpt.Tuner:
    """Searched one trial after the other, until there is nothing to try."""
    rng = np.random.default_rng(5)
    for _ in range(trials):
        tuner = between(tuner)
        asked = tuner.ask()
        if not asked:
            break
        tuner.tell(asked[0].number, loss(asked[0].config) + noise * rng.standard_normal())
    return tuner


def keys(tuner: hpt.Tuner) -> list[tuple[object, ...]]:
    return [(trial.definition, *trial.config.items()) for trial in tuner.trials]


def repeated(tuner: hpt.Tuner) -> list[int]:
    """The numbers of the trials whose configuration was tried before."""
    seen: set[object] = set()
    numbers = []
    for number, key in enumerate(keys(tuner), 1):
        numbers += [number] if key in seen else []
        seen.add(key)
    return numbers


def test_nothing_is_repeated_unless_it_is_asked_for() -> None:
    assert repeated(searched(new(PLAIN), 40, 0.2)) == []
    ended = searched(new(FINITE), 40, 0.2)
    assert len(ended.trials) == 12, "a finite space that is used up ends the search"


@pytest.mark.parametrize("space", [LARGER, SEVERAL], ids=["one", "several"])
def test_noisy_configurations_are_repeated_in_trials_that_do_not_explore(space: Any) -> None:
    tuner = searched(new(space, repeats=True), 60, 0.1)
    again = repeated(tuner)
    assert 3 <= len(again) <= 30
    if space is LARGER:
        assert all(number % 2 == 0 for number in again)
    [(most, _)] = Counter(keys(tuner)).most_common(1)
    assert loss(dict(most[1:])) < 0.15, "the good ones are"


def test_an_exact_objective_is_repeated_once() -> None:
    tuner = searched(new(LARGER, repeats=True), 40, 0.0)
    assert repeated(tuner) == [12], "the first that does not explore from ten observations on"
    assert tuner.best_value == 0


def test_one_repetition_at_a_time_finds_out_whether_values_differ() -> None:
    tuner = searched(new(LARGER, repeats=True), 11, 0.0)
    tuner.ask(8)
    assert len(repeated(tuner)) == 1


def test_a_used_up_space_of_which_everything_failed_once_ends() -> None:
    tuner = new(FINITE, repeats=True)
    for config in [trial.config for trial in searched(new(FINITE), 12, 0.1).trials]:
        tuner.record(config, value=loss(config))
        tuner.record(config, value=math.nan)
    assert tuner.ask() == []


def test_a_continuous_space_is_not_repeated() -> None:
    """A new point close by says as much: so it was measured."""
    asked, plain = (searched(new(PLAIN, repeats=repeats), 30, 0.1) for repeats in (True, False))
    assert keys(asked) == keys(plain)


def test_a_used_up_space_is_repeated_while_values_differ() -> None:
    tuner = searched(new(FINITE, repeats=True), 60, 0.1)
    assert len(tuner.trials) == 60 and tuner.history.distinct == 12
    belief = tuner.best(by="belief")
    assert belief is not None and loss(belief.config) < 0.1
    exact = searched(new(FINITE, repeats=True), 60, 0.0)
    assert len(exact.trials) == 13 and len(repeated(exact)) == 1
    several = searched(new({"one": FINITE, "other": FINITE}, repeats=True), 50, 0.1)
    assert len(several.trials) == 50 and several.history.distinct == 24


def test_a_space_of_two_is_a_comparison() -> None:
    two = SearchSpace([CategoricalParameter("kind", ["a", "b"]), hpt.Constant("depth", 3)])
    tuner = searched(new(two, repeats=True), 30, 0.1)
    counts = Counter(trial.config["kind"] for trial in tuner.trials)
    assert sum(counts.values()) == 30 and min(counts.values()) >= 3
    belief = tuner.best(by="belief")
    assert belief is not None and belief.config["kind"] == "a"
    assert len(searched(new(two), 30, 0.1).trials) == 2


@pytest.mark.parametrize("space", [LARGER, FINITE, SEVERAL], ids=["larger", "finite", "several"])
def test_repetitions_are_a_function_of_the_history(space: Any) -> None:
    tuner = searched(new(space, repeats=True), 30, 0.1)
    fresh = searched(new(space, repeats=True), 30, 0.1, lambda t: pickle.loads(pickle.dumps(t)))
    assert keys(fresh) == keys(tuner) and repeated(tuner)
    one_by_one = [trial.config for _ in range(8) for trial in pickle.loads(pickle.dumps(tuner)).ask(1)]
    assert len(one_by_one) == 8
    stepwise = pickle.loads(pickle.dumps(tuner))
    batch = [trial.config for trial in tuner.ask(8)]
    assert [trial.config for _ in range(8) for trial in stepwise.ask(1)] == batch


def test_what_failed_is_not_observed_again() -> None:
    tuner = searched(new(LARGER, repeats=True), 14, 0.1)
    best = tuner.best(by="belief")
    assert best is not None
    for _ in range(3):
        tuner.record(best.config, value=math.nan)
    before = len(tuner.trials)
    searched(tuner, 30, 0.1)
    assert best.config not in [trial.config for trial in tuner.trials[before:]]


def test_known_noise_is_reason_enough() -> None:
    rng = np.random.default_rng(2)
    tuner = new(FINITE, repeats=True)
    for config in FINITE.sample(8, rng):
        tuner.record(config, value=loss(config) + 0.1 * rng.standard_normal(), noise=0.1)
    tuner = searched(tuner, 12, 0.1)
    assert len(repeated(tuner)) >= 2


def test_suggest_repeats_too() -> None:
    tuner = searched(new(FINITE, repeats=True), 30, 0.1)
    observations = [(trial.config, trial.value) for trial in tuner.trials]
    [config] = hpt.suggest(FINITE, observations, seed=1, worker=0, repeats=True)
    assert config == tuner.ask()[0].config
    assert hpt.suggest(FINITE, observations, seed=1, worker=0) == []


def test_a_wrong_option() -> None:
    with pytest.raises(InputError, match="repeats 'yes' is not a boolean; give True or False"):
        new(PLAIN, repeats="yes")
    with pytest.raises(InputError, match="'Random' has no"):
        new(PLAIN, strategy="Random", repeats=True)


# -- the gain of an observation


def test_the_gain_is_what_sampling_says() -> None:
    rng = np.random.default_rng(3)
    Z = rng.standard_normal(200_000)
    for _ in range(5):
        means, slopes, other = rng.normal(size=6), rng.normal(size=6), float(rng.normal() - 1)
        drawn = np.minimum((means[:, np.newaxis] + slopes[:, np.newaxis] * Z).min(axis=0), other)
        expected = min(means.min(), other) - drawn.mean()
        assert expected_gain(means, slopes, other) == pytest.approx(expected, abs=0.02)
    assert expected_gain(np.array([0.0, 1.0]), np.zeros(2)) == pytest.approx(0, abs=1e-15)


def part(means: list[float], deviations: list[float], noise: float = 0.01, **more: Any) -> Tried:
    count = len(means) - more.pop("new", 0)
    return Tried(
        np.arange(count), np.array(means), np.diag(np.square(deviations)), noise, True, False, **more
    )


def test_the_closest_contest_is_decided_first() -> None:
    assert worth_repeating([part([0.0, 0.1, 5.0], [0.1, 0.5, 0.5])], None) == (0, 1)
    assert worth_repeating([part([0.0, 0.1, -1.0], [0.1, 0.1, 0.1], new=1)], 0) is None
    assert worth_repeating([part([0.0, 0.1, 5.0], [0.1, 0.5, 0.1], new=1)], 0) == (0, 1)
    assert worth_repeating([part([0.0], [0.0]), part([0.1, 3.0], [0.5, 0.5])], None) == (1, 0)


def test_the_joint_posterior_is_what_conditioning_says() -> None:
    rng = np.random.default_rng(4)
    X = rng.random((20, 2))
    y = np.sin(5 * X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(20)
    at = core.Hyperparameters((0.3, 0.4), 1.0, 0.05, 0.0, tail_limit=math.inf)
    model = core.Model(PLAIN.coordinates, X, y, at)
    P = rng.random((4, 2))
    means, covariance = model.joint(P, P[:0], 1)
    middle, slope = model.units
    np.testing.assert_allclose(middle + slope * means, model.predict(P)[0], rtol=1e-9)
    np.testing.assert_allclose(slope**2 * np.diag(covariance), model.predict(P)[1], rtol=1e-9)
    value = model.predict(P[:1])[0] + 0.3
    moved = model.condition_on(P[:1], value).predict(P)[0] - model.predict(P)[0]
    expected = covariance[0] / (covariance[0, 0] + at.noise) * 0.3
    np.testing.assert_allclose(moved, expected, rtol=1e-6, atol=1e-9)
    waiting, narrower = model.joint(P, P[:2], 1)
    assert (np.diag(narrower) <= np.diag(covariance) + 1e-12).all() and narrower[0, 0] < covariance[0, 0]
    np.testing.assert_allclose(waiting, means, atol=1.0)
