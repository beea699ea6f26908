"""The slow, obvious reading of a whole log: what `hpt.metrics` must equal, to the bit and in order."""

from __future__ import annotations

import re
from collections.abc import Sequence

PIECE = 16 * 2**20


def number(text: str | None) -> float | None:
    """behaviour 6.1: what float() accepts, minus underscores; anything else is no value."""
    if text is None or "_" in text.strip():
        return None
    try:
        return float(text.strip())
    except ValueError:
        return None


def on_line(pattern: str, line: str) -> list[float]:
    values = [number(match.group(1)) for match in re.finditer(pattern, line)]
    return [value for value in values if value is not None]


def scan(patterns: Sequence[str], log: bytes, piece: int = PIECE) -> list[tuple[int, float, int]]:
    """(definition, value, offset after the line) for all of a log that has ended."""
    matches = []
    offset = 0
    for part in re.split(rb"(?<=[\r\n])", log):
        line = part.rstrip(b"\r\n")
        pieces = [line[i : i + piece] for i in range(0, len(line), piece)]
        for i, bytes_of_line in enumerate(pieces):
            last = i + 1 == len(pieces)
            end = offset + (len(part) if last else piece * (i + 1))
            text = bytes_of_line.decode("utf-8", "surrogateescape")
            for index, pattern in enumerate(patterns):
                values = on_line(pattern, text)
                if not values and "\t" in text:
                    values = on_line(pattern, text.replace("\t", "#011"))
                matches += [(index, value, end) for value in values]
        offset += len(part)
    return matches
