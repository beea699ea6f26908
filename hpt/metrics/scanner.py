"""Reads metrics out of the bytes of a log as they arrive."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.line import decode, values_on_line

MAX_LINE = 16 * 2**20
"""A longer line is cut into pieces of so many bytes, each matched as a line of its own."""

Match = tuple[int, float, int]
"""Index of the definition, the value, and the offset after the line it stands on."""

_LINE_ENDS = re.compile(rb"[\r\n]")


class MetricScanner:
    r"""Matches metric definitions against a log, line by line, however it is cut into chunks.

    A line ends at `\n`, `\r` or `\r\n`, and the offset of its matches is that after its first line end byte
    (the line between `\r` and `\n` is empty, and no number stands on it). Matches come in the order of lines,
    on one line in the order of definitions, for one definition in the order of their places.

    cursor: offset of the first byte not wholly consumed, that is the start of the line not yet ended. A
    scanner begun at that offset and fed from there gives the matches still to come. Memory is bounded by
    MAX_LINE.
    """

    def __init__(self, definitions: CompiledDefinitions, cursor: int = 0) -> None:
        self._definitions = definitions
        self.cursor = cursor
        self._partial: list[bytes] = []  # the pieces of the line not yet ended
        self._held = 0  # their total length

    def feed(self, data: bytes) -> list[Match]:
        """The matches on the lines that end within `data`, which continues what was fed before."""
        matches: list[Match] = []
        start = 0
        for end in _LINE_ENDS.finditer(data):
            self._add(data[start : end.start()], matches)
            start = end.end()
            self._end_line(1, matches)
        self._add(data[start:], matches)
        return matches

    def finish(self) -> list[Match]:
        """The matches on a last line without an end; the log is over."""
        matches: list[Match] = []
        self._end_line(0, matches)
        return matches

    def _add(self, piece: bytes, matches: list[Match]) -> None:
        while self._held + len(piece) > MAX_LINE:
            room = MAX_LINE - self._held
            self._hold(piece[:room])
            piece = piece[room:]
            self._end_line(0, matches)
        self._hold(piece)

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._partial.append(piece)
            self._held += len(piece)

    def _end_line(self, end_length: int, matches: list[Match]) -> None:
        line = b"".join(self._partial)
        self.cursor += self._held + end_length
        self._partial.clear()
        self._held = 0
        if line:
            matches.extend(self._match(decode(line)))

    def _match(self, text: str) -> Iterable[Match]:
        for index, pattern in enumerate(self._definitions.patterns):
            for value in values_on_line(pattern, text):
                yield index, value, self.cursor
