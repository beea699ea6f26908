"""Reads metrics out of the bytes of a log as they arrive."""

from __future__ import annotations

import time
from bisect import bisect_left
from concurrent.futures import Future, wait
from typing import cast

from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.line import Batch, Match, line_end, values_on_line
from hpt.metrics.pace import Pace
from hpt.metrics.rewritten import RewrittenLine
from hpt.metrics.safe.line_reader import Work

MAX_LINE = 16 * 2**20
"""A longer line is cut into pieces of so many bytes, each matched as a line of its own."""

APART = 4096
"""Matches that are so many bytes apart are looked at one by one for the end of their line; where they are
closer, all bytes are searched first.
"""

LINES = 32
"""So many lines are read with `re` before others may have a turn."""


class MetricScanner:
    r"""Matches metric definitions against a log, line by line, however it is cut into chunks.

    A line ends at `\n` or `\r\n`. One that is rewritten has several parts that end with `\r`, and gives for
    each metric the matches of the last part that has any (`RewrittenLine`). The offset of a line's matches is
    that after the first end byte of the last part with one. Matches come in the order of lines, on one line
    in the order of definitions, for one definition in the order of their places.

    cursor: offset of the first byte not wholly consumed, that is of the part not yet ended, not yet read, or
    with the first match of a line not yet ended. A scanner begun at that offset and fed from there gives the
    matches still to come. Memory is bounded by MAX_LINE and the longest chunk.

    Given a pace, reading stops once it is spent, or while it waits for a pattern that another process
    matches. The scanner is then `behind`: `go_on` before it is fed again.
    """

    def __init__(self, definitions: CompiledDefinitions, cursor: int = 0) -> None:
        self._definitions = definitions
        names = definitions.names
        self._line = RewrittenLine([names.index(name) for name in names], MAX_LINE)
        self._position = cursor  # of the first byte not yet read
        self._partial: list[bytes] = []  # the pieces of the line not yet ended
        self._held = 0  # their total length
        self._work: Work | None = None  # what is still to be done with what was fed

    @property
    def cursor(self) -> int:
        """See the class."""
        return self._line.begin if self._line.is_open else self._position

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
        return self._begin(self._end(), pace)

    def go_on(self, pace: Pace | None = None) -> list[Match]:
        """Further matches on what was fed before."""
        matches: list[Match] = []
        if self._work is None:
            return matches
        started = time.perf_counter()
        for found in self._work:
            if not isinstance(found, Future):
                matches += found
            elif pace is None:
                wait([found])
            if pace is not None and (pace.spent or isinstance(found, Future)):
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
        for begin in range(0, len(data), MAX_LINE):
            end = min(begin + MAX_LINE, len(data))
            if self._held and (first := line_end(data, begin, end)) and data[first - 1] in b"\r\n":
                yield from self._hold(data[begin:first])
                yield from self._end_line()
                begin = first
            stop = data.rfind(b"\n", begin, end) + 1 or begin
            stop = data.rfind(b"\r", stop, end) + 1 or stop
            if begin < stop:
                yield from self._scan(data, begin, stop)
            yield from self._hold(data[stop:end])

    def _hold(self, piece: bytes) -> Work:
        """Keep a piece of a line; what exceeds MAX_LINE is cut off as a line of its own."""
        while self._held + len(piece) > MAX_LINE + (piece[-1:] in (b"\r", b"\n")):
            room = MAX_LINE - self._held
            self._partial.append(piece[:room])
            piece = piece[room:]
            yield from self._end_line()
        if piece:
            self._partial.append(piece)
            self._held += len(piece)

    def _end_line(self) -> Work:
        line = b"".join(self._partial)
        self._partial.clear()
        self._held = 0
        if line:
            yield from self._scan(line, 0, len(line))

    def _end(self) -> Work:
        yield from self._end_line()
        yield self._line.close()

    def _scan(self, data: bytes, begin: int, stop: int) -> Work:
        """The matches of data[begin:stop], which is whole parts of lines (or the log's end)."""
        base = self._position - begin
        self._line.look(data, begin, stop, base)
        for batch in self._definitions.scan(data, begin, stop, base):
            done = self._position
            many = len(batch.found) * APART > batch.done - done and not self._line.is_open
            rewritten = not many or data.find(b"\r", done - base, batch.done - base) >= 0
            for matches in self._read(batch) if batch.lines else [cast("list[Match]", batch.found)]:
                if isinstance(matches, Future):
                    yield matches
                    continue
                if matches:
                    self._definitions.watch.look(matches, data, base)
                if rewritten:
                    given = self._line.take(matches, data, stop, base)
                    yield given + self._line.reached(self._position)
                else:
                    yield matches
            self._position = batch.done
            yield self._line.reached(self._position)

    def _read(self, batch: Batch) -> Work:
        """The matches of a batch, its lines read, a moment's work at a time."""
        reader, patterns = self._definitions.lines, self._definitions.patterns
        costs = reader.costs
        matches: list[Match] = []
        read = 0
        for index, what, after in batch.found:
            if isinstance(what, float):
                matches.append((index, what, after))
                continue
            cost = costs[index]
            at_once = len(what) <= cost.short or cost.is_instant(what)
            read += 1
            if not at_once or read % LINES == 0:
                # Only whole parts are given out, so that the cursor may stand behind them.
                whole = bisect_left(matches, after, key=lambda match: match[2])
                self._position = matches[whole - 1][2] if whole else self._position
                yield matches[:whole]
                del matches[:whole]
            if at_once:
                values = values_on_line(patterns[index], what.decode("utf-8", "surrogateescape"))
            else:
                values = yield from reader.read(index, what)
            for value in values:
                matches.append((index, value, after))  # noqa: PERF401, it is mostly one
        self._position = batch.done
        yield matches
