"""The log of an attempt as its tuner reads it: bytes from an offset on, and when they were written."""

from __future__ import annotations

import errno
import os

from hpt.executors import record
from hpt.executors.base import LogChunk
from hpt.executors.checked import DamagedRecordError
from hpt.host.clock import LATEST, SteadyClock
from hpt.host.files import NO_FILE, open_file

LARGEST_HOLE = 1 << 30
"""Bytes that were never written: a program can truncate its output to any length, and reading takes hours."""

_MOST_DATES = 1 << 18


class AttemptLog:
    """The log and its index below an attempt's directory. Neither need be there, or be whole.

    offset: of the next byte to hand out.
    """

    def __init__(self, directory: str, clock: SteadyClock, offset: int) -> None:
        self.path = f"{directory}/{record.LOG}"
        self.is_known = False  # which file is followed
        self._directory, self._followed = directory, self.path
        self.offset = offset
        self._index = f"{directory}/{record.INDEX}"
        self._clock = clock
        self._hint = (0, 0)  # (offset in the log, line of the index that first reaches it)
        self.given_up = False
        self._latest = 0.0  # of the times handed out

    def follow(self, name: str) -> None:
        """Read that file: of a function its values in place of its log."""
        self._followed, self.is_known = f"{self._directory}/{name}", True

    def read(self, limit: int, *, since: float = 0.0) -> tuple[LogChunk, bool]:
        """Up to `limit` bytes, and whether they are the last there are. They count as handed out. since: when
        the attempt began, at the latest.

        A log that was removed or cut off below the offset has no further bytes until it grows past it.

        Raises:
            OSError: it cannot be read now; nothing was handed out.
            DamagedRecordError: the program extended it without printing; it is not read any further.
        """
        nothing = LogChunk(self.offset, b"")
        try:
            size = os.stat(self._followed).st_size
            if self.given_up:
                return nothing, True
            if size <= self.offset or limit <= 0:
                return nothing, size <= self.offset
            fd = open_file(self._followed)
        except (FileNotFoundError, NotADirectoryError):
            return nothing, True
        except OSError as error:
            if error.errno in NO_FILE:  # the program put something else there
                return nothing, True
            raise
        try:
            if size - self.offset > LARGEST_HOLE and self._hole(fd, size) > LARGEST_HOLE:
                self.given_up = True
                raise DamagedRecordError(f"its log was extended by more than {LARGEST_HOLE} bytes of nothing")
            data = os.pread(fd, limit, self.offset)
            written = os.fstat(fd).st_mtime - self._clock.lead()
        finally:
            os.close(fd)
        self._latest = max(self._latest, since)
        end = self.offset + len(data)
        chunk = LogChunk(self.offset, data, self._dates(self.offset, end, written))
        self.offset = end
        return chunk, end >= size

    def _hole(self, fd: int, size: int) -> int:
        """How many bytes from the offset on were never written."""
        try:
            return os.lseek(fd, self.offset, os.SEEK_DATA) - self.offset
        except OSError as error:  # ENXIO: nothing follows
            return size - self.offset if error.errno == errno.ENXIO else 0

    def _dates(self, start: int, end: int, written: float) -> list[tuple[int, float]]:
        """The index's entries for bytes `start` to `end`; `written`: when the log was last written."""
        dates: list[tuple[int, float]] = []
        now = self._clock()
        try:
            with open(open_file(self._index), "rb") as file:
                lines = os.fstat(file.fileno()).st_size // record.INDEX_LINE
                line = self._first_line(file.fileno(), start, lines)
                file.seek(line * record.INDEX_LINE)
                while line < lines and len(dates) < _MOST_DATES and (not dates or dates[-1][0] < end):
                    offset, seconds = file.read(record.INDEX_LINE).split()
                    place, time = int(offset), float(seconds)
                    if not 0 <= time <= LATEST or place <= (dates[-1][0] if dates else start):
                        break  # damaged
                    dates.append((place, self._in_order(time, now)))
                    line += 1
        except (OSError, ValueError):
            pass
        if dates and dates[-1][0] >= end:
            dates[-1] = (end, dates[-1][1])
            self._hint = (end, line - 1)
        else:
            dates.append((end, self._in_order(written, now)))
        return dates

    def _in_order(self, time: float, now: float) -> float:
        """The time, neither before those that were handed out nor after now."""
        self._latest = max(self._latest, min(time, now))
        return self._latest

    def _first_line(self, fd: int, start: int, lines: int) -> int:
        """The first line of the index whose offset is past `start`."""
        known, low = self._hint
        low = low if known <= start else 0
        high = lines
        while low < high:
            middle = (low + high) // 2
            offset = int(os.pread(fd, 15, middle * record.INDEX_LINE))
            if offset <= start:
                low = middle + 1
            else:
                high = middle
        return low
