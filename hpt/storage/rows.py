"""The rows of a job's database as typed values. A database that was damaged, or edited, holds anything."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from hpt.host.identity import ProcessIdentity
from hpt.search.stored import MOST_SECONDS, damaged
from hpt.storage.base import JobRecord, Note

__all__ = ["events_of", "last_event", "note_of", "owner_of", "record_of", "token_of"]


def record_of(row: Sequence[object] | None, key: str | None) -> JobRecord:
    """The record without its owner, of a row of name, time of creation, document and summary.

    key: the name of the job's directory, None where that may differ.

    Raises:
        StorageError: a value is missing or of another type, or the job is another one.
    """
    if row is None:
        raise damaged("the description, the summary or the owner of the job is missing")
    name, created, document, summary = row[:4]
    if not isinstance(name, str):
        raise damaged(f"the stored name is {_shown(name)}")
    if key is not None and key != name.lower():
        raise damaged(f"the directory {key} holds the job {_shown(name)}")
    return JobRecord(
        name,
        _seconds(created, "the stored time of creation"),
        _object(document, "the stored description"),
        _object(summary, "the stored summary"),
    )


def owner_of(pid: object, identity: object) -> ProcessIdentity | None:
    """The process that was recorded as the owner, if any was."""
    if identity is None:
        return None
    owner = ProcessIdentity.parse(identity) if isinstance(identity, str) else None
    if owner is None or not isinstance(pid, int):
        raise damaged(f"the stored owner is {_shown(identity)}, process {_shown(pid)}")
    return owner


def token_of(row: Sequence[object] | None) -> int:
    """The token of the present owner, of a row that begins with it."""
    if row is None:
        raise damaged("the owner of the job is missing")
    token = row[0]
    if not isinstance(token, int) or not 0 <= token < 2**62:
        raise damaged(f"the stored token of the owner is {_shown(token)}")
    return token


def last_event(row: Sequence[object]) -> int:
    """The number of the last event, of a row of how many there are, their first and their last number.

    Raises:
        StorageError: one is missing.
    """
    count, first, last = row
    if (first, last) != ((1, count) if count else (None, None)):
        raise damaged(f"{count} events are stored with the numbers {first} to {last}")
    assert isinstance(count, int)
    return count


def events_of(rows: Sequence[Sequence[Any]], after: int) -> list[tuple[str, str]]:
    """Kind and body of each event, of rows of number, kind and body in their order after number `after`.

    Raises:
        StorageError: an event is missing.
    """
    for expected, row in enumerate(rows, after + 1):
        if row[0] != expected:
            raise damaged(f"event {expected} is missing, and there is one numbered {_shown(row[0])}")
    return [(kind, body) for _, kind, body in rows]


def note_of(after: object, body: object) -> Note:
    """The note of a row."""
    if not isinstance(after, int):
        raise damaged(f"a note was stored after event {_shown(after)}")
    return Note(after, _object(body, "a note on the tuning job"))


def _object(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, str):
        raise damaged(f"{what} is {_shown(value)}")
    try:
        document = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise damaged(f"{what} is no JSON ({str(error)[:100]})") from error
    if not isinstance(document, dict):
        raise damaged(f"{what} is {_shown(document)}")
    return document


def _seconds(value: object, what: str) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > MOST_SECONDS:
        raise damaged(f"{what} is {_shown(value)}")
    return value


def _shown(value: object) -> str:
    return (
        f"{value!r:.60}" if isinstance(value, str | int | float | None) else f"of type {type(value).__name__}"
    )
