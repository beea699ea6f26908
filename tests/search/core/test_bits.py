"""The same bits, whatever the number of threads; observations beyond what an exact model holds; warping."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hpt import _blas, _core
from hpt.search import core
from tests.reference.gp import Array
from tests.search.core.test_gaussian_process import CONTINUOUS, SPACES, points


def values(X: Array, rng: np.random.Generator) -> Array:
    y: Array = ((X - 0.4) ** 2).sum(axis=1) + 0.01 * rng.normal(size=len(X))
    return y


@pytest.mark.parametrize("kind", ["numeric", "mixed"])
@pytest.mark.parametrize("n", [40, 300])
def test_threads_change_no_bit(kind: str, n: int) -> None:
    space, rng = SPACES[kind], np.random.default_rng(n)
    X = points(space, n, rng)
    y, pending, none = values(X, rng), points(space, 3, rng), np.empty((0, len(space)))
    P, before = points(space, 200, rng), _blas.get_num_threads()
    results = []
    try:
        for threads, blas in ((1, 1), (2, 1), (3, 4)):
            if before is not None:
                _blas.set_num_threads(blas)
            at = core.fit(space, X, y, threads=threads)
            model = core.Model(space, X, y, at, threads=threads)
            row = model.propose(pending, none, 1, n + 4)
            assert row is not None
            results.append((at, [*row.tolist(), *model.predict(P)[0].tolist()]))
    finally:
        if before is not None:
            _blas.set_num_threads(before)
    assert results[0] == results[1] == results[2]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="how much memory is used is read there")
def test_where_no_thread_can_be_started_those_there_are_do_the_work() -> None:
    stack, hard = 4 << 30, resource.getrlimit(resource.RLIMIT_STACK)[1]
    if hard != resource.RLIM_INFINITY and hard < stack:
        pytest.skip("stacks may not be made so large that no further one fits")
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("the address checks need more addresses than are left")
    program = Path(__file__).parents[2] / "programs" / "without_threads.py"
    done = subprocess.run(
        [sys.executable, "-P", str(program)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (stack, hard)),
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    by_one, by_two = done.stdout.splitlines()
    assert by_one == by_two


def test_gradient_with_warping() -> None:
    space, rng = SPACES["mixed"], np.random.default_rng(1)
    typed = core._typed(space)
    X, y = points(space, 70, rng), rng.normal(size=70)
    at = core.Hyperparameters(
        (0.4, 0.8, 0.6, 0.5, 1.2), 1.3, 0.05, 0.1, 0.4, ((1.4, 0.7), (0.8, 1.2), (2.0, 1.5))
    )
    theta = _core.pack(typed, core._crossing(at))
    assert len(theta) == 5 + 4 + 6
    _, gradient = _core.negative_log_posterior(typed, X, y, theta)
    h = 1e-3
    for i in range(len(theta)):
        f = []
        for step in (-2, -1, 1, 2):
            moved = theta.copy()
            moved[i] += step * h
            f.append(_core.negative_log_posterior(typed, X, y, moved)[0])
        slope = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)
        assert gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_a_warped_model_is_the_plain_one_on_warped_numbers() -> None:
    rng = np.random.default_rng(2)
    X, P, y = rng.random((30, 2)), rng.random((20, 2)), rng.normal(size=30)
    warping = ((1.7, 0.8), (0.6, 1.3))

    def warped(points: Array) -> Array:
        columns = [
            [_core.kumaraswamy(x, a, b) for x in points[:, i].tolist()] for i, (a, b) in enumerate(warping)
        ]
        return np.array(columns).T.copy()

    at = core.Hyperparameters((0.4, 0.7), 1.2, 1e-2, 0.1, 0.5, warping)
    plain = core.Hyperparameters((0.4, 0.7), 1.2, 1e-2, 0.1, 0.5)
    ours = core.Model([CONTINUOUS] * 2, X, y, at).predict(P)
    theirs = core.Model([CONTINUOUS] * 2, warped(X), y, plain).predict(warped(P))
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


def test_warping_waits_for_observations_and_can_be_switched_off() -> None:
    rng = np.random.default_rng(3)
    X = rng.random((40, 4))
    y = np.log(X[:, 0] + 1e-3)
    assert core.fit([CONTINUOUS] * 4, X[:7], y[:7]).warping == ()
    assert core.fit([CONTINUOUS] * 4, X, y, warping=False).warping == ()
    at = core.fit([CONTINUOUS] * 4, X, y)
    assert len(at.warping) == 4
    assert at.warping[0][0] < 0.95, "a logarithm is stretched near 0"
    assert core.fit([CONTINUOUS] * 4, X, y, at).warping != ()


def test_what_stands_for_many_observations() -> None:
    space, rng = SPACES["mixed"], np.random.default_rng(4)
    typed, X = core._typed(space), points(space, 400, rng)
    y = values(X, rng)
    rows = _core.representative(typed, X, y, 100)
    assert rows == sorted(set(rows))
    assert len(rows) == 100
    assert set(np.argsort(y)[:25].tolist()) <= set(rows)
    assert _core.representative(typed, X[:100], y[:100], 100) == list(range(100))
    # No point lies farther from the chosen ones than from the first 100.
    unequal = np.array([coordinate.kind == "categorical" for coordinate in space])

    def gap(chosen: list[int]) -> float:
        difference = X[:, None] - X[None, chosen]
        squares = np.where(unequal, difference != 0, difference**2).sum(axis=2)
        return float(squares.min(axis=1).max())

    assert gap(rows) <= gap(list(range(100)))


def test_beyond_its_limit_a_model_stays_small_and_skips_what_it_left_out() -> None:
    rng = np.random.default_rng(5)
    limit = core.MODEL_LIMIT
    X = rng.random((limit + 300, 2))
    y = values(X, rng)
    at = core.Hyperparameters((0.4, 0.4), 1.0, 1e-2)
    model = core.Model([CONTINUOUS] * 2, X, y, at)
    assert model._gp.log_marginal_likelihood() != 0
    assert model.observations == limit
    row = model.propose(np.empty((0, 2)), np.empty((0, 2)), 1, limit + 301)
    assert row is not None
    assert np.abs(row - 0.4).max() < 0.2
    assert np.abs(X - row).max(axis=1).min() > 1e-9
