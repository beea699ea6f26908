"""The scale of numbers left to the strategy: linear or logarithmic, whichever is likelier (behaviour 3.5).

    X   encoded configurations, (n, d), linear in every `Auto` parameter: the record does not change
    e   eligible columns: `Auto` numbers with 0 < min and max >= 1000 min, where the two scales differ much

For a model, chosen columns are laid out on a logarithmic scale by giving it the space in which they are
declared so; what it proposes there is decoded by that space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hpt.search import core
from hpt.search.history import Float64Array
from hpt.search.parameters import (
    MAX_LOGARITHMIC_INTEGER,
    ContinuousParameter,
    Coordinate,
    IntegerParameter,
    Parameter,
)
from hpt.search.scaling import Scaling
from hpt.search.space import SearchSpace
from hpt.search.trial import Config

RATIO = 1000
"""From max / min = 1000 on, a linear scale gives a tenth of a percent of the range to the lowest decade."""

SETTLED = 256
"""Of more observations than this, a fit keeps the scales of the one it begins from."""

Columns = frozenset[int]


def eligible(space: SearchSpace) -> Columns:
    """The columns whose scale may be chosen."""
    return frozenset(j for j, parameter in enumerate(space.columns) if _may_be_logarithmic(parameter))


def _may_be_logarithmic(parameter: Parameter) -> bool:
    if not isinstance(parameter, ContinuousParameter | IntegerParameter):
        return False
    if (
        parameter.scaling is not Scaling.AUTO
        or parameter.step not in (None, 1)
        or parameter.min <= 0
        or parameter.max / parameter.min < RATIO
    ):
        return False
    return isinstance(parameter, ContinuousParameter) or parameter.max <= MAX_LOGARITHMIC_INTEGER


class ScaledSpace:
    """A search space with some of its `Auto` columns on a logarithmic scale; immutable."""

    def __init__(self, space: SearchSpace, logarithmic: Columns) -> None:
        self._original = space
        self.logarithmic = logarithmic

    @cached_property
    def space(self) -> SearchSpace:
        """The same parameters with the chosen ones declared logarithmic."""
        if not self.logarithmic:
            return self._original
        chosen = {self._original.columns[j].name for j in self.logarithmic}
        return type(self._original)(
            _logarithmic(parameter) if parameter.name in chosen else parameter
            for parameter in self._original.parameters
        )

    def config(self, row: Float64Array) -> Config:
        """The configuration of a point of `space`, (d,)."""
        [config] = self.space.decode(row[np.newaxis])
        return config

    def place(self, X: Float64Array) -> Float64Array:
        """Rows encoded by the original space, (n, d), as `space` encodes the same configurations."""
        if not self.logarithmic:
            return X
        placed = np.array(X)
        for j in self.logarithmic:
            parameter = self._original.columns[j]
            if isinstance(parameter, IntegerParameter):
                value = parameter.min + np.floor(placed[:, j] * parameter.count)
                low, high = parameter.min - 0.5, parameter.max + 0.5
            else:
                assert isinstance(parameter, ContinuousParameter)
                low, high = parameter.min, parameter.max
                value = low + placed[:, j] * (high - low)
            # log(value / low), kept from overflow and from cancelling
            position = (np.log(value) - np.log(low)) / (np.log(high) - np.log(low))
            placed[:, j] = np.clip(position, 0.0, 1.0)
        return placed


@dataclass(frozen=True, slots=True)
class Fit:
    """The scales of `Auto` parameters and the kernel's hyperparameters on them."""

    scaled: ScaledSpace
    at: core.Hyperparameters


NewFit = Callable[
    [Sequence[Coordinate], Float64Array, Float64Array, core.Hyperparameters | None], core.Hyperparameters
]
"""A fit of observations of typed coordinates, which may begin from an earlier one."""


def best_fit(space: SearchSpace, X: Float64Array, y: Float64Array, start: Fit | None, new_fit: NewFit) -> Fit:
    """The fit of highest density: scales as at the start, or of one kind, then changed one by one.

    Parameters
    ----------
    space
        The space of the observations.
    X, y
        Observations, (n, d) and (n,).
    start
        An earlier fit to begin from, or None.
    new_fit
        Fits the kernel's hyperparameters on given scales.

    Returns
    -------
    Fit
        Scales and hyperparameters.
    """
    columns = eligible(space)

    def fit_on(logarithmic: Columns, begin: Fit | None) -> Fit:
        scaled = ScaledSpace(space, logarithmic)
        at = None if begin is None else begin.at
        return Fit(scaled, new_fit(scaled.space.coordinates, scaled.place(X), y, at))

    best = fit_on(frozenset() if start is None else start.scaled.logarithmic, start)
    if start is None and columns:
        best = max(best, fit_on(columns, None), key=lambda fit: fit.at.density)
    if len(y) <= SETTLED:
        for j in sorted(columns):
            other = fit_on(best.scaled.logarithmic ^ {j}, best)
            best = max(best, other, key=lambda fit: fit.at.density)
    return best


def for_first_point(space: SearchSpace, number: int) -> ScaledSpace:
    """How a search's first point of that number is laid out: every other one logarithmically."""
    return ScaledSpace(space, eligible(space) if number % 2 == 0 else frozenset())


def _logarithmic(parameter: Parameter) -> Parameter:
    assert isinstance(parameter, ContinuousParameter | IntegerParameter)
    kind: Callable[[str, float, float, str], Parameter] = type(parameter)
    return kind(parameter.name, parameter.min, parameter.max, Scaling.LOGARITHMIC)
