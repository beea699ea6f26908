"""The limit on the rate of requests (behaviour 2.9, V32)."""

from __future__ import annotations

from collections.abc import Callable


class Throttle:
    """A token bucket: admits `rate` requests a second on average, and as many at once after a pause (at least
    one).

    rate: None admits all. clock: monotonic, in seconds.
    """

    def __init__(self, rate: float | None, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._most = 1.0 if rate is None else max(1.0, rate)
        self._left, self._seen = self._most, clock()

    def admit(self) -> bool:
        """Whether a request may pass now; one that may not uses no token."""
        if self._rate is None:
            return True
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._seen) * self._rate)
        self._seen = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
