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
_M32 = np.uint64(0xFFFFFFFF)
_U = tuple(np.uint64(i) for i in range(65))


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


def multiply(a: Any, b: Any) -> tuple[Any, Any]:
    """High and low 64 bits of a product of two 64-bit numbers."""
    a0, a1 = a & _M32, a >> _U[32]
    b0, b1 = b & _M32, b >> _U[32]
    low = a0 * b0
    middle = a1 * b0 + (low >> _U[32])
    other = a0 * b1 + (middle & _M32)
    return a1 * b1 + (middle >> _U[32]) + (other >> _U[32]), (other << _U[32]) | (low & _M32)


def nearest(w: Any, q: int, powers: Any) -> Any:
    """Bits of the float64 nearest to w * 10**q, w > 0 and SMALLEST <= q <= LARGEST."""
    zeros = 0
    for step in (32, 16, 8, 4, 2, 1):
        if w >> np.uint64(64 - step) == 0:
            w = w << np.uint64(step)
            zeros += step
    high, low = multiply(w, powers[2 * (q - SMALLEST)])
    if high & np.uint64(0x1FF) == np.uint64(0x1FF):
        more, _ = multiply(w, powers[2 * (q - SMALLEST) + 1])
        low = low + more
        if more > low:
            high = high + _U[1]
    upper = np.int64(high >> _U[63])
    mantissa = high >> np.uint64(upper + 9)
    exponent = (((152170 + 65536) * q) >> 16) + 63 + upper - zeros + 1023
    halfway = low <= _U[1] and -4 <= q <= 23 and mantissa & _U[3] == _U[1]
    if halfway and mantissa << np.uint64(upper + 9) == high:  # exactly between two: to the even one
        mantissa = mantissa & ~_U[1]
    mantissa = (mantissa + (mantissa & _U[1])) >> _U[1]
    if mantissa >= _U[2] << _U[52]:
        mantissa = _U[1] << _U[52]
        exponent += 1
    return (mantissa & ~(_U[1] << _U[52])) | (np.uint64(exponent) << _U[52])


def is_space(byte: int) -> bool:
    """Whether `str.strip` trims this ASCII character."""
    return byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31


def read_number(text: Any, begin: int, end: int, powers: Any, values: Any, place_of_value: int) -> int:
    """Read the number that is text[begin:end], trimmed. NUMBER leaves its bits in `values`
    (uint64)."""
    while begin < end and is_space(text[begin]):
        begin += 1
    while begin < end and is_space(text[end - 1]):
        end -= 1
    place = begin
    negative = place < end and text[place] == 45
    if place < end and (text[place] == 45 or text[place] == 43):
        place += 1
    w = _U[0]
    digits, kept, q = 0, 0, 0
    point = False
    while place < end:
        byte = text[place]
        if 48 <= byte <= 57:
            digits += 1
            if kept > 0 or byte > 48:
                kept += 1
                if kept <= 19:
                    w = w * np.uint64(10) + np.uint64(byte - 48)
            if point:
                q -= 1
        elif byte == 46 and not point:
            point = True
        else:
            break
        place += 1
    if digits == 0:
        letter = place < end and not point and (text[place] | 32 == 105 or text[place] | 32 == 110)
        return ASK_PYTHON if letter else NOT_A_NUMBER
    if place < end:
        if text[place] | 32 != 101:
            return NOT_A_NUMBER
        place += 1
        minus = place < end and text[place] == 45
        if place < end and (text[place] == 45 or text[place] == 43):
            place += 1
        if place == end:
            return NOT_A_NUMBER
        power: Any = 0
        while place < end:
            if not 48 <= text[place] <= 57:
                return NOT_A_NUMBER
            if power < 100000:
                power = power * 10 + np.int64(text[place]) - 48
            place += 1
        q += -power if minus else power
    if kept == 0:
        result = _U[0]
    elif kept > 19 or q < SMALLEST or q > LARGEST:
        return ASK_PYTHON
    else:
        result = nearest(w, q, powers)
    values[place_of_value] = result | (_U[1] << _U[63]) if negative else result
    return NUMBER
