"""Slow, obvious twins of the C++ core in NumPy and SciPy.

n   observations    X: (n, d)   encoded points    y: (n,)   targets
l   length scales (d,)          s   amplitude     v   noise variance     m   constant mean
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special, stats

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Twin:
    """A Gaussian process on `categorical` columns (bool, (d,)) and numeric ones."""

    categorical: NDArray[np.bool_]
    length_scales: Array
    amplitude: float
    noise: float
    mean: float
    mixing: float

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
        """Mean and variance at P, in the units of y."""
        center, scale = y.mean(), y.std() or 1.0
        z = (y - center) / scale
        K, k = self.covariance(X), self.kernel(P, X)
        mean = self.mean + k @ linalg.solve(K, z - self.mean, assume_a="pos")
        variance = self.amplitude - np.einsum("pn,np->p", k, linalg.solve(K, k.T, assume_a="pos"))
        return center + scale * mean, scale**2 * variance

    def log_marginal_likelihood(self, X: Array, y: Array) -> float:
        z = (y - y.mean()) / (y.std() or 1.0)
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
