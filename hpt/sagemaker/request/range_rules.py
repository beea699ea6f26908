"""Cross-field rules about ranges and the size of the search (AMT 2.12, V06 to V16)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hpt.errors import InputError
from hpt.job.config import OBJECTIVE_METRIC_KEY
from hpt.sagemaker.request.facts import CONFIG, Facts, Range

Broken = tuple[str, str]
"""The path of the offending member and what is wrong with it."""

LIMITS = f"{CONFIG}.ResourceLimits"
MAX_JOBS = f"{LIMITS}.MaxNumberOfTrainingJobs"


def _ranges(facts: Facts) -> Iterator[Range]:
    for definition in facts.definitions:
        yield from definition.ranges


def too_many_ranges(facts: Facts) -> Iterator[Broken]:
    most = facts.limits.parameters
    for definition in facts.definitions:
        count = len(definition.ranges)
        if count > most:
            yield (
                definition.ranges_path,
                f"{count} tunable hyperparameters are more than the {most} allowed; make some static",
            )


def too_many_hyperparameters(facts: Facts) -> Iterator[Broken]:
    most = facts.limits.hyperparameters
    for definition in facts.definitions:
        statics = {name for name in definition.statics if name != OBJECTIVE_METRIC_KEY}
        tuned = len(definition.ranges)
        count = len(statics) + tuned + 1
        if count > most:
            yield (
                f"{definition.path}.StaticHyperParameters",
                f"{len(statics)} static and {tuned} tuned hyperparameters, with {OBJECTIVE_METRIC_KEY} "
                f"that is added, make {count}, more than the {most} allowed; take some out",
            )


def duplicate_names(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        seen: set[str] = set()
        for declared in definition.ranges:
            if declared.name in seen:
                yield f"{declared.path}.Name", f"{declared.name!r} has two ranges; keep one"
            elif declared.name in definition.statics:
                yield (
                    f"{declared.path}.Name",
                    f"{declared.name!r} has a range and is in StaticHyperParameters as well; keep one of "
                    "them",
                )
            seen.add(declared.name)


def bad_bounds(facts: Facts) -> Iterator[Broken]:
    for declared in _ranges(facts):
        if declared.kind == "Categorical":
            continue
        for member in ("MinValue", "MaxValue"):
            try:
                declared.bound(member)
            except InputError as error:
                yield f"{declared.path}.{member}", f"range {declared.name!r}: {error}"
        bounds = declared.bounds
        if bounds is not None and bounds[0] > bounds[1]:
            low, high = declared.body["MinValue"], declared.body["MaxValue"]
            yield (
                f"{declared.path}.MinValue",
                f"range {declared.name!r}: MinValue {low} is above MaxValue {high}; swap them",
            )


def equal_bounds(facts: Facts) -> Iterator[Broken]:
    for declared in _ranges(facts):
        bounds = declared.bounds
        if bounds is not None and bounds[0] == bounds[1]:
            yield (
                f"{declared.path}.MinValue",
                f"range {declared.name!r}: MinValue and MaxValue are both {declared.body['MinValue']}; "
                "widen the range, or put the constant among StaticHyperParameters",
            )


def repeated_values(facts: Facts) -> Iterator[Broken]:
    for declared in _ranges(facts):
        if declared.kind == "Categorical":
            for value, times in Counter(declared.body["Values"]).items():
                if times > 1:
                    yield (
                        f"{declared.path}.Values",
                        f"range {declared.name!r}: the value {value!r} stands {times} times; keep one",
                    )


def logarithm_of_nothing(facts: Facts) -> Iterator[Broken]:
    for declared in _ranges(facts):
        bounds = declared.bounds
        if declared.scaling == "Logarithmic" and bounds is not None and bounds[0] <= 0:
            yield (
                f"{declared.path}.ScalingType",
                f"range {declared.name!r}: Logarithmic needs MinValue above 0, and it is "
                f"{declared.body['MinValue']}; raise it or use Linear",
            )


def reverse_logarithm(facts: Facts) -> Iterator[Broken]:
    for declared in _ranges(facts):
        bounds = declared.bounds
        if declared.scaling != "ReverseLogarithmic" or bounds is None:
            continue
        if declared.kind == "Integer":
            yield (
                f"{declared.path}.ScalingType",
                f"range {declared.name!r}: ReverseLogarithmic is for continuous ranges only; use Linear",
            )
        elif not (bounds[0] >= 0 and bounds[1] < 1):
            yield (
                f"{declared.path}.ScalingType",
                f"range {declared.name!r}: ReverseLogarithmic needs 0 <= MinValue and MaxValue < 1, and "
                f"they are {declared.body['MinValue']} and {declared.body['MaxValue']}; narrow the range "
                "or use Linear",
            )


def grid_of_numbers(facts: Facts) -> Iterator[Broken]:
    if facts.strategy != "Grid":
        return
    for declared in _ranges(facts):
        if declared.kind != "Categorical":
            yield (
                declared.path,
                f"range {declared.name!r} is {declared.kind.lower()}, and Grid takes categorical ranges "
                "only; list its values as a categorical range or use another strategy",
            )


def grid_size(facts: Facts) -> Iterator[Broken]:
    asked, total = facts.resource_limits.get("MaxNumberOfTrainingJobs"), facts.combinations
    if facts.strategy == "Grid" and asked is not None and total is not None and asked != total:
        yield (
            MAX_JOBS,
            f"{asked} differs from the {total} combinations of the grid; set it to {total} or leave it out",
        )


def space_too_small(facts: Facts) -> Iterator[Broken]:
    asked, total = facts.resource_limits.get("MaxNumberOfTrainingJobs"), facts.combinations
    if facts.strategy == "Grid" or facts.is_auto or asked is None or total is None:
        return
    if any(definition.ranges for definition in facts.definitions) and asked > total:
        yield (
            MAX_JOBS,
            f"the ranges allow {float(total)} combinations, not enough for {asked} training jobs; "
            f"lower it to {total} or widen the ranges",
        )


def no_end(facts: Facts) -> Iterator[Broken]:
    limits = facts.resource_limits
    ends = "MaxNumberOfTrainingJobs" in limits or "MaxRuntimeInSeconds" in limits
    criteria = facts.config.get("TuningJobCompletionCriteria", {})
    converging = criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence") == "Enabled"
    ends = ends or facts.is_auto or converging or bool(set(criteria) - {"ConvergenceDetected"})
    if not ends and facts.strategy != "Grid":
        yield (
            MAX_JOBS,
            f"is missing, and nothing else ends a {facts.strategy} search; give it or MaxRuntimeInSeconds",
        )


def over_quota(facts: Facts) -> Iterator[Broken]:
    most = facts.limits.jobs[facts.strategy]
    asked = facts.resource_limits.get("MaxNumberOfTrainingJobs")
    if asked is None and facts.strategy == "Grid":
        asked = facts.combinations
    if asked is not None and asked > most:
        yield (
            MAX_JOBS,
            f"the limit on training jobs of a {facts.strategy} tuning job is {most}, with present use of 0 "
            f"and a requested increment of {asked}; ask for {most} or fewer",
        )
    parallel = facts.resource_limits["MaxParallelTrainingJobs"]
    if parallel > facts.limits.parallel:
        yield (
            f"{LIMITS}.MaxParallelTrainingJobs",
            f"the limit on training jobs at once is {facts.limits.parallel}, with present use of 0 and a "
            f"requested increment of {parallel}; ask for {facts.limits.parallel} or fewer",
        )
