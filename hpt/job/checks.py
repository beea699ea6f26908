"""Checks of the fields of a job's description. Each raises InputError."""

from __future__ import annotations

from collections.abc import Mapping

from hpt.errors import InputError
from hpt.search.numbers import is_finite_number


def check_string(what: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise InputError(f"{what} is {value!r}; give a string that is not empty")
    _check_encodable(what, value)


def check_strings(what: str, values: object) -> None:
    if not isinstance(values, Mapping):
        raise InputError(f"{what} {values!r} is not a dict; give strings by name")
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InputError(f"{what}: {name!r} is {value!r}; both the name and the value must be strings")
        _check_encodable(what, name)
        _check_encodable(what, value)


def _check_encodable(what: str, text: str) -> None:
    """Refuse a string that cannot be passed as an argument, in the environment or in a file."""
    try:
        encodable = "\0" not in text and text.encode() is not None
    except UnicodeEncodeError:
        encodable = False
    if not encodable:
        raise InputError(f"{what}: {text!r} contains a NUL character or half a surrogate pair; take it out")


def check_unique(what: str, names: list[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(f"two of the {what}s are named {name!r}; rename one")


def check_seconds(what: str, value: object) -> None:
    if value is not None and not (is_finite_number(value) and value > 0):
        raise InputError(f"{what} {value!r} is not a number above 0; give seconds, or None for no limit")
