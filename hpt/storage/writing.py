"""What is written to a job's database: events as rows, strings as UTF-8 can hold them."""

from __future__ import annotations

from collections.abc import Sequence

from hpt.search.events import Event, to_json
from hpt.storage.database import Execute


def event_rows(events: Sequence[Event]) -> list[tuple[float, str, str]]:
    """Time, kind and body of each event."""
    return [(event.time, kind, encodable(body)) for event in events for kind, body in [to_json(event)]]


def insert_events(execute: Execute, last: int, rows: list[tuple[float, str, str]]) -> None:
    """Record events after the one numbered `last`."""
    for seq, row in enumerate(rows, last + 1):
        execute("INSERT INTO event VALUES (?, ?, ?, ?)", (seq, *row))


def encodable(string: str) -> str:
    """The JSON string in a form that UTF-8 can hold: surrogates (undecodable bytes of a log or a path) become
    JSON's own escapes.
    """
    try:
        string.encode()
    except UnicodeEncodeError:
        return string.encode("utf-8", "backslashreplace").decode()
    return string
