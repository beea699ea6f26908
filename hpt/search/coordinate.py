"""What the model knows of a parameter, and what all kinds of parameters share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hpt.errors import InputError

MAX_NAME = 256


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


def check_name(kind: str, name: object) -> str:
    if not isinstance(name, str):
        raise InputError(f"{kind} name {name!r} is not a string; name it as the training program does")
    if not 1 <= len(name) <= MAX_NAME:
        raise InputError(f"{kind} name {name!r} has {len(name)} characters; use 1 to {MAX_NAME}")
    return name


def fill(record: object, **fields: object) -> None:
    """Set the fields of a frozen record that is being made."""
    for name, value in fields.items():
        object.__setattr__(record, name, value)
