"""Notes that other processes add to a tuning job, for the process that runs it and for those that show it.

A note is a mapping with the members below. Reading the same note twice has the same effect as reading it
once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from hpt.search.stored import refuse_unknown

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
    """Raises StorageError if a note has an unknown member."""
    for note in notes:
        refuse_unknown(note.body, _MEMBERS, "a note on the tuning job")


def stop_requested(notes: Iterable[Note]) -> bool:
    """Whether notes ask for the tuning job to stop: the last that says so or otherwise decides."""
    requested = False
    for note in notes:
        requested = bool(note.body.get(STOP_TUNING_JOB, requested))
    return requested
