"""What the author of a job should know that breaks no rule."""

from __future__ import annotations

from collections.abc import Iterator

from hpt.job.catalog import find_algorithm
from hpt.job.config import JobConfig, TrainingJobDefinition
from hpt.job.words import Place, Words, field_words


def advice(config: JobConfig, words: Words | None = None) -> tuple[str, ...]:
    """Sentences about a job, in the words of its author, by default those of a `JobConfig`."""
    words = field_words(bool(config.definitions)) if words is None else words
    return tuple(
        sentence
        for number, definition in enumerate(config.all_definitions)
        for sentence in (*_alike(definition), *_direction(definition, words.path(Place("direction", number))))
    )


def _alike(definition: TrainingJobDefinition) -> Iterator[str]:
    alike: dict[str, str] = {}
    for name in [*(each.name for each in definition.space.parameters), *definition.hyperparameters]:
        other = alike.setdefault(name.upper(), name)
        if other != name:
            yield (
                f"hyperparameters {other!r} and {name!r} differ in case alone: both are the variable "
                f"SM_HP_{name.upper()}, which can hold one; read them from the arguments or the files"
            )


def _direction(definition: TrainingJobDefinition, path: str) -> Iterator[str]:
    algorithm, wanted = find_algorithm(definition.training_image), definition.objective
    metric = None if algorithm is None else algorithm.metric(wanted.metric)
    if metric is not None and metric.direction != wanted.type:
        better = "larger" if metric.direction == "Maximize" else "smaller"
        yield f"{path} is {wanted.type}, but of {metric.name} the {better} value is the better one"
