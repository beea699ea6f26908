"""Shows the log of a training job while it is written."""

from __future__ import annotations

import codecs
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from hpt.executors.record import LOG
from hpt.running.progress import stopped
from hpt.running.runner import TuningJobRunner
from hpt.search import events as ev

MOST_BYTES = 1 << 20
"""Bytes that are shown at a time: the program must not wait for a slow terminal."""

KEPT_BYTES = 1 << 14
"""Bytes that are shown of a log that has grown by more in the meantime, and of one that was begun earlier."""

REWRITES_SECONDS = 1.0
"""Seconds between two states of a line that the program writes over, as a progress bar does."""


class LiveLog:
    """Passes on what a training job prints, whole lines, and messages about it.

    stream: where to, which makes control characters visible. trials: the directory of the training jobs.
    """

    def __init__(self, stream: TextIO, trials: Path) -> None:
        self._stream, self._trials = stream, trials
        self._log: Path | None = None
        self._offset = 0
        self._pending = ""
        self._rewritten = 0.0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def begin(self, runner: TuningJobRunner) -> None:
        """Go on where the job is: of what was printed before, the end is shown."""
        for job in runner.state.jobs.values():
            if job.attempt:
                self._follow(job.name, job.attempt)
                self._offset = max(0, self._size() - KEPT_BYTES)

    def update(self, runner: TuningJobRunner, events: Sequence[ev.Event]) -> None:
        for event in events:
            match event:
                case ev.AttemptCreated():
                    self._read()
                    if event.attempt > 1:
                        self.say(f"started again (attempt {event.attempt})")
                    self._follow(runner.state.jobs[event.number].name, event.attempt)
                case ev.StopDecided():
                    self._read()
                    why = stopped(event.reason, event.verdict)
                    self.say(f"being stopped ({why})")
                case ev.AttemptEnded():
                    self._read()
                    self.say(f"{str(event.outcome).lower()} {' '.join(event.message.split())}".rstrip())
                case _:
                    pass
        self._read()

    def tick(self, runner: TuningJobRunner) -> None:
        self._read()

    def say(self, message: str, /) -> None:
        self._end_line()
        print(f"hpt: {message}", file=self._stream, flush=True)

    def close(self) -> None:
        """Show the rest."""
        while self._read():
            pass
        self._end_line()

    def _follow(self, name: str, attempt: int) -> None:
        self._end_line()
        self._log = self._trials / name / "attempts" / str(attempt) / LOG
        self._offset = 0

    def _size(self) -> int:
        try:
            return 0 if self._log is None else self._log.stat().st_size
        except OSError:
            return 0

    def _read(self) -> bool:
        """Show what the log has grown by; whether there was anything."""
        if self._log is None:
            return False
        try:
            descriptor = os.open(self._log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # not there yet, or not there any more
            return False
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return False
            skipped = found.st_size - self._offset - MOST_BYTES
            if skipped > 0:
                skipped += MOST_BYTES - KEPT_BYTES
                self.say(f"{skipped} bytes of the log are not shown; all of it: {self._log}")
                self._offset += skipped
            data = os.pread(descriptor, MOST_BYTES, self._offset)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        self._offset += len(data)
        if data:
            self._show(self._decoder.decode(data))
        return bool(data)

    def _show(self, text: str) -> None:
        """Print whole lines, of those that are written over the last state, and of an unfinished one a state
        every now and then.
        """
        *lines, self._pending = (self._pending + text).split("\n")
        for line in lines:
            print(_last_state(line), file=self._stream)
        state, mark, _ = self._pending.rpartition("\r")
        if mark and time.monotonic() - self._rewritten >= REWRITES_SECONDS:
            self._rewritten = time.monotonic()
            print(_last_state(state), file=self._stream)
        if len(self._pending) > MOST_BYTES:
            self._end_line()
        self._stream.flush()

    def _end_line(self) -> None:
        if self._pending:
            print(_last_state(self._pending), file=self._stream, flush=True)
            self._pending = ""


def _last_state(line: str) -> str:
    """What a terminal shows of a line that was written over."""
    return next((part for part in reversed(line.split("\r")) if part), "")
