"""The maps to the unit interval and the reading of bounds, against the values behaviour 3.2 and 3.3 give."""

from __future__ import annotations

import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from hpt.errors import InputError
from hpt.search.scaling import Linear, Logarithmic, Map, ReverseLogarithmic, read_float, read_int

E = 2.0**-52
TINY = 1e-322
SMALLEST = 5e-324
LARGEST = sys.float_info.max
property_test = settings(deadline=None, max_examples=400)

finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=SMALLEST, max_value=LARGEST)
unit = st.floats(min_value=0.0, max_value=1.0)
below_one = st.floats(min_value=0.0, max_value=math.nextafter(1.0, 0.0))


def interval(values: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[float, float]]:
    """Two different floats in order, also neighbours."""
    apart = (
        st.tuples(values, values)
        .filter(lambda pair: pair[0] != pair[1])
        .map(lambda pair: (min(pair), max(pair)))
    )
    adjacent = values.map(lambda a: (math.nextafter(a, -math.inf), a))
    return st.one_of(apart, adjacent)


def allowed(kind: type[Map], a: float, b: float) -> bool:
    return kind is Linear or (a > 0 if kind is Logarithmic else 0 <= a < b < 1)


def bound(kind: type[Map], a: float, b: float, v: float) -> float:
    """The bound that hpt/scaling.py states for |decode(encode(v)) - v|."""
    if kind is Linear:
        return 4 * E * max(abs(a), abs(b)) + TINY
    if kind is Logarithmic:
        return 8 * E * (1 + max(abs(math.log(a)), abs(math.log(b)))) * v + TINY
    return 16 * E * v + TINY


CHECKS = [
    (Logarithmic, 0.0001, 1, 0.5, 0.01, 1e-12),
    (Logarithmic, 0.00001, 1, 0.3, 3.1623e-4, 5e-9),
    (Logarithmic, 0.000001, 0.5, 0.25, 2.65915e-5, 5e-11),
    (Logarithmic, 0.000001, 0.5, 0.5, 7.07107e-4, 5e-10),
    (Logarithmic, 0.000001, 0.5, 0.75, 0.0188030, 5e-8),
    (ReverseLogarithmic, 0.9, 0.999, 0.25, 0.96838, 5e-6),
    (ReverseLogarithmic, 0.9, 0.999, 0.5, 0.99, 1e-12),
    (ReverseLogarithmic, 0.9, 0.999, 0.75, 0.99684, 5e-6),
    (ReverseLogarithmic, 0, 0.99, 0.5, 0.9, 1e-12),
    (Linear, 0.0001, 1, 0.1, 0.10009, 1e-12),
]


@pytest.mark.parametrize(("kind", "a", "b", "u", "v", "error"), CHECKS)
def test_check_values(kind, a, b, u, v, error):
    assert kind(a, b).decode(u) == pytest.approx(v, abs=error, rel=0)
    assert kind(a, b).encode(v) == pytest.approx(u, abs=2e-4)  # the table rounds v


def test_ends_are_exact_where_the_plain_formula_misses_them():
    a, b = 1e-6, 0.5
    assert math.exp(math.log(a)) != a  # the formula as written needs the clamp
    assert math.exp(math.log(a) + (math.log(b) - math.log(a))) != b
    assert Logarithmic(a, b).decode(0.0) == a
    assert Logarithmic(a, b).decode(1.0) == b


@pytest.mark.parametrize("kind", [Linear, Logarithmic, ReverseLogarithmic])
def test_places_outside_the_unit_interval_are_clamped(kind):
    assert kind(0.25, 0.75).decode(-3.0) == 0.25
    assert kind(0.25, 0.75).decode(7.0) == 0.75


@pytest.mark.parametrize(
    ("kind", "values"),
    [(Linear, finite), (Logarithmic, positive), (ReverseLogarithmic, below_one)],
    ids=["linear", "logarithmic", "reverselogarithmic"],
)
def test_round_trip(kind, values):
    @property_test
    @given(interval(values), unit)
    @example((1e-300, 1e300), 0.3)
    @example((SMALLEST, 3 * SMALLEST), 0.5)
    @example((0.5, math.nextafter(1.0, 0.0)), 0.7)
    @example((0.1, 0.2), 0.5)
    def check(ends, u):
        a, b = ends
        assume(allowed(kind, a, b) and math.isfinite(a) and math.isfinite(b))
        mapping = kind(a, b)
        assert (mapping.encode(a), mapping.encode(b)) == (0.0, 1.0)
        assert (mapping.decode(0.0), mapping.decode(1.0)) == (a, b)
        v = mapping.decode(u)
        assert a <= v <= b
        place = mapping.encode(v)
        assert 0.0 <= place <= 1.0
        assert abs(Fraction(mapping.decode(place)) - Fraction(v)) <= Fraction(bound(kind, a, b, v))

    check()


