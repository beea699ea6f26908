"""Slow, obvious twins of the C++ core in NumPy and SciPy.

n   observations    X: (n, d)   encoded points    y: (n,)   targets
l   length scales (d,)          s   amplitude     v   noise variance     m   constant mean
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, special, stats

Array = NDArray[np.float64]


def _distinct(u: Array, low: float) -> float:
    """The power from `low` to 0 that keeps the quartiles of u, (n,), ascending, apart."""
    near, far = u[len(u) // 4], u[3 * len(u) // 4]

    def kept(power: float) -> float:
        share = 1 - special.boxcox1p(near, power) / special.boxcox1p(far, power)
        return float(share - 0.05 * (1 - near / far))

    def beyond(power: float) -> float:
        return float(special.boxcox1p(u[-1], power) - 32)

    if low >= 0 or kept(low) >= 0:
        return low
    power = float(optimize.brentq(kept, low, 0.0, xtol=1e-14)) if kept(0.0) > 0 else 0.0
    if beyond(power) <= 0:
        return power
    return float(optimize.brentq(beyond, low, power, xtol=1e-14)) if beyond(low) <= 0 else low


class Transform:
    """Standardised, the worse half drawn in to `tail_limit` spreads of the better one, standardised again."""

    def __init__(self, y: Array, tail_limit: float) -> None:
        x = np.sort(y)
        pivots = [v for v in x[(len(x) - 1) // 2 :] if v > x[0]]
        better = x[x <= pivots[0]] if pivots and np.isfinite(tail_limit) else x
        self.first = better.mean(), better.std() or 1.0
        x = (x - self.first[0]) / self.first[1]
        pivots = [v for v in x[(len(x) - 1) // 2 :] if v > x[0]]
        self.pivot, self.spread, self.power, self.last = 0.0, 1.0, 1.0, np.inf
        if pivots and pivots[0] < x[-1]:
            pivot = pivots[0]
            spread = np.sqrt(np.mean((x[x <= pivot] - pivot) ** 2))
            u = (x[x > pivot] - pivot) / spread

            def excess(power: float) -> float:
                return float(np.sqrt(np.mean(special.boxcox1p(u, power) ** 2))) - tail_limit

            if excess(1.0) > 0:
                power = -4.0 if excess(-4.0) > 0 else float(optimize.brentq(excess, -4.0, 1.0, xtol=1e-12))
                power = max(power, _distinct(np.sort(u), power))
                self.pivot, self.spread, self.power, self.last = pivot, spread, power, u.max()
        drawn = self.compress((y - self.first[0]) / self.first[1])
        self.second = drawn.mean(), drawn.std() or 1.0

    def compress(self, x: Array) -> Array:
        if self.power == 1.0:
            return x
        u = np.maximum((x - self.pivot) / self.spread, 0.0)
        end = np.minimum(u, self.last)
        drawn = special.boxcox1p(end, self.power)
        drawn = np.where(u > self.last, u * special.boxcox1p(self.last, self.power) / self.last, drawn)
        return np.where(x > self.pivot, self.pivot + self.spread * drawn, x)

    def forward(self, y: Array) -> Array:
        return (self.compress((y - self.first[0]) / self.first[1]) - self.second[0]) / self.second[1]

    def inverse(self, z: Array) -> Array:
        """By bisection between far ends."""
        low, high = np.full(np.shape(z), -1e3), np.full(np.shape(z), 1e9)
        for _ in range(200):
            middle = (low + high) / 2
            below = (self.compress(middle) - self.second[0]) / self.second[1] < z
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return self.first[0] + self.first[1] * low


@dataclass(frozen=True)
class Twin:
    """A Gaussian process on `categorical` columns (bool, (d,)) and numeric ones."""

    categorical: NDArray[np.bool_]
    length_scales: Array
    amplitude: float
    noise: float
    mean: float
    mixing: float
    tail_limit: float = 2.0

    def kernel(self, A: Array, B: Array) -> Array:
        numeric = ~self.categorical
        difference = (A[:, None, numeric] - B[None, :, numeric]) / self.length_scales[numeric]
        r = np.sqrt((difference**2).sum(axis=2))  # (a, b)
        kx = (1 + np.sqrt(5) * r + 5 * r**2 / 3) * np.exp(-np.sqrt(5) * r)
        unequal = A[:, None, self.categorical] != B[None, :, self.categorical]
        kh = np.exp(-(unequal / self.length_scales[self.categorical]).sum(axis=2))
        if not self.categorical.any():
            return self.amplitude * kx
        if self.categorical.all():
            return self.amplitude * kh
        return self.amplitude * ((1 - self.mixing) / 2 * (kx + kh) + self.mixing * kx * kh)

    def covariance(self, X: Array) -> Array:
        return self.kernel(X, X) + self.noise * np.eye(len(X))

    def predict(self, X: Array, y: Array, P: Array) -> tuple[Array, Array]:
        """Mean and variance at P, transformed."""
        z = Transform(y, self.tail_limit).forward(y)
        K, k = self.covariance(X), self.kernel(P, X)
        mean = self.mean + k @ linalg.solve(K, z - self.mean, assume_a="pos")
        variance = self.amplitude - np.einsum("pn,np->p", k, linalg.solve(K, k.T, assume_a="pos"))
        return mean, variance

    def log_marginal_likelihood(self, X: Array, y: Array) -> float:
        z = Transform(y, self.tail_limit).forward(y)
        mean = np.full(len(z), self.mean)
        return float(stats.multivariate_normal(mean, self.covariance(X)).logpdf(z))


def expected_improvement(mean: Array, deviation: Array, incumbent: Array) -> Array:
    z = (incumbent - mean) / deviation
    return deviation * (stats.norm.pdf(z) + z * stats.norm.cdf(z))


def log_expected_improvement(mean: Array, deviation: Array, incumbent: Array) -> Array:
    """Through the scaled complementary error function: exact enough for t below 100."""
    t = -(incumbent - mean) / deviation
    mills = np.sqrt(np.pi / 2) * special.erfcx(np.maximum(t, 1) / np.sqrt(2))
    tail = np.log(deviation) + stats.norm.logpdf(t) + np.log1p(-np.maximum(t, 1) * mills)
    z = np.maximum(-t, -1)
    return np.where(t > 1, tail, np.log(deviation) + np.log(stats.norm.pdf(z) + z * stats.norm.cdf(z)))
