"""How long reading may go on at a time."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """A stretch of so many seconds, shared by all who read in turn; `begin` begins the next.

    Readers look at `spent` between pieces of work that each take some tens of milliseconds at most, and leave
    the rest for the next stretch.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def begin(self) -> None:
        self._end = self._clock() + self._seconds

    @property
    def spent(self) -> bool:
        return self._clock() >= self._end
