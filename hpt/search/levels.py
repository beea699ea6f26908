"""Values that stand in a row: their places in the unit interval, and the rows that a step makes of a range.

K   how many values there are      k   the place of one in the row, 0 ... K - 1
u   its place in [0, 1]: the middle of its share, as the core lays out integers
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from hpt.search.scaling import Logarithmic

CLOSE = Decimal("1e-9")
"""A value is one of a row if it is off by no more than this share of the step."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The places of K values: even, or those of the integers from `start` on a logarithmic scale."""

    count: int
    start: int | None = None

    def _map(self, start: int) -> Logarithmic:
        return Logarithmic(start - 0.5, start + self.count - 0.5)

    def encode(self, level: int) -> float:
        if self.start is None:
            return (2 * level + 1) / (2 * self.count)  # of integers: the quotient is rounded only once
        return self._map(self.start).encode(self.start + level)

    def decode(self, u: float) -> int:
        if self.start is None:
            level = math.floor(u * self.count)
        else:
            level = math.floor(self._map(self.start).decode(u) + 0.5) - self.start
        return min(max(level, 0), self.count - 1)


def exact(number: float) -> Decimal:
    """A number as it is written: 0.1 is a tenth."""
    return Decimal(number) if isinstance(number, int) else Decimal(repr(number))


@dataclass(frozen=True, slots=True)
class Steps:
    """`min`, `min` + `step`, ..., as far as `max`, which is one of them if the step divides the range.

    The sums are those of the decimals that are written, and where the last one misses `max` by a rounding
    error only, it is `max`:

    >>> steps = Steps(0.0, 1.0, 0.1)
    >>> [steps.value(k) for k in (0, 3, 10)], steps.count
    ([0.0, 0.3, 1.0], 11)
    """

    min: float
    max: float
    step: float

    @property
    def count(self) -> int:
        return int((exact(self.max) - exact(self.min)) / exact(self.step) + CLOSE) + 1

    def value(self, level: int) -> float:
        value = exact(self.min) + level * exact(self.step)
        if abs(value - exact(self.max)) <= CLOSE * exact(self.step):
            return self.max
        return float(value)

    def nearest(self, value: float) -> int:
        """The place of the value nearest to a number."""
        level = round((exact(value) - exact(self.min)) / exact(self.step))
        return min(max(level, 0), self.count - 1)

    def level(self, value: float) -> int | None:
        """The place of a value; None if it is not one."""
        level = self.nearest(value)
        off = abs(exact(self.value(level)) - exact(value))
        return level if off <= CLOSE * exact(self.step) else None

    @property
    def start(self) -> int:
        """The integer from which on integers are laid out logarithmically as these values are, nearly."""
        return max(1, round(exact(self.min) / exact(self.step)))
