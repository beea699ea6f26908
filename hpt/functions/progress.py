"""The progress of `hpt.tune` and `hpt.run`: one live line where a person looks, nothing where nobody does."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TextIO

from hpt.host.terminal import printable
from hpt.running.drive import Progress
from hpt.running.output import for_drawing, for_progress
from hpt.running.progress import PlainProgress, duration, number, time_left
from hpt.running.runner import TuningJobRunner
from hpt.search import events as ev

REFRESH_SECONDS = 0.1
_WIDTH = 100  # columns where nobody says how many there are, as in a notebook


@contextlib.contextmanager
def shown(verbose: bool | None) -> Iterator[Progress | None]:
    """What shows a job to the user while it runs.

    verbose: True prints a line an event to standard error, False nothing; None keeps one line up to date on a
    terminal and in a notebook, and prints nothing elsewhere.
    """
    if verbose:
        yield PlainProgress(for_progress(sys.stderr))
        return
    stream = _watched() if verbose is None else None
    if stream is None:
        yield None
        return
    line = LineProgress(for_drawing(stream), _columns(stream))
    try:
        yield line
    finally:
        line.close()


def _watched() -> TextIO | None:
    """The stream that a person reads as it is written, if there is one."""
    kernel = sys.modules.get("ipykernel.iostream")
    output: TextIO | None = sys.stdout
    in_notebook: bool = kernel is not None and isinstance(output, kernel.OutStream)
    if in_notebook:
        return output
    try:
        return sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None
    except ValueError:  # it is closed
        return None


def _columns(stream: TextIO) -> int:
    """How wide a line may be."""
    from rich.console import Console

    return Console(file=stream).width - 1 if stream.isatty() else _WIDTH


class LineProgress:
    """One line, written over itself: trials done, the best so far, the time left."""

    def __init__(self, stream: TextIO, columns: int) -> None:
        """Nothing is written yet.

        Parameters
        ----------
        stream
            Where the line stands.
        columns
            How wide it may be.
        """
        self._stream, self._columns = stream, columns
        self._drawn = 0.0
        self._line = ""
        self._length = 0  # of what stands there
        self._runner: TuningJobRunner | None = None

    def update(self, runner: TuningJobRunner, events: Sequence[ev.Event]) -> None:
        self.tick(runner)

    def tick(self, runner: TuningJobRunner) -> None:
        self._runner = runner
        now = time.monotonic()
        if now - self._drawn >= REFRESH_SECONDS:
            self._drawn = now
            self._draw(self.render(runner, time.time()))

    def say(self, message: str, /) -> None:
        self._draw("")
        self._write(f"\rhpt: {printable(message)}\n")

    def close(self) -> None:
        """Leave the line as it ended."""
        if self._runner is not None:
            self._draw(self.render(self._runner, time.time()))
        if self._length:
            self._write("\n")
            self._length = 0

    def render(self, runner: TuningJobRunner, now: float) -> str:
        """The line at time `now`."""
        state, total = runner.state, runner.config.limits.max_jobs
        ended = state.launched - len(state.running)
        parts = [f"{ended}/{total} trials" if total else f"{ended} trials"]
        failed = state.training_counters["NonRetryableError"] + state.training_counters["RetryableError"]
        if failed:
            parts.append(f"{failed} failed")
        if state.best is not None:
            metric = runner.config.definition_of(state.best.definition).objective.metric
            parts.append(f"best {metric} {number(state.best.value)} (trial {state.best.number})")
        parts.append(duration(now - state.created))
        left = None if state.status.ended else time_left(runner, now)
        if left is not None:
            parts.append(f"about {duration(left)} left")
        line = printable("  ".join(parts), keep="")
        return line if len(line) <= self._columns else f"{line[: self._columns - 1]}…"

    def _draw(self, line: str) -> None:
        if line == self._line and self._length:
            return
        self._write(f"\r{line.ljust(self._length)}")
        self._line, self._length = line, len(line)

    def _write(self, string: str) -> None:
        self._stream.write(string)
        self._stream.flush()
