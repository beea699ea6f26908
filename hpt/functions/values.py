"""What counts as a number where a function reports or returns one."""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any


def as_number(value: object, what: str) -> float:
    """The float of a real number: Python's, NumPy's, a `Decimal` or `Fraction`, or an array or tensor without
    dimensions. No boolean, string or complex number is one, of whatever library.

    what: what it is, for the message.

    Raises:
        TypeError: `value` is not a real number.
    """
    if type(value) is float:
        return value
    if _is_real(value):
        try:
            return float(value)  # type: ignore[arg-type]
        except OverflowError:
            raise TypeError(f"{what} is too large for a 64-bit float; scale it") from None
    raise TypeError(f"{what} is {_shown(value)}; the objective is a real number: return or report a float")


def _is_real(value: Any) -> bool:
    if isinstance(value, bool | str | bytes | complex):
        return False
    if isinstance(value, Real | Decimal):
        return True
    if getattr(value, "shape", None) != () or not hasattr(type(value), "__float__"):
        return False
    # NumPy's scalars and arrays, and the tensors of torch, TensorFlow and JAX, name the type of their items.
    dtype = getattr(value, "dtype", None)
    kind = str(getattr(dtype, "name", dtype)).rpartition(".")[2]
    return "float" in kind or kind.lstrip("u").startswith("int")


def _shown(value: object) -> str:
    try:
        string = repr(value)
    except Exception:  # whatever a class of the user does
        return f"a {type(value).__name__}"
    return string if len(string) <= 200 else f"{string[:200]}…"
