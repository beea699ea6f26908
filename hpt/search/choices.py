"""Parameters whose values are listed: unordered, ordered, or one that stays."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hpt.errors import InputError
from hpt.search.coordinate import Coordinate, check_name, fill
from hpt.search.levels import Levels
from hpt.search.numbers import brief
from hpt.search.trial import Value
from hpt.search.values import is_plain, library_value, library_values, value_key, value_string

MAX_VALUES = 1000


@dataclass(frozen=True, slots=True, init=False, repr=False)
class CategoricalParameter:
    """One of a list of unordered values: any objects.

    Members of an enum become their values, scalars of NumPy Python's, lists tuples; the values of a set are
    put in an order of their own. Other objects stay what they are. `1` and `1.0` are one value; `1`, `"1"`
    and `True` are three. Tuning jobs take less: strings, numbers, booleans, and for functions None or tuples
    of these, no two of which may be printed alike.

    Raises:
        InputError: there are no values, too many, or two equal ones.
    """

    name: str
    values: tuple[Value, ...] = field(compare=False)
    keys: tuple[Hashable, ...] = field(repr=False)
    _index: Mapping[Hashable, int] = field(repr=False, compare=False)

    def __init__(self, name: str, values: Iterable[Any]) -> None:
        kind = type(self).__name__
        label = f"{kind} {check_name(kind, name)!r}"
        plain = library_values(values, MAX_VALUES, label)
        if not 1 <= len(plain) <= MAX_VALUES:
            count = f"more than {MAX_VALUES}" if plain else "no"
            raise InputError(f"{label}: {count} values are given; give 1 to {MAX_VALUES}")
        index: dict[Hashable, int] = {}
        for position, value in enumerate(plain):
            twin = index.setdefault(value_key(value), position)
            if twin != position:
                raise InputError(
                    f"{label}: the values {brief(plain[twin])} and {brief(value)} are equal; drop one"
                )
        fill(self, name=name, values=plain, keys=tuple(index), _index=index)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.values)

    def __setstate__(self, state: list[Any]) -> None:
        """As hpt 0.1 pickled it: name, values, and what follows from them."""
        self.__init__(state[0], state[1])  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({brief(self.name)}, [{self._listed(5)}])"

    @property
    def coordinate(self) -> Coordinate:
        return Coordinate("categorical", "linear", 0.0, float(len(self.values) - 1), len(self.values))

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.values)

    @property
    def varies(self) -> bool:
        """Whether the model has a coordinate of it."""
        return True

    def position(self, value: object) -> int:
        """The place of a value in the list; InputError if it is not there."""
        try:
            plain = library_value(value, "the value")
            found = self._index.get(value_key(plain))
        except InputError:
            plain, found = value, None
        if found is None and not is_plain(plain):
            found = next((k for k, each in enumerate(self.values) if _equal(each, plain)), None)
        if found is None:
            raise InputError(
                f"{self.name!r}: {brief(value)} is not one of its values; give one of {self._listed()}"
            )
        return found

    def _listed(self, most: int = 10) -> str:
        shown = ", ".join(brief(value) for value in self.values[:most])
        return shown if len(self.values) <= most else f"{shown}, ... ({len(self.values)} values)"

    def check(self, value: object) -> Value:
        """The value as declared; InputError if it is not one of them."""
        return self.values[self.position(value)]

    def clip(self, value: object) -> Value:
        """The same as `check`: no value is nearest to another."""
        return self.check(value)

    def key(self, value: Value) -> Hashable:
        """Equal for equal values only."""
        return value_key(value)

    def listed(self) -> Iterable[Value]:
        """Every value, in order."""
        return self.values

    def encode(self, value: Value) -> float:
        return float(self.position(value))

    def decode(self, u: float) -> Value:
        return self.values[min(max(math.floor(u + 0.5), 0), len(self.values) - 1)]

    def format(self, value: Value) -> str:
        return value_string(self.check(value))

    def parse(self, string: str) -> Value:
        for value in self.values:
            if value_string(value) == string:
                return value
        raise InputError(f"{self.name!r}: {string!r} is not one of its values; give one of {self._listed()}")


@dataclass(frozen=True, slots=True, init=False, repr=False)
class OrdinalParameter(CategoricalParameter):
    """One of a list of values in their order, smallest or weakest first: neighbours are likely to do alike.

    Values are those of a `CategoricalParameter`; a set has no order and is refused.
    """

    def __init__(self, name: str, values: Iterable[Any]) -> None:
        if isinstance(values, set | frozenset):
            raise InputError(f"OrdinalParameter {name!r}: {brief(values)} has no order; write it as a list")
        CategoricalParameter.__init__(self, name, values)

    @property
    def _levels(self) -> Levels:
        return Levels(len(self.values))

    @property
    def coordinate(self) -> Coordinate:
        return Coordinate("integer", "linear", 0.0, float(len(self.values) - 1), len(self.values))

    @property
    def varies(self) -> bool:
        return len(self.values) > 1

    def encode(self, value: Value) -> float:
        return self._levels.encode(self.position(value))

    def decode(self, u: float) -> Value:
        return self.values[self._levels.decode(u)]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Constant(CategoricalParameter):
    """One value, which every configuration has and no model sees."""

    def __init__(self, name: str, value: Any) -> None:
        CategoricalParameter.__init__(self, name, [value])

    def __reduce__(self) -> tuple[Any, ...]:
        return Constant, (self.name, self.value)

    def __repr__(self) -> str:
        return f"Constant({brief(self.name)}, {brief(self.value)})"

    @property
    def value(self) -> Value:
        """The value."""
        return self.values[0]

    @property
    def varies(self) -> bool:
        return False


def _equal(declared: object, value: object) -> bool:
    """Whether two objects are the same or equal, as far as that can be said in one word."""
    if declared is value:
        return True
    try:
        return type(declared) is type(value) and bool(declared == value)
    except Exception:  # arrays of different shapes, or whatever an `__eq__` of the user's raises
        return False
