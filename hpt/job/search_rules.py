"""Rules about the whole job: its ranges, the size of the search, the strategy and the limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from hpt.errors import InputError
from hpt.job.config import OBJECTIVE_METRIC_KEY, WARM_STRATEGIES
from hpt.job.draft import EPOCH_KEYS, Draft
from hpt.job.naming import Naming, Place
from hpt.job.plural import quantity
from hpt.search.strategies import canonical_name

MAX_RESOURCE = 20_000
MAX_ENVIRONMENT = 48


class Broken(NamedTuple):
    """Where a rule is broken, and what is wrong there."""

    place: Place
    message: str


def unknown_strategy(draft: Draft, naming: Naming) -> Iterator[Broken]:
    try:
        canonical_name(draft.strategy)
    except InputError as error:
        yield Broken(Place("strategy"), str(error))


def no_ranges(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        if not definition.ranges:
            wanted = (
                "a static hyperparameter that is a number, for a range to be chosen around it"
                if draft.autotune
                else "a parameter"
            )
            yield Broken(Place("space", number), f"is empty, and a search needs a range; give {wanted}")


def too_many_ranges(draft: Draft, naming: Naming) -> Iterator[Broken]:
    most = draft.limits.parameters
    for number, definition in enumerate(draft.definitions):
        count = len(definition.ranges)
        if count > most:
            yield Broken(
                Place("space", number),
                f"{count} tunable hyperparameters are more than the {most} allowed; make some static",
            )


def too_many_hyperparameters(draft: Draft, naming: Naming) -> Iterator[Broken]:
    most = draft.limits.hyperparameters
    for number, definition in enumerate(draft.definitions):
        statics = {name for name in definition.hyperparameters if name != OBJECTIVE_METRIC_KEY}
        tuned = len(definition.ranges)
        count = len(statics) + tuned + 1
        if count > most:
            yield Broken(
                Place("hyperparameters", number),
                f"{len(statics)} static and {tuned} tuned hyperparameters, with {OBJECTIVE_METRIC_KEY} "
                f"that is added, make {count}, more than the {most} allowed; take some out",
            )


def too_many_parts(draft: Draft, naming: Naming) -> Iterator[Broken]:
    """Values of a categorical range, metric definitions, and too short a run time, by the limits."""
    limits = draft.limits
    for number, definition in enumerate(draft.definitions):
        for i, each in enumerate(definition.ranges):
            if each.kind == "Categorical" and each.size is not None and each.size > limits.values:
                yield Broken(
                    Place("range", number, i, each.name),
                    f"range {each.name!r}: {each.size} values are more than the {limits.values} allowed; "
                    "take some out",
                )
        count = len(definition.metrics)
        if count > limits.metrics:
            yield Broken(
                Place("metric_definitions", number),
                f"{count} metric definitions are more than the {limits.metrics} allowed; take some out",
            )
    seconds = draft.max_runtime_seconds
    if seconds is not None and seconds < limits.tuning_seconds:
        yield Broken(
            Place("max_runtime_seconds"),
            f"{seconds} is below the minimum of {limits.tuning_seconds} seconds; raise it",
        )


def duplicate_names(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        seen: set[str] = set()
        for i, each in enumerate(definition.ranges):
            place = Place("range_name", number, i, each.name)
            if each.name in seen:
                yield Broken(place, f"{each.name!r} has two ranges; keep one")
            elif each.name in definition.hyperparameters:
                yield Broken(
                    place,
                    f"{each.name!r} has a range and is in {naming.name('hyperparameters')} as well; keep one "
                    "of them",
                )
            seen.add(each.name)


def grid_of_numbers(draft: Draft, naming: Naming) -> Iterator[Broken]:
    if draft.strategy != "Grid":
        return
    for number, definition in enumerate(draft.definitions):
        for i, each in enumerate(definition.ranges):
            if each.kind != "Categorical":
                yield Broken(
                    Place("range", number, i, each.name),
                    f"range {each.name!r} is {each.kind.lower()}, and Grid takes categorical ranges only; "
                    "list its values as a categorical range or use another strategy",
                )


def grid_size(draft: Draft, naming: Naming) -> Iterator[Broken]:
    asked, total = draft.max_jobs, draft.combinations
    if draft.strategy == "Grid" and asked is not None and total is not None and asked != total:
        yield Broken(
            Place("max_jobs"),
            f"{asked} differs from the {quantity(total, 'combination')} of the grid; set it to {total} or "
            "leave it out",
        )


def space_too_small(draft: Draft, naming: Naming) -> Iterator[Broken]:
    asked, total = draft.max_jobs, draft.combinations
    if draft.strategy == "Grid" or draft.autotune or draft.repeats or asked is None or total is None:
        return
    if any(definition.ranges for definition in draft.definitions) and asked > total:
        yield Broken(
            Place("max_jobs"),
            f"the ranges allow {float(total)} combinations, not enough for {asked} training jobs; "
            f"lower it to {total} or widen the ranges",
        )


def no_end(draft: Draft, naming: Naming) -> Iterator[Broken]:
    completion = draft.completion
    ends = (
        *(draft.max_jobs, draft.max_runtime_seconds, completion.target, completion.max_not_improving),
        *(draft.autotune or None, completion.complete_on_convergence or None),
    )
    if draft.strategy != "Grid" and all(end is None for end in ends):
        yield Broken(
            Place("max_jobs"),
            f"is missing, and nothing else ends a {draft.strategy} search; give it or "
            f"{naming.name('max_runtime_seconds')}",
        )


def over_quota(draft: Draft, naming: Naming) -> Iterator[Broken]:
    most = draft.limits.jobs.get(draft.strategy)
    asked = draft.max_jobs
    if asked is None and draft.strategy == "Grid":
        asked = draft.combinations
    if asked is not None and most is not None and asked > most:
        yield Broken(
            Place("max_jobs"),
            f"the limit on training jobs of a {draft.strategy} tuning job is {most}, with present use of 0 "
            f"and a requested increment of {asked}; ask for {most} or fewer",
        )
    parallel, most = draft.max_parallel_jobs, draft.limits.parallel
    if parallel > most:
        yield Broken(
            Place("max_parallel_jobs"),
            f"the limit on training jobs at once is {most}, with present use of 0 and a requested increment "
            f"of {parallel}; ask for {most} or fewer",
        )


def repeats_elsewhere(draft: Draft, naming: Naming) -> Iterator[Broken]:
    if draft.repeats and draft.strategy != "Bayesian":
        yield Broken(
            Place("repeats"), f"{draft.strategy} repeats no configuration; leave it out, or use Bayesian"
        )


def early_stopping_of_hyperband(draft: Draft, naming: Naming) -> Iterator[Broken]:
    if draft.strategy == "Hyperband" and draft.early_stopping is not None:
        yield Broken(
            Place("early_stopping"),
            f"{naming.name('stops_early')} does not go with Hyperband, which stops training jobs itself; "
            f"{naming.name('stop_late')}",
        )


def hyperband_resource(draft: Draft, naming: Naming) -> Iterator[Broken]:
    if draft.strategy != "Hyperband" or draft.max_resource is not None:
        return
    for number, definition in enumerate(draft.definitions):
        if definition.epochs is None:
            statics = naming.path(Place("hyperparameters", number))
            also = f", or one of {', '.join(EPOCH_KEYS)} in {statics}" if statics else ""
            yield Broken(Place("max_resource"), f"is missing and cannot be inferred; give it{also}")
        elif draft.most_resource is None:
            key, text = definition.epochs
            yield Broken(
                Place("max_resource"),
                f"is missing and cannot be inferred: the static {key} is {text!r}, which is not an integer "
                "of at least 1; give it",
            )


def hyperband_order(draft: Draft, naming: Naming) -> Iterator[Broken]:
    if draft.strategy != "Hyperband":
        return
    low, high = draft.min_resource, draft.most_resource
    if high is not None and high > MAX_RESOURCE:
        inferred = "" if draft.max_resource is not None else ", read from the static hyperparameters,"
        yield Broken(Place("max_resource"), f"{high}{inferred} is above the maximum {MAX_RESOURCE}; lower it")
    elif low is not None and high is not None and low > high:
        yield Broken(Place("min_resource"), f"{low} is above {naming.name('max_resource')} {high}; swap them")


def hyperband_elsewhere(draft: Draft, naming: Naming) -> Iterator[Broken]:
    if draft.strategy != "Hyperband" and draft.resources:
        yield Broken(
            Place("hyperband"), f"does not fit strategy {draft.strategy}; leave it out or use Hyperband"
        )


def multi_algorithm_warm_start(draft: Draft, naming: Naming) -> Iterator[Broken]:
    if draft.multi and draft.warm_start is not None:
        yield Broken(
            Place("warm_start"),
            f"needs a single definition; give {naming.name('definition')} or leave it out",
        )


def multi_algorithm_early_stopping(draft: Draft, naming: Naming) -> Iterator[Broken]:
    if draft.multi and draft.early_stopping is not None:
        yield Broken(
            Place("early_stopping"),
            f"{naming.name('stops_early')} is not available with {naming.name('definitions')}; "
            f"{naming.name('stop_late')}",
        )


def warm_start(draft: Draft, naming: Naming) -> Iterator[Broken]:
    if draft.warm_start is None:
        return
    for name, times in Counter(name.lower() for name in draft.warm_start.parents).items():
        if times > 1:
            yield Broken(Place("parents"), f"the parent {name!r} is named {times} times; name it once")
    if draft.strategy not in WARM_STRATEGIES:
        known = " or ".join(WARM_STRATEGIES)
        yield Broken(Place("warm_start"), f"does not go with strategy {draft.strategy}; use {known}")


def mixed_directions(draft: Draft, naming: Naming) -> Iterator[Broken]:
    first: str | None = None
    for number, definition in enumerate(draft.definitions):
        direction = definition.direction
        if first is not None and direction is not None and direction != first:
            yield Broken(
                Place("direction", number),
                f"{direction!r} differs from {first!r} of the first definition, and objectives of both "
                "could not be ranked together; use one",
            )
        first = first or direction


def too_much_environment(draft: Draft, naming: Naming) -> Iterator[Broken]:
    total = sum(len(definition.environment) for definition in draft.definitions)
    if total > MAX_ENVIRONMENT:
        yield Broken(
            Place("environment", 0),
            f"{total} entries over all definitions are more than the {MAX_ENVIRONMENT} allowed; take some "
            "out",
        )
