"""What counts as a number, by the one rule of the library and everywhere that a number is taken."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from math import inf, isnan, nan

import numpy as np
import pytest

import hpt
from hpt.errors import InputError
from hpt.job.tagged_line import tagged_line
from hpt.search.numbers import (
    brief,
    check_count,
    exact_integer,
    finite_number,
    is_finite_number,
    real_number,
)


class Level(enum.IntEnum):
    LOW = 2


class Colour(enum.Enum):
    RED = 2


class Tensor:
    """As PyTorch's tensors look from outside: `dtype` prints as `torch.float32`, `float` takes all kinds."""

    def __init__(self, element: object, dtype: str, shape: tuple[int, ...] = ()) -> None:
        self._element, self.dtype, self.shape = element, dtype, shape

    def item(self) -> object:
        return self._element

    def __float__(self) -> float:
        return float(self._element)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"tensor({self._element})"


class Broken:
    def __float__(self) -> float:
        raise RuntimeError("no value yet")

    def __repr__(self) -> str:
        raise RuntimeError("no repr either")


REAL = [
    (1, 1.0),
    (-0.5, -0.5),
    (2**53 + 1, 2.0**53),
    (5e-324, 5e-324),
    (np.float64(2), 2.0),
    (np.float32(0.1), 0.10000000149011612),
    (np.float16(3), 3.0),
    (np.longdouble(0.25), 0.25),
    (np.int64(2), 2.0),
    (np.array(0.5), 0.5),
    (np.array(3), 3.0),
    (np.array(Decimal("0.5"), dtype=object), 0.5),
    (np.ma.array(0.5), 0.5),
    (Decimal("0.1"), 0.1),
    (Decimal("1e-400"), 0.0),
    (Decimal("-Infinity"), -inf),
    (Fraction(1, 3), 1 / 3),
    (Level.LOW, 2.0),
    (Tensor(0.5, "torch.float32"), 0.5),
    (Tensor(0.5, "torch.bfloat16"), 0.5),
    (Tensor(3, "torch.int64"), 3.0),
    (inf, inf),
]

NO_NUMBER = [
    True,
    np.True_,
    np.array(True),
    np.array(True, dtype=object),
    Tensor(True, "torch.bool"),
    "0.5",
    np.str_("0.5"),
    np.array("0.5"),
    b"0.5",
    bytearray(b"1"),
    1 + 0j,
    np.complex64(1 + 2j),
    np.array(1 + 2j),
    Tensor(1 + 2j, "torch.complex64"),
    None,
    [0.5],
    (0.5,),
    {0.5},
    np.array([0.5]),
    np.zeros((2, 2)),
    Tensor(0.5, "torch.float32", (1,)),
    np.ma.masked,
    np.ma.array(0.5, mask=True),
    np.timedelta64(5, "s"),
    np.datetime64("2026-01-01"),
    timedelta(1),
    Colour.RED,
    float,
    np.float64,
    Decimal("sNaN"),
    Broken(),
]

TOO_LARGE = [10**400, -(10**400), Fraction(10**400), Decimal("1e400"), np.longdouble("1e400")]


@pytest.mark.parametrize(("value", "number"), REAL, ids=range(len(REAL)))
def test_real_numbers_of_any_library_are_taken(value: object, number: float) -> None:
    taken = real_number(value, "the value")
    assert (type(taken), taken) == (float, number)


@pytest.mark.parametrize("value", [nan, np.float32(nan), np.array(nan), Decimal("NaN")])
def test_nan_is_a_number_but_no_finite_one(value: object) -> None:
    assert isnan(real_number(value, "the value"))
    with pytest.raises(InputError, match=r"the value .* is not a finite 64-bit float; give one within"):
        finite_number(value, "the value")


@pytest.mark.parametrize("value", NO_NUMBER, ids=range(len(NO_NUMBER)))
@pytest.mark.parametrize("read", [real_number, finite_number, exact_integer])
def test_nothing_else_is(value: object, read: Callable[[object, str], object]) -> None:
    if read is exact_integer and isinstance(value, Decimal):
        pytest.skip("a signalling NaN is a number without an integer")
    with pytest.raises(InputError, match=r"^the value .* is not a number.*; give "):
        read(value, "the value")


