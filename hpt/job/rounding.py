"""How the service holds the values of metrics: as 32-bit floats."""

from __future__ import annotations

from math import inf
from struct import pack, unpack


def as_float32(value: float) -> float:
    """The nearest 32-bit float: 0.9 becomes 0.8999999761581421. What is too large becomes infinite."""
    try:
        rounded: float = unpack("<f", pack("<f", value))[0]
    except OverflowError:
        return inf if value > 0 else -inf
    return rounded
