"""Parameters and the search space (behaviour 3 and the rules V06 to V16 as far as they concern ranges)."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpt.errors import InputError
from hpt.search.parameters import MAX_LOGARITHMIC_INTEGER
from hpt.search.space import (
    CategoricalParameter,
    ContinuousParameter,
    Coordinate,
    IntegerParameter,
    SearchSpace,
    value_string,
)

property_test = settings(deadline=None, max_examples=300)

SPACE = SearchSpace(
    [
        ContinuousParameter("eta", "0", "1"),
        ContinuousParameter("lambda", 1e-5, 1, "Logarithmic"),
        ContinuousParameter("momentum", 0.9, 0.999, "ReverseLogarithmic"),
        IntegerParameter("max_depth", 1, 10),
        IntegerParameter("rounds", 1, 1000, "Logarithmic"),
        CategoricalParameter("booster", ["gbtree", "dart"]),
        CategoricalParameter("mixed", ["", 16, 0.5, True]),
    ]
)
CONFIG = {
    "eta": 0.25,
    "lambda": 0.001,
    "momentum": 0.99,
    "max_depth": 6,
    "rounds": 40,
    "booster": "dart",
    "mixed": True,
}


# -- declaration


def test_parameters_are_frozen_and_compare_by_what_was_declared():
    parameter = ContinuousParameter("x", 0, 1)
    with pytest.raises(FrozenInstanceError):
        parameter.min = 0.5
    assert parameter != ContinuousParameter("x", 0, 1, "Linear")
    assert hash(SPACE) == hash(SearchSpace(SPACE.parameters))
    assert SearchSpace(SPACE.parameters) == SPACE != SearchSpace(SPACE.parameters[:2])
    with pytest.raises(AttributeError, match="cannot be changed"):
        SPACE.parameters = ()


def test_space_can_be_pickled():
    again = pickle.loads(pickle.dumps(SPACE))
    assert again == SPACE
    assert again.encode([CONFIG]).tolist() == SPACE.encode([CONFIG]).tolist()


def test_coordinates():
    assert SPACE.coordinates == (
        Coordinate("continuous", "linear", 0.0, 1.0, 0),
        Coordinate("continuous", "logarithmic", 1e-5, 1.0, 0),
        Coordinate("continuous", "reverselogarithmic", 0.9, 0.999, 0),
        Coordinate("integer", "linear", 1.0, 10.0, 10),
        Coordinate("integer", "logarithmic", 1.0, 1000.0, 1000),
        Coordinate("categorical", "linear", 0.0, 1.0, 2),
        Coordinate("categorical", "linear", 0.0, 3.0, 4),
    )


# -- places in the unit cube


def test_encode_gives_places_and_indices():
    assert SPACE.encode([CONFIG]).tolist() == [
        pytest.approx(
            [0.25, 0.4 + math.log10(1) + 0.0, 0.5, 0.55, math.log(80) / math.log(2001), 1.0, 3.0], abs=1e-12
        )
    ]
    assert SPACE.encode([]).shape == (0, 7)
    assert SPACE.decode(np.empty((0, 7))) == []


def shares(parameter: IntegerParameter) -> dict[int, float]:
    """The part of [0, 1] that decodes to each value, by bisection of the borders."""
    found = {}
    low = 0.0
    for value in range(parameter.min, parameter.max + 1):
        inside, outside = low, 1.0
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if parameter.decode(middle) <= value else (inside, middle)
        high = 1.0 if value == parameter.max else inside
        found[value] = high - low
        low = high
    return found


def test_integers_have_equal_shares_on_a_linear_scale():
    assert shares(IntegerParameter("x", 1, 3)) == pytest.approx({1: 1 / 3, 2: 1 / 3, 3: 1 / 3}, abs=1e-12)
    assert shares(IntegerParameter("x", -3, 2)) == pytest.approx(
        dict.fromkeys(range(-3, 3), 1 / 6), abs=1e-12
    )


def test_integer_shares_on_a_logarithmic_scale():
    part = shares(IntegerParameter("x", 1, 1000, "Logarithmic"))
    assert part[1] == pytest.approx(math.log(3) / math.log(2001), abs=1e-12)
    assert part[1] == pytest.approx(0.14453, abs=5e-6)
    assert part[1000] == pytest.approx(0.000132, abs=5e-7)
    assert sum(part.values()) == pytest.approx(1.0)


def test_integers_on_a_border_are_rounded_away_from_zero():
    assert IntegerParameter("x", 0, 1).decode(0.5) == 1
    assert IntegerParameter("x", -1, 0).decode(0.5) == -1
    assert IntegerParameter("x", -4, -1).decode(0.25) == -4
    assert IntegerParameter("x", 1, 4).decode(0.25) == 2
    assert [IntegerParameter("x", -4, -1).decode(u) for u in (0.0, 1.0)] == [-4, -1]


@st.composite
def integer_parameters(draw):
    if draw(st.booleans()):
        low = draw(st.integers(1, 2**44 - 1) | st.integers(1, 100))
        high = draw(st.integers(low + 1, MAX_LOGARITHMIC_INTEGER) | st.just(MAX_LOGARITHMIC_INTEGER))
        return IntegerParameter("x", low, high, "Logarithmic")
    low = draw(st.integers(-(2**63), 2**63 - 2))
    widest = min(2**52, 2**63 - 1 - low)
    return IntegerParameter("x", low, low + draw(st.integers(1, widest) | st.just(widest)))


@property_test
@given(integer_parameters(), st.data())
def test_integers_are_decoded_exactly(parameter, data):
    near_top = st.integers(max(parameter.min, parameter.max - 1000), parameter.max)
    value = data.draw(st.integers(parameter.min, parameter.max) | near_top)
    for whole in (value, parameter.min, parameter.max):
        place = parameter.encode(whole)
        assert 0.0 < place < 1.0 or parameter.count > 2**50
        assert 0.0 <= place <= 1.0
        assert parameter.decode(place) == whole


@property_test
@given(integer_parameters(), st.floats(0, 1))
def test_every_place_is_a_value_of_the_range(parameter, u):
    assert parameter.min <= parameter.decode(u) <= parameter.max
    assert type(parameter.decode(u)) is int


def test_decode_snaps_and_clamps():
    row = [1.5, -0.1, 2.0, 0.999, -3.0, 0.6, 77.0]
    [config] = SPACE.decode([row])
    assert config == {
        "eta": 1.0,
        "lambda": 1e-5,
        "momentum": 0.999,
        "max_depth": 10,
        "rounds": 1,
        "booster": "dart",
        "mixed": True,
    }
    assert SPACE.validate(config) == config


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_decode_refuses_what_is_not_finite(bad):
    with pytest.raises(InputError, match="NaN or infinity"):
        SPACE.decode([[bad] * 7])


def test_decode_refuses_another_shape():
    for X in (np.zeros(7), np.zeros((2, 6))):
        with pytest.raises(InputError, match=r"X has shape .*; give \(n, 7\)"):
            SPACE.decode(X)


def test_decode_of_encode():
    configs = SPACE.sample(500, np.random.default_rng(1))
    again = SPACE.decode(SPACE.encode(configs))
    for config, other in zip(configs, again, strict=True):
        for name in ("max_depth", "rounds", "booster", "mixed"):
            assert other[name] == config[name]
            assert type(other[name]) is type(config[name])
        for name in ("eta", "lambda", "momentum"):
            assert other[name] == pytest.approx(config[name], rel=1e-13)


def test_a_configuration_has_the_same_place_alone_and_among_others():
    configs = SPACE.sample(50, np.random.default_rng(2))
    together = SPACE.encode(configs)
    assert all((SPACE.encode([config]) == row).all() for config, row in zip(configs, together, strict=True))


# -- draws


def test_samples_are_uniform_in_scaled_coordinates():
    configs = SPACE.sample(20000, np.random.default_rng(3))
    assert len(configs) == 20000
    U = SPACE.encode(configs)  # (n, d)
    for column in (0, 1, 2):
        counts = np.bincount((U[:, column] * 10).astype(int).clip(0, 9), minlength=10)
        assert abs(counts - 2000).max() < 5 * math.sqrt(2000)
    for name, parameter in (("max_depth", SPACE.parameters[3]), ("mixed", SPACE.parameters[6])):
        values = [config[name] for config in configs]
        for value in set(values):
            expected = 20000 / parameter.count
            assert abs(sum(other is value or other == value for other in values) - expected) < 5 * math.sqrt(
                expected
            )
    ones = sum(config["rounds"] == 1 for config in configs)
    assert abs(ones - 0.14453 * 20000) < 5 * math.sqrt(0.14453 * 20000)
    assert SPACE.sample(0, np.random.default_rng(3)) == []


def test_samples_depend_on_the_generator_alone():
    first = SPACE.sample(3, np.random.default_rng(4))
    assert first == SPACE.sample(3, np.random.default_rng(4)) != SPACE.sample(3, np.random.default_rng(5))


# -- size and key


def test_size():
    finite = SearchSpace(
        [
            IntegerParameter("a", 1, 3),
            CategoricalParameter("b", list("wxyz")),
            IntegerParameter("c", 1, 10),
        ]
    )
    assert finite.size == 120  # the example of rule V16
    assert SPACE.size is None


def test_keys_distinguish_configurations():
    other = {**CONFIG, "mixed": 16}
    assert SPACE.key(CONFIG) == SPACE.key(dict(reversed(CONFIG.items())))
    assert SPACE.key(CONFIG) != SPACE.key(other)
    assert len({SPACE.key(CONFIG), SPACE.key(other), SPACE.key(SPACE.validate(CONFIG))}) == 2


# -- validation


def test_validate_gives_canonical_types_in_declaration_order():
    config = {
        "mixed": np.bool_(True),
        "booster": np.str_("dart"),
        "rounds": 40.0,
        "max_depth": np.int32(6),
        "momentum": np.float32(0.9375),
        "lambda": 1,
        "eta": -0.0,
    }
    valid = SPACE.validate(config)
    assert list(valid) == [parameter.name for parameter in SPACE.parameters]
    assert [type(value) for value in valid.values()] == [float, float, float, int, int, str, bool]
    assert valid == {**config, "eta": 0.0}
    assert math.copysign(1.0, valid["eta"]) == 1.0
    assert json.loads(json.dumps(valid)) == valid
    valid["eta"] = 0.5
    assert config["eta"] == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eta": 1.0000001}, "'eta': 1.0000001 is out of range; give a number from 0.0 to 1.0"),
        ({"eta": math.nan}, "'eta': nan is out of range"),
        ({"eta": math.inf}, "'eta': inf is out of range"),
        ({"eta": "0.5"}, "'eta': '0.5' is not a number"),
        ({"eta": True}, "'eta': True is not a number"),
        ({"eta": None}, "'eta': None is not a number"),
        ({"max_depth": 11}, "'max_depth': 11 is out of range; give one from 1 to 10"),
        ({"max_depth": 2.5}, "'max_depth': 2.5 is not an integer"),
        ({"max_depth": math.nan}, "'max_depth': nan is not an integer"),
        ({"max_depth": True}, "'max_depth': True is not a number"),
        ({"max_depth": np.bool_(True)}, "is not a number"),
        ({"max_depth": "5"}, "'max_depth': '5' is not a number"),
        ({"booster": "tree"}, "'booster': 'tree' is not one of its values; give one of 'gbtree', 'dart'"),
        ({"booster": 1}, "'booster': 1 is not one of its values"),
        ({"booster": ["dart"]}, r"'booster': \['dart'\] is not one of its values"),
        ({"mixed": 1}, "'mixed': 1 is not one of its values"),
        ({"mixed": "true"}, "'mixed': 'true' is not one of its values"),
        (
            {"depth": 3},
            "the configuration has 'depth', which the space does not know; its parameters are 'eta', ",
        ),
    ],
)
def test_values_outside_the_space(change, message):
    for method in (SPACE.validate, SPACE.format, lambda config: SPACE.encode([config])):
        with pytest.raises(InputError, match=message):
            method({**CONFIG, **change})


def test_every_parameter_needs_a_value():
    partial = {name: value for name, value in CONFIG.items() if name not in ("eta", "rounds")}
    with pytest.raises(
        InputError, match="the configuration lacks 'eta', 'rounds'; give every parameter a value"
    ):
        SPACE.validate(partial)
    with pytest.raises(InputError, match="is not a configuration; give a dict"):
        SPACE.validate([("eta", 1)])


# -- strings


def test_texts_a_training_program_receives():
    assert SPACE.format({**CONFIG, "eta": 0.00027401056839555956}) == {
        "eta": "0.00027401056839555956",
        "lambda": "0.001",
        "momentum": "0.99",
        "max_depth": "6",
        "rounds": "40",
        "booster": "dart",
        "mixed": "true",
    }
    wide = SearchSpace([ContinuousParameter("x", 0, 1000), IntegerParameter("n", 0, 2**52)])
    assert wide.format({"x": 1.3494417573713629e-08, "n": 2**52}) == {
        "x": "1.3494417573713629e-08",
        "n": "4503599627370496",
    }
    assert wide.format({"x": 100, "n": 8.0}) == {"x": "100.0", "n": "8"}


def test_texts_of_categorical_values():
    assert [value_string(value) for value in ("a b", "", 512, 0.1, True, False)] == [
        "a b",
        "",
        "512",
        "0.1",
        "true",
        "false",
    ]


@property_test
@given(st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: abs(value) < 1e308))
def test_a_continuous_string_reads_back_to_the_same_value(value):
    space = SearchSpace([ContinuousParameter("x", -1e308, 1e308)])
    string = space.format({"x": value})["x"]
    assert float(string) == value
    assert space.parse({"x": string}) == {"x": value}


def test_parse_is_the_inverse_of_format():
    for config in SPACE.sample(200, np.random.default_rng(6)):
        again = SPACE.parse(SPACE.format(config))
        assert again == config
        assert [type(value) for value in again.values()] == [type(value) for value in config.values()]


def test_parse_refuses_what_format_does_not_write():
    strings = SPACE.format(CONFIG)
    for change, message in (
        ({"eta": "2"}, "'eta': 2.0 is out of range"),
        ({"eta": "half"}, "'eta': 'half' is not a number"),
        ({"max_depth": "1.5"}, "'max_depth': '1.5' is not an integer"),
        ({"mixed": "True"}, "'mixed': 'True' is not one of its values"),
    ):
        with pytest.raises(InputError, match=message):
            SPACE.parse({**strings, **change})


def test_the_empty_space_has_all_that_a_space_has():
    nothing = SearchSpace.nothing()
    assert [getattr(nothing, name) for name in SearchSpace.__slots__] == [{}, (), (), ()]
    assert pickle.loads(pickle.dumps(nothing)) == nothing
