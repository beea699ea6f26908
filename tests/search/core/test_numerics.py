"""Numbers at their edges: exact tails, differences, gradients, near-singular kernels; any input, by twin."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from math import inf, nan

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpt import _core
from hpt.search import core
from hpt.search.space import Coordinate
from tests.reference.gp import Array
from tests.search.core.test_fuzz import some_points
from tests.search.core.test_gaussian_process import CONTINUOUS, INTEGER, SPACES, points, some, twin

KINDS = st.sampled_from(sorted(SPACES))
SEEDS = st.integers(0, 2**32 - 1)
THIRTY = Coordinate("categorical", "linear", 0.0, 29.0, 30)


def log_h(z: float) -> float:
    """log(phi(z) + z Phi(z)) in 120 digits, by the series of Phi about 0 or by Mills' continued fraction."""
    with localcontext() as context:
        context.prec = 120
        x = Decimal(z)
        phi = (-x * x / 2).exp() / (
            2 * Decimal("3.14159265358979323846264338327950288419716939937511")
        ).sqrt()
        if z > -8:  # Phi = 1/2 + phi (x + x^3 / 3 + x^5 / (3 5) + ...)
            term = total = x
            for k in range(3, 3000, 2):
                term *= x * x / k
                total += term
                if abs(term) < Decimal(10) ** -110:
                    break
            return float((phi + x * (Decimal("0.5") + phi * total)).ln())
        t = -x
        c = t
        for k in range(200, 1, -1):
            c = t + k / c
        return float(phi.ln() - (1 + t * c).ln())


@settings(max_examples=150, deadline=None)
@given(z=st.floats(-1000, -8) | st.floats(-8, 30))
@example(z=-1000.0)
@example(z=-5.0)
@example(z=-4.999999999)
@example(z=0.0)
def test_the_log_improvement_is_exact(z: float) -> None:
    """Its tolerance: of the logarithm itself, and, where that is near 0, of the improvement."""
    found = _core.log_expected_improvement(np.array([-z]), np.array([1.0]), 0.0)[0]
    assert found == pytest.approx(log_h(z), rel=1e-14, abs=1e-14)


@settings(max_examples=60, deadline=None)
@given(at=st.floats(0.25, 1.0), apart=st.floats(1e-13, 1e-3), other=st.floats(0.0, 1.0))
def test_distances_are_taken_from_differences(at: float, apart: float, other: float) -> None:
    """Points as close as they like, on a length scale as short: nothing cancels but the difference itself."""
    near = at - apart
    difference = at - near  # exact, where |a|^2 - 2ab + |b|^2 would keep no digit of it
    hyperparameters = _core.Hyperparameters(np.array([apart, 1.0]))
    typed = core._typed([CONTINUOUS] * 2)
    k = _core.kernel(typed, hyperparameters, np.array([[at, other]]), np.array([[near, other]]))[0, 0]
    t = math.sqrt(5) * difference / apart
    # Numbers are divided by their length scale first, which rounds each by half a unit in its last place.
    rounding = 2 * np.finfo(float).eps * at / apart
    assert k == pytest.approx((1 + t + t * t / 3) * math.exp(-t), rel=1e-12 + 3 * rounding)


def density_gap(typed: list[_core.Coordinate], X: Array, y: Array, theta: Array, towards: Array) -> float:
    """How far the gradient and a difference of fourth order disagree in one direction, in nats."""
    _, gradient = _core.negative_log_posterior(typed, X, y, theta)
    h = 1e-3
    f = [_core.negative_log_posterior(typed, X, y, theta + step * h * towards)[0] for step in (-2, -1, 1, 2)]
    slope = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)
    return abs(float(gradient @ towards) - slope) / max(1.0, abs(slope))


def theta_of(kind: str, rng: np.random.Generator, warped: bool, noise: float) -> Array:
    space = SPACES[kind]
    at = some(space, rng, noise)
    numbers = sum(coordinate.kind != "categorical" for coordinate in space)
    exponents = np.exp(rng.normal(0, 0.3, (numbers, 2))) if warped else np.empty((0, 2))
    pairs = tuple((a, b) for a, b in exponents.tolist())
    at = core.Hyperparameters(at.length_scales, at.amplitude, at.noise, at.mean, at.mixing, pairs)
    return _core.pack(core._typed(space), core._crossing(at))


