"""Candidate points at which a function over a search space is evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpt.search.history import Float64Array

if TYPE_CHECKING:
    from hpt.search.space import SearchSpace

COPIES = 16


def sampled(space: SearchSpace, count: int, rng: np.random.Generator) -> Float64Array:
    """Random legal points, (count, d)."""
    return space.encode(space.sample(count, rng))


def near(space: SearchSpace, points: Float64Array, spread: float, rng: np.random.Generator) -> Float64Array:
    """Legal points about given ones: some numbers moved, some categories changed.

    Parameters
    ----------
    space
        The space of the points.
    points
        Encoded configurations, (p, d).
    spread
        The standard deviation of a move, in units of the range.
    rng
        Draws the moves.

    Returns
    -------
    array
        (COPIES p, d).
    """
    moved = np.repeat(points, COPIES, axis=0)
    move = rng.random(moved.shape) < 0.5
    for j, coordinate in enumerate(space.coordinates):
        if coordinate.kind == "categorical":
            other = rng.integers(coordinate.count, size=len(moved))
            change = move[:, j] & (rng.random(len(moved)) < 0.5)
            moved[change, j] = other[change]
        else:
            step = spread * rng.standard_normal(len(moved))
            moved[:, j] = np.clip(moved[:, j] + move[:, j] * step, 0.0, 1.0)
    return space.encode(space.decode(moved))
