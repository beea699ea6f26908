"""Reads metrics out of the bytes of a log as they arrive."""

from __future__ import annotations

import re
import time

import numpy as np

from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.engine import LINE, Kernel
from hpt.metrics.line import decode, number

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
        begin = 0
        if self._held and (first := _LINE_ENDS.search(data)):
            self._hold(data[: first.end()], matches)
            self._end_line(matches)
            begin = first.end()
        stop = data.rfind(b"\n", begin) + 1 or begin
        stop = data.rfind(b"\r", stop) + 1 or stop
        if begin < stop:
            self._scan(data, begin, stop, matches)
        self._hold(data[stop:] if stop else data, matches)
        return matches

    def finish(self) -> list[Match]:
        """The matches on a last line without an end; the log is over."""
        matches: list[Match] = []
        self._end_line(matches)
        return matches

    def _hold(self, piece: bytes, matches: list[Match]) -> None:
        """Keep a piece of a line; what exceeds MAX_LINE is cut off as a line of its own."""
        while self._held + len(piece) > MAX_LINE + (piece[-1:] in (b"\r", b"\n")):
            room = MAX_LINE - self._held
            self._keep(piece[:room])
            piece = piece[room:]
            self._end_line(matches)
        self._keep(piece)

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._partial.append(piece)
            self._held += len(piece)

    def _end_line(self, matches: list[Match]) -> None:
        line = b"".join(self._partial)
        self._partial.clear()
        self._held = 0
        if line:
            self._scan(line, 0, len(line), matches)

    def _scan(self, data: bytes, begin: int, stop: int, matches: list[Match]) -> None:
        """Append the matches of data[begin:stop], which is whole lines (or the log's end) from the cursor
        on.
        """
        loader = self._definitions.loader
        kernel = loader.kernel
        if kernel is None:
            started = time.perf_counter()
            self._scan_with_re(data, begin, stop, matches)
            loader.charge(time.perf_counter() - started)
        else:
            self._scan_with_kernel(kernel, data, begin, stop, matches)
        self.cursor += stop - begin

    def _scan_with_re(self, data: bytes, begin: int, stop: int, matches: list[Match]) -> None:
        indices = self._definitions.possible(data, begin, stop)
        base = self.cursor - begin
        while begin < stop and indices:
            ending = _LINE_ENDS.search(data, begin, min(begin + MAX_LINE + 1, stop))
            if ending:
                end, after = ending.start(), ending.end()
            else:
                end = after = min(begin + MAX_LINE, stop)
            if begin < end:
                line = data[begin:end]
                for index in indices:
                    values = self._definitions.lines.values(index, line)
                    matches += [(index, value, base + after) for value in values]
            begin = after

    def _scan_with_kernel(
        self, kernel: Kernel, data: bytes, begin: int, stop: int, matches: list[Match]
    ) -> None:
        base = self.cursor - begin
        lines = self._definitions.lines
        for rows, values in kernel.scan(self._definitions.plan, data, begin, stop, MAX_LINE):
            indices, kinds, ends = rows[:, 0].tolist(), rows[:, 1], (rows[:, 2] + base).tolist()
            found = list(zip(indices, values.tolist(), ends, strict=True))
            special = np.flatnonzero(kinds)
            done = 0
            for row in special.tolist():
                matches += found[done:row]
                done = row + 1
                index, kind, after, a, b = rows[row].tolist()
                if kind == LINE:
                    matches += [(index, value, base + after) for value in lines.values(index, data[a:b])]
                elif (value := number(decode(data[a:b]))) is not None:
                    matches.append((index, value, base + after))
            matches += found[done:]
