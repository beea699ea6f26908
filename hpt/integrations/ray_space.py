"""The search space of Ray Tune as parameters of `hpt`."""

from __future__ import annotations

from math import ceil, floor, nan
from typing import Any

from ray.tune.search.sample import Categorical, Float, Integer, LogUniform, Quantized, Uniform

import hpt


def found(config: Any, path: Any) -> Any:
    """What lies at a path through nested dicts and lists."""
    for key in path:
        config = config[key]
    return config


def number(value: Any) -> float:
    """A metric; NaN for what is no number, which means that the trial failed."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return nan


def internal(domain: Any, value: Any) -> Any:
    """A value as the search has it."""
    return domain.categories.index(value) if isinstance(domain, Categorical) else value


def parameter(name: str, domain: Any) -> Any:
    """A choice is searched by the places of its values, which may be any objects."""
    if isinstance(domain, Categorical):
        return hpt.CategoricalParameter(name, range(len(domain.categories)))
    sampler = domain.get_sampler()
    step = sampler.q if isinstance(sampler, Quantized) else None
    even = sampler.get_sampler() if isinstance(sampler, Quantized) else sampler
    if not isinstance(domain, Float | Integer) or not isinstance(even, Uniform | LogUniform):
        raise ValueError(
            f"{name!r}: {domain.domain_str} is unbounded or depends on others; use a bounded range"
        )
    scaling = "Logarithmic" if isinstance(even, LogUniform) else "Linear"
    low, high = domain.lower, domain.upper
    if step not in (None, 1):
        low, high = ceil(round(low / step, 9)) * step, floor(round(high / step, 9)) * step  # multiples of q
    if isinstance(domain, Float):
        return hpt.ContinuousParameter(name, low, high, scaling, step=step)
    return hpt.IntegerParameter(name, low, high - (step in (None, 1)), scaling, step=step or 1)
