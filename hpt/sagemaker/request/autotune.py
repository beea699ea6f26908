"""Autotune in a request: the choices of `hpt.job.autotune` as ordinary members (behaviour 2.6).

Members that the caller gave are kept. The choices are validated like all other members. Describe echoes them,
so the echoed request gives the same job when it is submitted again.
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
    """A copy of a request with valid shapes, with everything chosen that it leaves to Autotune."""
    request = copy.deepcopy(dict(facts.request))
    config = request[CONFIG]
    if not facts.is_multi:
        config.setdefault("ParameterRanges", {})
    changed = replace(facts, request=request)
    for definition in changed.definitions:
        _choose_ranges(definition, changed)
        if isinstance(definition.body, dict):
            definition.body.setdefault("RetryStrategy", {"MaximumRetryAttempts": RETRY_ATTEMPTS})
    stops = stops_early(facts.strategy, multi=facts.is_multi)
    config.setdefault("TrainingJobEarlyStoppingType", "Auto" if stops else "Off")
    criteria = config.setdefault("TuningJobCompletionCriteria", {})
    criteria.setdefault("ConvergenceDetected", {"CompleteOnConvergence": "Enabled"})
    limits = config["ResourceLimits"]
    if facts.strategy != "Grid" and not {"MaxNumberOfTrainingJobs", "MaxRuntimeInSeconds"} & limits.keys():
        ranges = sum(len(definition.ranges) for definition in changed.definitions)
        limits["MaxNumberOfTrainingJobs"] = number_of_jobs(
            facts.strategy, ranges, changed.draft.combinations, facts.limits
        )
    return request


def enable_autotune(
    given: Mapping[str, Any], keep_static: Sequence[str] = (), *, choose_strategy: bool = False
) -> dict[str, Any]:
    """A copy of a request with Autotune enabled. Static hyperparameters that are not in `keep_static` become
    hints, as in the service's client library.

    choose_strategy: use Hyperband instead of the request's strategy if a number of epochs is given.

    Raises:
        InputError: `keep_static` names a hyperparameter twice, or a name is not that of a static one.
    """
    request = copy.deepcopy(dict(given))
    request["Autotune"] = {"Mode": "Enabled"}
    definitions = request.get("TrainingJobDefinitions")
    bodies = [
        body
        for body in definitions or [request.get("TrainingJobDefinition")]
        if isinstance(body, dict)  # else its shape is invalid, which is checked later
    ]
    statics = [body.get("StaticHyperParameters", {}) for body in bodies]
    for body, (kept, hints) in zip(bodies, split_hints(statics, keep_static), strict=True):
        place, member = (
            (body, "HyperParameterRanges") if definitions else (request[CONFIG], "ParameterRanges")
        )
        if choose_strategy and has_epochs({**kept, **hints}):
            request[CONFIG]["Strategy"] = "Hyperband"
        if hints:
            body["StaticHyperParameters"] = kept
            listed = place.setdefault(member, {}).setdefault("AutoParameters", [])
            listed += [{"Name": name, "ValueHint": hint} for name, hint in hints.items()]
    return request


def _choose_ranges(definition: Definition, facts: Facts) -> None:
    """Replace hints by ranges or static values; without hints, add the ranges of the built-in algorithm."""
    body, ranges = definition.body, definition.ranges_body
    if not (isinstance(body, dict) and isinstance(ranges, dict)):
        return  # a definition without ranges, which the rules refuse
    hints = ranges.pop("AutoParameters", [])
    chosen_ranges, statics = choose_ranges(
        [(hint["Name"], hint["ValueHint"]) for hint in hints],
        ranged=bool(definition.ranges),
        static=definition.statics,
        algorithm=facts.algorithm(definition),
        strategy=facts.strategy,
    )
    for choice in chosen_ranges:
        ranges.setdefault(f"{choice.kind}ParameterRanges", []).append(_declared(choice))
    if statics:
        body["StaticHyperParameters"] = {**definition.statics, **statics}


def _declared(choice: RecommendedRange) -> dict[str, Any]:
    """A range as a request declares it."""
    if choice.kind == "Categorical":
        return {"Name": choice.name, "Values": list(choice.values)}
    return {
        "Name": choice.name,
        "MinValue": _number_string(choice.min),
        "MaxValue": _number_string(choice.max),
        "ScalingType": choice.scaling,
    }


def _number_string(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(number)
