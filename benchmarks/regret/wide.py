"""Objectives of up to 1,000 parameters: few of them matter (sparse), all do (dense), or of mixed kinds.

    v   the configuration as a vector, (d,)        every objective is minimised; ranges are [0, 1]

The optimum never lies in the middle of the ranges, where searches begin. Shapes follow the literature's
(references at each); data are drawn from fixed seeds, so that every run meets the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
from problems import HARTMANN_A, HARTMANN_P, Problem, cube, vector

import hpt

Array = np.ndarray
OnVector = Callable[[Array], float]


def place(d: int) -> Array:
    """Where the optimum of a shifted function of d coordinates is."""
    return np.random.default_rng([d, 7]).uniform(0.15, 0.85, d)


def sphere(v: Array) -> float:
    return float(((v - place(len(v))) ** 2).mean())


def rosenbrock(v: Array) -> float:
    """Its range [-2.048, 2.048] is shifted, so that the optimum is not on the diagonal; per coordinate."""
    z = 4.096 * (v - place(len(v))) * 0.7 + 1.0
    return float((100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).mean())


def ackley(v: Array) -> float:
    z = 10 * (v - place(len(v)))
    return float(
        20 - 20 * np.exp(-0.2 * np.sqrt((z**2).mean())) + np.e - np.exp(np.cos(2 * np.pi * z).mean())
    )


def hartmann(v: Array) -> float:
    """Hartmann 6 of six coordinates spread over all; the others do nothing."""
    active = v[np.linspace(3, len(v) - 5, 6).astype(int)]
    inner = (HARTMANN_A * (active - HARTMANN_P) ** 2).sum(axis=1)
    return float(-np.array([1.0, 1.2, 3.0, 3.2]) @ np.exp(-inner))


def rover(v: Array) -> float:
    """A trajectory through control points that is to avoid obstacles, by the length spent in them, from a
    corner to the opposite one (after Wang, Gehring, Kohli and Jegelka, "Batched large-scale Bayesian
    optimization in high-dimensional spaces", AISTATS 2018)."""
    line = np.repeat(np.linspace(0.05, 0.95, len(v) // 2 + 2)[1:-1], 2)  # where v is `place`
    points = (line + 0.8 * (v - place(len(v)))).reshape(-1, 2)
    path = np.vstack([[0.05, 0.05], points, [0.95, 0.95]])
    # a uniform quadratic B-spline: every piece blends three points
    t = np.linspace(0, 1, 6, endpoint=False)[:, None]
    blend = np.hstack([0.5 * (1 - t) ** 2, 0.5 + t * (1 - t), 0.5 * t**2])  # (6, 3)
    windows = np.stack([path[:-2], path[1:-1], path[2:]], axis=1)  # (pieces, 3, 2)
    curve = np.vstack([path[:1], (blend @ windows).reshape(-1, 2), path[-1:]])
    steps = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    middle = 0.5 * (curve[1:] + curve[:-1])
    rng = np.random.default_rng(3)
    obstacles, radii = rng.uniform(0.1, 0.9, (30, 2)), rng.uniform(0.03, 0.09, 30)
    gaps = np.linalg.norm(middle[:, None] - obstacles, axis=2) / radii
    inside = 1 / (1 + np.exp(np.clip(12 * (gaps - 1), -50, 50)))
    return float((steps * (0.05 + 20 * inside.max(axis=1) / 10)).sum())


def mopta(v: Array) -> float:
    """The mass of a car's parts under 68 constraints of its crash, as a penalty (after Jones, "Large-scale
    multi-disciplinary mass optimization in the auto industry", MOPTA 2008; and its soft constraints by
    Eriksson and Jankowiak, "High-dimensional Bayesian optimization with sparse axis-aligned subspaces", UAI
    2021). Every constraint wants thickness of about a dozen parts, some against others."""
    d, constraints = len(v), 68
    rng = np.random.default_rng([d, 11])
    mass = rng.gamma(2.0, 1.0, d)
    total = mass @ v / mass.sum()
    weight = rng.normal(0.4, 1.0, (constraints, d)) * (rng.random((constraints, d)) < 12 / d)
    bend = rng.normal(0.0, 0.7, (constraints, d)) * (weight != 0)
    demand = rng.uniform(0.3, 0.6, constraints) * np.maximum(weight, 0).sum(axis=1)
    strength = (weight * np.sqrt(v)).sum(axis=1) + (bend * (v - 0.5) ** 2).sum(axis=1)
    return float(total + np.maximum(0.0, (demand - strength) / (1 + demand)).sum() / 10)


@cache
def regression(d: int) -> tuple[Array, Array, Array, Array, float]:
    """Data of a sparse regression: 5 % of the weights matter; noise a tenth of the signal. And a step."""
    rng = np.random.default_rng([d, 5])
    n = d // 2
    X = rng.normal(size=(2 * n, d))
    w = np.zeros(d)
    active = rng.choice(d, max(3, d // 20), replace=False)
    w[active] = rng.choice([-1.0, 1.0], len(active)) * rng.uniform(0.5, 1.5, len(active))
    y = X @ w
    y += rng.normal(size=2 * n) * 0.1 * y.std()
    return X[:n], y[:n], X[n:], y[n:], n / float(np.linalg.norm(X[:n], 2)) ** 2


def lasso(v: Array) -> float:
    """The held-out error of a weighted Lasso of d weights, each with a penalty of its own from 0.003 to 30
    (after Sehic, Gramfort, Salmon and Nardi, "LassoBench: a high-dimensional hyperparameter optimization
    benchmark suite for Lasso", AutoML 2022), by 60 steps of FISTA."""
    X, y, X_test, y_test, step = regression(len(v))
    penalty = 10 ** (4 * v - 2.5)
    w = z = np.zeros(len(v))
    t = 1.0
    for _ in range(60):
        moved = z - step * (X.T @ (X @ z - y)) / len(X)
        new = np.sign(moved) * np.maximum(np.abs(moved) - step * penalty, 0.0)
        following = (1 + np.sqrt(1 + 4 * t * t)) / 2
        z, w, t = new + (t - 1) / following * (new - w), new, following
    return float(((X_test @ w - y_test) ** 2).mean() / y_test.var())


def mixed(x: Mapping[str, Any], d: int, active: int) -> float:
    """Numbers, integers and categories in turn; of a fifth, with what they are coupled to, or of all."""
    rng = np.random.default_rng([d, active, 13])
    chosen = rng.choice(d, active, replace=False)
    best, weight = rng.uniform(0.1, 0.9, d), rng.uniform(0.5, 1.5, d)
    u = np.empty(d)
    for i in range(d):
        value = x[f"x{i}"]
        if isinstance(value, str):
            u[i] = best[i] if "abcde".index(value) == int(5 * best[i]) else 1.0 - best[i] / 2
        else:
            u[i] = value / 20 if isinstance(value, int) else value
    off = (u - best)[chosen]
    total = weight[chosen] @ off**2 + (off[1:] * off[:-1]).sum() * 0.5
    return float(total / active)


def kinds(d: int) -> hpt.SearchSpace:
    parameters: list[hpt.Parameter] = []
    for i in range(d):
        if i % 3 == 0:
            parameters.append(hpt.ContinuousParameter(f"x{i}", 0, 1, "Linear"))
        elif i % 3 == 1:
            parameters.append(hpt.IntegerParameter(f"x{i}", 0, 20, "Linear"))
        else:
            parameters.append(hpt.CategoricalParameter(f"x{i}", list("abcde")))
    return hpt.SearchSpace(parameters)


def on_cube(function: OnVector, d: int, lowest: float | None = None) -> Problem:
    return Problem(lambda x: function(vector(x)), cube(d, 0, 1), lowest)


@cache
def wide_problems() -> dict[str, Problem]:
    found = {"mopta124": on_cube(mopta, 124)}
    for d in (200, 500, 1000):
        found[f"sphere{d}"] = on_cube(sphere, d, 0.0)
        found[f"rosenbrock{d}"] = on_cube(rosenbrock, d, 0.0)
        found[f"ackley{d}"] = on_cube(ackley, d, 0.0)
        found[f"hartmann6_{d}"] = on_cube(hartmann, d, -3.32237)
        found[f"lasso{d}"] = on_cube(lasso, d)
        found[f"rover{d}"] = on_cube(rover, d)
    found["rover60"] = on_cube(rover, 60)
    for d in (200, 500):
        found[f"mixed{d}_sparse"] = Problem(partial(mixed, d=d, active=20), kinds(d))
        found[f"mixed{d}_dense"] = Problem(partial(mixed, d=d, active=d), kinds(d))
    return found
