"""Continuous, integer and categorical parameters as declared (behaviour 3.1 to 3.3, rules V09 to V13)."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal

import numpy as np
import pytest

from hpt.errors import InputError
from hpt.search.scaling import Scaling
from hpt.search.space import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
    SearchSpace,
)


def test_bounds_given_as_strings_and_as_numbers_are_the_same():
    assert ContinuousParameter("x", " 0.1 ", "5e-1") == ContinuousParameter("x", 0.1, 0.5)
    assert (
        IntegerParameter("x", "1", "1e3")
        == IntegerParameter("x", 1, 1000)
        == IntegerParameter("x", 1, 1000.0)
    )
    assert type(IntegerParameter("x", "1", "1e3").max) is int
    assert type(ContinuousParameter("x", 0, 1).min) is float
    assert IntegerParameter("x", np.int64(1), np.int64(3)) == IntegerParameter("x", 1, 3)


@pytest.mark.parametrize("scaling", ["Logarithmic", "logarithmic", "LOGARITHMIC", Scaling.LOGARITHMIC])
def test_scaling_names_in_any_case(scaling):
    assert ContinuousParameter("x", 1, 2, scaling).scaling == "Logarithmic"
    assert IntegerParameter("x", 1, 2, scaling).scaling == "Logarithmic"


def test_auto_is_recorded_as_auto_and_laid_out_linearly():
    parameter = ContinuousParameter("x", 0.0001, 1)
    assert parameter.scaling == "Auto"
    assert parameter.coordinate.scale == "linear"
    assert parameter.decode(0.5) == pytest.approx(0.50005)


def test_min_and_max_must_be_in_order():
    with pytest.raises(InputError, match=r"^IntegerParameter 'depth': max 2 is below min 8; swap them$"):
        IntegerParameter("depth", 8, 2)
    with pytest.raises(InputError, match=r"^ContinuousParameter 'eta': max 0.1 is below min 0.5; swap them$"):
        ContinuousParameter("eta", 0.5, 0.1)


def test_logarithmic_needs_positive_bounds():
    for kind in (IntegerParameter, ContinuousParameter):
        for low in (0, -1):
            with pytest.raises(InputError, match=r"'x': min .* is not above 0, as Logarithmic scaling needs"):
                kind("x", low, 3, "Logarithmic")


def test_reverse_logarithmic_is_continuous_within_zero_and_one():
    for low, high in ((-0.1, 0.5), (0, 1), (0.5, 2)):
        with pytest.raises(
            InputError, match="not within 0 <= min, max < 1, as ReverseLogarithmic scaling needs"
        ):
            ContinuousParameter("x", low, high, "ReverseLogarithmic")
    with pytest.raises(InputError, match="ReverseLogarithmic scaling is for continuous parameters only"):
        IntegerParameter("x", 0, 3, "ReverseLogarithmic")


def test_unknown_scaling():
    with pytest.raises(InputError, match="'x': scaling 'Cubic' is not known; use one of Auto, Linear"):
        ContinuousParameter("x", 0, 1, "Cubic")


@pytest.mark.parametrize("bad", ["ten", "", None, True, math.nan])
def test_a_bad_bound_names_the_parameter_and_the_end(bad):
    for kind in (IntegerParameter, ContinuousParameter):
        with pytest.raises(InputError, match=f"{kind.__name__} 'x': min"):
            kind("x", bad, 3)
        with pytest.raises(InputError, match=f"{kind.__name__} 'x': max"):
            kind("x", 0, bad)


@pytest.mark.parametrize("bad", [None, 3, "", "x" * 257])
def test_bad_names(bad):
    for make in (
        lambda: ContinuousParameter(bad, 0, 1),
        lambda: IntegerParameter(bad, 0, 1),
        lambda: CategoricalParameter(bad, ["a"]),
    ):
        with pytest.raises(InputError, match="name"):
            make()


def test_integer_ranges_that_floats_cannot_distinguish_are_refused():
    assert IntegerParameter("x", 0, 2**52).count == 2**52 + 1
    with pytest.raises(InputError, match=r"is wider than 2\*\*52"):
        IntegerParameter("x", 0, 2**52 + 1)
    assert IntegerParameter("x", 1, 2**44, "Logarithmic").count == 2**44
    with pytest.raises(InputError, match=r"above 2\*\*44, beyond which Logarithmic"):
        IntegerParameter("x", 1, 2**44 + 1, "Logarithmic")


def test_categorical_values():
    parameter = CategoricalParameter("x", ("a", np.int64(3), np.float64(0.5), np.bool_(False)))
    assert parameter.values == ("a", 3, 0.5, False)
    assert [type(value) for value in parameter.values] == [str, int, float, bool]
    assert CategoricalParameter("x", ["only"]).count == 1
    assert CategoricalParameter("x", [str(i) for i in range(1000)]).count == 1000


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "no values are given; give 1 to 1000"),
        (range(1001), "more than 1000 values are given; give 1 to 1000"),
        ("abc", "is not a list"),
        (7, "is not a list"),
        (["a", "b", "a"], "the values 'a' and 'a' are equal; drop one"),
        ([1, 1.0], "the values 1 and 1.0 are equal"),
        (b"adam", "values b'adam' is not a list"),
        (itertools.count(), "more than 1000 values are given"),
        ([(1, 2), [1, 2]], r"the values \(1, 2\) and \(1, 2\) are equal"),
        ([math.nan], "the value nan is not finite; write it as a string"),
        ([Decimal("NaN")], "is not finite"),
        ({object(), object()}, "has no order of its own"),
    ],
)
def test_bad_categorical_values(values, message):
    with pytest.raises(InputError, match=f"^CategoricalParameter 'x': .*{message}"):
        CategoricalParameter("x", values)


def test_bad_spaces():
    one = ContinuousParameter("x", 0, 1)
    with pytest.raises(InputError, match="takes 1 to 1000 parameters; 0 are given"):
        SearchSpace([])
    with pytest.raises(InputError, match="1001 are given"):
        SearchSpace([ContinuousParameter(f"x{i}", 0, 1) for i in range(1001)])
    with pytest.raises(InputError, match="two parameters are named 'x'"):
        SearchSpace([one, IntegerParameter("x", 0, 1)])
    with pytest.raises(InputError, match=r"\('x', 0, 1\) is not a parameter"):
        SearchSpace([one, ("x", 0, 1)])
    with pytest.raises(InputError, match="not a list"):
        SearchSpace(one)
