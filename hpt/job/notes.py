"""Notes that other processes add to a tuning job, for the process that runs it and for those that show it.

A note is a mapping with the members below. Reading the same note twice has the same effect as reading it
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from hpt.search.stored import damaged, refuse_unknown

STOP_TUNING_JOB = "StopTuningJob"
"""The tuning job is to stop, if true; false takes an earlier request back."""

STOP_TRAINING_JOB = "StopTrainingJob"
"""The training job of that number is to stop."""

TAGS = "Tags"
"""Tags that are set (or deleted: None) by key."""

OF = "Of"
"""The training job that `Tags` are those of; without it, they are the tuning job's."""

STOP: Mapping[str, Any] = {STOP_TUNING_JOB: True}
"""The note that asks the tuning job to stop."""

GO_ON: Mapping[str, Any] = {STOP_TUNING_JOB: False}
"""The note that takes a request to stop back, where the tuning job is extended."""

_MEMBERS = frozenset((STOP_TUNING_JOB, STOP_TRAINING_JOB, TAGS, OF))


class Note(Protocol):
    """A note as a storage gives it. after: the number of events of the job when it was added."""

    @property
    def after(self) -> int: ...
    @property
    def body(self) -> Mapping[str, Any]: ...


def check_notes(notes: Iterable[Note]) -> None:
    """Raises StorageError if a note has an unknown member, or a value that none can have."""
    what = "a note on the tuning job"
    for note in notes:
        refuse_unknown(note.body, _MEMBERS, what)
        for name, is_right in _CHECKS.items():
            if name in note.body and not is_right(note.body[name]):
                raise damaged(f"{what} has the {name} {note.body[name]!r:.60}")


def _are_tags(value: object) -> bool:
    return isinstance(value, dict) and all(each is None or isinstance(each, str) for each in value.values())


_CHECKS: Mapping[str, Callable[[object], bool]] = {
    STOP_TUNING_JOB: lambda value: isinstance(value, bool),
    STOP_TRAINING_JOB: lambda value: type(value) is int and 0 < value < 2**53,
    TAGS: _are_tags,
    OF: lambda value: isinstance(value, str),
}


def stop_requested(notes: Iterable[Note]) -> bool:
    """Whether notes ask for the tuning job to stop: the last that says so or otherwise decides."""
    requested = False
    for note in notes:
        requested = bool(note.body.get(STOP_TUNING_JOB, requested))
    return requested
