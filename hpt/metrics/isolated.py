"""Matches with `re` in a process of its own, for patterns that may never come to an end.

A thread within `re` cannot be stopped; a process can.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

LIMIT = 0.05
"""Seconds one line may take."""

START_LIMIT = 5.0


class TooSlowError(Exception):
    """The pattern did not come to an end in time."""


class IsolatedMatcher:
    """One process, started at the first request and again after it was killed. Safe to use from several
    threads.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._end: Callable[[], object] | None = None
        self._unread = b""

    def values(self, pattern: str, text: str) -> list[float]:
        """The values of a pattern on a line, as `values_on_line` gives them.

        Raises:
            TooSlowError: it took longer than the limit, or the process could not be had.
        """
        with self._lock:
            if self._process is None or self._owner != os.getpid():
                self._start()
            try:
                return self._ask(pattern, text)
            except (OSError, EOFError, ValueError):
                self._stop()
                raise TooSlowError(
                    f"no end within {self._limit:g} s on a line of {len(text)} characters"
                ) from None

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _start(self) -> None:
        child = Path(__file__).with_name("isolated_child.py")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(child), str(self._limit)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C at the terminal is the tuner's to handle
            )
        except OSError as error:
            raise TooSlowError(f"its process could not be started: {error}") from None
        self._owner, self._unread = os.getpid(), b""
        self._end = weakref.finalize(self, _end, self._process, self._owner)
        try:
            self._line(START_LIMIT)
        except (OSError, EOFError):
            self._stop()
            raise TooSlowError("its process did not start") from None

    def _stop(self) -> None:
        self._process = None
        if self._end is not None:
            self._end()

    def _ask(self, pattern: str, text: str) -> list[float]:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([pattern, text]).encode() + b"\n")
        self._process.stdin.flush()
        values: list[float] = json.loads(self._line(2 * self._limit))
        return values

    def _line(self, patience: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        deadline = time.monotonic() + patience
        descriptor = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise EOFError
                piece = os.read(descriptor, 65536)
                if not piece:
                    raise EOFError
                self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if owner != os.getpid():  # a forked child has a copy of this object, not of the process
        return
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    process.wait()
