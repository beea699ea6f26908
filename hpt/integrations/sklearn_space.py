"""The search space of scikit-learn as parameters of `hpt`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hpt


def space(distributions: Mapping[str, Any]) -> hpt.SearchSpace:
    """The space of one dict of `param_distributions`."""
    return hpt.SearchSpace([parameter(name, each) for name, each in distributions.items()])


def parameter(name: str, values: Any) -> Any:
    """One parameter of `hpt`."""
    if isinstance(values, hpt.ContinuousParameter | hpt.IntegerParameter | hpt.CategoricalParameter):
        return values
    kind = getattr(getattr(values, "dist", None), "name", None)
    if kind is None:
        return hpt.CategoricalParameter(name, values)
    low, high = values.support()
    if kind in ("uniform", "loguniform", "reciprocal"):
        return hpt.ContinuousParameter(name, low, high, "Linear" if kind == "uniform" else "Logarithmic")
    if kind == "randint":
        return hpt.IntegerParameter(name, low, high, "Linear")
    raise ValueError(
        f"{name!r}: the distribution {kind} is not bounded and even; use uniform, loguniform or randint"
    )
