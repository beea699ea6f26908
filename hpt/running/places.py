"""Whether the programs, data and places of a job are there, asked before a job is created."""

from __future__ import annotations

from collections.abc import Iterator

from hpt.errors import ValidationError, Violation
from hpt.job.catalog import ALGORITHMS
from hpt.job.config import JobConfig
from hpt.job.draft import DraftDefinition, draft_of
from hpt.job.places import MODULE_PREFIX, is_s3
from hpt.job.rules import INVALID
from hpt.job.words import Place, field_words
from hpt.running.s3_places import check_s3
from hpt.sagemaker.request.surroundings import Surroundings


def check_places(config: JobConfig) -> None:
    """Look for what the definitions of a job name; last and only if all else is there, on S3.

    Raises:
        ValidationError: naming everything that cannot be used, with the reason and the fix.
    """
    draft, words = draft_of(config), field_words(bool(config.definitions))
    for surroundings in (Surroundings(), Surroundings(check_s3)):
        found = [
            Violation(INVALID, words.path(place), rule, message)
            for number, definition in enumerate(draft.definitions)
            for rule, place, message in _missing(definition, number, surroundings)
        ]
        if found:
            raise ValidationError(found)


def _missing(
    definition: DraftDefinition, number: int, surroundings: Surroundings
) -> Iterator[tuple[str, Place, str]]:
    """Rule, place and message of what is not there: on this machine, or where S3 is asked on S3."""
    remote = surroundings.check_s3 is not None
    reason = None if remote else _cannot_run(definition, surroundings)
    if reason is not None:
        place = Place("training_image", number)
        yield "program", place, f"{definition.training_image!r}: {reason}"
    for place, uri in definition.uris(number):
        if is_s3(uri) == remote:
            check = surroundings.data if place.field == "channels" else surroundings.destination
            reason = check(uri)
            if reason is not None:
                yield "s3" if remote else "path", place, f"{uri!r}: {reason}"


def _cannot_run(definition: DraftDefinition, surroundings: Surroundings) -> str | None:
    image = definition.training_image
    if definition.algorithm is not None:
        return surroundings.library(definition.algorithm)
    if image.startswith(MODULE_PREFIX):
        return None
    reason = surroundings.program(image)
    known = ", ".join(each.name for each in ALGORITHMS)
    return None if reason is None else f"{reason}; built-in algorithms are {known}"