@pytest.mark.parametrize(
    ("kind", "values"),
    [(Linear, finite), (Logarithmic, positive), (ReverseLogarithmic, below_one)],
    ids=["linear", "logarithmic", "reverselogarithmic"],
)
def test_every_value_of_the_interval_survives(kind, values):
    """The same from the side of values: they are drawn as floats, not as images of places."""

    @property_test
    @given(st.tuples(values, values, values).map(sorted))
    def check(three):
        a, v, b = three
        assume(a < b and allowed(kind, a, b))
        again = kind(a, b).decode(kind(a, b).encode(v))
        assert abs(Fraction(again) - Fraction(v)) <= Fraction(bound(kind, a, b, v))

    check()


@property_test
@given(interval(finite), unit, unit)
def test_linear_keeps_order(ends, first, second):
    a, b = ends
    assume(math.isfinite(a))
    low, high = sorted((first, second))
    assert Linear(a, b).decode(low) <= Linear(a, b).decode(high)


@pytest.mark.parametrize(
    ("string", "value"),
    [
        ("0.1", 0.1),
        (" 10 ", 10.0),
        ("+1e-5", 1e-5),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0", 0.0),
        ("1e-999", 0.0),
        ("0.1000000000000000055511151231257827", 0.1),
    ],
)
def test_float_bounds_as_strings(string, value):
    assert read_float(string, "min") == value
    assert math.copysign(1.0, read_float("-0", "min")) == 1.0


@pytest.mark.parametrize(
    "bad", ["", " ", "0x10", "1,000", "1_000", "inf", "-Infinity", "nan", "1e", "e5", ".", "ten", "1 0", "１"]
)
def test_texts_that_are_no_numbers(bad):
    for read in (read_float, read_int):
        with pytest.raises(InputError, match="is not a number; write it with digits"):
            read(bad, "min")


@pytest.mark.parametrize("bad", ["1e999", math.inf, math.nan, 10**400])
def test_bounds_that_are_no_finite_floats(bad):
    with pytest.raises(InputError, match=r"min .* (is not a finite|does not fit a) 64-bit float"):
        read_float(bad, "min")


@pytest.mark.parametrize("bad", [True, None, [1], 1j, np.bool_(True)])
def test_bounds_of_other_types(bad):
    for read in (read_float, read_int):
        with pytest.raises(InputError, match=r"is not a number( \(.*\))?; give (a number, also|its real)"):
            read(bad, "min")


@pytest.mark.parametrize(
    ("given_", "value"),
    [
        ("10", 10),
        ("1e3", 1000),
        ("10.0", 10),
        ("-7", -7),
        ("0e999999999", 0),
        ("9007199254740993", 2**53 + 1),  # a detour over a float would lose the last digit
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        (12, 12),
        (12.0, 12),
        (np.int32(12), 12),
        (np.float32(12), 12),
    ],
)
def test_integer_bounds(given_, value):
    assert read_int(given_, "max") == value
    assert type(read_int(given_, "max")) is int


@pytest.mark.parametrize("bad", ["1.5", "1e-3", "1e-999999999", 1.5, np.float64(0.1)])
def test_integer_bounds_must_be_integers(bad):
    with pytest.raises(InputError, match=r"max .* is not an integer; round it or use a ContinuousParameter"):
        read_int(bad, "max")


@pytest.mark.parametrize(
    "bad",
    ["9223372036854775808", "1e19", "1e999999999", "-1e99999999999999999999", 2**63, 1e300, -(2**63) - 1],
)
def test_integer_bounds_must_fit_64_bits(bad):
    with pytest.raises(InputError, match="does not fit 64 signed bits"):
        read_int(bad, "max")


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_integer_bounds_must_be_finite(bad):
    with pytest.raises(InputError, match="is not an integer"):
        read_int(bad, "max")
