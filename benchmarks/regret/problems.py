"""Objectives with known spaces: public analytic functions and models of scikit-learn on the data it carries.

    x   a configuration, by name        every objective is minimised

A noisy objective draws its noise from (seed, trial), so that runs with the same seed meet the same noise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import cos, exp, pi, sin, sqrt
from pathlib import Path
from typing import Any

import numpy as np

import hpt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import bench_search

Function = Callable[[Mapping[str, Any]], float]


@dataclass(frozen=True)
class Problem:
    """`lowest` is the least value there is, or None where it is not known; `noise` a standard deviation."""

    function: Function
    space: hpt.SearchSpace
    lowest: float | None = None
    noise: float = 0.0

    def value(self, config: Mapping[str, Any], seed: int, trial: int) -> float:
        return self.function(config) + self.noise * float(np.random.default_rng([seed, trial]).normal())


def cube(d: int, low: float, high: float) -> hpt.SearchSpace:
    return hpt.SearchSpace([hpt.ContinuousParameter(f"x{i}", low, high, "Linear") for i in range(d)])


def vector(x: Mapping[str, Any]) -> np.ndarray:
    return np.array([x[f"x{i}"] for i in range(len(x))])


def branin(x: Mapping[str, Any]) -> float:
    a, b = 15 * x["x0"] - 5, 15 * x["x1"]
    return (b - 5.1 / (4 * pi**2) * a**2 + 5 / pi * a - 6) ** 2 + 10 * (1 - 1 / (8 * pi)) * cos(a) + 10


HARTMANN_A = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
HARTMANN_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann6(x: Mapping[str, Any]) -> float:
    inner = (HARTMANN_A * (vector(x) - HARTMANN_P) ** 2).sum(axis=1)
    return float(-np.array([1.0, 1.2, 3.0, 3.2]) @ np.exp(-inner))


def rosenbrock(x: Mapping[str, Any]) -> float:
    v = vector(x)
    return float((100 * (v[1:] - v[:-1] ** 2) ** 2 + (1 - v[:-1]) ** 2).sum())


def ackley(x: Mapping[str, Any]) -> float:
    v = vector(x) - 0.7  # off the middle of the ranges
    return float(20 - 20 * exp(-0.2 * sqrt((v**2).mean())) + exp(1) - exp(np.cos(2 * pi * v).mean()))


def levy(x: Mapping[str, Any]) -> float:
    w = 1 + (vector(x) - 1) / 4
    middle = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(pi * w[:-1] + 1) ** 2)).sum()
    return float(sin(pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + sin(2 * pi * w[-1]) ** 2))


def funnels(x: Mapping[str, Any]) -> float:
    """Two of them, the narrower one deeper."""
    v = vector(x)
    rng = np.random.default_rng([77, len(v), 1])
    wide = rng.uniform(0.15, 0.85, len(v))
    step = 0.5 * rng.uniform(0.6, 1, len(v))
    narrow = np.clip(wide + np.where(wide < 0.5, step, -step), 0.1, 0.9)
    far = [((v - place) ** 2).mean() / width**2 for place, width in ((wide, 0.2), (narrow, 0.12))]
    return float(-np.exp(-far[0] / 2) - 1.3 * np.exp(-far[1] / 2))


def peaks(x: Mapping[str, Any]) -> float:
    """Six of different heights and widths (after Shekel's foxholes)."""
    v = vector(x)
    rng = np.random.default_rng([80, len(v), 1])
    places = rng.uniform(0.1, 0.9, (6, len(v)))
    heights = np.sort(rng.uniform(0.3, 0.85, 6))[::-1].copy()
    heights[0] = 1.0
    widths = 0.6 * rng.uniform(0.1, 0.17, 6) * sqrt(len(v))
    return float(-(heights * np.exp(-0.5 * ((v - places) ** 2).sum(axis=1) / widths**2)).sum())


def rastrigin(x: Mapping[str, Any]) -> float:
    """With about four valleys a coordinate."""
    v = vector(x)
    u = 4 * (v - np.random.default_rng([79, len(v), 0]).uniform(0.2, 0.8, len(v)))
    return float((u**2 + 1 - np.cos(2 * pi * u)).sum())


def michalewicz(x: Mapping[str, Any]) -> float:
    z = pi * vector(x)
    return float(-(np.sin(z) * np.sin(np.arange(1, len(z) + 1) * z**2 / pi) ** 6).sum())


def training(x: Mapping[str, Any]) -> float:
    """A simplified training run: a rate with a best place that depends on the optimiser, a cliff where
    training diverges, integer layers and units."""
    place = {"sgd": -1.0, "adam": -3.0, "rmsprop": -3.4}[x["optimiser"]]
    rate = np.log10(x["rate"]) - place
    penalty = {"sgd": 0.02, "adam": 0.0, "rmsprop": 0.01}[x["optimiser"]]
    loss = (
        0.1 + 0.05 * rate**2 + penalty + 0.02 * abs(x["layers"] - 4) + 0.03 * (np.log2(x["units"] / 96)) ** 2
    )
    return float(loss + 0.1 * (x["dropout"] - 0.2) ** 2 + (1e4 * (rate - 1.2) if rate > 1.2 else 0.0))


def contamination(x: Mapping[str, Any]) -> float:
    """Which stages of a food supply chain to protect, at what cost (after Baptista and Poloczek,
    "Bayesian optimization of combinatorial structures", ICML 2018)."""
    protected = vector(x).astype(int)
    rng = np.random.default_rng(1)
    fraction, cost = rng.beta(1, 30, 100), 0.0
    for each in protected:
        spread, restored = rng.beta(1, 17 / 3, 100), rng.beta(1, 3 / 7, 100)
        fraction = (1 - restored) * fraction if each else fraction + spread * (1 - fraction)
        cost += each + max(0.0, float((fraction > 0.1).mean()) - 0.05)
    return cost


def pest_control(x: Mapping[str, Any]) -> float:
    """Which of four products, or none, to use at each station: pests spread and get used to a product, which
    is cheaper the more of it is bought (after Oh, Tomczak, Gavves and Welling, "Combinatorial Bayesian
    optimization using the graph Cartesian product", NeurIPS 2019)."""
    products = vector(x).astype(int)
    rng = np.random.default_rng(2)
    price, discount = np.array([1.0, 0.8, 0.7, 0.5]), np.array([0.2, 0.3, 0.3, 0.0])
    resistance, learned = np.array([2, 3, 3, 5]) / 7, np.array([1, 2.5, 2, 0.5]) / 7 / len(products)
    fraction, cost = rng.beta(1, 30, 100), 0.0
    for each in products:
        spread, units = rng.beta(1, 17 / 3, 100), rng.random(100)
        cost += float((fraction > 0.1).mean())
        if each == 0:
            fraction = fraction + spread * (1 - fraction)
            continue
        product = each - 1
        fraction = fraction * units ** (1 / resistance[product])  # 1 - a Beta(1, resistance) number
        resistance[product] += learned[product]
        share = float((products == each).mean())
        cost += price[product] * (1 - discount[product] * share)
    return cost


def choices(d: int, count: int) -> hpt.SearchSpace:
    values = [str(k) for k in range(count)]
    return hpt.SearchSpace([hpt.CategoricalParameter(f"x{i}", values) for i in range(d)])


@cache
def problems() -> dict[str, Problem]:
    mixed = hpt.SearchSpace(
        [
            hpt.ContinuousParameter("rate", 1e-6, 1, "Logarithmic"),
            hpt.ContinuousParameter("dropout", 0, 0.8, "Linear"),
            hpt.IntegerParameter("layers", 1, 8, "Linear"),
            hpt.IntegerParameter("units", 8, 512, "Logarithmic"),
            hpt.CategoricalParameter("optimiser", ["sgd", "adam", "rmsprop"]),
        ]
    )
    found = {
        "branin": Problem(branin, cube(2, 0, 1), 0.397887),
        "branin_noisy": Problem(branin, cube(2, 0, 1), 0.397887, 3.0),
        "hartmann6": Problem(hartmann6, cube(6, 0, 1), -3.32237),
        "hartmann6_noisy": Problem(hartmann6, cube(6, 0, 1), -3.32237, 0.2),
        "rosenbrock5": Problem(rosenbrock, cube(5, -5, 10), 0.0),
        "ackley10": Problem(ackley, cube(10, -5, 10), 0.0),
        "levy10": Problem(levy, cube(10, -10, 10), 0.0),
        "funnels6": Problem(funnels, cube(6, 0, 1)),
        "peaks4": Problem(peaks, cube(4, 0, 1)),
        "rastrigin3": Problem(rastrigin, cube(3, 0, 1), 0.0),
        "michalewicz3": Problem(michalewicz, cube(3, 0, 1)),
        "training": Problem(training, mixed, None),
        "contamination": Problem(contamination, choices(21, 2)),
        "pest_control": Problem(pest_control, choices(21, 5)),
    }
    for name, (function, space) in bench_search.OBJECTIVES.items():
        found[name] = Problem(lambda x, function=function: function(dict(x)), space)
    return found
