"""Warnings about a valid job configuration."""

from __future__ import annotations

from collections.abc import Iterator

from hpt.job.config import JobConfig, TrainingJobDefinition
from hpt.job.naming import Naming, Place, field_naming


def config_warnings(config: JobConfig, naming: Naming | None = None) -> tuple[str, ...]:
    """One sentence for each warning. `naming` names the parts of the job, by default as `JobConfig` does."""
    naming = field_naming(bool(config.definitions)) if naming is None else naming
    return tuple(
        sentence
        for number, definition in enumerate(config.all_definitions)
        for sentence in (
            *_same_variable(definition),
            *_own_metrics(definition),
            *_without_effect(config, definition, number, naming),
            *_direction(definition, naming.path(Place("direction", number))),
        )
    )


def _same_variable(definition: TrainingJobDefinition) -> Iterator[str]:
    """Hyperparameters that share an environment variable."""
    names: dict[str, str] = {}
    for name in [*(each.name for each in definition.space.parameters), *definition.hyperparameters]:
        other = names.setdefault(name.upper(), name)
        if other != name:
            yield (
                f"hyperparameters {other!r} and {name!r} differ only in case: both are the variable "
                f"SM_HP_{name.upper()}, which can hold one; read them from the arguments or the files"
            )


def _own_metrics(definition: TrainingJobDefinition) -> Iterator[str]:
    """Metric definitions of a built-in algorithm that are not its own."""
    algorithm = definition.program.algorithm
    if algorithm is None:
        return
    known = {(each.name, each.regex) for each in algorithm.metrics}
    own = [each.name for each in definition.metric_definitions if (each.name, each.regex) not in known]
    if own:
        yield (
            f"the metric definitions of {', '.join(map(repr, own))} are read beside those of "
            f"{algorithm.name}; SageMaker refuses definitions for its own algorithms"
        )


def _without_effect(
    config: JobConfig, definition: TrainingJobDefinition, number: int, naming: Naming
) -> Iterator[str]:
    """Members that mean nothing to a built-in algorithm that reports once, or that saves no checkpoints."""
    algorithm = definition.program.algorithm
    if algorithm is None:
        return
    if definition.instance_count > 1:
        place = Place("instance_groups" if definition.instance_groups else "instance_count", number)
        yield (
            f"{naming.path(place)} has no effect, since {algorithm.name} runs as one process, which reads "
            "all data and uses the cores of this machine"
        )
    if algorithm.reports_once:
        once = f"{algorithm.name} reports its metrics once, at its end: no training job is stopped early"
        if config.early_stopping is not None:
            yield f"{naming.path(Place('early_stopping'))} has no effect, since {once}"
        if config.strategy == "Hyperband":
            random = "Random does the same"
            yield f"{naming.path(Place('strategy'))} Hyperband has no effect, since {once}; {random}"
    if definition.checkpoint_uri is not None and not algorithm.checkpoint_support:
        path = naming.path(Place("checkpoint_uri", number))
        yield f"{path} has no effect, since {algorithm.name} saves no checkpoints"


def _direction(definition: TrainingJobDefinition, path: str) -> Iterator[str]:
    algorithm, wanted = definition.program.algorithm, definition.objective
    metric = None if algorithm is None else algorithm.metric(wanted.metric)
    if metric is not None and metric.direction != wanted.type:
        better = "larger" if metric.direction == "Maximize" else "smaller"
        yield f"{path} is {wanted.type}, but {metric.name} is better when it is {better}; check the direction"
