"""The search space: typed parameters, their places in the unit cube, and the strings a program receives.

    d    columns: parameters that vary  n    configurations        K    values of a categorical

A configuration is a dict of typed values: float (continuous), int (integer), or one of a categorical's own.
The configuration is the record; it is encoded for the model, and never read back from its encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpt.errors import InputError
from hpt.search.coordinate import fill
from hpt.search.parameters import (
    MAX_VALUES,
    CategoricalParameter,
    Constant,
    ContinuousParameter,
    Coordinate,
    IntegerParameter,
    OrdinalParameter,
    Parameter,
)
from hpt.search.trial import Config, Value
from hpt.search.values import value_string

__all__ = [
    "MAX_PARAMETERS",
    "MAX_VALUES",
    "CategoricalParameter",
    "Constant",
    "ContinuousParameter",
    "Coordinate",
    "IntegerParameter",
    "OrdinalParameter",
    "Parameter",
    "SearchSpace",
    "value_string",
]

Float64Array = NDArray[np.float64]

MAX_PARAMETERS = 1000


class SearchSpace:
    """The parameters of a search, in declaration order; immutable.

    `columns` are those that the model sees: all but constants and ranges of one value, unless there are no
    others.

    >>> space = SearchSpace([ContinuousParameter("eta", 0, 1), CategoricalParameter("how", ["tree", "dart"])])
    >>> space.encode([{"eta": 0.25, "how": "dart"}])
    array([[0.25, 1.  ]])

    Raises:
        InputError: there are no parameters, more than 1,000, or two of one name.
    """

    __slots__ = ("_names", "columns", "coordinates", "parameters")

    parameters: tuple[Parameter, ...]
    columns: tuple[Parameter, ...]
    coordinates: tuple[Coordinate, ...]
    _names: dict[str, Parameter]

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        if not isinstance(parameters, Iterable):
            raise InputError(f"parameters {parameters!r} is not a list; write it as a list of parameters")
        listed = tuple(parameters)
        names: dict[str, Parameter] = {}
        for parameter in listed:
            if not isinstance(parameter, Parameter):
                raise InputError(
                    f"{parameter!r} is not a parameter; use ContinuousParameter, IntegerParameter, "
                    "CategoricalParameter, OrdinalParameter or Constant"
                )
            if parameter.name in names:
                raise InputError(f"two parameters are named {parameter.name!r}; rename or drop one")
            names[parameter.name] = parameter
        if not 1 <= len(listed) <= MAX_PARAMETERS:
            raise InputError(f"a SearchSpace takes 1 to {MAX_PARAMETERS} parameters; {len(listed)} are given")
        columns = tuple(parameter for parameter in listed if parameter.varies) or listed[:1]
        coordinates = tuple(parameter.coordinate for parameter in columns)
        fill(self, parameters=listed, columns=columns, coordinates=coordinates, _names=names)

    @classmethod
    def nothing(cls) -> SearchSpace:
        """The space of what is run as it is: it has no parameters, and one configuration, the empty one."""
        space = cls.__new__(cls)
        fill(space, parameters=(), columns=(), coordinates=(), _names={})
        return space

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a SearchSpace cannot be changed; make a new one to set {name!r}")

    def __reduce__(self) -> tuple[Callable[..., SearchSpace], tuple[tuple[Parameter, ...], ...]]:
        return (SearchSpace, (self.parameters,)) if self.parameters else (SearchSpace.nothing, ())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.parameters == other.parameters

    def __hash__(self) -> int:
        return hash(self.parameters)

    def __repr__(self) -> str:
        """As it is written, of a large space the first parameters."""
        shown = ", ".join(map(repr, self.parameters[:5]))
        count = len(self.parameters)
        return (
            f"SearchSpace([{shown}])" if count <= 5 else f"SearchSpace([{shown}, ... ({count} parameters)])"
        )

    @property
    def size(self) -> int | None:
        """How many configurations there are; None where a continuous parameter makes them infinitely many."""
        size = 1
        for parameter in self.parameters:
            if parameter.count is None:
                return None
            size *= parameter.count
        return size

    def encode(self, configs: Sequence[Config]) -> Float64Array:
        """(n, d): numbers as their place in [0, 1], a categorical as its index 0 ... K - 1.

        Raises:
            InputError: a configuration lies outside the space.
        """
        X = np.empty((len(configs), len(self.columns)))
        for i, config in enumerate(configs):
            self._check_names(config)
            X[i] = [parameter.encode(config[parameter.name]) for parameter in self.columns]
        return X

    def decode(self, X: ArrayLike) -> list[Config]:
        """The configurations at the rows of X: (n, d); numbers are clamped to [0, 1], the rest rounded.

        Inverse of `encode`: exact for integers, categoricals and the ends of intervals, within the bound
        given in `hpt.search.scaling` for other continuous values.

        Raises:
            InputError: X is not (n, d), or holds NaN or infinity.
        """
        rows = np.asarray(X, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.columns):
            raise InputError(
                f"X has shape {rows.shape}; give (n, {len(self.columns)}), one column a parameter"
            )
        if not np.isfinite(rows).all():
            raise InputError("X holds NaN or infinity; give finite numbers")
        if len(self.columns) == len(self.parameters):
            return [
                {parameter.name: parameter.decode(u) for parameter, u in zip(self.columns, row, strict=True)}
                for row in rows.tolist()
            ]
        places = {parameter.name: k for k, parameter in enumerate(self.columns)}
        return [
            {
                each.name: each.decode(row[places[each.name]] if each.name in places else 0.0)
                for each in self.parameters
            }
            for row in rows.tolist()
        ]

    def sample(self, n: int, rng: np.random.Generator) -> list[Config]:
        """n independent configurations: uniform in scaled coordinates and over a categorical's values."""
        U = rng.random((n, len(self.columns)))  # (n, d)
        for column, coordinate in enumerate(self.coordinates):
            if coordinate.kind == "categorical":
                U[:, column] = np.floor(U[:, column] * coordinate.count)
        return self.decode(U)

    def key(self, config: Config) -> Hashable:
        """A hashable that two configurations of the space share exactly when they are equal."""
        return tuple([parameter.key(config[parameter.name]) for parameter in self.parameters])

    def validate(self, config: Config) -> dict[str, Value]:
        """The configuration with canonical types, in declaration order; NumPy scalars become Python's.

        Raises:
            InputError: a name is missing or unknown, or a value has the wrong type or is out of range.
        """
        self._check_names(config)
        return {parameter.name: parameter.check(config[parameter.name]) for parameter in self.parameters}

    def lies_outside(self, config: Config) -> bool:
        """Whether a parameter has no value in a configuration, or one that is not in its range."""
        for parameter in self.parameters:
            try:
                parameter.check(config[parameter.name])
            except (InputError, KeyError):
                return True
        return False

    def format(self, config: Config) -> dict[str, str]:
        """The strings a training program receives. InputError outside the space; `parse` is the inverse."""
        self._check_names(config)
        return {parameter.name: parameter.format(config[parameter.name]) for parameter in self.parameters}

    def parse(self, strings: Mapping[str, str]) -> dict[str, Value]:
        """The configuration of which these are the strings. Raises InputError where there is none."""
        self._check_names(strings)
        return {parameter.name: parameter.parse(strings[parameter.name]) for parameter in self.parameters}

    def _check_names(self, config: Mapping[str, object]) -> None:
        if not isinstance(config, Mapping):
            raise InputError(f"{config!r} is not a configuration; give a dict of values by name")
        if config.keys() == self._names.keys():
            return
        missing = [name for name in self._names if name not in config]
        if missing:
            raise InputError(
                f"the configuration lacks {', '.join(map(repr, missing))}; give every parameter a value"
            )
        unknown = [name for name in config if name not in self._names]
        raise InputError(
            f"the configuration has {', '.join(map(repr, unknown))}, which the space does not know; "
            f"its parameters are {', '.join(map(repr, self._names))}"
        )
