"""Reads metrics out of the bytes of a log as they arrive."""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Generator
from concurrent import futures

from hpt.metrics.batch import Batch, Match
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.pace import Pace

MAX_LINE = 16 * 2**20
"""A longer line is cut into pieces of so many bytes, each matched as a line of its own."""

LINES = 32
"""So many lines are read with `re` before others may have a turn."""

Work = Generator[list[Match] | futures.Future[list[float]], None, None]
"""Matches, a moment's work at a time; a future: it waits for another process."""

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
        started = time.perf_counter()
        for found in self._work:
            waiting = isinstance(found, futures.Future)
            if not isinstance(found, futures.Future):
                matches += found
            elif pace is None:
                futures.wait([found])
            if pace is not None and (waiting or pace.spent):
                break
        else:
            self._work = None
        self._definitions.loader.charge(time.perf_counter() - started)
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
        base = self.cursor - begin
        for batch in self._definitions.scan(data, begin, stop, base, MAX_LINE):
            if batch.lines:
                yield from self._read(batch)
            else:
                self.cursor = batch.done
                yield batch.matches

    def _read(self, batch: Batch) -> Work:
        """The matches of a batch, its lines read."""
        reader, lines = self._definitions.lines, batch.lines
        matches: list[Match] = []
        number = 0
        while number < len(lines):
            end = min(number + LINES, len(lines))
            number = reader.read_at_once(batch, number, end, matches)
            if number == len(lines):
                break
            # Only whole lines are given out, so that the cursor may stand behind them.
            _, index, line, after = lines[number]
            whole = bisect_left(matches, after, key=lambda match: match[2])
            self.cursor = matches[whole - 1][2] if whole else self.cursor
            yield matches[:whole]
            del matches[:whole]
            if number < end:
                values = yield from self._read_slowly(index, line)
                matches += [(index, value, after) for value in values]
                number += 1
        self.cursor = batch.done
        yield matches + batch.matches[lines[-1][0] :]

    def _read_slowly(
        self, index: int, line: bytes
    ) -> Generator[list[Match] | futures.Future[list[float]], None, list[float]]:
        """The values of a definition on a line where that may take long."""
        reading = self._definitions.lines.read(index, line)
        while True:
            try:
                waiting = next(reading)
            except StopIteration as end:
                values: list[float] = end.value
                return values
            yield waiting or []
