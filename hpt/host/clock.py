"""A clock for limits on run time: seconds since the epoch that count evenly.

The wall clock may be set: forward, which would end what has hours left, or back, which would take limits
away. The clock since the host's start counts on, also while the host sleeps, but means nothing after the next
start and nothing to a reader. This one is the wall clock at one moment and counts on from there with the
clock since the start.

Standard library only, and few modules of it: a supervisor imports this once a trial.
"""

from __future__ import annotations

import os
import time

from hpt.host.identity import boot_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

LATEST = 1e11
"""No time lies later (the year 5138); what says so is damaged."""


def since_start() -> float:
    """Seconds since the host's start, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def epoch() -> str:
    """Names what `since_start` counts from: the host's start, in this namespace of clocks."""
    try:
        namespace = os.stat("/proc/self/ns/time").st_ino
    except OSError:
        namespace = 0
    return f"{boot_id()}/{namespace}"


class SteadyClock:
    """Seconds since the epoch, counted with the clock since the host's start."""

    __slots__ = ("_since_start", "epoch", "offset")

    def __init__(
        self, offset: float, epoch_name: str = "", since_start: Callable[[], float] = since_start
    ) -> None:
        """offset: the wall clock's time at the host's start. epoch_name: of that start."""
        self.offset, self.epoch, self._since_start = offset, epoch_name or epoch(), since_start

    @staticmethod
    def beginning_at(now: float) -> SteadyClock:
        """A clock that says `now` at this moment."""
        return SteadyClock(now - since_start())

    @staticmethod
    def of(content: Mapping[str, Any] | None) -> SteadyClock:
        """The clock that `to_json` wrote; one that begins at the wall clock where it was of another start of
        the host, or is missing.
        """
        if content is not None and content["epoch"] == epoch():
            return SteadyClock(float(content["offset"]), content["epoch"])
        return SteadyClock.beginning_at(time.time())

    def __call__(self) -> float:
        return self._since_start() + self.offset

    def lead(self) -> float:
        """By how many seconds the wall clock is ahead of this clock now."""
        return time.time() - self()

    def to_json(self) -> dict[str, Any]:
        """The clock as JSON data, for other processes of this start of the host."""
        return {"epoch": self.epoch, "offset": self.offset}
