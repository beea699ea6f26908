"""Autotune in a request: the choices of `hpt.job.autotune` as ordinary members (behaviour 2.6).

Members that the caller gave are kept. The choices are validated like all other members. Describe echoes them,
so the echoed request gives the same job when it is submitted again.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hpt.errors import ValidationError, Violation
from hpt.job.autotune import (
    RETRY_ATTEMPTS,
    choose_ranges,
    has_epochs,
    is_reserved,
    number_of_jobs,
    range_around,
    split_hints,
    stops_early,
)
from hpt.job.catalog import RecommendedRange
from hpt.sagemaker.request.definition_rules import repeated_hints
from hpt.sagemaker.request.facts import CONFIG, Definition, Facts
from hpt.sagemaker.request.shapes import CODE

__all__ = ["autotune", "enable_autotune", "fill_required", "range_around"]


def autotune(facts: Facts) -> dict[str, Any]:
    """A copy of a request with valid shapes, with everything chosen that it leaves to Autotune.

    Raises:
        ValidationError: a name has more than one of a hint, a range and a static value.
    """
    for path, message in repeated_hints(facts):
        raise ValidationError([Violation(CODE, path, "hints", message)])
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


def fill_required(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """A request with the members that the model requires and Autotune chooses, if it is enabled: the strategy
    and the number of training jobs at once. Its shapes are checked afterwards, so nothing is taken for
    granted.
    """
    config = given.get(CONFIG)
    if "Autotune" not in given or not isinstance(config, Mapping):
        return given
    limits = config.get("ResourceLimits", {})
    filled = dict(config)
    if isinstance(limits, Mapping):
        filled["ResourceLimits"] = {"MaxParallelTrainingJobs": 1, **limits}
    if "Strategy" not in config:
        free = config.get("TrainingJobEarlyStoppingType", "Off") == "Off" and "WarmStartConfig" not in given
        filled["Strategy"] = "Hyperband" if free and _all_have_epochs(given) else "Bayesian"
    return {**given, CONFIG: filled}


def _all_have_epochs(given: Mapping[str, Any]) -> bool:
    """Whether every definition of a request of any shape gives a number of epochs, static or as a hint."""
    bodies = given.get("TrainingJobDefinitions", [given.get("TrainingJobDefinition")])
    if not isinstance(bodies, list) or not bodies:
        return False
    single = given[CONFIG].get("ParameterRanges")
    return all(_has_epochs(body, single if len(bodies) == 1 else None) for body in bodies)


def _has_epochs(body: object, ranges: object) -> bool:
    if not isinstance(body, Mapping):
        return False
    statics = body.get("StaticHyperParameters")
    ranges = body.get("HyperParameterRanges", ranges)
    hints = ranges.get("AutoParameters") if isinstance(ranges, Mapping) else None
    listed = hints if isinstance(hints, list) else []
    names = [str(each.get("Name")) for each in listed if isinstance(each, Mapping)]
    return has_epochs({**(statics if isinstance(statics, Mapping) else {}), **dict.fromkeys(names)})


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
    reserved = {
        hint["Name"]: hint["ValueHint"]
        for hint in hints
        if is_reserved(hint["Name"]) and hint["Name"] not in definition.statics
    }
    if reserved:
        hints = [hint for hint in hints if hint["Name"] not in reserved]
        body["StaticHyperParameters"] = {**definition.statics, **reserved}
    chosen_ranges, statics = choose_ranges(
        [(hint["Name"], hint["ValueHint"]) for hint in hints],
        ranged=bool(definition.ranges),
        static=definition.statics,
        algorithm=facts.program(definition).algorithm,
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
