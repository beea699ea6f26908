"""Matches with `re` in a process of its own, for patterns that may never come to an end.

A thread within `re` cannot be stopped; a process can. Nobody has to wait for it: a question is put, and
answered some time later.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path

LIMIT = 0.05
"""Seconds of CPU time one line may take."""

PATIENCE = 5.0
"""Seconds after which an answer is given up for lost: many times what a start and a line take."""

_PIPE = 2**20  # bytes; as much as any user may ask for


class TooSlowError(Exception):
    """The pattern did not come to an end in time."""


class Question:
    """A pattern to be matched on a line. ended: there are values, or an error says why there are none."""

    def __init__(self, pattern: str, line: bytes, limit: float) -> None:
        self.limit = limit
        self.length = len(line)
        self.values: list[float] | None = None
        self.error = ""
        self._unsent = memoryview(json.dumps([pattern, limit, len(line)]).encode() + b"\n" + line)
        self._deadline: float | None = None

    @property
    def ended(self) -> bool:
        return self.values is not None or bool(self.error)

    def late(self) -> bool:
        """Whether it was begun too long ago; the first call begins it."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + PATIENCE + 10 * self.limit
        return now >= self._deadline

    def send(self, descriptor: int) -> bool:
        """Write on; whether all is sent."""
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                self._unsent = self._unsent[os.write(descriptor, self._unsent) :]
        return not self._unsent


class IsolatedMatcher:
    """One process, started at the first question and again after it was killed. Safe to use from several
    threads.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._questions: deque[Question] = deque()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._end: Callable[[], object] | None = None
        self._unread = b""

    def ask(self, pattern: str, line: bytes, limit: float | None = None) -> Question:
        """Put a question: the values of a pattern on a line, as `values_on_line` gives them.

        limit: seconds of CPU time it may take, if not the usual ones.
        """
        question = Question(pattern, line, self._limit if limit is None else limit)
        with self._lock:
            self._questions.append(question)
        self.work(0.0)
        return question

    def work(self, wait: float) -> None:
        """Carry questions and answers to and fro; wait so many seconds at most if there is nothing to do."""
        with self._lock:
            while self._questions and not (question := self._questions[0]).ended:
                try:
                    if not self._advance(question, wait):
                        return
                except (OSError, EOFError, ValueError):
                    self._stop()
                    question.error = (
                        f"no end within {question.limit:g} s on a line of {question.length} characters"
                    )
            if self._questions:
                self._questions.popleft()

    def drop(self, question: Question) -> None:
        """The answer is not wanted any more."""
        with self._lock:
            if self._questions and self._questions[0] is question:
                self._stop()
            with contextlib.suppress(ValueError):
                self._questions.remove(question)

    def values(self, pattern: str, line: bytes) -> list[float]:
        """Ask and wait for the answer.

        Raises:
            TooSlowError: it took longer than the limit, or the process could not be had.
        """
        question = self.ask(pattern, line)
        while not question.ended:
            self.work(0.05)
        if question.values is None:
            raise TooSlowError(question.error)
        return question.values

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _advance(self, question: Question, wait: float) -> bool:
        """Send, receive, wait; whether the question was answered."""
        if self._process is None or self._owner != os.getpid():
            try:
                self._start()
            except OSError as error:
                question.error = f"its process could not be started: {error.strerror}"
                return True
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if question.late():
            raise EOFError
        sent = question.send(self._process.stdin.fileno())
        reading = self._process.stdout.fileno()
        ready = select.select([reading], [] if sent else [self._process.stdin.fileno()], [], wait)
        if ready[0]:
            piece = os.read(reading, 65536)
            if not piece:
                raise EOFError
            self._unread += piece
        answer, found, rest = self._unread.partition(b"\n")
        if found:
            self._unread = rest
            question.values = json.loads(answer)
        return bool(found)

    def _start(self) -> None:
        child = Path(__file__).with_name("isolated_child.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(child)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # a Ctrl-C at the terminal is the tuner's to handle
        )
        self._owner, self._unread = os.getpid(), b""
        self._end = weakref.finalize(self, _end, self._process, self._owner)
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._process.stdin.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)

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
