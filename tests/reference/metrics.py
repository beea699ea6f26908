"""The slow, obvious reading of a whole log: what `hpt.metrics` must equal, to the bit and in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

PIECE = 16 * 2**20


def number(text: str | None) -> float | None:
    """behaviour 6.1: what float() accepts, minus underscores; anything else is no value."""
    text = (text or "").split("#011")[0].strip()
    if "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def on_line(pattern: str, line: str) -> list[float]:
    values = [number(match.group(1)) for match in re.finditer(pattern, line)]
    return [value for value in values if value is not None]


def parts_of(log: bytes, piece: int) -> Iterator[tuple[str, int, int, bool]]:
    """Text, begin, offset after it, and whether the line ends there, of each part of the log."""
    offset = 0
    for part in re.split(rb"(?<=[\r\n])", log):
        line = part.rstrip(b"\r\n")
        for i in range(0, len(line), piece):
            last = i + piece >= len(line)
            end = offset + (len(part) if last else i + piece)
            text = line[i : i + piece].decode("utf-8", "surrogateescape")
            yield text, offset + i, end, not (last and part.endswith(b"\r"))
        if not line:
            yield "", offset, offset + len(part), part.endswith(b"\n")
        offset += len(part)


def scan(patterns: Sequence[str], log: bytes, piece: int = PIECE) -> list[tuple[int, float, int]]:
    """(definition, value, offset after the part of its line) for all of a log that has ended: for each
    definition the values of the last part of a line that has any.
    """
    matches: list[tuple[int, float, int]] = []
    kept: dict[int, list[float]] = {}
    first = last = 0

    def end_line() -> None:
        matches.extend((index, value, last) for index in sorted(kept) for value in kept[index])
        kept.clear()

    for text, begin, end, ends in parts_of(log, piece):
        found = {}
        for index, pattern in enumerate(patterns):
            values = on_line(pattern, text)
            if not values and "\t" in text:
                values = on_line(pattern, text.replace("\t", "#011"))
            if values:
                found[index] = values
        if found:
            if kept and end - first > piece:
                end_line()
            first = first if kept else begin
            last = end
            kept |= found
        if ends:
            end_line()
    end_line()
    return matches
