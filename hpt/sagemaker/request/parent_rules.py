"""The rules of the service for the parents of a warm start (behaviour 9.2, 9.3, 2.9 V29).

One table, as in `rules`. W1 and W11 need no stored job and are there, under V28. W7 (grandparents give
nothing) is kept by `hpt.job.parents`; W9 concerns jobs of 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from hpt.errors import Violation
from hpt.job.config import JobConfig, TrainingJobDefinition
from hpt.job.parents import Parent, matching_definition, same_program
from hpt.job.warm_start import WarmStartType
from hpt.sagemaker.request.facts import CONFIG
from hpt.sagemaker.request.range_rules import Broken
from hpt.sagemaker.request.rules import LIMIT_EXCEEDED
from hpt.sagemaker.request.shapes import CODE
from hpt.search.parameters import CategoricalParameter, Parameter
from hpt.search.values import value_string

MAX_CHANGES = 10
PARENTS = "WarmStartConfig.ParentHyperParameterTuningJobs"
NOT_FOUND = "ResourceNotFound"

Find = Callable[[JobConfig, Parent], Iterator[Broken]]


class ParentRule(NamedTuple):
    """`find` yields each place where one parent breaks the rule. always: also checked where the
    service's limits do not apply."""

    id: str
    find: Find
    always: bool = False


def path_of(place: int) -> str:
    """The path of the name of the parent at `place`, from 0."""
    return f"{PARENTS}[{place}].HyperParameterTuningJobName"


def missing(place: int, name: str) -> Violation:
    """The violation of V29."""
    return Violation(
        NOT_FOUND,
        path_of(place),
        "V29",
        f"no tuning job is named {name!r}; name one that exists and has not been deleted",
    )


def _ended(config: JobConfig, parent: Parent) -> Iterator[Broken]:
    if not parent.state.status.ended:
        yield (
            parent.path,
            f"{parent.config.name!r} is {parent.state.status}, and a parent must be Completed, Stopped or "
            "Failed; wait for it, or stop it",
        )


def _single(config: JobConfig, parent: Parent) -> Iterator[Broken]:
    if parent.config.definitions:
        yield (
            parent.path,
            f"{parent.config.name!r} has TrainingJobDefinitions, and a parent must have a single one; name "
            "another",
        )


def _objective(config: JobConfig, parent: Parent) -> Iterator[Broken]:
    path = f"{CONFIG}.HyperParameterTuningJobObjective"
    for definition in parent.config.all_definitions:
        mine = matching_definition(config, definition)
        if mine is None:
            continue
        if config.definitions:
            path = f"TrainingJobDefinitions[{config.definitions.index(mine)}].TuningObjective"
        own, theirs = mine.objective, definition.objective
        for member, one, other in (
            ("MetricName", own.metric, theirs.metric),
            ("Type", own.type, theirs.type),
        ):
            if one != other:
                yield (
                    f"{path}.{member}",
                    f"{str(one)!r} differs from {str(other)!r} of the parent {parent.config.name!r}; use "
                    "that, or another parent",
                )


def _names(config: JobConfig, parent: Parent) -> Iterator[Broken]:
    mine, theirs = (_hyperparameters(each.definition) for each in (config, parent.config))
    only = [
        f"only {where} has {', '.join(map(repr, sorted(names)))}"
        for where, names in (("the parent", theirs - mine), ("this job", mine - theirs))
        if names
    ]
    if only:
        yield (
            parent.path,
            f"the names of all hyperparameters, static and tunable, must be those of {parent.config.name!r}: "
            f"{'; '.join(only)}; add the missing ones, for example as static hyperparameters",
        )


def _hyperparameters(definition: TrainingJobDefinition) -> set[str]:
    return {*definition.hyperparameters, *(each.name for each in definition.space.parameters)}


def _kinds(config: JobConfig, parent: Parent) -> Iterator[Broken]:
    theirs = {each.name: each for each in parent.config.definition.space.parameters}
    for mine in config.definition.space.parameters:
        other = theirs.get(mine.name)
        if other is not None and type(other) is not type(mine):
            yield (
                f"{CONFIG}.ParameterRanges.{_kind(mine)}ParameterRanges",
                f"{mine.name!r} is {_kind(mine)} here and {_kind(other)} in the parent "
                f"{parent.config.name!r}; keep its kind",
            )


def _kind(parameter: Parameter) -> str:
    return type(parameter).__name__.removesuffix("Parameter")


