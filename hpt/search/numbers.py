"""What counts as a number where a value comes from outside."""

from __future__ import annotations

import math
from numbers import Real
from typing import TypeGuard

from hpt.errors import InputError


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a real number, Python's or NumPy's, NaN and infinities included; no boolean is."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_finite_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a Python number that a 64-bit float holds, and so can be stored as JSON."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def check_count(name: str, value: object, least: int = 1, advice: str = "give one") -> None:
    """InputError unless `value` is a Python integer of at least `least`, and so can be stored as JSON.

    Parameters
    ----------
    name
        What it is, for the message.
    value
        What is checked.
    least
        The smallest that is allowed.
    advice
        Ends the message.
    """
    if type(value) is not int or value < least:
        raise InputError(f"{name} {value!r} is not an integer of at least {least}; {advice}")


def counted(number: int, noun: str) -> str:
    """A number with its noun, which agrees.

    >>> counted(1, "training job"), counted(2, "training job")
    ('1 training job', '2 training jobs')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
