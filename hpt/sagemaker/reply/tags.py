"""Tags of a tuning job and its training jobs: the fold of the changes made to them (behaviour 14).

A tuning job begins with the tags of its request; a training job begins with those its tuning job had when it
was launched. Changes are notes on the tuning job, each with the number of the job's events before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hpt.errors import InputError
from hpt.job.notes import OF, TAGS, Note
from hpt.job.state import TrainingJob

MAX_TAGS = 50


def change(changes: Mapping[str, str | None], job: str | None) -> dict[str, Any]:
    """The body of a note that changes the tags of training job `job`, or those of the tuning job."""
    body: dict[str, Any] = {TAGS: dict(changes)}
    return body if job is None else {**body, OF: job}


def tags_of(
    given: Mapping[str, str], notes: Iterable[Note], job: TrainingJob | None = None
) -> dict[str, str]:
    """The tags of a training job, or (None) of the tuning job that was created with `given`."""
    tags = dict(given)
    for note in notes:
        if TAGS not in note.body:
            continue
        target = note.body.get(OF)
        inherited = target is None and (job is None or note.after < job.sequence)
        if inherited or (job is not None and target == job.name):
            _apply(tags, note.body[TAGS])
    return tags


def merged(tags: Mapping[str, str], added: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The tags with others added or overwritten.

    Raises:
        InputError: a key is given twice, or the tags are too many.
    """
    new: dict[str, str] = {}
    for tag in added:
        if tag["Key"] in new:
            raise InputError(f"Tags names the key {tag['Key']!r} twice; give each key once")
        new[tag["Key"]] = tag["Value"]
    result = {**tags, **new}
    if len(result) > MAX_TAGS:
        raise InputError(f"the job would have {len(result)} tags, more than {MAX_TAGS}; delete some first")
    return result


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _apply(tags: dict[str, str], changes: Mapping[str, str | None]) -> None:
    for key, value in changes.items():
        if value is None:
            tags.pop(key, None)
        else:
            tags[key] = value
