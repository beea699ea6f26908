"""The parameters and data of Ax as `hpt` has them."""

from __future__ import annotations

from math import inf, isfinite, nan
from typing import Any

from ax.core.parameter import ChoiceParameter, FixedParameter, RangeParameter

import hpt
from hpt.integrations.scales import Scaled, choice, constant, scaled


def scale(domain: Any) -> Scaled:
    """The parameter of the search for one of Ax."""
    if isinstance(domain, FixedParameter):
        return constant(domain.name, domain.value)
    if isinstance(domain, ChoiceParameter):
        return choice(domain.name, domain.values, ordered=domain.is_ordered)
    assert isinstance(domain, RangeParameter)
    kind = "logit" if domain.logit_scale else "log" if domain.log_scale else "linear"
    return scaled(domain.name, domain.lower, domain.upper, kind, integer=domain.parameter_type.name == "INT")


def observation(config: Any, status: Any, rows: list[Any]) -> hpt.Observation:
    """What Ax has of one arm: its last value, and where there are steps, those before."""
    rows = sorted(rows, key=lambda row: row.get("step", inf))
    last = rows[-1] if rows else {"mean": nan, "sem": nan}
    steps = {row["step"]: float(row["mean"]) for row in rows if isfinite(row.get("step", inf))}
    reports = [hpt.Report(step + (min(steps) <= 0), value) for step, value in steps.items()]
    noise = float(last["sem"])
    return hpt.Observation(config, float(last["mean"]), noise if noise > 0 else None, reports, status)
