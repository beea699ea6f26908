"""What the fast ways of reading a log hand to the scanner."""

from __future__ import annotations

from typing import NamedTuple

Match = tuple[int, float, int]
"""Index of the definition, the value, and the offset after the line it stands on."""

LineToRead = tuple[int, int, bytes, int]
"""A line that `re` has to read: how many of the batch's matches come before it, index of the definition, the
line without its end, and the offset after it.
"""


class Batch(NamedTuple):
    """What was read up to offset `done`: `matches` in order, and `lines` still to be read, in order."""

    done: int
    matches: list[Match]
    lines: list[LineToRead]
