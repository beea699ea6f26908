"""Random spaces and histories: every proposal is legal and finite, whatever came before it."""

from __future__ import annotations

import numpy as np
import pytest

from hpt.search import core
from hpt.search.space import Coordinate
from tests.reference.gp import Array


def some_space(rng: np.random.Generator) -> list[Coordinate]:
    space = []
    for _ in range(int(rng.choice([1, 2, 3, 5, 8, 100], p=[0.2, 0.2, 0.25, 0.2, 0.14, 0.01]))):
        kind = rng.choice(["continuous", "integer", "categorical"])
        if kind == "continuous":
            space.append(Coordinate("continuous", "linear", 0.0, 1.0, 0))
        elif kind == "integer":
            count = int(rng.choice([1, 2, 7, 1000, 2**40]))
            scale = str(rng.choice(["linear", "logarithmic"]))
            space.append(Coordinate("integer", scale, 1.0, float(count), count))
        else:
            count = int(rng.choice([1, 2, 5, 30]))
            space.append(Coordinate("categorical", "linear", 0.0, count - 1.0, count))
    return space


def some_points(space: list[Coordinate], n: int, seed: int) -> Array:
    """First points of searches with different seeds: legal by construction."""
    none = np.empty((0, len(space)))
    rows = [core.design_point(space, none, seed + k, k + 2) for k in range(n)]
    return np.array([row for row in rows if row is not None]).reshape(n, len(space))


def some_targets(X: Array, rng: np.random.Generator) -> Array:
    n = len(X)
    shape = rng.choice(["bowl", "normal", "constant", "heavy", "step", "ulp"])
    y = {
        "bowl": ((X - 0.3) ** 2).sum(axis=1),
        "normal": rng.normal(size=n),
        "constant": np.full(n, 3.0),
        "heavy": np.exp(20 * rng.normal(size=n)),
        "step": np.where(rng.random(n) < 0.9, 1.0, 0.0),
        "ulp": 1.0 + rng.integers(0, 3, n) * np.finfo(float).eps,
    }[str(shape)]
    return np.clip(y, -1e9, 1e9) * float(10.0 ** rng.choice([-290, -9, 0, 9, 290]))


def check(seed: int) -> None:
    rng = np.random.default_rng(seed)
    space = some_space(rng)
    n = int(rng.integers(1, 40))
    X = some_points(space, n, seed)
    if rng.random() < 0.3:
        column = rng.integers(len(space))
        X[:, column] = X[0, column]
    y, pending = some_targets(X, rng), some_points(space, int(rng.integers(0, 4)), seed + 1000)
    start = None
    if n > 20:
        start = core.fit(space, X[:10], y[:10])
    at = core.fit(space, X, y, start)
    model = core.Model(space, X, y, at)
    mean, variance = model.predict(some_points(space, 5, seed + 2000))
    assert not np.isnan(mean).any()
    assert (variance >= 0).all()
    row = model.propose(pending, X[:0], seed, n + 1)
    if row is not None:
        assert np.isfinite(row).all()
        assert np.array_equal(_snap(space, row), row)


def _snap(space: list[Coordinate], row: Array) -> Array:
    """The legal point nearest to a row, by the core's own coordinates."""
    typed = core._typed(space)
    out = []
    for coordinate, described, value in zip(typed, space, row.tolist(), strict=True):
        highest = described.count - 1.0 if described.kind == "categorical" else 1.0
        out.append(coordinate.snap(min(max(value, 0.0), highest)))
    return np.array(out)


@pytest.mark.parametrize("seed", range(40))
def test_some_random_spaces(seed: int) -> None:
    check(seed)


@pytest.mark.slow
def test_a_thousand_random_spaces() -> None:
    for seed in range(100, 1100):
        check(seed)