@pytest.mark.parametrize("value", TOO_LARGE, ids=range(len(TOO_LARGE)))
def test_a_finite_number_never_becomes_infinite(value: object) -> None:
    with pytest.raises(InputError, match="does not fit a 64-bit float"):
        real_number(value, "the value")


@pytest.mark.parametrize(
    ("value", "integer"),
    [
        (3.0, 3),
        (2**53 + 1, 2**53 + 1),
        (Decimal(2**53 + 1), 2**53 + 1),
        (Fraction(2**54 + 1), 2**54 + 1),
        (np.array(2**63 + 1, dtype=np.uint64), 2**63 + 1),
        (Tensor(7, "torch.int64"), 7),
        (0.5, None),
        (Decimal("1e999999"), None),
        (Decimal("NaN"), None),
        (inf, None),
        (nan, None),
    ],
)
def test_integers_are_exact(value: object, integer: int | None) -> None:
    assert exact_integer(value, "the value") == integer


def test_a_value_is_shown_on_one_short_line() -> None:
    assert len(brief("x" * 10_000)) < 100
    assert "\n" not in brief(np.zeros((50, 50)))
    assert brief(Broken()) == "<Broken>" or "Broken" in brief(Broken())


# -- everywhere


def _told(value: object) -> float | None:
    tuner = hpt.Tuner(hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 9)]), seed=1)
    tuner.tell(tuner.ask()[0].number, value)  # type: ignore[arg-type]
    return tuner.trials[0].value


def _reported(value: object) -> float:
    tuner = hpt.Tuner(hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 9)]), seed=1)
    tuner.report(tuner.ask()[0].number, value, 1)  # type: ignore[arg-type]
    return tuner.trials[0].reports[0].value


def _added(value: object) -> float:
    tuner = hpt.Tuner(hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 9)]), seed=1, objective="minimize")
    tuner.add({"x": 1}, value)  # type: ignore[arg-type]
    return float(tuner.history.y[0])


def _resource(value: object) -> float:
    tuner = hpt.Tuner(hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 9)]), seed=1)
    tuner.report(tuner.ask()[0].number, 0.5, value)  # type: ignore[arg-type]
    return tuner.trials[0].reports[0].resource


def _printed(value: object) -> float:
    return float(tagged_line({"loss": value}).rpartition("=")[2])  # type: ignore[dict-item]


def _bound(value: object) -> float:
    return hpt.ContinuousParameter("x", value, 9).min  # type: ignore[arg-type]


def _coordinate(value: object) -> object:
    space = hpt.SearchSpace([hpt.ContinuousParameter("x", -1, 1e300)])
    return space.validate({"x": value})["x"]  # type: ignore[dict-item]


@pytest.mark.parametrize("take", [_told, _reported, _added, _resource, _printed, _bound, _coordinate])
def test_the_rule_holds_everywhere(take: Callable[[object], object]) -> None:
    for value, number in REAL:
        if 0 < number < 9:
            assert take(value) == number
    for value in [*NO_NUMBER, *TOO_LARGE]:
        if take is _told and value is None:
            continue  # which means the last report
        if take is _bound and isinstance(value, str):
            continue  # bounds may be strings
        with pytest.raises(InputError):
            take(value)


@pytest.mark.parametrize(
    ("value", "finite"),
    [
        (1, True),
        (-0.5, True),
        (np.float64(2), True),
        (np.float32(2), False),
        (10**400, False),
        (nan, False),
        (inf, False),
        (True, False),
        ("1", False),
        (None, False),
    ],
)
def test_numbers_that_can_be_stored(value: object, finite: bool) -> None:
    assert is_finite_number(value) == finite


@pytest.mark.parametrize("value", [2, 3.0, True, "3", None, np.int64(3)])
def test_counts_are_integers(value: object) -> None:
    with pytest.raises(InputError, match=r"steps .* is not an integer of at least 3; give more"):
        check_count("steps", value, 3, "give more")
    check_count("steps", 3, 3)
