"""Decimal text to the nearest float64, as `float()` reads it, in arithmetic that Numba compiles.

    w   decimal digits as a whole number, below 10**19        q   decimal exponent: the value is w * 10**q

The general case is the algorithm of Eisel and Lemire (D. Lemire, Number Parsing at a Gigabyte per Second,
Software: Practice and Experience 51(8), 2021, algorithm 1), the simple one that of W. Clinger (How to Read
Floating Point Numbers Accurately, PLDI 1990). What neither covers (more than 19 digits, the edges of the
range, inf and nan) is left to `float()`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NOT_A_NUMBER, NUMBER, ASK_PYTHON = 0, 1, 2

SMALLEST, LARGEST = -300, 280  # exponents q within which no result is subnormal or infinite
_SPACES = sum(1 << byte for byte in (9, 10, 11, 12, 13, 28, 29, 30, 31, 32))  # what `str.strip` trims


def powers_of_five() -> NDArray[np.uint64]:
    """The 128 leading bits of 5**q for q from SMALLEST to LARGEST, (2 n,): high, low, high...; truncated, or
    for negative q rounded up.
    """
    rows: list[int] = []
    for q in range(SMALLEST, LARGEST + 1):
        power = 5 ** abs(q)
        if q >= 0:
            shift = power.bit_length() - 128
            bits = power >> shift if shift >= 0 else power << -shift
        else:
            length = (power - 1).bit_length()  # the least z with 2**z >= power
            extra = length + 127 if q >= -27 else 2 * length + 128
            bits = 2**extra // power + 1
            bits >>= max(0, bits.bit_length() - 128)
        rows += [bits >> 64, bits & (2**64 - 1)]
    return np.array(rows, np.uint64)


def product(a: Any, b: Any, more: Any) -> tuple[Any, Any]:
    """High and low 64 bits of a * b + more, all below 2**64. Compiled: `simd.product`."""
    result = a * b + more
    return result >> 64, result & 0xFFFFFFFFFFFFFFFF


def leading_zeros(w: Any) -> int:
    """How many of 64 bits stand before the first that is set. Compiled: `simd.leading_zeros`."""
    return 64 - int(w).bit_length()


def nearest(w: Any, q: int, powers: Any) -> Any:
    """Bits of the float64 nearest to w * 10**q, w > 0 and SMALLEST <= q <= LARGEST."""
    row = 2 * (q - SMALLEST)
    zeros = leading_zeros(w)
    w = w << zeros
    high, low = product(w, powers[row], 0)
    if high & 0x1FF == 0x1FF:
        more, _ = product(w, powers[row + 1], 0)
        high, low = product(w, powers[row], more)
    upper = high >> 63
    mantissa = high >> (upper + 9)
    up = mantissa & 1
    if low >> 1 == 0 and mantissa & 3 == 1 and q >= -4 and q <= 23 and mantissa << (upper + 9) == high:
        up = 0  # exactly between two: to the even one
    exponent = (217706 * q >> 16) + 1085 - zeros + upper
    return (exponent << 52) + (mantissa + up >> 1)  # whose leading bit, and a carry, add to the exponent


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
    """Read the number that is text[begin:end], trimmed. NUMBER leaves its bits in `values`
    (uint64).
    """
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
    bits = 0
    if kept > 0:
        if kept > 19 or q < SMALLEST or q > LARGEST:
            return ASK_PYTHON
        bits = nearest(w, q, powers)
    if sign < 0:
        bits = bits | 1 << 63
    values[place_of_value] = bits
    return NUMBER
