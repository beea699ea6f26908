"""What Autotune chooses of what a request left open: ranges, limits, early stopping, retries (AMT 2.6).

What the caller gave is kept. The choices go into the ordinary members, so that the rules look at them as at
any others, Describe reports them, and the request it echoes means the same job when it is submitted again.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hpt.errors import InputError
from hpt.job.catalog.description import RecommendedRange
from hpt.sagemaker.request.facts import CONFIG, EPOCH_KEYS, Algorithm, Definition, Facts
from hpt.search.scaling import read_float, read_int

RETRY_ATTEMPTS = 3
LEAST_JOBS, JOBS_PER_RANGE = 20, 10
FRACTIONS = ("dropout", "subsample", "colsample", "fraction", "ratio", "momentum", "beta")
"""A number between 0 and 1 whose name holds one of these is a share of something, and searched linearly."""
SHARE = 0.05, 0.95


def autotune(facts: Facts) -> dict[str, Any]:
    """The request of `facts`, whose shapes are right, with everything chosen that it left to Autotune."""
    request = copy.deepcopy(dict(facts.request))
    config = request[CONFIG]
    if not facts.is_multi:
        config.setdefault("ParameterRanges", {})
    draft = replace(facts, request=request)
    for definition in draft.definitions:
        _choose_ranges(definition, draft)
        if isinstance(definition.body, dict):
            definition.body.setdefault("RetryStrategy", {"MaximumRetryAttempts": RETRY_ATTEMPTS})
    stops = facts.strategy != "Hyperband" and not facts.is_multi
    config.setdefault("TrainingJobEarlyStoppingType", "Auto" if stops else "Off")
    criteria = config.setdefault("TuningJobCompletionCriteria", {})
    criteria.setdefault("ConvergenceDetected", {"CompleteOnConvergence": "Enabled"})
    limits = config["ResourceLimits"]
    if facts.strategy != "Grid" and not {"MaxNumberOfTrainingJobs", "MaxRuntimeInSeconds"} & limits.keys():
        wanted = JOBS_PER_RANGE * sum(len(definition.ranges) for definition in draft.definitions)
        counts = [max(LEAST_JOBS, wanted), facts.limits.jobs[facts.strategy], draft.combinations]
        limits["MaxNumberOfTrainingJobs"] = min(count for count in counts if count)
    return request


def hand_over(
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
    known: set[str] = set()
    several = request.get("TrainingJobDefinitions")
    for body in several or [request.get("TrainingJobDefinition")]:
        if not isinstance(body, dict):
            continue  # nothing that a request could hold: its shape is checked later
        place, member = (body, "HyperParameterRanges") if several else (request[CONFIG], "ParameterRanges")
        statics = body.get("StaticHyperParameters", {})
        known |= statics.keys()
        if choose_strategy and set(EPOCH_KEYS) & statics.keys():
            request[CONFIG]["Strategy"] = "Hyperband"
        hints = {name: hint for name, hint in statics.items() if name not in keep_static}
        if hints:
            body["StaticHyperParameters"] = {name: statics[name] for name in statics.keys() - hints.keys()}
            listed = place.setdefault(member, {}).setdefault("AutoParameters", [])
            listed += [{"Name": name, "ValueHint": hint} for name, hint in hints.items()]
    for name, times in Counter(keep_static).items():
        if times > 1:
            raise InputError(f"keep_static names {name!r} {times} times; name it once")
        if name not in known:
            raise InputError(
                f"keep_static names {name!r}, which is not a static hyperparameter; "
                f"they are {', '.join(sorted(known)) or 'none'}"
            )
    return request


def _choose_ranges(definition: Definition, facts: Facts) -> None:
    """Put ranges, or static values, in the place of hints; without any, those that a built-in recommends."""
    body, ranges = definition.body, definition.ranges_body
    if not (isinstance(body, dict) and isinstance(ranges, dict)):
        return  # a definition without ranges of its own, which the rules refuse
    algorithm = facts.algorithm(definition)
    hints = ranges.pop("AutoParameters", [])
    found: list[RecommendedRange] = []
    statics: dict[str, str] = {}
    if hints:
        for hint in hints:
            one = range_around(hint["Name"], hint["ValueHint"], algorithm)
            if one is None or _unfit(one, facts):
                statics[hint["Name"]] = hint["ValueHint"]
            else:
                found.append(one)
    elif not definition.ranges and algorithm is not None:
        found = [
            one
            for one in algorithm.recommended_ranges
            if one.name not in {algorithm.epoch_resource, *definition.statics} and not _unfit(one, facts)
        ]
    for one in found:
        ranges.setdefault(f"{one.kind}ParameterRanges", []).append(_declared(one))
    if statics:
        body["StaticHyperParameters"] = {**definition.statics, **statics}


def _unfit(one: RecommendedRange, facts: Facts) -> bool:
    return facts.strategy == "Grid" and one.kind != "Categorical"


def range_around(name: str, hint: str, algorithm: Algorithm | None) -> RecommendedRange | None:
    """The range to search around a value that is known to work; None where it is better kept.

    A whole number h becomes h / 4 to 4 h, any other positive number h / 10 to 10 h, both logarithmic; a share
    of something is searched linearly. Where the algorithm recommends a range that holds the hint, the range
    stays within it, and its kind is the recommended one. Zero, negative numbers, texts and numbers of epochs,
    which tell how far a training job goes, are kept.

    >>> found = range_around("learning_rate", "0.02", None)
    >>> found.min, found.max, found.scaling
    (0.002, 0.2, 'Logarithmic')
    >>> range_around("optimizer", "adam", None) is None
    True
    """
    known = None
    if algorithm is not None:
        known = next((one for one in algorithm.recommended_ranges if one.name == name), None)
        if name == algorithm.epoch_resource:
            return None
    if name in EPOCH_KEYS:
        return None
    if known is not None and known.kind == "Categorical":
        return known if hint in known.values else None
    found = _around(name, hint, known)
    if found is None or known is None or not known.min <= float(hint) <= known.max:
        return found
    low, high = max(found.min, known.min), min(found.max, known.max)
    return found._replace(min=low, max=high) if low < high else None


def _around(name: str, hint: str, known: RecommendedRange | None) -> RecommendedRange | None:
    """Its kind is the known one, else the one in which the hint is written."""
    whole = known.kind == "Integer" if known is not None else hint.isdecimal()
    try:
        number = read_int(hint, name) if whole else read_float(hint, name)
    except InputError:
        return None
    if number <= 0:
        return None
    if isinstance(number, int):
        return RecommendedRange("Integer", name, max(1, number // 4), 4 * number, "Logarithmic")
    if number < 1 and any(word in name.lower() for word in FRACTIONS):
        return RecommendedRange("Continuous", name, min(SHARE[0], number), max(SHARE[1], number))
    low, high = (float(f"{number * factor:.12g}") for factor in (0.1, 10))
    return RecommendedRange("Continuous", name, low, high, "Logarithmic")


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
