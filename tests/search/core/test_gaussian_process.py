"""The Gaussian process against worked values, a NumPy twin and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpt import _blas, _core
from hpt.errors import InputError, NotPositiveDefiniteError
from hpt.search import core
from hpt.search.space import Coordinate
from tests.reference.gp import Array, Twin

CONTINUOUS = Coordinate("continuous", "linear", 0.0, 1.0, 0)
INTEGER = Coordinate("integer", "linear", 1.0, 7.0, 7)
CATEGORICAL = Coordinate("categorical", "linear", 0.0, 2.0, 3)
SPACES = {
    "numeric": (CONTINUOUS, CONTINUOUS, INTEGER),
    "categorical": (CATEGORICAL, CATEGORICAL),
    "mixed": (CONTINUOUS, CATEGORICAL, INTEGER, CONTINUOUS, CATEGORICAL),
}


def points(space: tuple[Coordinate, ...], n: int, rng: np.random.Generator) -> Array:
    X = rng.random((n, len(space)))
    for column, coordinate in enumerate(space):
        if coordinate.kind != "continuous":
            level = np.floor(X[:, column] * coordinate.count)
            X[:, column] = level if coordinate.kind == "categorical" else (level + 0.5) / coordinate.count
    return X


def twin(space: tuple[Coordinate, ...], at: core.Hyperparameters) -> Twin:
    categorical = np.array([coordinate.kind == "categorical" for coordinate in space])
    return Twin(categorical, np.array(at.length_scales), at.amplitude, at.noise, at.mean, at.mixing)


def some(
    space: tuple[Coordinate, ...], rng: np.random.Generator, noise: float = 1e-3
) -> core.Hyperparameters:
    scales = tuple(np.exp(rng.normal(-0.5, 0.5, len(space))).tolist())
    return core.Hyperparameters(scales, 1.7, noise, 0.2, 0.35)


def test_worked_posterior() -> None:  # behaviour 5.7
    model = core.Model([CONTINUOUS], [[0.0], [0.6], [1.0]], [0.9, 0.5, 0.7], core.Hyperparameters((0.5,)))
    mean, variance = model.predict([[0.3], [0.5], [0.7], [0.8]])
    center, scale = 0.7, np.std([0.9, 0.5, 0.7])
    standard, deviation = (mean - center) / scale, np.sqrt(variance) / scale
    assert np.round(standard, 5).tolist() == [-0.19045, -1.07909, -1.09953, -0.77819]
    assert np.round(mean, 5).tolist() == [0.6689, 0.52379, 0.52045, 0.57292]
    assert np.round(deviation, 5).tolist() == [0.38322, 0.18603, 0.15795, 0.21896]
    improvement = _core.expected_improvement(standard, deviation, -1.224745)
    assert np.round(improvement, 5).tolist() == [0.00041, 0.02304, 0.01923, 0.00167]
    assert np.argmax(improvement) == 1


def test_published_kernel_values() -> None:  # behaviour 5.2
    X = np.array([[0.0], [0.25], [0.5], [1.0]])
    at = _core.Hyperparameters(np.array([0.5]))
    K = _core.kernel([_core.Coordinate.continuous()], at, X[:1], X)[0]
    assert np.round(K, 4).tolist() == [1.0, 0.8286, 0.5240, 0.1387]


@pytest.mark.parametrize(
    ("a", "b", "x", "value"),
    [(2, 1, 0.5, 0.25), (0.5, 1, 0.5, 0.70711), (0.3, 1, 0.1, 0.50119), (0.5, 2, 0.25, 0.75)],
)
def test_published_warping_values(a: float, b: float, x: float, value: float) -> None:  # behaviour 5.3
    assert _core.kumaraswamy(x, a, b) == pytest.approx(value, abs=5e-6)


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("n", [1, 2, 30])
def test_posterior_agrees_with_the_twin(kind: str, n: int) -> None:
    space, rng = SPACES[kind], np.random.default_rng(n)
    X, P, y = points(space, n, rng), points(space, 20, rng), rng.normal(3, 10, n)
    at = some(space, rng)
    reference = twin(space, at)
    mean, variance = core.Model(space, X, y, at).predict(P)
    tolerance = 1e-9 * np.linalg.cond(reference.covariance(X))
    expected_mean, expected_variance = reference.predict(X, y, P)
    transform = _core.TargetTransform(y)
    assert np.abs(transform.forward(mean) - expected_mean).max() < tolerance
    assert np.abs(variance / transform.slope(expected_mean) ** 2 - expected_variance).max() < tolerance
    model = _core.GaussianProcess(core._typed(space), X, y, core._crossing(at))
    assert model.log_marginal_likelihood() == pytest.approx(reference.log_marginal_likelihood(X, y), rel=1e-9)


@pytest.mark.parametrize("kind", SPACES)
def test_conditioning_agrees_with_the_twin(kind: str) -> None:
    """Further observations keep the transform of the first."""
    space, rng = SPACES[kind], np.random.default_rng(5)
    X, y, P, at = points(space, 25, rng), rng.normal(size=25), points(space, 20, rng), some(space, rng, 1e-2)
    transform = _core.TargetTransform(y[:20])
    mean, variance = core.Model(space, X[:20], y[:20], at).condition_on(X[20:], y[20:]).predict(P)
    mean = transform.forward(mean)
    variance /= transform.slope(mean) ** 2
    y = transform.forward(y)
    reference = twin(space, at)
    K, k = reference.covariance(X), reference.kernel(P, X)
    np.testing.assert_allclose(mean, at.mean + k @ np.linalg.solve(K, y - at.mean), rtol=0, atol=1e-8)
    explained = np.einsum("pn,np->p", k, np.linalg.solve(K, k.T))
    np.testing.assert_allclose(variance, at.amplitude - explained, rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", SPACES)
def test_gradient_of_the_posterior_density(kind: str) -> None:
    space, rng = SPACES[kind], np.random.default_rng(6)
    typed = core._typed(space)
    X, y = points(space, 25, rng), rng.normal(size=25)
    theta = _core.pack(typed, core._crossing(some(space, rng, 0.05)))
    _, gradient = _core.negative_log_posterior(typed, X, y, theta)

    def value(i: int, step: float) -> float:
        moved = theta.copy()
        moved[i] += step
        return _core.negative_log_posterior(typed, X, y, moved)[0]

    h = 1e-3
    for i in range(len(theta)):
        slope = (value(i, -2 * h) - 8 * value(i, -h) + 8 * value(i, h) - value(i, 2 * h)) / (12 * h)
        assert gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_density_is_likelihood_times_priors() -> None:
    """Differences in the observations' part alone: the priors cancel between two sets of targets."""
    space, rng = SPACES["mixed"], np.random.default_rng(7)
    typed, at = core._typed(space), some(SPACES["mixed"], rng)
    X, theta = points(space, 20, rng), _core.pack(typed, core._crossing(at))
    y = [(z - z.mean()) / z.std() for z in rng.normal(size=(2, 20))]
    ours = [_core.negative_log_posterior(typed, X, z, theta)[0] for z in y]
    theirs = [-twin(space, at).log_marginal_likelihood(X, z) for z in y]
    assert ours[0] - ours[1] == pytest.approx(theirs[0] - theirs[1], rel=1e-9)


