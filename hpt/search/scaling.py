"""The maps between an interval and [0, 1], and the reading of its bounds.

    a, b    ends of the interval, a < b        v    a value in [a, b]        u    its place in [0, 1]

    linear               u = (v - a) / (b - a)
    logarithmic          u = ln(v / a) / ln(b / a)                      0 < a
    reverselogarithmic   u = ln((1-a) / (1-v)) / ln((1-a) / (1-b))      0 <= a, b < 1

Every map sends a to exactly 0, b to exactly 1, and back. In between, `decode(encode(v))` differs from v by at
most

    linear               4 e max(|a|, |b|)
    logarithmic          8 e (1 + max(|ln a|, |ln b|)) v
    reverselogarithmic   16 e v

(plus 1e-322 among denormals), where e = 2**-52. Scalars go through `math`, one by one, so that a value has
the same place whether it is encoded alone or among thousands.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, DecimalException
from enum import StrEnum
from typing import Protocol

from hpt.errors import InputError
from hpt.search.numbers import brief, exact_integer, finite_number

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
_INT64_DIGITS = 19
_BOUND_FIX = "give a number, also as a string"


class Scaling(StrEnum):
    """How an interval is laid out for the search; `Auto` leaves it to the strategy."""

    AUTO = "Auto"
    LINEAR = "Linear"
    LOGARITHMIC = "Logarithmic"
    REVERSE_LOGARITHMIC = "ReverseLogarithmic"


_WORDS = {
    **{scaling.value.lower(): scaling for scaling in Scaling},
    "lin": Scaling.LINEAR,
    "log": Scaling.LOGARITHMIC,
    "reverselog": Scaling.REVERSE_LOGARITHMIC,
}


def find_scaling(word: str) -> Scaling | None:
    """The scaling of a name or a short word, in any case, also with `-`, `_` or a blank between its parts;
    None if it is none.

    >>> find_scaling("reverse-log")
    <Scaling.REVERSE_LOGARITHMIC: 'ReverseLogarithmic'>
    """
    return _WORDS.get(re.sub(r"[-_ ]", "", word.lower()))


def parse_scaling(word: str, what: str) -> Scaling:
    """The scaling that `find_scaling` finds.

    Raises:
        InputError: there is none; the message lists them.
    """
    found = find_scaling(word) if isinstance(word, str) else None
    if found is None:
        known = ", ".join(scaling.value for scaling in Scaling)
        raise InputError(f"{what} {word!r} is not known; use one of {known}, or for short log or reverselog")
    return found


class Map(Protocol):
    """A monotone map of [a, b] onto [0, 1] and back."""

    def encode(self, value: float) -> float: ...
    def decode(self, u: float) -> float: ...


class Linear:
    """u = (v - a) / (b - a)."""

    def __init__(self, a: float, b: float) -> None:
        self.a, self.b = a, b
        self.half = 1.0 if math.isfinite(b - a) else 0.5  # b - a of -1e308 and 1e308 does not fit a float
        self.low = a * self.half
        self.width = b * self.half - self.low

    def encode(self, value: float) -> float:
        return (value * self.half - self.low) / self.width

    def decode(self, u: float) -> float:
        if u <= 0.0:
            return self.a
        if u >= 1.0:
            return self.b
        return min(max((self.low + u * self.width) / self.half, self.a), self.b)


class Logarithmic:
    """u = ln(v / a) / ln(b / a); where b <= 2a, by ln(1 + (v-a) / a): even adjacent floats stay apart."""

    def __init__(self, a: float, b: float) -> None:
        self.a, self.b = a, b
        self.near = b / 2 <= a
        self.log_a = math.log(a)
        self.width = math.log1p((b - a) / a) if self.near else math.log(b) - self.log_a

    def encode(self, value: float) -> float:
        if self.near:
            return math.log1p((value - self.a) / self.a) / self.width
        return (math.log(value) - self.log_a) / self.width

    def decode(self, u: float) -> float:
        if u <= 0.0:
            return self.a
        if u >= 1.0:
            return self.b
        if self.near:
            value = self.a + self.a * math.expm1(u * self.width)
        else:
            exponent = self.log_a + u * self.width
            value = math.exp(exponent) if exponent < 709.0 else self.b * math.exp((u - 1.0) * self.width)
        return min(max(value, self.a), self.b)


class ReverseLogarithmic:
    """u = ln((1-a) / (1-v)) / ln((1-a) / (1-b)); a short interval by ln(1 - (v - a) / (1 - a))."""

    def __init__(self, a: float, b: float) -> None:
        self.a, self.b = a, b
        self.near = 1.0 - a <= 2.0 * (1.0 - b)
        self.rest = 1.0 - a
        self.log_a = math.log1p(-a)
        self.width = -math.log1p(-(b - a) / self.rest) if self.near else self.log_a - math.log1p(-b)

    def encode(self, value: float) -> float:
        if self.near:
            return -math.log1p(-(value - self.a) / self.rest) / self.width
        return (self.log_a - math.log1p(-value)) / self.width

    def decode(self, u: float) -> float:
        if u <= 0.0:
            return self.a
        if u >= 1.0:
            return self.b
        if self.near:
            value = self.a - self.rest * math.expm1(-u * self.width)
        else:
            value = -math.expm1(self.log_a - u * self.width)
        return min(max(value, self.a), self.b)


MAPS: dict[Scaling, type[Linear] | type[Logarithmic] | type[ReverseLogarithmic]] = {
    Scaling.AUTO: Linear,
    Scaling.LINEAR: Linear,
    Scaling.LOGARITHMIC: Logarithmic,
    Scaling.REVERSE_LOGARITHMIC: ReverseLogarithmic,
}


def _number_string(string: str, what: str) -> str:
    stripped = string.strip()
    if not NUMBER.fullmatch(stripped):
        raise InputError(f"{what} {string!r} is not a number; write it with digits, such as 10, 0.5 or 1e-5")
    return stripped


def read_float(bound: object, what: str) -> float:
    """A bound given as a number or as a string, as a finite 64-bit float.

    Raises:
        InputError: it is neither, or not finite; the message begins with `what`.
    """
    value = (
        float(_number_string(bound, what))
        if isinstance(bound, str)
        else finite_number(bound, what, _BOUND_FIX)
    )
    if not math.isfinite(value):
        raise InputError(f"{what} {bound!r} is not a finite 64-bit float; give one within 1.7e308 of zero")
    return value + 0.0  # -0.0 becomes 0.0


def read_int(bound: object, what: str) -> int:
    """A bound given as a number or as a string, as an exact integer of 64 bits; so are `1e3` and `10.0`.

    Raises:
        InputError: it is not an integer or does not fit; the message begins with `what`.
    """
    if isinstance(bound, str):
        value = _parse_integer(_number_string(bound, what), bound, what)
    else:
        integer = exact_integer(bound, what, _BOUND_FIX)
        if integer is None:
            raise InputError(
                f"{what} {brief(bound)} is not an integer; round it or use a ContinuousParameter"
            )
        value = integer
    if not INT64_MIN <= value <= INT64_MAX:
        raise InputError(f"{what} {brief(bound)} does not fit 64 signed bits; use a smaller one")
    return value


def _parse_integer(stripped: str, string: str, what: str) -> int:
    try:
        number = Decimal(stripped)  # exact, unlike a float
    except DecimalException:
        raise InputError(f"{what} {string!r} does not fit 64 signed bits; use a smaller one") from None
    if number.is_zero():
        return 0
    if (
        not number.is_finite() or number.adjusted() >= _INT64_DIGITS
    ):  # before 1e999999 is written out in digits
        raise InputError(f"{what} {string!r} does not fit 64 signed bits; use a smaller one")
    if number != number.to_integral_value():
        raise InputError(f"{what} {string!r} is not an integer; round it or use a ContinuousParameter")
    return int(number)
