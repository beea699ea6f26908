"""What one line of a log says: the contract that every faster way of reading must keep (behaviour 6.1).

A program that rewrites a line, as a progress bar does, ends its parts with a carriage return. Parts are
matched like lines; `hpt.metrics.rewritten` decides which of their values count.
"""

from __future__ import annotations

import re
from typing import NamedTuple

TAB_AS_TEXT = "#011"
"""How the service's log pipeline writes a TAB."""

Match = tuple[int, float, int]
"""Index of the definition, the value, and the offset after the part of a line it stands on."""

Found = tuple[int, float | bytes, int]
"""The same, or with a line, without its end, that `re` has to read for its value."""

_LINE_END = re.compile(rb"[\r\n]")


class Batch(NamedTuple):
    """What was found up to offset `done`, in order of lines, definitions and places; `lines`: whether some of
    it are lines.
    """

    done: int
    found: list[Found]
    lines: bool


def decode(line: bytes) -> str:
    """The line as text; bytes that are not UTF-8 survive as surrogates, which no number contains."""
    return line.decode("utf-8", "surrogateescape")


def number(text: str | None) -> float | None:
    """The value a group's text stands for: what `float()` reads, underscores excepted; None if it is no
    number.

    A TAB written as `#011` ends a number, as a TAB ends what `\\S+` matches.
    """
    if not text:
        return None
    if "_" not in text:
        try:
            return float(text)
        except ValueError:
            pass
    text = text.partition(TAB_AS_TEXT)[0].strip()  # `float` trims too, but not all of \x1c to \x1f
    if "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def line_end(data: bytes, begin: int, stop: int) -> int:
    """The offset after the first end of a line from `begin` on; `stop` if there is none before."""
    end = _LINE_END.search(data, begin, stop)
    return end.end() if end else stop


def values_on_line(pattern: re.Pattern[str], text: str) -> list[float]:
    """The values of one definition on one line without its end, in order.

    Every match is searched anywhere in the line, and its first group read. Where the line as printed gives no
    value, it is searched once more with every TAB written as the four characters `#011`.
    """
    while True:
        values = []
        for group in pattern.findall(text):  # "" for a group that took no part, which is no number either
            value = number(group if pattern.groups == 1 else group[0])
            if value is not None:
                values.append(value)
        if values or "\t" not in text:
            return values
        text = text.replace("\t", TAB_AS_TEXT)
