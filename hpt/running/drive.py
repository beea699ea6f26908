"""Drives a running job to its end, or until a signal interrupts it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from typing import Protocol

from hpt.running.runner import TuningJobRunner
from hpt.search.events import Event


class Progress(Protocol):
    """Shows a running job to the user."""

    def update(self, runner: TuningJobRunner, events: Sequence[Event]) -> None:
        """Called after every committed step."""
        ...

    def tick(self, runner: TuningJobRunner) -> None:
        """Called whenever the runner pauses."""
        ...

    def say(self, message: str, /) -> None:
        """Show a message."""
        ...


ENDING = "putting the running training jobs down with grace; Ctrl-C again ends them at once"


def drive(runner: TuningJobRunner, progress: Progress | None = None) -> bool:
    """Run a job until it ends or Ctrl-C or SIGTERM interrupts it. True if it was interrupted.

    The first signal stops trials with their grace period, the second at once.
    """
    received: list[int] = []
    handled = 0

    def pause(seconds: float) -> None:
        nonlocal handled
        if progress is not None:
            progress.tick(runner)
        if len(received) > handled:
            handled = len(received)
            if handled == 1 and progress is not None and runner.state.running:
                progress.say(ENDING)
            runner.interrupt(now=handled > 1)
        else:
            runner.wait(seconds)

    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, lambda signum, frame: received.append(signum))
    try:
        runner.run(sleep=pause)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return bool(received) and not runner.state.status.ended