def test_fit_recovers_the_noise_and_what_matters() -> None:
    rng = np.random.default_rng(8)
    X = rng.random((120, 3))
    y = np.sin(8 * X[:, 0]) + 0.3 * rng.normal(size=120)
    at = core.fit([CONTINUOUS] * 3, X, y)
    assert at.noise * y.var() == pytest.approx(0.09, rel=0.5)
    assert min(at.length_scales[1:]) > 3 * at.length_scales[0]


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(sorted(SPACES)),
    n=st.integers(1, 12),
    magnitude=st.sampled_from([1e-300, 1e-12, 1.0, 1e12, 1e300]),
    shape=st.sampled_from(["random", "constant", "repeated points", "one outlier", "ulp"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_history_gives_a_finite_model(kind: str, n: int, magnitude: float, shape: str, seed: int) -> None:
    space, rng = SPACES[kind], np.random.default_rng(seed)
    X, y = points(space, n, rng), rng.normal(size=n)
    if shape == "constant":
        y[:] = 1.0
    elif shape == "repeated points":
        X[:] = X[0]
    elif shape == "one outlier":
        y[0] = 1e7
    elif shape == "ulp":
        y = 1.0 + np.arange(n) * np.finfo(float).eps
    y *= magnitude
    if not np.isfinite(y).all():
        return
    at = core.fit(space, X, y)
    assert np.isfinite([*at.length_scales, at.amplitude, at.noise, at.mean, at.mixing]).all()
    model = core.Model(space, X, y, at)
    mean, variance = model.predict(points(space, 30, rng))
    assert np.isfinite(mean).all()
    assert not np.isnan(variance).any()  # a square of 1e300 may be infinite, never less than nothing
    assert (variance >= 0).all()
    assert np.isfinite(model.log_expected_improvement(points(space, 30, rng))).all()


def test_near_singular_covariances_are_factored() -> None:
    x = np.linspace(0, 1, 200)[:, np.newaxis]
    model = core.Model([CONTINUOUS], x, np.sin(x[:, 0]), core.Hyperparameters((50.0,), 1.0, 1e-12))
    mean, _ = model.predict([[0.5]])
    assert mean[0] == pytest.approx(np.sin(0.5), abs=1e-2)


def test_errors_cross_as_their_python_kinds() -> None:
    with pytest.raises(NotPositiveDefiniteError) as caught:
        core.Model([CONTINUOUS], [[0.1], [0.2]], [0.0, 1.0], core.Hyperparameters((1.0,), 1.7e308, 1.7e308))
    assert caught.value.order >= 1
    assert caught.value.jitter > 0
    with pytest.raises(ValueError, match="amplitude must be"):
        core.Model([CONTINUOUS], [[0.1]], [0.0], core.Hyperparameters((1.0,), float("inf")))
    with pytest.raises(InputError, match=r"y\[1\] is nan; give finite numbers"):
        core.fit([CONTINUOUS], [[0.1], [0.2]], [0.0, float("nan")])
    with pytest.raises(ValueError, match="differ in their number"):
        core.fit([CONTINUOUS], [[0.1], [0.2]], [0.0])
    with pytest.raises(ValueError, match="2 columns where the space has 1"):
        core.fit([CONTINUOUS], [[0.1, 0.2]], [0.0])
    with pytest.raises(ValueError, match=r"column 0: 1\.5"):
        core.fit([CONTINUOUS], [[1.5]], [0.0])
    with pytest.raises(ValueError, match="two dimensions"):
        core.fit([CONTINUOUS], [0.5], [0.0])
    with pytest.raises(ValueError, match="at least one observation"):
        core.fit([CONTINUOUS], np.empty((0, 1)), [])


def test_the_blas_is_single_threaded_inside_and_left_as_found() -> None:
    before = _blas.get_num_threads()
    if before is None:
        pytest.skip("this BLAS does not report its thread count")
    rng = np.random.default_rng(9)
    X, y = rng.random((300, 4)), rng.normal(size=300)
    results = []
    try:
        for count in (1, 4):
            _blas.set_num_threads(count)
            model = core.Model([CONTINUOUS] * 4, X, y, core.Hyperparameters((0.3,) * 4))
            results.append((model.predict(X), core.fit([CONTINUOUS] * 4, X[:60], y[:60])))
            assert _blas.get_num_threads() == count
    finally:
        _blas.set_num_threads(before)
    (one, fit_one), (four, fit_four) = results
    assert np.array_equal(one, four)
    assert fit_one == fit_four


def test_other_threads_run_meanwhile() -> None:
    """The interpreter's lock is free inside: a counter in another thread advances during one call."""
    import threading

    rng = np.random.default_rng(10)
    X, y = rng.random((400, 5)), rng.normal(size=400)
    count, done = 0, threading.Event()

    def fit() -> None:
        core.fit([CONTINUOUS] * 5, X, y)
        done.set()

    thread = threading.Thread(target=fit)
    thread.start()
    while not done.is_set():
        count += 1
    thread.join()
    assert count > 10_000
