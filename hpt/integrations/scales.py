"""A host's parameters on scales that `hpt` does not have: searched on the scale, seen in the host's unit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import exp, expm1, log, log1p
from typing import Any, NamedTuple

import hpt


class Scaled(NamedTuple):
    """A parameter of the search, and the host's values to and from those that it searches."""

    parameter: Any
    inward: Callable[[Any], Any]
    outward: Callable[[Any], Any]


def logit(value: float) -> float:
    return log(value / (1 - value))


def logistic(value: float) -> float:
    return 1 / (1 + exp(-value)) if value >= 0 else exp(value) / (1 + exp(value))


def bilog(value: float) -> float:
    """A logarithm of both signs: sign(x) log(1 + |x|)."""
    return log1p(value) if value >= 0 else -log1p(-value)


def biexp(value: float) -> float:
    return expm1(value) if value >= 0 else -expm1(-value)


FUNCTIONS = {"logit": (logit, logistic), "bilog": (bilog, biexp)}


def scaled(name: str, low: float, high: float, scale: str, *, integer: bool = False) -> Scaled:
    """A range on the scale `linear`, `log`, `logit` or `bilog`."""
    if scale in FUNCTIONS:
        inward, outward = FUNCTIONS[scale]

        def value(u: float) -> float | int:
            found = min(max(outward(u), low), high)
            return round(found) if integer else found

        return Scaled(hpt.ContinuousParameter(name, inward(low), inward(high), "Linear"), inward, value)
    scaling = {"linear": "Linear", "log": "Logarithmic"}[scale]
    kind: Any = hpt.IntegerParameter if integer else hpt.ContinuousParameter
    return Scaled(kind(name, low, high, scaling), _same, _same)


def choice(name: str, values: Any, *, ordered: bool = False) -> Scaled:
    """One of the values, which may be any objects, searched by their places."""
    listed = list(values)
    kind = hpt.OrdinalParameter if ordered else hpt.CategoricalParameter
    return Scaled(kind(name, range(len(listed))), listed.index, listed.__getitem__)


def constant(name: str, value: Any) -> Scaled:
    return Scaled(hpt.Constant(name, value), _same, _same)


def inward(scales: dict[str, Scaled], config: Any) -> dict[str, Any]:
    """A host's configuration as the search has it; what the host does not know stays, to be refused."""
    found = dict(config)
    for name in scales.keys() & found.keys():
        with suppress(ValueError, ArithmeticError):
            found[name] = scales[name].inward(found[name])
    return found


def outward(scales: dict[str, Scaled], config: Any) -> dict[str, Any]:
    """A configuration of the search as the host has it."""
    return {name: each.outward(config[name]) for name, each in scales.items()}


def _same(value: Any) -> Any:
    return value
