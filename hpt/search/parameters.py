"""The parameters of a search space: what values each may take, and where they lie in the unit interval."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from hpt.errors import InputError
from hpt.search.choices import MAX_VALUES, CategoricalParameter, Constant, OrdinalParameter
from hpt.search.coordinate import MAX_NAME, Coordinate, check_name, fill
from hpt.search.levels import Levels, Steps
from hpt.search.numbers import brief, exact_integer, finite_number
from hpt.search.scaling import MAPS, Linear, Logarithmic, Map, Scaling, parse_scaling, read_float, read_int
from hpt.search.trial import Value

__all__ = [
    "MAX_NAME",
    "MAX_VALUES",
    "PARAMETER_KINDS",
    "CategoricalParameter",
    "Constant",
    "ContinuousParameter",
    "Coordinate",
    "IntegerParameter",
    "OrdinalParameter",
    "Parameter",
]

MAX_INTEGER_RANGE = 2**52
MAX_LOGARITHMIC_INTEGER = 2**44

_SCALES: dict[Scaling, Literal["linear", "logarithmic", "reverselogarithmic"]] = {
    Scaling.AUTO: "linear",  # the Bayesian strategy may lay it out logarithmically (strategies/auto_scale.py)
    Scaling.LINEAR: "linear",
    Scaling.LOGARITHMIC: "logarithmic",
    Scaling.REVERSE_LOGARITHMIC: "reverselogarithmic",
}


ALONE = Coordinate("categorical", "linear", 0.0, 0.0, 1)
"""Of a parameter of one value, where a space has no other."""


def _check_order(label: str, low: float, high: float) -> None:
    if low > high:
        raise InputError(f"{label}: max {high} is below min {low}; swap them")


@dataclass(frozen=True, slots=True, init=False, repr=False)
class ContinuousParameter:
    """Real numbers from `min` to `max`, both included.

    `min` and `max` may be given as numbers or as strings; where they are equal, there is one value. `scaling`
    (in any case) is `Auto`, `Linear`, `Logarithmic` (0 < min) or `ReverseLogarithmic` (0 <= min, max < 1).
    With a `step`, the values are min, min + step, ... as far as max.

    Raises:
        InputError: a bound is not a number, max is below min, or the scaling or the step does not go with
            them.
    """

    name: str
    min: float
    max: float
    scaling: Scaling
    step: float | None
    _map: Map = field(repr=False, compare=False)
    _row: tuple[Steps, Levels] | None = field(repr=False, compare=False)

    def __init__(
        self,
        name: str,
        min: float | str,
        max: float | str,
        scaling: str = "Auto",
        *,
        step: float | None = None,
    ) -> None:
        label = f"ContinuousParameter {check_name('ContinuousParameter', name)!r}"
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
        row = None
        if step is not None:
            step = finite_number(step, f"{label}: step")
            if step <= 0:
                raise InputError(f"{label}: step {step} is not above 0; give a positive one, or None")
            row = _steps(label, low, high, step, scale)
        mapping = MAPS[scale](low, high)
        fill(self, name=name, min=low, max=high, scaling=scale, step=step, _map=mapping, _row=row)

    def __reduce__(self) -> tuple[Any, ...]:
        return _range, (type(self), self.name, self.min, self.max, str(self.scaling), self.step)

    def __setstate__(self, state: list[Any]) -> None:
        """As hpt 0.1 pickled it: name, min, max, scaling, and what follows from them."""
        self.__init__(state[0], state[1], state[2], str(state[3]))  # type: ignore[misc]

    def __repr__(self) -> str:
        return _range_repr(self)

    @property
    def coordinate(self) -> Coordinate:
        if not self.varies:
            return ALONE
        if self._row is not None:
            return _row_coordinate(self._row, self.scaling)
        return Coordinate("continuous", _SCALES[self.scaling], self.min, self.max, 0)

    @property
    def count(self) -> int | None:
        """How many values there are: None without a step, as good as infinitely many."""
        if self._row is not None:
            return self._row[0].count
        return None if self.min < self.max else 1

    @property
    def varies(self) -> bool:
        """Whether the model has a coordinate of it."""
        return self.count != 1

    def check(self, value: object) -> float:
        """The value as a float of the range; InputError if it is not one."""
        if type(value) is not float:
            value = finite_number(value, f"{self.name!r}:", f"give one from {self.min} to {self.max}")
        if not self.min <= value <= self.max:  # NaN fails it too
            raise InputError(
                f"{self.name!r}: {value!r} is out of range; give a number from {self.min} to {self.max}"
            )
        return value + 0.0 if self._row is None else _on_row(self._row[0], self.name, value)

    def clip(self, value: object) -> float:
        """The value of the range nearest to a number; InputError if it is none."""
        number = finite_number(value, f"{self.name!r}:", f"give one from {self.min} to {self.max}")
        nearest = min(max(number, self.min), self.max)
        return nearest if self._row is None else self._row[0].value(self._row[0].nearest(nearest))

    def key(self, value: Value) -> Hashable:
        """Equal for equal values only."""
        return value

    def listed(self) -> Iterable[float]:
        """Every value, in order, where there is a step or one value."""
        assert self.count is not None, "only a finite range can be listed"
        return [self.min] if self._row is None else map(self._row[0].value, range(self.count))

    def encode(self, value: Value) -> float:
        number = self.check(value)
        if not self.varies:
            return 0.0
        if self._row is not None:
            steps, levels = self._row
            return levels.encode(steps.nearest(number))
        return self._map.encode(number)

    def decode(self, u: float) -> float:
        if self._row is not None:
            steps, levels = self._row
            return steps.value(levels.decode(u))
        return self._map.decode(u) if self.min < self.max else self.min

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
    scale: beyond, a 64-bit place in [0, 1] no longer distinguishes neighbours. Where min and max are equal,
    there is one value. With a `step` above 1, the values are min, min + step, ... as far as max.

    Raises:
        InputError: a bound is not an integer, max is below min, the range is too wide, or the scaling or the
            step does not go with it.
    """

    name: str
    min: int
    max: int
    scaling: Scaling
    step: int
    _map: Map = field(repr=False, compare=False)
    _row: tuple[Steps, Levels] | None = field(repr=False, compare=False)

    def __init__(
        self, name: str, min: int | str, max: int | str, scaling: str = "Auto", *, step: int = 1
    ) -> None:
        label = f"IntegerParameter {check_name('IntegerParameter', name)!r}"
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
        stride = exact_integer(step, f"{label}: step")
        if stride is None or stride < 1:
            raise InputError(f"{label}: step {step!r} is not an integer of at least 1; give one")
        row = None if stride == 1 else _steps(label, low, high, stride, scale)
        fill(self, name=name, min=low, max=high, scaling=scale, step=stride, _map=mapping, _row=row)

    def __reduce__(self) -> tuple[Any, ...]:
        return _range, (type(self), self.name, self.min, self.max, str(self.scaling), self.step)

    def __setstate__(self, state: list[Any]) -> None:
        """As hpt 0.1 pickled it: name, min, max, scaling, and what follows from them."""
        self.__init__(state[0], state[1], state[2], str(state[3]))  # type: ignore[misc]

    def __repr__(self) -> str:
        return _range_repr(self)

    @property
    def coordinate(self) -> Coordinate:
        if not self.varies:
            return ALONE
        if self._row is not None:
            return _row_coordinate(self._row, self.scaling)
        return Coordinate("integer", _SCALES[self.scaling], float(self.min), float(self.max), self.count)

    @property
    def count(self) -> int:
        """How many values there are."""
        return (self.max - self.min) // self.step + 1

    @property
    def varies(self) -> bool:
        """Whether the model has a coordinate of it."""
        return self.count != 1

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
        return value if self._row is None else int(_on_row(self._row[0], self.name, value))

    def clip(self, value: object) -> int:
        """The value of the range nearest to a number; InputError if it is none."""
        number = finite_number(value, f"{self.name!r}:", f"give one from {self.min} to {self.max}")
        nearest = min(max(round(number), self.min), self.max)
        return nearest if self._row is None else int(self._row[0].value(self._row[0].nearest(nearest)))

    def key(self, value: Value) -> Hashable:
        """Equal for equal values only."""
        return value

    def listed(self) -> Iterable[int]:
        """Every value, in order."""
        return range(self.min, self.max + 1, self.step)

    def encode(self, value: Value) -> float:
        integer = self.check(value)
        if not self.varies:
            return 0.0
        if self._row is not None:
            return self._row[1].encode((integer - self.min) // self.step)
        if self.scaling is Scaling.LOGARITHMIC:
            return self._map.encode(integer)
        return (2 * (integer - self.min) + 1) / (
            2 * self.count
        )  # integers: the quotient is rounded only once

    def decode(self, u: float) -> int:
        """The value whose share of [0, 1] holds `u`, on a border the one farther from zero."""
        if self._row is not None:
            return self.min + self.step * self._row[1].decode(u)
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


def _range_repr(parameter: ContinuousParameter | IntegerParameter) -> str:
    scaling = "" if parameter.scaling is Scaling.AUTO else f", {str(parameter.scaling)!r}"
    bounds = f"{parameter.min!r}, {parameter.max!r}"
    step = "" if parameter._row is None else f", step={parameter.step!r}"
    return f"{type(parameter).__name__}({brief(parameter.name)}, {bounds}{scaling}{step})"


def _range(
    kind: type[Any], name: str, low: float, high: float, scaling: str, step: float | None
) -> ContinuousParameter | IntegerParameter:
    """A range that was pickled."""
    made: ContinuousParameter | IntegerParameter = kind(name, low, high, scaling, step=step)
    return made


def _row_coordinate(row: tuple[Steps, Levels], scaling: Scaling) -> Coordinate:
    """That of integers, which the model lays out as the values of the row."""
    levels = row[1]
    start = float(levels.start or 0)
    return Coordinate("integer", _SCALES[scaling], start, start + levels.count - 1, levels.count)


def _on_row(steps: Steps, name: str, value: float) -> float:
    """The value of a row as it is declared; InputError if it is none."""
    level = steps.level(value)
    if level is None:
        near = steps.value(steps.nearest(value))
        raise InputError(
            f"{name!r}: {value!r} is not {steps.min} and a multiple of the step {steps.step}; "
            f"give one that is, such as {near}"
        )
    return steps.value(level)


def _steps(label: str, low: float, high: float, step: float, scale: Scaling) -> tuple[Steps, Levels]:
    """The values that a step makes of a range, and their places."""
    steps = Steps(low, high, step)
    start = steps.start if scale is Scaling.LOGARITHMIC else None
    if scale is Scaling.REVERSE_LOGARITHMIC:
        raise InputError(f"{label}: ReverseLogarithmic scaling takes no step; use Linear, or no step")
    if steps.count > (MAX_INTEGER_RANGE if start is None else MAX_LOGARITHMIC_INTEGER):
        raise InputError(f"{label}: step {step} makes {steps.count} values of the range; give a larger one")
    return steps, Levels(steps.count, start)


Parameter: TypeAlias = ContinuousParameter | IntegerParameter | CategoricalParameter

PARAMETER_KINDS: dict[str, type[Parameter]] = {
    kind.__name__: kind
    for kind in (ContinuousParameter, IntegerParameter, CategoricalParameter, OrdinalParameter, Constant)
}
