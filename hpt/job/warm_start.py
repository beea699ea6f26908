"""Warm start: the results of earlier searches, projected into the space of this one (behaviour 9)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from hpt.errors import InputError
from hpt.search.parameters import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
    Parameter,
)
from hpt.search.scaling import Scaling, read_float
from hpt.search.space import SearchSpace
from hpt.search.trial import Config, Value, parse_enum
from hpt.search.values import value_string

MAX_PARENTS = 5

MARGIN = 0.1
"""A value outside its range by at most this share of it, on its scale, is moved to the nearer end."""


class WarmStartType(StrEnum):
    """What the parents have in common with the job."""

    IDENTICAL = "IdenticalDataAndAlgorithm"
    TRANSFER = "TransferLearning"


@dataclass(frozen=True, slots=True, init=False)
class WarmStart:
    """The tuning jobs whose results a job begins with, its parents.

    parents: their names, at least one. type: `TransferLearning` uses the order of their results where it
    agrees with the job's own; `IdenticalDataAndAlgorithm` uses results of the same program, data and static
    hyperparameters as results of the job's own objective. Upper or lower case; the first word is enough.

    Raises:
        InputError: no name is given, more than five, or the same name twice, or the type is unknown.
    """

    parents: tuple[str, ...]
    type: WarmStartType

    def __init__(self, parents: str | Iterable[str], type: str = WarmStartType.TRANSFER) -> None:
        names = (parents,) if isinstance(parents, str) else tuple(parents)
        for name in names:
            if not isinstance(name, str) or not name:
                raise InputError(f"parent {name!r} is not the name of a tuning job; give strings")
        if not 1 <= len(names) <= MAX_PARENTS:
            raise InputError(f"{len(names)} parents are given; give 1 to {MAX_PARENTS}")
        for name in names:
            if sum(name.lower() == other.lower() for other in names) > 1:
                raise InputError(f"the parent {name!r} is named twice; name it once")
        short = {"identical": WarmStartType.IDENTICAL, "transfer": WarmStartType.TRANSFER}
        known = short.get(type.lower(), type) if isinstance(type, str) else type
        object.__setattr__(self, "parents", names)
        object.__setattr__(self, "type", parse_enum(WarmStartType, known, "warm start type"))


def as_warm_start(given: WarmStart | str | Iterable[str] | None) -> WarmStart | None:
    """A warm start from the name of a parent, a list of names, or a `WarmStart`.

    Raises:
        InputError: as `WarmStart`.
    """
    return given if given is None or isinstance(given, WarmStart) else WarmStart(given)


class Projected(NamedTuple):
    """A configuration of another search in the space of this one.

    config: None if it has no place there. exact: it is the same training job that this search would launch.
    moved: names whose values were moved into their ranges. outside: the name whose value kept it out.
    """

    config: dict[str, Value] | None
    exact: bool
    moved: tuple[str, ...] = ()
    outside: str = ""


class Projection:
    """From the space and the static hyperparameters of another search to those of this one.

    A hyperparameter takes its value from the other search, tuned or static. One that the other search lacks
    takes the middle of its range, or its first value.

    Parameters
    ----------
    space, statics
        The space and the static hyperparameters of this search.
    other, other_statics
        Those of the other search.

    Attributes
    ----------
    new
        Hyperparameters that the other search lacks, with the values they take.
    gone
        Hyperparameters of the other search that this one lacks.
    changed
        Static hyperparameters of both whose values differ.
    """

    def __init__(
        self,
        space: SearchSpace,
        statics: Mapping[str, str],
        other: SearchSpace,
        other_statics: Mapping[str, str],
    ) -> None:
        self._space, self._statics = space, statics
        self._tuned = {parameter.name: parameter for parameter in other.parameters}
        self._fixed = other_statics
        mine = {parameter.name for parameter in space.parameters}
        theirs = self._tuned.keys() | other_statics.keys()
        self.new = {each.name: _middle(each) for each in space.parameters if each.name not in theirs}
        self.gone = tuple(sorted(theirs - mine - statics.keys()))
        self.changed = tuple(
            sorted(
                name
                for name, value in statics.items()
                if name not in self._tuned and other_statics.get(name) != value
            )
        )

    def project(self, config: Config) -> Projected:
        """The configuration in this space that stands for one of the other search."""
        placed: dict[str, Value] = {}
        moved = []
        exact = not (self.new or self.gone or self.changed)
        for parameter in self._space.parameters:
            name = parameter.name
            if name in self.new:
                placed[name] = self.new[name]
                continue
            text = value_string(config[name]) if name in self._tuned else self._fixed[name]
            try:
                placed[name] = parameter.parse(text)
            except InputError:
                near = _nearest(parameter, text)
                if near is None:
                    return Projected(None, False, outside=name)
                placed[name] = near
                moved.append(name)
        for name, parameter in self._tuned.items():
            if name in self._statics and not _equals(parameter, config[name], self._statics[name]):
                exact = False
        return Projected(placed, exact and not moved, tuple(moved))


def _middle(parameter: Parameter) -> Value:
    return parameter.values[0] if isinstance(parameter, CategoricalParameter) else parameter.decode(0.5)


def _equals(parameter: Parameter, value: Value, text: str) -> bool:
    """Whether a static hyperparameter of that string has the value of a parameter."""
    try:
        return parameter.parse(text) == value
    except InputError:
        return False


def _nearest(parameter: Parameter, text: str) -> Value | None:
    """The value of a numeric range nearest to a number outside it; None if that is farther than `MARGIN`."""
    if isinstance(parameter, CategoricalParameter):
        return None
    try:
        number = read_float(text, parameter.name)
    except InputError:
        return None
    low, high = _on_scale(parameter, float(parameter.min)), _on_scale(parameter, float(parameter.max))
    at = _on_scale(parameter, number)
    # If floats cannot distinguish the ends of a range of large integers, a number is at both ends or outside.
    place = (at - low) / (high - low) if low < high else (0.0 if at == low else math.inf)
    if not -MARGIN <= place <= 1 + MARGIN:  # NaN fails it too
        return None
    if isinstance(parameter, ContinuousParameter):
        return min(max(number, parameter.min), parameter.max)
    return min(max(_nearest_integer(text, number), parameter.min), parameter.max)


def _nearest_integer(text: str, number: float) -> int:
    """The nearest integer, exact where the string is one."""
    try:
        return int(text)
    except ValueError:
        return math.floor(number + 0.5)


def _on_scale(parameter: ContinuousParameter | IntegerParameter, number: float) -> float:
    if parameter.scaling is Scaling.LOGARITHMIC:
        return math.log(number) if number > 0 else -math.inf
    if parameter.scaling is Scaling.REVERSE_LOGARITHMIC:
        return -math.log1p(-number) if number < 1 else math.inf
    return number
