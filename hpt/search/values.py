"""The values of a categorical parameter: plain Python values, whatever library they come from."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterable
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import islice
from typing import Any

from hpt.errors import InputError
from hpt.search.numbers import brief, real_number
from hpt.search.trial import Value

_PLAIN = (str, int, float, bool, type(None))


def plain_value(value: object, what: str) -> Value:
    """The value as Python's own string, number, boolean, None or tuple of such.

    Members of enums become their values, scalars of NumPy and other libraries Python's, lists tuples.

    Raises:
        InputError: it is none of these, or not finite; the message begins with `what`.
    """
    if type(value) in _PLAIN:
        plain: Any = value
    elif isinstance(value, Enum):
        return plain_value(value.value, what)
    elif isinstance(value, list | tuple):
        return tuple([plain_value(each, what) for each in value])
    elif getattr(value, "dtype", None) is not None and not isinstance(value, type):
        return _element(value, what)
    elif isinstance(value, str):
        plain = str.__str__(value)
    elif isinstance(value, int):
        plain = int(value)
    elif isinstance(value, float | Decimal | Fraction):
        plain = real_number(value, what)
    else:
        raise _refused(value, what)
    if isinstance(plain, float) and not math.isfinite(plain):
        raise InputError(f"{what} {brief(value)} is not finite; write it as a string")
    return plain  # type: ignore[no-any-return]


def _element(value: Any, what: str) -> Value:
    """The value of a scalar of another library, such as NumPy or PyTorch."""
    try:
        element = value.item() if len(value.shape) == 0 else value
    except (AttributeError, TypeError, ValueError):
        element = value
    if isinstance(element, Decimal | Fraction | int | float | str | None):
        return plain_value(element, what)
    if type(element).__name__ == "longdouble":
        return plain_value(real_number(element, what), what)
    raise _refused(value, what)


def _refused(value: object, what: str) -> InputError:
    return InputError(
        f"{what} {brief(value)} is not a string, number, boolean, None or tuple of these; "
        "write it as a string"
    )


def library_value(value: object, what: str) -> Any:
    """As `plain_value`, but what is of another kind stays what it is.

    Raises:
        InputError: it is a number that is not finite; the message begins with `what`.
    """
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise InputError(f"{what} {brief(value)} is not finite; write it as a string")
    try:
        return plain_value(value, what)
    except InputError:
        return value


def is_plain(value: object) -> bool:
    """Whether a value is a string, a finite number, a boolean, None or a tuple of these."""
    if isinstance(value, tuple):
        return all(map(is_plain, value))
    if type(value) is float:
        return math.isfinite(value)
    return type(value) in _PLAIN


class _Same:
    """A key of an object: equal for the same object only, whatever its own `__eq__` says."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value  # kept, so that no other object gets its address

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._value is self._value

    def __hash__(self) -> int:
        return id(self._value)


def value_key(value: object) -> Hashable:
    """Equal for equal values only: `1` and `1.0` are, `1`, `"1"` and `True` are not."""
    kind = type(value)
    if kind is str or value is None:
        return value
    if kind is bool:
        return "boolean", value
    if kind is int or kind is float:
        return "number", value
    if kind is tuple:
        return ("tuple", *map(value_key, value))  # type: ignore[call-overload]
    return _Same(value)


def library_values(values: object, most: int, what: str) -> tuple[Any, ...]:
    """The values of a categorical, in their order; those of a set, which has none, in an order of their own.

    most: of more values than this, one more is given.

    Raises:
        InputError: `values` is not a list or the like, or one of them is a number that is not finite.
    """
    if isinstance(values, str | bytes | bytearray) or not isinstance(values, Iterable):
        raise InputError(f"{what}: values {brief(values)} is not a list; write it as a list of values")
    plain = [library_value(value, f"{what}: the value") for value in islice(values, most + 1)]
    if isinstance(values, set | frozenset):
        if not all(map(is_plain, plain)):
            raise InputError(f"{what}: {brief(values)} has no order of its own; write it as a list of values")
        plain.sort(key=_place)
    return tuple(plain)


def _place(value: Value) -> tuple[int, float, str]:
    """Where a value stands in a set: booleans, numbers by size, strings, tuples, None. The same in every
    process, whatever its hash seed.
    """
    if isinstance(value, bool):
        return 0, value, ""
    if isinstance(value, int | float):
        return 1, min(max(value, -1.7e308), 1.7e308), value_string(value)
    if isinstance(value, str):
        return 2, 0.0, value
    return (4 if value is None else 3), 0.0, value_string(value)


def value_string(value: Value) -> str:
    """What a program receives for a value: strings as they are, `repr` of numbers, the rest as JSON.

    Booleans are spelt as JSON spells them: programs that read their hyperparameters as JSON, as the
    SageMaker framework containers do, then get booleans, where `False` would arrive as a string that is true.

    >>> value_string(0.5), value_string(True), value_string((64, None))
    ('0.5', 'true', '[64, null]')
    """
    if isinstance(value, str):
        return value
    if not is_plain(value):
        raise InputError(
            f"{brief(value)} is not a string, number, boolean, None or tuple of these, and a program "
            "receives strings; write it as one"
        )
    if isinstance(value, bool) or value is None or isinstance(value, tuple):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
