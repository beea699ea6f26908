"""Decimal text to the nearest float64, as `float()` reads it, in arithmetic that Numba compiles.

    w   decimal digits as an integer        q   decimal exponent: the value is w * 10**q

Where both w and 10**abs(q) are float64 exactly, only their product or quotient is rounded, to the nearest
(W. Clinger, How to Read Floating Point Numbers Accurately, PLDI 1990). Up to 18 digits are divided with the
remainder taken into account (T. Dekker, A Floating-Point Technique for Extending the Available Precision,
1971), unless the quotient is all but halfway between two numbers. The rest is left to `float()`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 22  # 10**22 is a float64, 10**23 is not
MOST_DIGITS = 18  # of an int64
_SPLIT = 2.0**27 + 1
_NAN = float("nan")
_TAB, _SPACE, _PLUS, _MINUS = 9, 32, 43, 45
_POINT = 46 ^ 48  # digits ^ 48 are below 10


def powers_of_ten() -> NDArray[np.float64]:
    """10**q for q from 0 to LARGEST."""
    return np.array([float(10**q) for q in range(LARGEST + 1)])


def rest_of_product(x: float, y: float, product: float) -> float:
    """x * y - product, exactly, product being x * y rounded."""
    x_high = _SPLIT * x - (_SPLIT * x - x)
    y_high = _SPLIT * y - (_SPLIT * y - y)
    x_low, y_low = x - x_high, y - y_high
    return x_low * y_low - (((product - x_high * y_high) - x_low * y_high) - x_high * y_low)


def nearest(w: int, q: int, powers: Any) -> float:
    """w * 10**q rounded to the nearest float64, or NaN where that is left to `float`. w: of MOST_DIGITS."""
    high = float(w)
    if q == 0:
        return high
    if q < -LARGEST or q > LARGEST:
        return _NAN
    if w <= 1 << 53:
        value: float = high * powers[q] if q > 0 else high / powers[-q]
        return value
    if q > 0:
        return _NAN
    power = powers[-q]
    quotient = high / power
    product = quotient * power
    remainder = (high - product) - rest_of_product(quotient, power, product) + float(w - int(high))
    correction = remainder / power
    value = quotient + correction
    rounded_off = correction - (value - quotient)
    return value if value + 1.001 * rounded_off == value else _NAN


def read_exponent(text: Any, place: int, end: int) -> int:
    """The exponent that is text[place:end]; one beyond LARGEST by far where it is none or is long."""
    negative = place < end and text[place] == _MINUS
    if negative or (place < end and text[place] == _PLUS):
        place += 1
    power = 0
    if place == end or end - place > 3:
        power = 100 * LARGEST
    while place < end and power < 100 * LARGEST:
        digit = text[place] ^ 48
        power = 10 * power + digit if digit < 10 else 100 * LARGEST
        place += 1
    return -power if negative else power


def read_number(text: Any, begin: int, end: int, powers: Any, values: Any, place_of_value: int) -> bool:
    """Read the number that is text[begin:end], spaces aside, into `values`; False where it is left to
    `float`.
    """
    while begin < end and (text[begin] == _SPACE) | (text[begin] == _TAB):
        begin += 1
    while begin < end and (text[end - 1] == _SPACE) | (text[end - 1] == _TAB):
        end -= 1
    negative = begin < end and text[begin] == _MINUS
    if negative or (begin < end and text[begin] == _PLUS):
        begin += 1
    place = begin
    w = kept = point = q = 0
    while place < end:
        digit = text[place] ^ 48
        if digit < 10:
            q -= point
            w = 10 * w + digit
            if w != 0:
                kept += 1
        elif digit == _POINT and point == 0:
            point = 1
        else:
            break
        place += 1
    if place - begin == point or kept > MOST_DIGITS:
        return False
    if place < end:
        if text[place] | 32 != 101:  # e
            return False
        q += read_exponent(text, place + 1, end)
    value = nearest(w, q, powers)
    values[place_of_value] = -value if negative else value
    return value == value  # not NaN
