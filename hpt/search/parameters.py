"""The parameters of a search space: what values each may take, and where they lie in the unit interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hpt.errors import InputError
from hpt.search.numbers import brief, exact_integer, finite_number
from hpt.search.scaling import MAPS, Linear, Logarithmic, Map, Scaling, parse_scaling, read_float, read_int
from hpt.search.trial import Value
from hpt.search.values import plain_value, plain_values, value_string

MAX_VALUES = 1000
MAX_NAME = 256
MAX_INTEGER_RANGE = 2**52
MAX_LOGARITHMIC_INTEGER = 2**44


@dataclass(frozen=True, slots=True)
class Coordinate:
    """What the model knows of a parameter: one column of `SearchSpace.encode`.

    min, max: the bounds as declared, also of an integer, whose unit interval spans [min - 0.5, max + 0.5];
    0 and K - 1 for a categorical. count: values of an integer or a categorical, 0 for a continuous one.
    """

    kind: Literal["continuous", "integer", "categorical"]
    scale: Literal["linear", "logarithmic", "reverselogarithmic"]
    min: float
    max: float
    count: int


_SCALES: dict[Scaling, Literal["linear", "logarithmic", "reverselogarithmic"]] = {
    Scaling.AUTO: "linear",  # the Bayesian strategy may lay it out logarithmically (strategies/auto_scale.py)
    Scaling.LINEAR: "linear",
    Scaling.LOGARITHMIC: "logarithmic",
    Scaling.REVERSE_LOGARITHMIC: "reverselogarithmic",
}


def _check_name(kind: str, name: object) -> str:
    if not isinstance(name, str):
        raise InputError(f"{kind} name {name!r} is not a string; name it as the training program does")
    if not 1 <= len(name) <= MAX_NAME:
        raise InputError(f"{kind} name {name!r} has {len(name)} characters; use 1 to {MAX_NAME}")
    return name


def _check_order(label: str, low: float, high: float) -> None:
    if low == high:
        raise InputError(
            f"{label}: min and max are both {low}; a range needs min below max: make a constant static"
        )
    if low > high:
        raise InputError(f"{label}: max {high} is below min {low}; swap them")


@dataclass(frozen=True, slots=True, init=False, repr=False)
class ContinuousParameter:
    """Real numbers from `min` to `max`, both included.

    `min` and `max` may be given as numbers or as strings. `scaling` (in any case) is `Auto`, `Linear`,
    `Logarithmic` (0 < min) or `ReverseLogarithmic` (0 <= min, max < 1).

    Raises:
        InputError: a bound is not a number, min is not below max, or the scaling does not allow them.
    """

    name: str
    min: float
    max: float
    scaling: Scaling
    _map: Map = field(repr=False, compare=False)

    def __init__(self, name: str, min: float | str, max: float | str, scaling: str = "Auto") -> None:
        label = f"ContinuousParameter {_check_name('ContinuousParameter', name)!r}"
        low, high = read_float(min, f"{label}: min"), read_float(max, f"{label}: max")
        _check_order(label, low, high)
        scale = parse_scaling(scaling, f"{label}: scaling")
        if scale is Scaling.LOGARITHMIC and low <= 0:
            raise InputError(
                f"{label}: min {low} is not above 0, as Logarithmic scaling needs; raise it or use Linear"
            )
        if scale is Scaling.REVERSE_LOGARITHMIC and not (low >= 0 and high < 1):
            raise InputError(
                f"{label}: {low} to {high} is not within 0 <= min, max < 1, as ReverseLogarithmic scaling "
                "needs; narrow it or use Linear"
            )
        fill(self, name=name, min=low, max=high, scaling=scale, _map=MAPS[scale](low, high))

    def __repr__(self) -> str:
        return _range_repr(self)

    @property
    def coordinate(self) -> Coordinate:
        return Coordinate("continuous", _SCALES[self.scaling], self.min, self.max, 0)

    @property
    def count(self) -> None:
        """How many values there are: None, as good as infinitely many."""
        return None

    def check(self, value: object) -> float:
        """The value as a float of the range; InputError if it is not one."""
        if type(value) is not float:
            value = finite_number(value, f"{self.name!r}:", f"give one from {self.min} to {self.max}")
        if not self.min <= value <= self.max:  # NaN fails it too
            raise InputError(
                f"{self.name!r}: {value!r} is out of range; give a number from {self.min} to {self.max}"
            )
        return value + 0.0

    def clip(self, value: object) -> float:
        """The value of the range nearest to a number; InputError if it is none."""
        number = finite_number(value, f"{self.name!r}:", f"give one from {self.min} to {self.max}")
        return min(max(number, self.min), self.max)

    def encode(self, value: Value) -> float:
        return self._map.encode(self.check(value))

    def decode(self, u: float) -> float:
        return self._map.decode(u)

    def format(self, value: Value) -> str:
        """The shortest decimal that reads back to the same float (`1.3494417573713629e-08`, `100.0`)."""
        return repr(self.check(value))

    def parse(self, string: str) -> float:
        return self.check(read_float(string, f"{self.name!r}:"))


@dataclass(frozen=True, slots=True, init=False, repr=False)
class IntegerParameter:
    """Integers from `min` to `max`, both included; each has the same share under linear scaling.

    `min` and `max` may be given as numbers or as strings (`10`, `1e3`). `scaling` (in any case) is `Auto`,
    `Linear` or `Logarithmic` (0 < min). At most 2**52 + 1 values, and none above 2**44 on a logarithmic
    scale: beyond, a 64-bit place in [0, 1] no longer distinguishes neighbours.

    Raises:
        InputError: a bound is not an integer, min is not below max, the range is too wide, or the scaling
            does not allow it.
    """

    name: str
    min: int
    max: int
    scaling: Scaling
    _map: Map = field(repr=False, compare=False)

    def __init__(self, name: str, min: int | str, max: int | str, scaling: str = "Auto") -> None:
        label = f"IntegerParameter {_check_name('IntegerParameter', name)!r}"
        low, high = read_int(min, f"{label}: min"), read_int(max, f"{label}: max")
        _check_order(label, low, high)
        scale = parse_scaling(scaling, f"{label}: scaling")
        if scale is Scaling.REVERSE_LOGARITHMIC:
            raise InputError(
                f"{label}: ReverseLogarithmic scaling is for continuous parameters only; use Linear"
            )
        if high - low > MAX_INTEGER_RANGE:
            raise InputError(
                f"{label}: the range {low} to {high} is wider than 2**52, beyond which neighbours cannot be "
                "distinguished; narrow it or use a ContinuousParameter"
            )
        if scale is Scaling.LOGARITHMIC:
            if low <= 0:
                raise InputError(
                    f"{label}: min {low} is not above 0, as Logarithmic scaling needs; raise it or use Linear"
                )
            if high > MAX_LOGARITHMIC_INTEGER:
                raise InputError(
                    f"{label}: max {high} is above 2**44, beyond which Logarithmic scaling cannot "
                    "distinguish neighbours; lower it, use Linear or a ContinuousParameter"
                )
            mapping: Map = Logarithmic(low - 0.5, high + 0.5)
        else:
            mapping = Linear(low - 0.5, high + 0.5)
        fill(self, name=name, min=low, max=high, scaling=scale, _map=mapping)

    def __repr__(self) -> str:
        return _range_repr(self)

    @property
    def coordinate(self) -> Coordinate:
        return Coordinate("integer", _SCALES[self.scaling], float(self.min), float(self.max), self.count)

    @property
    def count(self) -> int:
        """How many values there are."""
        return self.max - self.min + 1

    def check(self, value: object) -> int:
        """The value as an int of the range; InputError if it is not one. A float without a fraction is
        accepted.
        """
        if type(value) is not int:
            integer = exact_integer(value, f"{self.name!r}:", f"give one from {self.min} to {self.max}")
            if integer is None:
                raise InputError(
                    f"{self.name!r}: {brief(value)} is not an integer; give one from {self.min} to {self.max}"
                )
            value = integer
        if not self.min <= value <= self.max:
            raise InputError(
                f"{self.name!r}: {value!r} is out of range; give one from {self.min} to {self.max}"
            )
        return value

    def clip(self, value: object) -> int:
        """The value of the range nearest to a number; InputError if it is none."""
        number = finite_number(value, f"{self.name!r}:", f"give one from {self.min} to {self.max}")
        return min(max(round(number), self.min), self.max)

    def encode(self, value: Value) -> float:
        integer = self.check(value)
        if self.scaling is Scaling.LOGARITHMIC:
            return self._map.encode(integer)
        return (2 * (integer - self.min) + 1) / (
            2 * self.count
        )  # integers: the quotient is rounded only once

    def decode(self, u: float) -> int:
        """The value whose share of [0, 1] holds `u`, on a border the one farther from zero."""
        if self.scaling is Scaling.LOGARITHMIC:
            integer = math.floor(self._map.decode(u) + 0.5)
        else:
            numerator, denominator = u.as_integer_ratio()
            steps, rest = divmod(numerator * self.count, denominator)
            integer = self.min + steps
            if rest == 0 and integer <= 0:
                integer -= 1
        return min(max(integer, self.min), self.max)

    def format(self, value: Value) -> str:
        """Plain digits."""
        return str(self.check(value))

    def parse(self, string: str) -> int:
        return self.check(read_int(string, f"{self.name!r}:"))


@dataclass(frozen=True, slots=True, init=False, repr=False)
class CategoricalParameter:
    """One of a list of unordered values: strings, numbers, booleans, None, or tuples of these.

    Members of an enum become their values, scalars of NumPy Python's, lists tuples; the values of a set are
    put in an order of their own. A program cannot receive None: that is for functions.

    Raises:
        InputError: there are no values, too many, one of another type, two equal ones, or two printed alike
            (as `1` and `"1"`, `True` and `"true"`).
    """

    name: str
    values: tuple[Value, ...]
    _index: Mapping[Value, int] = field(repr=False, compare=False)

    def __init__(self, name: str, values: Iterable[Value]) -> None:
        label = f"CategoricalParameter {_check_name('CategoricalParameter', name)!r}"
        plain = plain_values(values, MAX_VALUES, label)
        if not 1 <= len(plain) <= MAX_VALUES:
            count = f"more than {MAX_VALUES}" if plain else "no"
            raise InputError(f"{label}: {count} values are given; give 1 to {MAX_VALUES}")
        strings: dict[str, int] = {}
        index: dict[Value, int] = {}
        for position, value in enumerate(plain):
            twin = index.get(value, strings.get(value_string(value)))
            if twin is not None:
                raise InputError(
                    f"{label}: the values {brief(plain[twin])} and {brief(value)} are equal or print alike; "
                    "drop or rename one"
                )
            index[value] = strings[value_string(value)] = position
        fill(self, name=name, values=plain, _index=index)

    def __repr__(self) -> str:
        return f"CategoricalParameter({brief(self.name)}, [{self._listed(5)}])"

    @property
    def coordinate(self) -> Coordinate:
        return Coordinate("categorical", "linear", 0.0, float(len(self.values) - 1), len(self.values))

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.values)

    def _position(self, value: object) -> int:
        try:
            plain = plain_value(value, "the value")
        except InputError:
            position = -1
        else:
            position = self._index.get(plain, -1)
        if position < 0 or not _alike(plain, self.values[position]):
            raise InputError(
                f"{self.name!r}: {brief(value)} is not one of its values; give one of {self._listed()}"
            )
        return position

    def _listed(self, most: int = 10) -> str:
        shown = ", ".join(brief(value) for value in self.values[:most])
        return shown if len(self.values) <= most else f"{shown}, ... ({len(self.values)} values)"

    def check(self, value: object) -> Value:
        """The value as declared; InputError if it is not one of them."""
        return self.values[self._position(value)]

    def clip(self, value: object) -> Value:
        """The same as `check`: no value is nearest to another."""
        return self.check(value)

    def encode(self, value: Value) -> float:
        return float(self._position(value))

    def decode(self, u: float) -> Value:
        return self.values[min(max(math.floor(u + 0.5), 0), len(self.values) - 1)]

    def format(self, value: Value) -> str:
        return value_string(self.check(value))

    def parse(self, string: str) -> Value:
        for value in self.values:
            if value_string(value) == string:
                return value
        raise InputError(f"{self.name!r}: {string!r} is not one of its values; give one of {self._listed()}")


def _range_repr(parameter: ContinuousParameter | IntegerParameter) -> str:
    scaling = "" if parameter.scaling is Scaling.AUTO else f", {str(parameter.scaling)!r}"
    bounds = f"{parameter.min!r}, {parameter.max!r}"
    return f"{type(parameter).__name__}({brief(parameter.name)}, {bounds}{scaling})"


def _alike(value: Value, declared: Value) -> bool:
    """Whether equal values are also of one type: `True` is not `1`."""
    if isinstance(declared, tuple):
        return value_string(value) == value_string(declared)
    return isinstance(value, bool) is isinstance(declared, bool)


def fill(record: object, **fields: object) -> None:
    """Set the fields of a frozen record that is being made."""
    for name, value in fields.items():
        object.__setattr__(record, name, value)


Parameter: TypeAlias = ContinuousParameter | IntegerParameter | CategoricalParameter

PARAMETER_KINDS: dict[str, type[Parameter]] = {
    kind.__name__: kind for kind in (ContinuousParameter, IntegerParameter, CategoricalParameter)
}
