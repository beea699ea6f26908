"""Reads a sample log of any size: a file, a pipe or standard input, as it is or compressed by gzip.

Within a second or so: of a log that is too long, the beginning and the end are read.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import sys
import time
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from hpt.errors import InputError
from hpt.job.config import MetricDefinition
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.fast.loader import Loader
from hpt.metrics.line import Match
from hpt.metrics.pace import Pace
from hpt.metrics.scanner import MAX_LINE, MetricScanner

CHUNK = 1 << 20
KEPT = MAX_LINE + CHUNK
"""Bytes of the end of the log that are kept: the longest line."""

END = CHUNK
"""Bytes of the end of a long log that are read, if a line begins there."""

READ_SECONDS, PASS_SECONDS, END_SECONDS = 0.6, 1.0, 0.4
"""Seconds of CPU time for reading a log, for passing over the rest of a pipe, and for reading its end."""

WAIT_SECONDS = 0.5
"""Seconds of waiting for slow patterns."""

_GZIP = b"\x1f\x8b"
_NEVER = 1e18


@dataclass
class SampleLog:
    """What was read.

    values: of each definition, in order. end: the last bytes, whole lines but for the first where the log is
    longer. size: bytes of the log, as far as it was read or passed over. unread: how many of them were passed
    over. stopped: more may follow. slow: for each definition that had any, how many lines were too slow.
    """

    values: list[list[float]]
    end: bytes = b""
    size: int = 0
    unread: int = 0
    stopped: bool = False
    slow: dict[int, int] = field(default_factory=dict)


def read_sample(path: str, definitions: list[MetricDefinition]) -> SampleLog:
    """Read the log at a path, `-` for standard input.

    Raises:
        InputError: it cannot be read.
    """
    reader = _Reader(definitions)
    try:
        with _opened(path) as (log, seekable):
            reader.read(log, seekable)
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"the log {path} is no gzip file that can be read: {error}; give another") from error
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"the log {path} cannot be read: {why}; give a file, or - for a pipe") from error
    return reader.sample


@contextmanager
def _opened(path: str) -> Iterator[tuple[BinaryIO, bool]]:
    """The log, decompressed, and whether one can go to its end at once."""
    standard = path == "-"
    with open(sys.stdin.fileno() if standard else path, "rb", closefd=not standard) as raw:
        if raw.peek(2)[:2] == _GZIP:
            with gzip.GzipFile(fileobj=raw) as log:
                yield cast(BinaryIO, log), False
        else:
            if not raw.seekable():
                with suppress(OSError):  # a larger pipe takes fewer steps, where it is one
                    fcntl.fcntl(raw, fcntl.F_SETPIPE_SZ, CHUNK)
            yield raw, raw.seekable()


class _Reader:
    def __init__(self, definitions: list[MetricDefinition]) -> None:
        self._definitions = CompiledDefinitions(definitions, Loader(_NEVER), lambda message: None)
        self._scanner = MetricScanner(self._definitions)
        self._last: deque[bytes] = deque()
        self._held = 0  # bytes of it
        self.sample = SampleLog([[] for _ in definitions])

    def read(self, log: BinaryIO, seekable: bool) -> None:
        """Read the beginning, and where that takes long, then the end."""
        sample = self.sample
        pace = _Patience(READ_SECONDS)
        whole = True
        try:
            while whole and (data := log.read1(CHUNK)):  # type: ignore[attr-defined]
                self._keep(data)
                whole = self._go_on(self._scanner, self._scanner.feed(data, pace), pace)
            if not whole:
                self._pass_over(log, seekable)
        except EOFError as error:  # a compressed file that is still being written, or was cut off
            if not sample.size:
                raise gzip.BadGzipFile(str(error)) from error
            sample.stopped = True
        sample.end = b"".join(self._last)
        if not (whole and self._go_on(self._scanner, self._scanner.finish(pace), pace)):
            self._read_end(self._scanner.cursor)
        sample.slow = dict(self._definitions.lines.slow)

    def _keep(self, data: bytes) -> None:
        self.sample.size += len(data)
        self._last.append(data)
        self._held += len(data)
        while self._held - len(self._last[0]) > KEPT:
            self._held -= len(self._last.popleft())

    def _pass_over(self, log: BinaryIO, seekable: bool) -> None:
        """Go on to the end of the log, of which the last bytes are kept."""
        if seekable:
            size = os.fstat(log.fileno()).st_size
            if size - self.sample.size > KEPT:
                self._last.clear()
                self._held = 0
                self.sample.size = log.seek(size - KEPT)
        pace = Pace(PASS_SECONDS, time.thread_time)
        buffers = [memoryview(bytearray(KEPT)) for _ in range(2)]  # one is filled, one full
        filled, turns = 0, 0
        while count := log.readinto1(buffers[0][filled : filled + CHUNK]):  # type: ignore[attr-defined]
            filled += count
            if filled == KEPT:
                buffers.reverse()
                filled, turns = 0, turns + 1
            if pace.spent:
                self.sample.stopped = True
                break
        if turns:
            self.sample.size += (turns - 1) * KEPT
            self._keep(bytes(buffers[1]))
        self._keep(bytes(buffers[0][:filled]))

    def _go_on(self, scanner: MetricScanner, matches: list[Match], pace: _Patience) -> bool:
        """Take what was read and what is left to be; whether that came to an end in time."""
        self._take(matches)
        while scanner.behind:
            if pace.spent:
                return False
            self._take(scanner.go_on(pace))
            if scanner.behind and not pace.spent:  # another process is at work
                pace.wait()
        return True

    def _read_end(self, at: int) -> None:
        """Read the lines at the end that were not read, `at` being where reading came to."""
        sample = self.sample
        start = sample.size - len(sample.end)
        begin = max(at, start)
        if begin > at:
            line = sample.end.find(b"\n", max(0, len(sample.end) - END)) + 1
            begin += line or sample.end.find(b"\n") + 1
        scanner = MetricScanner(self._definitions, begin)
        pace = _Patience(END_SECONDS)
        if self._go_on(scanner, scanner.feed(sample.end[begin - start :], pace), pace):
            self._go_on(scanner, scanner.finish(pace), pace)
        sample.unread = begin - at + (sample.size - scanner.cursor)

    def _take(self, matches: list[Match]) -> None:
        for index, value, _ in matches:
            self.sample.values[index].append(value)


class _Patience(Pace):
    """So many seconds of CPU time, and WAIT_SECONDS for another process."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds, time.thread_time)
        self._waited = 0.0

    @property
    def spent(self) -> bool:
        return super().spent or self._waited > WAIT_SECONDS

    def wait(self) -> None:
        """Wait a moment."""
        started = time.monotonic()
        time.sleep(0.001)
        self._waited += time.monotonic() - started
