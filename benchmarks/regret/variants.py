"""This project's search with one ingredient replaced at a time; `hpt` is the unchanged search."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf

from hpt.search.strategies.bayesian import BayesianStrategy

VARIANTS: dict[str, Callable[[], BayesianStrategy]] = {
    "hpt": BayesianStrategy,
    "no_transform": partial(BayesianStrategy, tail_limit=inf),
    "no_warping": partial(BayesianStrategy, warping=False),
    "no_doubling": partial(BayesianStrategy, doubling=inf),
    "sampled": partial(BayesianStrategy, samples=8),
    "not_augmented": partial(BayesianStrategy, acquisition="LogEI"),
    "noisy": partial(BayesianStrategy, acquisition="NoisyLogEI"),
    "ten_first": partial(BayesianStrategy, first=10),
}
