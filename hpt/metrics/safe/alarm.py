"""Matches with `re` for a limited time in this very thread, where that is the main one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn, TypeVar

T = TypeVar("T")


class AlarmError(Exception):
    """The time was up."""


def within(seconds: float, match: Callable[[], T]) -> T | None:
    """What `match` returns, or None where it takes longer, which `re` notices as it goes.

    Elsewhere than in the main thread, which alone gets signals, it is not called at all.
    """
    if threading.current_thread() is not threading.main_thread():
        return None

    def ring(number: int, frame: FrameType | None) -> NoReturn:
        raise AlarmError

    previous = signal.signal(signal.SIGVTALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, max(seconds, 1e-3))
        try:
            return match()
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except AlarmError:
        return None
    finally:
        signal.signal(signal.SIGVTALRM, previous)