@settings(max_examples=40, deadline=None)
@given(kind=KINDS, n=st.integers(1, 60), warped=st.booleans(), seed=SEEDS)
def test_every_entry_of_the_gradient(kind: str, n: int, warped: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, y = points(SPACES[kind], n, rng), rng.normal(size=n)
    theta = theta_of(kind, rng, warped, 0.05)
    for towards in np.eye(len(theta)):
        assert density_gap(core._typed(SPACES[kind]), X, y, theta, towards) < 1e-6


@pytest.mark.parametrize("kind", SPACES)
def test_the_gradient_where_matrices_are_worked_on_in_blocks(kind: str) -> None:
    rng = np.random.default_rng(8)
    X, y = points(SPACES[kind], 430, rng), rng.normal(size=430)
    theta = theta_of(kind, rng, True, 0.05)
    for _ in range(2):
        towards = rng.choice([-1.0, 1.0], len(theta)) / np.sqrt(len(theta))
        assert density_gap(core._typed(SPACES[kind]), X, y, theta, towards) < 1e-6


@settings(max_examples=40, deadline=None)
@given(kind=KINDS, n=st.integers(1, 50), decades=st.integers(0, 6), seed=SEEDS)
@example(kind="mixed", n=430, decades=3, seed=1)  # the factor is made in blocks
def test_the_posterior_is_the_twins(kind: str, n: int, decades: int, seed: int) -> None:
    """To 1e-9 times the condition number, in standardised units, whatever the noise."""
    space, rng = SPACES[kind], np.random.default_rng(seed)
    X, P, y = points(space, n, rng), points(space, 15, rng), rng.normal(3, 10, n)
    at = some(space, rng, 10.0**-decades)
    reference = twin(space, at)
    mean, variance = core.Model(space, X, y, at).predict(P)
    transform = _core.TargetTransform(y)
    expected_mean, expected_variance = reference.predict(X, y, P)
    tolerance = 1e-9 * np.linalg.cond(reference.covariance(X))
    assert np.abs(transform.forward(mean) - expected_mean).max() < tolerance
    slope = transform.slope(expected_mean)
    assert np.abs(variance / slope**2 - np.maximum(expected_variance, 0.0)).max() < tolerance


@settings(max_examples=25, deadline=None)
@given(
    kind=KINDS,
    n=st.integers(2, 25),
    apart=st.sampled_from([0.0, 1e-12, 1e-9]),
    noise=st.sampled_from([0.0, 1e-12, 1e-6]),
    seed=SEEDS,
)
def test_points_on_top_of_each_other(kind: str, n: int, apart: float, noise: float, seed: int) -> None:
    """Every point twice or nearly so, with two different values: a model between the two, and never NaN."""
    space, rng = SPACES[kind], np.random.default_rng(seed)
    X = points(space, n, rng)
    close = X.copy()
    for j, coordinate in enumerate(space):
        if coordinate.kind == "continuous":
            close[:, j] = np.clip(X[:, j] + apart, 0.0, 1.0)
    y = np.sin(3 * X.sum(axis=1))
    both, values = np.concatenate([X, close]), np.concatenate([y - 0.01, y + 0.01])
    at = core.Hyperparameters((0.5,) * len(space), 1.0, noise, 0.0, 0.4, tail_limit=math.inf)
    for hyperparameters in (at, core.fit(space, both, values)):
        model = core.Model(space, both, values, hyperparameters)
        mean, variance = model.predict(both)
        assert np.isfinite(mean).all() and (variance >= 0).all()
        assert np.isfinite(model.log_expected_improvement(both)).all()
    assert np.abs(core.Model(space, both, values, at).predict(X)[0] - y).max() < 0.1


WIDE = {
    "a hundred numbers": [CONTINUOUS] * 100,
    "thirty values": [THIRTY, THIRTY, CONTINUOUS],
    "all kinds": [*[CONTINUOUS] * 40, *[INTEGER] * 30, *[THIRTY] * 30],
}


@pytest.mark.parametrize("magnitude", [1e-300, 1.0, 1e300])
@pytest.mark.parametrize("n", [1, 25])
@pytest.mark.parametrize("kind", WIDE)
def test_wide_spaces_with_a_constant_coordinate(kind: str, n: int, magnitude: float) -> None:
    space, rng = WIDE[kind], np.random.default_rng(n)
    X = some_points(space, n, 3)
    X[:, 0] = X[0, 0]
    for y in (np.full(n, magnitude), magnitude * rng.normal(size=n)):
        at = core.fit(space, X, y)
        model = core.Model(space, X, y, at)
        mean, variance = model.predict(some_points(space, 5, 90))
        assert np.isfinite(mean).all() and not np.isnan(variance).any() and (variance >= 0).all()
        row = model.propose(X[:0], X[:0], 1, n + 1)
        assert row is not None
        for value, coordinate in zip(row.tolist(), space, strict=True):
            assert 0 <= value <= (coordinate.count - 1 if coordinate.kind == "categorical" else 1)


@pytest.mark.parametrize("exponents", [(nan, 1.0), (-1.0, 1.0), (1.0, 0.0), (inf, 1.0)])
def test_exponents_of_a_warping_are_above_0_and_finite(exponents: tuple[float, float]) -> None:
    at = core.Hyperparameters((0.3,), warping=(exponents,))
    with pytest.raises(ValueError, match="exponents of the warping must be above 0 and finite"):
        core.Model([CONTINUOUS], [[0.1], [0.9]], [1.0, 2.0], at)


def test_what_a_model_is_asked_for_must_be_a_number() -> None:
    model = core.Model([CONTINUOUS], [[0.1], [0.9]], [1.0, 2.0], core.Hyperparameters((0.3,)))
    none = np.empty((0, 1))
    for incumbent in (nan, -inf):
        with pytest.raises(ValueError, match="incumbent must be a number"):
            model.propose(none, none, 1, 3, incumbent=incumbent)
    for width in (nan, -1.0):
        with pytest.raises(ValueError, match="the width of a band must not be below 0"):
            model.predict_band([[0.5]], width)
