"""Follows the log of one attempt: chunks in, dated metric values out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol

from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.line import Match
from hpt.metrics.pace import Pace
from hpt.metrics.scanner import MetricScanner

LoggedValue = tuple[str, float, int, float]
"""Name of the metric, value, offset after its line, and when that line was written (seconds since the epoch).
"""


class Chunk(Protocol):
    """Bytes of a log from offset `start` on; `times` are ascending (offset, time): written before that offset
    by then.
    """

    @property
    def start(self) -> int: ...
    @property
    def data(self) -> bytes: ...
    @property
    def times(self) -> Sequence[tuple[int, float]]: ...


class LogTail:
    """Reads a log from `cursor` on: 0, or a `cursor` a former tail of this log had reached.

    A value's time is the earliest by which its whole line was known to be written, from the chunk that ended
    the line; failing that the latest time ever given, or 0.0 where none was. With a pace, as of
    `MetricScanner`, what was fed may not be read at once; the tail is then `behind`.
    """

    def __init__(self, definitions: CompiledDefinitions, cursor: int = 0) -> None:
        self._names = definitions.names
        self._scanner = MetricScanner(definitions, cursor)
        self._offset = cursor  # of the first byte not yet fed
        self._latest = 0.0
        self._times: Sequence[tuple[int, float]] = ()

    @property
    def behind(self) -> bool:
        """Whether lines that were fed are still to be read: `go_on` first."""
        return self._scanner.behind

    @property
    def cursor(self) -> int:
        """Where a reader that takes over must begin: the start of the line not yet ended."""
        return self._scanner.cursor

    @property
    def offset(self) -> int:
        """Where the next chunk must begin, or have begun."""
        return self._offset

    def feed(self, chunk: Chunk, pace: Pace | None = None) -> list[LoggedValue]:
        """The values on the lines that end in this chunk. Bytes fed before are passed over.

        Raises:
            ValueError: the chunk begins after `offset`, bytes are missing; or the tail is behind.
        """
        if chunk.start > self._offset:
            raise ValueError(
                f"a chunk from offset {chunk.start} follows {self._offset}; bytes in between are missing"
            )
        data = chunk.data[self._offset - chunk.start :] if chunk.start < self._offset else chunk.data
        self._offset += len(data)
        self._times = chunk.times
        return self._dated(self._scanner.feed(data, pace))

    def go_on(self, pace: Pace | None = None) -> list[LoggedValue]:
        """Further values of what was fed before."""
        return self._dated(self._scanner.go_on(pace))

    def finish(self, pace: Pace | None = None) -> list[LoggedValue]:
        """The values on a last line without an end; the log is over."""
        return self._dated(self._scanner.finish(pace))

    def _dated(self, matches: list[Match]) -> list[LoggedValue]:
        values: list[LoggedValue] = []
        times = self._times
        for index, value, end in matches:
            place = bisect_left(times, end, key=lambda pair: pair[0])
            time = times[place][1] if place < len(times) else (times[-1][1] if times else self._latest)
            values.append((self._names[index], value, end, time))
        if times and not self.behind:
            self._latest, self._times = times[-1][1], ()
        return values
