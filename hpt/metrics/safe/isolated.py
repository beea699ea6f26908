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
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

LIMIT = 0.05
"""Seconds of CPU time one line may take."""

PATIENCE = 5.0
"""Seconds after which an answer is given up for lost: many times what a start and a line take."""


class TooSlowError(Exception):
    """The pattern did not come to an end in time, or the process could not be started."""


class _Question(NamedTuple):
    """A pattern, a line, the seconds of CPU time it may take, and who wants to know the values."""

    pattern: str
    line: bytes
    limit: float
    answer: Future[list[float]]


class IsolatedMatcher:
    """A process, started at the first question and again after it was lost, and a thread that talks to it.

    Safe to use from several threads. Neither outlives it, and nothing waits for them at exit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._conversation: _Conversation | None = None

    def ask(self, pattern: str, line: bytes, limit: float = LIMIT) -> Future[list[float]]:
        """The values of a pattern on a line, as `values_on_line` gives them, or a TooSlowError, in time.

        limit: seconds of CPU time it may take.
        """
        answer: Future[list[float]] = Future()
        with self._lock:
            if self._conversation is None or self._conversation.owner != os.getpid():  # of who forked this
                self._conversation = _Conversation()
                weakref.finalize(self, self._conversation.close)
                threading.Thread(
                    target=self._conversation.go_on, name="hpt-isolated-matcher", daemon=True
                ).start()
            self._conversation.questions.put(_Question(pattern, line, limit, answer))
        return answer


class _Conversation:
    """The process, and the questions to put to it."""

    def __init__(self) -> None:
        self.questions: SimpleQueue[_Question | None] = SimpleQueue()
        self.owner = os.getpid()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def go_on(self) -> None:
        """Answer questions until it is closed."""
        while (question := self.questions.get()) is not None and not self._closed:
            if not question.answer.set_running_or_notify_cancel():
                continue
            try:
                question.answer.set_result(self._answer(question))
            except Exception as error:
                question.answer.set_exception(error)
        self._stop()

    def close(self) -> None:
        """End the process, and with it the thread; not in a forked child, whose it is not."""
        if self.owner == os.getpid():
            self._closed = True
            self.questions.put(None)
            if self._process is not None:
                self._process.kill()

    def _answer(self, question: _Question) -> list[float]:
        try:
            process = self._process or self._start()
        except OSError as error:
            raise TooSlowError(f"its process could not be started: {error.strerror}") from error
        assert process.stdin is not None
        assert process.stdout is not None
        lost = threading.Timer(PATIENCE + 10 * question.limit, process.kill)
        lost.daemon = True
        lost.start()
        request = [question.pattern, question.limit, len(question.line)]
        answer = b""
        with contextlib.suppress(OSError, ValueError):  # it was killed, or its pipes were closed
            process.stdin.write(json.dumps(request).encode() + b"\n" + question.line)
            process.stdin.flush()
            answer = process.stdout.readline()
        lost.cancel()
        if not answer.endswith(b"\n"):
            self._stop()
        values: list[float] | None = json.loads(answer or b"null")
        if values is None:
            raise TooSlowError(
                f"no end within {question.limit:g} s on a line of {len(question.line)} characters"
            )
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
        if self._closed:
            self._process.kill()
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        process.wait()