def changes(mine: TrainingJobDefinition, theirs: TrainingJobDefinition) -> dict[str, int]:
    """The number of changes of each changed hyperparameter: the distinct values that it has in the parent and
    in the job, if it is static in the job; a range of numbers counts as one (behaviour 9.4).
    """
    counted = {}
    tuned = {each.name: each for each in theirs.space.parameters}
    for name, value in mine.hyperparameters.items():
        before = tuned.get(name)
        if isinstance(before, CategoricalParameter):
            counted[name] = len({value, *map(value_string, before.values)})
        elif before is not None:
            counted[name] = 1
        elif theirs.hyperparameters.get(name, value) != value:
            counted[name] = 2
    return counted


def _changes(config: JobConfig, parent: Parent) -> Iterator[Broken]:
    counted = changes(config.definition, parent.config.definition)
    total = sum(counted.values())
    if total > MAX_CHANGES:
        listed = ", ".join(f"{name!r} {count}" for name, count in sorted(counted.items()))
        yield (
            parent.path,
            f"{total} changes of static hyperparameters from {parent.config.name!r} are more than the "
            f"{MAX_CHANGES} allowed: {listed}; change fewer of them",
        )


def _identical(config: JobConfig, parent: Parent) -> Iterator[Broken]:
    assert config.warm_start is not None
    differs = same_program(config, parent.config)
    if config.warm_start.type is WarmStartType.IDENTICAL and differs:
        member = {"program": "AlgorithmSpecification.TrainingImage", "input data": "InputDataConfig"}[differs]
        yield (
            f"TrainingJobDefinition.{member}",
            f"the {differs} differs from that of the parent {parent.config.name!r}, which "
            f"{WarmStartType.IDENTICAL} does not allow; use {WarmStartType.TRANSFER}",
        )


PARENT_RULES: tuple[ParentRule, ...] = (
    ParentRule("W2", _ended, always=True),
    ParentRule("W10", _single),
    ParentRule("W3", _objective, always=True),
    ParentRule("W4", _names),
    ParentRule("W5", _kinds),
    ParentRule("W6", _changes),
    ParentRule("identical", _identical),
)
"""In the order in which they are checked. V29 comes before them, W8 after."""


def check_parents(
    config: JobConfig,
    parents: Sequence[Parent],
    most_jobs: int | None,
    rules: Iterable[ParentRule] = PARENT_RULES,
) -> Violation | None:
    """The first broken rule, or None.

    Parameters
    ----------
    config
        The job.
    parents
        Its parents.
    most_jobs
        The service's limit on the training jobs of the parents and the job together. None: the service's
        limits do not apply, and rules without `always` are not checked.
    rules
        The rules to check.

    Returns
    -------
    Violation or None
        The first broken rule.
    """
    for rule in rules:
        for parent in parents:
            if most_jobs is not None or rule.always:
                for path, message in rule.find(config, parent):
                    return Violation(CODE, path, rule.id, message)
    return None if most_jobs is None else too_many_jobs(config, parents, most_jobs)


def too_few_left(config: JobConfig, left: int | None) -> Violation | None:
    """The violation of V16 by a job whose parents leave it fewer combinations than the training jobs it asks
    for, or None. Of a search that Autotune bounds, fewer are enough.
    """
    asked = config.limits.max_jobs
    if left is None or asked is None or config.repeats:
        return None
    if config.limits.max_jobs_is_quota or asked <= left:
        return None
    return Violation(
        CODE,
        f"{CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs",
        "V16",
        f"the results of the parents leave {float(left)} combinations of the ranges, not enough for {asked} "
        f"training jobs; lower it{f' to {left}' if left else ''}, or widen the ranges",
    )


def too_many_jobs(config: JobConfig, parents: Sequence[Parent], most: int) -> Violation | None:
    """The violation of W8, or None. A job without a number of training jobs counts as 0."""
    launched = sum(parent.state.launched for parent in parents)
    asked = 0 if config.limits.max_jobs_is_quota else config.limits.max_jobs or 0
    if launched + asked <= most:
        return None
    return Violation(
        LIMIT_EXCEEDED,
        f"{CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs",
        "W8",
        f"the limit on training jobs of a tuning job and its parents together is {most}, with present use of "
        f"{launched} and a requested increment of {asked}; ask for {max(0, most - launched)} or fewer, or "
        "name fewer parents",
    )
