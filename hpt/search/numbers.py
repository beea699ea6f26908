"""What counts as a number where a value comes from outside: one rule, everywhere.

A real number of any library is taken: Python's and NumPy's numbers, `Decimal`, `Fraction`, members of an
`IntEnum`, arrays and tensors without dimensions, and whatever else has `__float__`. Booleans of any library,
strings and bytes, complex numbers, dates, durations, None, and arrays with a dimension, even of one element,
are refused: what they would be as a number is a guess.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from numbers import Complex, Integral, Real
from reprlib import Repr
from typing import NoReturn, TypeGuard

from hpt.errors import InputError

_REAL_DTYPE = re.compile(r"(u?int|b?float|half|double|longdouble)")
"""How the names of the dtypes of real numbers begin, in NumPy, PyTorch, JAX and TensorFlow."""

_REPR = Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 80
_REPR.maxlevel = 3


def brief(value: object) -> str:
    """`repr`, shortened to a line, whatever the value."""
    try:
        shown = _REPR.repr(value)
    except Exception:  # a `__repr__` of the user's
        shown = f"<{type(value).__name__}>"
    return " ".join(shown.split())


def real_number(value: object, what: str, fix: str = "give a float or an int") -> float:
    """A real number of any library as the nearest 64-bit float; NaN and infinities are taken.

    what: begins the message, such as `the reported value`. fix: ends it.

    Raises:
        InputError: it is not a real number (see the head of this module), or is finite but beyond the
            largest float.
    """
    if type(value) is float:
        return value
    number = _scalar(value, what, fix)
    try:
        result = float(number)  # type: ignore[arg-type]
        fits = not math.isinf(result) or number in (math.inf, -math.inf)
    except OverflowError:
        fits = False
    except Exception as error:  # whatever a `__float__` of the user's raises
        _refuse(value, what, fix, f"float() of it fails, {error}")
    if not fits:
        raise InputError(f"{what} {brief(value)} does not fit a 64-bit float; give a smaller number")
    return result


def finite_number(value: object, what: str, fix: str = "give a float or an int") -> float:
    """As `real_number`, where NaN and infinities are refused too."""
    number = real_number(value, what, fix)
    if not math.isfinite(number):
        raise InputError(
            f"{what} {brief(value)} is not a finite 64-bit float; give one within 1.7e308 of zero"
        )
    return number


def exact_integer(value: object, what: str, fix: str = "give an int") -> int | None:
    """A real number without a fraction as an exact integer, however large; None for one with a fraction, NaN
    and infinities.

    Raises:
        InputError: it is not a real number.
    """
    if type(value) is int:
        return value
    number = _scalar(value, what, fix)
    if isinstance(number, Integral):
        return int(number)
    if not isinstance(number, Decimal | Fraction):
        number = real_number(number, what, fix)
    if isinstance(number, float) and not math.isfinite(number):
        return None
    if isinstance(number, Decimal) and (not number.is_finite() or number.adjusted() > _MOST_DIGITS):
        return None  # before 1E+999999 is written out in digits
    return int(number) if number == int(number) else None


_MOST_DIGITS = 400


def _scalar(value: object, what: str, fix: str) -> object:
    """The value itself, or what stands in an array without dimensions. InputError if it is no real number."""
    if isinstance(value, bool):
        _refuse(value, what, fix, "it is a boolean")
    if value is None or isinstance(value, str | bytes | bytearray | memoryview | type):
        _refuse(value, what, fix)
    if isinstance(value, Enum) and not isinstance(value, Real):
        _refuse(value, what, "give its value", "it is an enum")
    dtype = getattr(value, "dtype", None)
    shape = getattr(value, "shape", ())
    if dtype is not None or shape != ():
        return _element(value, dtype, shape, what, fix)
    if isinstance(value, Complex) and not isinstance(value, Real):
        _refuse(value, what, "give its real part or its magnitude", "it is complex")
    if not isinstance(value, Real) and not hasattr(value, "__float__") and not hasattr(value, "__index__"):
        _refuse(value, what, fix)
    return value


def _element(value: object, dtype: object, shape: object, what: str, fix: str) -> object:
    """The element of an array or tensor without dimensions."""
    dimensions: int | None = None
    with suppress(TypeError, ValueError):
        dimensions = len(shape)  # type: ignore[arg-type]
    if dimensions != 0:
        _refuse(value, what, "give one element, such as value.item()", f"it is an array of shape {shape}")
    if str(getattr(value, "mask", False)) == "True":  # of a masked array, whose element is arbitrary then
        _refuse(value, what, fix, "it is masked")
    name = str(getattr(dtype, "name", None) or dtype).rpartition(".")[2].lower()
    if name == "object":
        return _scalar(value.item(), what, fix)  # type: ignore[attr-defined]
    if _REAL_DTYPE.match(name) is None:
        kind = "a boolean" if name.startswith("bool") else "complex" if "complex" in name else f"of {name}"
        _refuse(value, what, fix, f"it is {kind}")
    item = getattr(value, "item", None)
    element = item() if callable(item) else value
    return element if isinstance(element, int | float) else value


def _refuse(value: object, what: str, fix: str, why: str = "") -> NoReturn:
    reason = f" ({why})" if why else ""
    raise InputError(f"{what} {brief(value)} is not a number{reason}; {fix}")


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
