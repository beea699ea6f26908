"""Decimal text to the nearest float64, as `float()` reads it, in arithmetic that Numba compiles.

    w   decimal digits as an integer        q   decimal exponent: the value is w * 10**q

Where both w and 10**abs(q) are float64 exactly, only their product or quotient is rounded, to the nearest
(W. Clinger, How to Read Floating Point Numbers Accurately, PLDI 1990). The rest (more than 15 or 16 digits,
large exponents, inf and nan) is left to `float()`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NOT_A_NUMBER, NUMBER, ASK_PYTHON = 0, 1, 2

LARGEST = 22  # 10**22 is a float64, 10**23 is not
_SPACES = sum(1 << byte for byte in (9, 10, 11, 12, 13, 28, 29, 30, 31, 32))  # what `str.strip` trims


def powers_of_ten() -> NDArray[np.float64]:
    """10**q for q from 0 to LARGEST."""
    return np.array([float(10**q) for q in range(LARGEST + 1)])


def after_spaces(text: Any, place: int, end: int) -> int:
    while place < end:
        byte = text[place]
        if byte > 32 or _SPACES >> byte & 1 == 0:
            break
        place += 1
    return place


def sign_at(text: Any, place: int, end: int) -> int:
    """1 or -1 where a sign stands, else 0."""
    if place == end:
        return 0
    sign: int = (text[place] == 43) - (text[place] == 45)
    return sign


def read_number(text: Any, begin: int, end: int, powers: Any, values: Any, place_of_value: int) -> int:
    """Read the number that is text[begin:end], trimmed. NUMBER leaves it in `values`."""
    place = after_spaces(text, begin, end)
    sign = sign_at(text, place, end)
    place += sign & 1
    first = place
    w = kept = point = q = 0
    while place < end:
        digit = text[place] ^ 48  # below 10 for a digit alone
        if digit < 10:
            q -= point
            w = 10 * w + digit
            if w != 0:
                kept += 1
        elif digit == 46 ^ 48 and point == 0:
            point = 1
        else:
            break
        place += 1
    if place - first == point:  # no digit
        if place < end and point == 0:
            letter = text[place] | 32
            if letter == 105 or letter == 110:
                return ASK_PYTHON
        return NOT_A_NUMBER
    if place < end and text[place] | 32 == 101:
        place += 1
        way = sign_at(text, place, end)
        place += way & 1
        first = place
        power = 0
        while place < end:
            digit = text[place] ^ 48
            if digit > 9:
                break
            if power < 100000:
                power = 10 * power + digit
            place += 1
        if place == first:
            return NOT_A_NUMBER
        q += -power if way < 0 else power
    if after_spaces(text, place, end) < end:
        return NOT_A_NUMBER
    value = float(w)
    if kept > 18 or w > 1 << 53 or (w != 0 and abs(q) > LARGEST):
        return ASK_PYTHON
    if w != 0:
        value = value * powers[q] if q >= 0 else value / powers[-q]
    values[place_of_value] = -value if sign < 0 else value
    return NUMBER
