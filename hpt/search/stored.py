"""How stored records outlive versions: a missing field has its default, an unknown one is refused, here.

Every kind of record has a version, 1 where it says none. It is one more than the steps that lead to it: each
step turns the fields of one version into those of the next. A new field needs no step, only a default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

from hpt.errors import InputError, StorageError, StorageProblem

T = TypeVar("T")

Step = Callable[[dict[str, Any]], dict[str, Any]]
"""From the fields of one version of a record to those of the next."""


MOST_SECONDS = 253_402_300_799.0
"""The last second of the year 9999 since the epoch. No clock shows a later time, and no calendar takes it."""


def newer(what: str) -> StorageError:
    """The error for data that this version does not know. what: where it is and what it is."""
    return StorageError(_short(what), reason="written by a newer hpt, upgrade", problem=StorageProblem.NEWER)


def damaged(what: str) -> StorageError:
    """The error for data that no version can have written."""
    return StorageError(
        _short(what), reason="damaged, restore it from a copy", problem=StorageProblem.DAMAGED
    )


def _short(what: str) -> str:
    """In a line, and not as long as what is stored may be."""
    what = " ".join(what.split())
    return what if len(what) <= _LONGEST else f"{what[:_LONGEST]}..."


_LONGEST = 400


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turns every failure to make sense of stored data into the error for damaged data.

    Data can be wrong in more ways than can be listed: a list where an object was, a name that nothing has, a
    number beyond a calendar. None of them is more than one job's damage.
    """
    try:
        yield
    except StorageError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise damaged(f"{what} cannot be read ({type(error).__name__}: {reason:.200})") from error


@cache
def field_names(kind: type[Any]) -> frozenset[str]:
    """The names of a dataclass's fields."""
    return frozenset(field.name for field in fields(kind))


def refuse_unknown(data: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    """Raises StorageError, as `newer`, if `data` has a member that is not `known`."""
    if unknown := data.keys() - known:
        raise newer(f"{what} has the unknown field {min(unknown)!r}")


def upgraded(data: dict[str, Any], version: object, steps: Sequence[Step], what: str) -> dict[str, Any]:
    """The fields of a record as the present version has them.

    Parameters
    ----------
    data
        The stored fields.
    version
        The version that was stored.
    steps
        The steps from version to version of this kind of record.
    what
        The record, for the message.

    Returns
    -------
    dict
        The fields of the present version.

    Raises
    ------
    StorageError
        The version is not known, as `newer`.
    """
    if type(version) is not int or not 1 <= version <= 1 + len(steps):
        raise newer(f"{what} has version {version!r}, and {1 + len(steps)} is the latest known here")
    for step in steps[version - 1 :]:
        data = step(data)
    return data


def build(kind: Callable[..., T], data: object, what: str) -> T:
    """The record of a dataclass whose fields were stored as `data`.

    Raises:
        StorageError: a field or its value is not known, as `newer`; or one that has no default is missing.
    """
    if not isinstance(data, Mapping):
        raise damaged(f"{what} is {data!r}")
    try:
        return kind(**data)
    except TypeError as error:
        refuse_unknown(data, field_names(kind), what)
        raise damaged(f"{what} cannot be read ({error})") from error
    except InputError as error:
        raise newer(f"{what} has an unknown value ({' '.join(str(error).split())})") from error
