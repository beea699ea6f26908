"""Drives a running job to its end, or until a signal interrupts it."""

from __future__ import annotations

import signal
import threading
import time
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


STOPPING = "stopping the training job with grace; Ctrl-C again ends it at once"

STUCK = 2.0
"""Seconds within which a step must have taken note of a signal."""


class _AbandonedError(BaseException):
    """The user wants out."""


def drive(runner: TuningJobRunner, progress: Progress | None = None, *, for_good: bool = False) -> bool:
    """Run a job until it ends or Ctrl-C or SIGTERM interrupts it. True if it was interrupted.

    for_good: a signal ends the job, which cannot be resumed.

    The first signal stops trials with their grace period, the second at once. Where that has no effect, since
    a step hangs or programs do not end, the second after `STUCK` seconds, or the third, leaves the job as it
    is.
    """
    received: list[float] = []
    handled = 0
    abandoned = False

    def receive(signum: int, frame: object) -> None:
        nonlocal abandoned
        received.append(time.monotonic())
        hangs = len(received) > 1 and not handled and received[-1] - received[0] >= STUCK
        if (hangs or len(received) > 2) and not abandoned:
            abandoned = True
            raise _AbandonedError

    def pause(seconds: float) -> None:
        nonlocal handled
        if progress is not None:
            progress.tick(runner)
        if len(received) > handled:
            handled = len(received)
            if handled == 1 and progress is not None and runner.state.running:
                progress.say(STOPPING if for_good else ENDING)
            if for_good:
                runner.request_stop()
            if handled > 1 or not for_good:
                runner.interrupt(now=handled > 1)
        else:
            runner.wait(seconds)

    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, receive)
    try:
        runner.run(sleep=pause)
    except _AbandonedError:
        runner.abandon()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return bool(received) and not runner.state.status.ended
