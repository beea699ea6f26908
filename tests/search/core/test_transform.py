"""The target transform against its twin, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt import _core
from hpt.search import core
from tests.reference.gp import Array, Transform
from tests.search.core.test_gaussian_process import CONTINUOUS


def targets(kind: str, n: int, rng: np.random.Generator) -> Array:
    z = rng.normal(size=n)
    return {
        "normal": 3 + 10 * z,
        "skewed": np.exp(2 * z),
        "heavy": np.sign(z) * np.abs(z) ** 5,
        "good": -np.exp(z),
    }[kind]


@pytest.mark.parametrize("kind", ["normal", "skewed", "heavy", "good"])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 101])
@pytest.mark.parametrize("tail_limit", [2.0, 12.0])
def test_agrees_with_the_twin(kind: str, n: int, tail_limit: float) -> None:
    rng = np.random.default_rng(n)
    y = targets(kind, n, rng)
    ours, theirs = _core.TargetTransform(y, tail_limit), Transform(y, tail_limit)
    at = np.concatenate([y, targets(kind, 20, rng)])
    np.testing.assert_allclose(ours.forward(at), theirs.forward(at), rtol=1e-8, atol=1e-8)
    z = rng.normal(size=20)
    scale = np.abs(theirs.inverse(z)).max()
    np.testing.assert_allclose(ours.inverse(z), theirs.inverse(z), rtol=1e-6, atol=1e-8 * scale)
    h = 1e-6
    slope = (ours.inverse(z + h) - ours.inverse(z - h)) / (2 * h)
    np.testing.assert_allclose(ours.slope(z), slope, rtol=1e-3, atol=1e-8 * scale)


def test_outliers_do_not_hide_the_better_half() -> None:
    """Two of thirty targets are a million times the rest; the model still knows where the valley is."""
    rng = np.random.default_rng(0)
    X = rng.random((30, 1))
    y = (X[:, 0] - 0.3) ** 2
    y[X[:, 0] > 0.9] = 1e6
    assert (y == 1e6).sum() >= 2
    P = np.linspace(0, 0.8, 81)[:, np.newaxis]
    mean, _ = core.Model([CONTINUOUS], X, y, core.fit([CONTINUOUS], X, y)).predict(P)
    assert abs(P[np.argmin(mean), 0] - 0.3) < 0.05
    assert abs(mean.min()) < 0.02


@pytest.mark.parametrize("outlier", [1e16, 1e20, 1e300])
def test_an_outlier_of_any_size_leaves_the_others_apart(outlier: float) -> None:
    y = np.array([0.5, 0.4, 0.3, 0.2, 0.1, 0.05, outlier])
    ours, reference = _core.TargetTransform(y), _core.TargetTransform(np.append(y[:-1], 1e3))
    np.testing.assert_allclose(ours.inverse(ours.forward(y[:-1])), y[:-1], rtol=1e-9)
    np.testing.assert_allclose(ours.forward(y[:-1]), reference.forward(y[:-1]), atol=0.3)
    assert np.isfinite(ours.forward(y)).all()
    assert np.argmax(ours.forward(y)) == 6


def test_what_is_predicted_above_the_worst_target_stays_of_its_order() -> None:
    rng = np.random.default_rng(0)
    X = rng.random((30, 2))
    y = np.where(X[:, 0] > 0.6, np.exp(25 * X[:, 0]), ((X - 0.3) ** 2).sum(axis=1))
    for tail_limit in (2.0, 1.0, 0.3):
        at = core.fit([CONTINUOUS] * 2, X, y, tail_limit=tail_limit)
        mean, _ = core.Model([CONTINUOUS] * 2, X, y, at).predict(rng.random((1000, 2)))
        assert mean.max() < 10 * y.max()


@pytest.mark.parametrize("crowd", [80, 105, 150])
def test_a_crowd_at_the_optimum_does_not_hide_the_rest(crowd: int) -> None:
    rng = np.random.default_rng(1)
    optimum = np.array([0.4, 0.7])

    def bowl(X: np.ndarray) -> np.ndarray:
        return np.asarray((X[:, 0] - 0.4) ** 2 + 3 * (X[:, 1] - 0.7) ** 2)

    X = np.concatenate([rng.random((100, 2)), optimum + 1e-5 * rng.uniform(-1, 1, (crowd, 2))])
    model = core.Model([CONTINUOUS] * 2, X, bowl(X), core.fit([CONTINUOUS] * 2, X, bowl(X)))
    elsewhere = rng.random((500, 2))
    mean, _ = model.predict(elsewhere)
    assert stats.spearmanr(mean, bowl(elsewhere))[0] > 0.75


def test_switched_off_it_standardises() -> None:
    y = np.array([1.0, 2.0, 3.0, 1e6])
    plain = _core.TargetTransform(y, float("inf"))
    assert plain.power == 1.0
    np.testing.assert_allclose(plain.forward(y), (y - y.mean()) / y.std(), rtol=1e-12)
    assert _core.TargetTransform(y).power < 1.0
