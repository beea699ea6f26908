"""Matches with `re` in a process of its own, for patterns that may never come to an end.

A thread within `re` cannot be stopped; a process can. Nobody has to wait for it: a question is put, and
answered some time later.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

LIMIT = 0.05
"""Seconds of CPU time one line may take."""

PATIENCE = 5.0
"""Seconds after which an answer is given up for lost: many times what a start and a line take."""


class TooSlowError(Exception):
    """The pattern did not come to an end in time, or the process could not be started."""


class IsolatedMatcher:
    """A process, started at the first question and again after it was killed, and a thread that talks to it.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._end: Callable[[], object] | None = None

    def ask(self, pattern: str, line: bytes, limit: float = LIMIT) -> Future[list[float]]:
        """The values of a pattern on a line, as `values_on_line` gives them, or a TooSlowError, in time.

        limit: seconds of CPU time it may take.
        """
        with self._lock:
            if self._executor is None or self._owner != os.getpid():  # a forked child has no such thread
                self._executor = ThreadPoolExecutor(1, "hpt-isolated-matcher")
                self._process, self._owner = None, os.getpid()
            return self._executor.submit(self._answer, pattern, line, limit)

    def _answer(self, pattern: str, line: bytes, limit: float) -> list[float]:
        try:
            process = self._process or self._start()
        except OSError as error:
            raise TooSlowError(f"its process could not be started: {error.strerror}") from error
        assert process.stdin is not None
        assert process.stdout is not None
        lost = threading.Timer(PATIENCE + 10 * limit, process.kill)
        lost.start()
        answer = b""
        with contextlib.suppress(OSError, ValueError):  # it was killed, or its pipes were closed
            process.stdin.write(json.dumps([pattern, limit, len(line)]).encode() + b"\n" + line)
            process.stdin.flush()
            answer = process.stdout.readline()
        lost.cancel()
        if not answer.endswith(b"\n"):
            self._stop()
            raise TooSlowError(f"no end within {limit:g} s on a line of {len(line)} characters")
        values: list[float] = json.loads(answer)
        return values

    def _start(self) -> subprocess.Popen[bytes]:
        child = Path(__file__).with_name("isolated_child.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(child)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C at the terminal is the tuner's to handle
        )
        self._end = weakref.finalize(self, _end, self._process, os.getpid())
        return self._process

    def _stop(self) -> None:
        self._process = None
        if self._end is not None:
            self._end()


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if owner != os.getpid():  # a forked child has a copy of this object, not of the process
        return
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    process.wait()
