"""Reads metrics out of the bytes of a log as they arrive."""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Generator

import numpy as np

from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.engine import LINE, Kernel
from hpt.metrics.line import decode, number
from hpt.metrics.pace import Pace

MAX_LINE = 16 * 2**20
"""A longer line is cut into pieces of so many bytes, each matched as a line of its own."""

Match = tuple[int, float, int]
"""Index of the definition, the value, and the offset after the line it stands on."""

Work = Generator[list[Match] | None, None, None]
"""Matches, a moment's work at a time; None: it waits for another process."""

_LINE_ENDS = re.compile(rb"[\r\n]")


class MetricScanner:
    r"""Matches metric definitions against a log, line by line, however it is cut into chunks.

    A line ends at `\n`, `\r` or `\r\n`, and the offset of its matches is that after its first line end byte
    (the line between `\r` and `\n` is empty, and no number stands on it). Matches come in the order of lines,
    on one line in the order of definitions, for one definition in the order of their places.

    cursor: offset of the first byte not wholly consumed, that is the start of the line not yet ended, or not
    yet read. A scanner begun at that offset and fed from there gives the matches still to come. Memory is
    bounded by MAX_LINE and the longest chunk.

    Given a pace, reading stops once it is spent, or while it waits for a pattern that another process
    matches. The scanner is then `behind`: `go_on` before it is fed again.
    """

    def __init__(self, definitions: CompiledDefinitions, cursor: int = 0) -> None:
        self._definitions = definitions
        self.cursor = cursor
        self._partial: list[bytes] = []  # the pieces of the line not yet ended
        self._held = 0  # their total length
        self._work: Work | None = None  # what is still to be done with what was fed

    @property
    def behind(self) -> bool:
        """Whether lines that were fed are still to be read."""
        return self._work is not None

    def feed(self, data: bytes, pace: Pace | None = None) -> list[Match]:
        """The matches on the lines that end within `data`, which continues what was fed before.

        Raises:
            ValueError: the scanner is behind.
        """
        return self._begin(self._feed(data), pace)

    def finish(self, pace: Pace | None = None) -> list[Match]:
        """The matches on a last line without an end; the log is over.

        Raises:
            ValueError: the scanner is behind.
        """
        return self._begin(self._end_line(), pace)

    def go_on(self, pace: Pace | None = None) -> list[Match]:
        """Further matches on what was fed before."""
        matches: list[Match] = []
        if self._work is None:
            return matches
        for found in self._work:
            if found is not None:
                matches += found
            elif pace is None:
                self._definitions.lines.wait()
            if pace is not None and (found is None or pace.spent):
                return matches
        self._work = None
        return matches

    def _begin(self, work: Work, pace: Pace | None) -> list[Match]:
        if self._work is not None:
            raise ValueError("what was fed before is still to be read; go on with that first")
        self._work = work
        return self.go_on(pace)

    def _feed(self, data: bytes) -> Work:
        begin = 0
        if self._held and (first := _LINE_ENDS.search(data)):
            yield from self._hold(data[: first.end()])
            yield from self._end_line()
            begin = first.end()
        stop = data.rfind(b"\n", begin) + 1 or begin
        stop = data.rfind(b"\r", stop) + 1 or stop
        if begin < stop:
            yield from self._scan(data, begin, stop)
        yield from self._hold(data[stop:] if stop else data)

    def _hold(self, piece: bytes) -> Work:
        """Keep a piece of a line; what exceeds MAX_LINE is cut off as a line of its own."""
        while self._held + len(piece) > MAX_LINE + (piece[-1:] in (b"\r", b"\n")):
            room = MAX_LINE - self._held
            self._keep(piece[:room])
            piece = piece[room:]
            yield from self._end_line()
        self._keep(piece)

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._partial.append(piece)
            self._held += len(piece)

    def _end_line(self) -> Work:
        line = b"".join(self._partial)
        self._partial.clear()
        self._held = 0
        if line:
            yield from self._scan(line, 0, len(line))

    def _scan(self, data: bytes, begin: int, stop: int) -> Work:
        """The matches of data[begin:stop], which is whole lines (or the log's end) from the cursor on."""
        kernel = self._definitions.loader.kernel
        after = self.cursor + stop - begin
        if kernel is None:
            yield from self._scan_with_re(data, begin, stop)
        else:
            yield from self._scan_with_kernel(kernel, data, begin, stop)
        self.cursor = after

    def _scan_with_re(self, data: bytes, begin: int, stop: int) -> Work:
        started = time.perf_counter()
        indices = self._definitions.possible(data, begin, stop)
        lines, loader = self._definitions.lines, self._definitions.loader
        base = self.cursor - begin
        while begin < stop and indices:
            ending = _LINE_ENDS.search(data, begin, min(begin + MAX_LINE + 1, stop))
            if ending:
                end, after = ending.start(), ending.end()
            else:
                end = after = min(begin + MAX_LINE, stop)
            if begin < end:
                line = data[begin:end]
                matches: list[Match] = []
                for index in indices:
                    values = lines.at_once(index, line)
                    if values is None:
                        values = yield from self._read(index, line)
                    matches += [(index, value, base + after) for value in values]
                self.cursor = base + after
                loader.charge(time.perf_counter() - started)
                yield matches
                started = time.perf_counter()
            begin = after
        loader.charge(time.perf_counter() - started)

    def _read(self, index: int, line: bytes) -> Generator[list[Match] | None, None, list[float]]:
        """The values of a definition on a line where that may take long."""
        reading = self._definitions.lines.read(index, line)
        while True:
            try:
                waiting = next(reading)
            except StopIteration as end:
                values: list[float] = end.value
                return values
            yield None if waiting else []

    def _scan_with_kernel(self, kernel: Kernel, data: bytes, begin: int, stop: int) -> Work:
        base = self.cursor - begin
        lines = self._definitions.lines
        for done, rows, values in kernel.scan(self._definitions.plan, data, begin, stop, MAX_LINE):
            if not len(rows):
                self.cursor = base + done
                yield []
                continue
            indices, ends = rows[:, 0].tolist(), (rows[:, 2] + base).tolist()
            found = list(zip(indices, values.tolist(), ends, strict=True))
            special = np.flatnonzero(rows[:, 1])
            if not len(special):
                self.cursor = base + done
                yield found
                continue
            matches: list[Match] = []
            last = 0
            for row, (index, kind, after, a, b) in zip(special.tolist(), rows[special].tolist(), strict=True):
                matches += found[last:row]
                last = row + 1
                if kind == LINE:
                    one = lines.at_once(index, data[a:b])
                    if one is None:
                        # Only whole lines are given out, so that the cursor may stand behind them.
                        whole = bisect_left(matches, base + after, key=lambda match: match[2])
                        self.cursor = matches[whole - 1][2] if whole else self.cursor
                        yield matches[:whole]
                        del matches[:whole]
                        one = yield from self._read(index, data[a:b])
                    matches += [(index, value, base + after) for value in one]
                elif (value := number(decode(data[a:b]))) is not None:
                    matches.append((index, value, base + after))
            self.cursor = base + done
            yield matches + found[last:]
