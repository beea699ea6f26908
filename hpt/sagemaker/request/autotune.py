"""Autotune in a request: what `hpt.job.autotune` chooses, put into the ordinary members (behaviour 2.6).

What the caller gave is kept. The rules look at the choices as at any other members, Describe reports them,
and the request it echoes means the same job when it is submitted again.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hpt.job.autotune import (
    RETRY_ATTEMPTS,
    choose_ranges,
    has_epochs,
    number_of_jobs,
    range_around,
    split_hints,
    stops_early,
)
from hpt.job.catalog import RecommendedRange
from hpt.sagemaker.request.facts import CONFIG, Definition, Facts

__all__ = ["autotune", "enable_autotune", "range_around"]


def autotune(facts: Facts) -> dict[str, Any]:
    """The request of `facts`, whose shapes are right, with everything chosen that it left to Autotune."""
    request = copy.deepcopy(dict(facts.request))
    config = request[CONFIG]
    if not facts.is_multi:
        config.setdefault("ParameterRanges", {})
    chosen = replace(facts, request=request)
    for definition in chosen.definitions:
        _choose_ranges(definition, chosen)
        if isinstance(definition.body, dict):
            definition.body.setdefault("RetryStrategy", {"MaximumRetryAttempts": RETRY_ATTEMPTS})
    stops = stops_early(facts.strategy, multi=facts.is_multi)
    config.setdefault("TrainingJobEarlyStoppingType", "Auto" if stops else "Off")
    criteria = config.setdefault("TuningJobCompletionCriteria", {})
    criteria.setdefault("ConvergenceDetected", {"CompleteOnConvergence": "Enabled"})
    limits = config["ResourceLimits"]
    if facts.strategy != "Grid" and not {"MaxNumberOfTrainingJobs", "MaxRuntimeInSeconds"} & limits.keys():
        ranges = sum(len(definition.ranges) for definition in chosen.definitions)
        limits["MaxNumberOfTrainingJobs"] = number_of_jobs(
            facts.strategy, ranges, chosen.draft.combinations, facts.limits
        )
    return request


def enable_autotune(
    given: Mapping[str, Any], keep_static: Sequence[str] = (), *, choose_strategy: bool = False
) -> dict[str, Any]:
    """The request under Autotune, its static hyperparameters but those in `keep_static` made hints, as the
    service's client library does it.

    choose_strategy: use Hyperband in place of the request's where a number of epochs is given.

    Raises:
        InputError: `keep_static` names one twice, or one that is not a static hyperparameter.
    """
    request = copy.deepcopy(dict(given))
    request["Autotune"] = {"Mode": "Enabled"}
    several = request.get("TrainingJobDefinitions")
    bodies = [
        body
        for body in several or [request.get("TrainingJobDefinition")]
        if isinstance(body, dict)  # else nothing that a request could hold: its shape is checked later
    ]
    statics = [body.get("StaticHyperParameters", {}) for body in bodies]
    for body, (kept, hints) in zip(bodies, split_hints(statics, keep_static), strict=True):
        place, member = (body, "HyperParameterRanges") if several else (request[CONFIG], "ParameterRanges")
        if choose_strategy and has_epochs({**kept, **hints}):
            request[CONFIG]["Strategy"] = "Hyperband"
        if hints:
            body["StaticHyperParameters"] = kept
            listed = place.setdefault(member, {}).setdefault("AutoParameters", [])
            listed += [{"Name": name, "ValueHint": hint} for name, hint in hints.items()]
    return request


def _choose_ranges(definition: Definition, facts: Facts) -> None:
    """Put ranges, or static values, in the place of hints; without any, those that a built-in recommends."""
    body, ranges = definition.body, definition.ranges_body
    if not (isinstance(body, dict) and isinstance(ranges, dict)):
        return  # a definition without ranges of its own, which the rules refuse
    hints = ranges.pop("AutoParameters", [])
    found, statics = choose_ranges(
        [(hint["Name"], hint["ValueHint"]) for hint in hints],
        ranged=bool(definition.ranges),
        static=definition.statics,
        algorithm=facts.algorithm(definition),
        strategy=facts.strategy,
    )
    for one in found:
        ranges.setdefault(f"{one.kind}ParameterRanges", []).append(_declared(one))
    if statics:
        body["StaticHyperParameters"] = {**definition.statics, **statics}


def _declared(one: RecommendedRange) -> dict[str, Any]:
    """A range as a request declares it."""
    if one.kind == "Categorical":
        return {"Name": one.name, "Values": list(one.values)}
    return {
        "Name": one.name,
        "MinValue": _text(one.min),
        "MaxValue": _text(one.max),
        "ScalingType": one.scaling,
    }


def _text(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(number)
