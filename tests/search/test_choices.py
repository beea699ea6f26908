"""Listed values, steps and constants: what they are, where they stand, and that searches use them."""

from __future__ import annotations

import copy
import json
import math
import pickle
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hpt
from hpt.errors import InputError
from hpt.search.levels import Levels, Steps

STRATEGIES = ["Bayesian", "Random"]


class Kernel:
    """An object as hosts have them: equal to none but itself, and not hashable."""

    __hash__ = None

    def __init__(self, name):
        self.name = name


# -- values told apart


def test_one_is_not_its_string_and_not_true():
    values = [1, "1", True, 0, False, None, "None", (1, "a"), (True, "a"), 2.5]
    parameter = hpt.CategoricalParameter("x", values)
    space = hpt.SearchSpace([parameter])
    for k, value in enumerate(values):
        found = space.validate({"x": value})["x"]
        assert (found, type(found)) == (value, type(value))
        assert space.encode([{"x": value}])[0, 0] == k
    assert len({space.key({"x": value}) for value in values}) == len(values)
    assert parameter.check(1.0) == 1 and parameter.check(np.bool_(True)) is True
    assert hpt.CategoricalParameter("x", [1]) != hpt.CategoricalParameter("x", [True])
    assert hash(hpt.CategoricalParameter("x", [1])) == hash(hpt.CategoricalParameter("x", [1.0]))
    for wrong in ("true", 2, (1, "b"), [], object(), math.nan):
        with pytest.raises(InputError, match="is not one of its values"):
            parameter.check(wrong)


def test_any_object_is_a_category():
    array, kernels = np.arange(3), [Kernel("rbf"), Kernel("linear")]
    values = [*kernels, array, {"depth": 2}, len, Kernel]
    parameter = hpt.CategoricalParameter("x", values)
    assert all(parameter.check(value) is value for value in values)
    assert parameter.check({"depth": 2}) is values[3]
    for wrong in (Kernel("rbf"), np.arange(3), {"depth": 3}, max):
        with pytest.raises(InputError, match="is not one of its values"):
            parameter.check(wrong)
    with pytest.raises(InputError, match="a program receives strings"):
        parameter.format(kernels[0])
    space = hpt.SearchSpace([parameter])
    assert hash(space) == hash(hpt.SearchSpace([hpt.CategoricalParameter("x", values)]))
    for twin in (copy.deepcopy(space), pickle.loads(pickle.dumps(space))):
        assert twin.decode([[0]])[0]["x"].name == "rbf"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_searches_over_objects_are_restored_with_their_space(strategy):
    values = [Kernel("rbf"), Kernel("linear"), None, 1, True, "1"]
    space = hpt.SearchSpace([hpt.CategoricalParameter("x", values), hpt.Constant("y", Kernel("own"))])
    tuner, tried = hpt.Tuner(space, "Minimize", strategy, seed=1), []
    for k in range(4):
        [trial] = tuner.ask()
        tried.append(trial.config["x"])
        tuner.tell(trial.number, k)
    state = json.loads(json.dumps(tuner.state(), allow_nan=False))
    with pytest.raises(InputError, match="give it again as space="):
        hpt.Tuner.restore(state)
    restored = hpt.Tuner.restore(state, space=space)
    assert [trial.config["x"] for trial in restored.trials] == tried
    assert restored.propose(2) == tuner.propose(2)
    tried += [trial.config["x"] for trial in tuner.ask(9)]
    assert len(tried) == 6 and {id(value) for value in tried} == {id(value) for value in values}


# -- steps


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ((0, 1, 0.1), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        ((0, 1, 1 / 3), [0.0, 1 / 3, 2 / 3, 1.0]),
        ((0.1, 0.75, 0.2), [0.1, 0.3, 0.5, 0.7]),
        ((-1, 1, 2), [-1.0, 1.0]),
        ((5, 6, 10), [5.0]),
    ],
)
def test_the_values_of_a_step_and_its_end(arguments, values):
    low, high, step = arguments
    parameter = hpt.ContinuousParameter("x", low, high, step=step)
    assert list(parameter.listed()) == pytest.approx(values, abs=0)
    assert parameter.count == len(values)
    space = hpt.SearchSpace([parameter])
    drawn = {config["x"] for config in space.sample(300, np.random.default_rng(0))}
    assert drawn == set(parameter.listed())
    assert [space.decode(space.encode([{"x": v}]))[0]["x"] for v in values] == list(parameter.listed())


def test_a_step_of_integers_on_both_scales():
    for scaling in ("Linear", "Logarithmic", "Auto"):
        parameter = hpt.IntegerParameter("x", 16, 256, scaling, step=16)
        values = list(parameter.listed())
        assert values == list(range(16, 257, 16)) and parameter.count == 16
        assert [parameter.decode(parameter.encode(value)) for value in values] == values
        assert all(type(parameter.decode(u)) is int for u in (0.0, 0.3, 1.0))
    assert repr(parameter) == "IntegerParameter('x', 16, 256, step=16)"
    assert hpt.IntegerParameter("x", 0, 7, step=3).count == 3


def test_a_logarithmic_step_gives_small_values_their_share():
    parameter = hpt.ContinuousParameter("x", 0.5, 500, "Logarithmic", step=0.5)
    drawn = [config["x"] for config in hpt.SearchSpace([parameter]).sample(2000, np.random.default_rng(0))]
    assert 0.35 < np.mean(np.array(drawn) < 16) < 0.65


@pytest.mark.parametrize("value", [0.15, 0.05, -1, 1.1, "a"])
def test_values_off_a_step_are_refused_or_clipped(value):
    parameter = hpt.ContinuousParameter("x", 0, 1, step=0.1)
    with pytest.raises(InputError, match=r"such as|out of range|not a number"):
        parameter.check(value)
    if value != "a":
        assert parameter.clip(value) in list(parameter.listed())
    assert parameter.check(0.30000000000000004) == 0.3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hpt.ContinuousParameter("x", 0, 1, step=0), "step 0.0 is not above 0"),
        (lambda: hpt.ContinuousParameter("x", 0, 1, step=-0.1), "step -0.1 is not above 0"),
        (lambda: hpt.ContinuousParameter("x", 0, 1, step="a"), "step 'a' is not a number"),
        (lambda: hpt.ContinuousParameter("x", 0, 1, step=1e-300), "makes .* values of the range"),
        (lambda: hpt.ContinuousParameter("x", 0, 0.9, "ReverseLogarithmic", step=0.1), "takes no step"),
        (lambda: hpt.IntegerParameter("x", 0, 9, step=0), "step 0 is not an integer of at least 1"),
        (lambda: hpt.IntegerParameter("x", 0, 9, step=1.5), "step 1.5 is not an integer of at least 1"),
        (lambda: hpt.OrdinalParameter("x", {1, 2}), "has no order; write it as a list"),
        (lambda: hpt.OrdinalParameter("x", []), "OrdinalParameter 'x': no values are given"),
    ],
)
def test_bad_steps_and_orders(make, message):
    with pytest.raises(InputError, match=message):
        make()


@given(
    low=st.floats(-1e6, 1e6).map(lambda value: round(value, 6)),
    step=st.floats(1e-3, 1e3).map(lambda value: round(value, 4)),
    count=st.integers(1, 500),
    logarithmic=st.booleans(),
)
def test_every_value_of_a_row_is_found_again(low, step, count, logarithmic):
    steps = Steps(low, low + step * (count - 1), step)
    levels = Levels(steps.count, 1 if logarithmic else None)
    assert steps.count in (count, count - 1) or steps.count == count
    for level in {0, steps.count // 2, steps.count - 1}:
        assert steps.level(steps.value(level)) == level
        assert levels.decode(levels.encode(level)) == level


# -- one value, orders


def test_what_does_not_vary_is_no_column():
    space = hpt.SearchSpace(
        [
            hpt.Constant("a", [1, {"b": 2}]),
            hpt.ContinuousParameter("x", 0, 1),
            hpt.IntegerParameter("n", 3, 3),
            hpt.ContinuousParameter("c", 0.25, 0.25, "Logarithmic"),
            hpt.OrdinalParameter("size", ["small", "medium", "large"]),
            hpt.OrdinalParameter("one", ["only"]),
        ]
    )
    assert [parameter.name for parameter in space.columns] == ["x", "size"]
    config = {"a": [1, {"b": 2}], "x": 0.5, "n": 3, "c": 0.25, "size": "medium", "one": "only"}
    assert space.encode([config]).tolist() == [[0.5, 0.5]]
    [found] = space.decode([[0.5, 0.5]])
    assert list(found) == list(config)
    assert (found["x"], found["n"], found["c"], found["size"]) == (0.5, 3, 0.25, "medium")
    with pytest.raises(InputError, match="'n': 4 is out of range"):
        space.validate({**config, "n": 4})


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "parameters",
    [
        [hpt.Constant("a", 1), hpt.ContinuousParameter("x", 2, 2)],
        [hpt.IntegerParameter("n", 5, 5)],
        [hpt.ContinuousParameter("x", 2, 2), hpt.IntegerParameter("n", 1, 2)],
        [hpt.OrdinalParameter("o", [3, 1, 2]), hpt.CategoricalParameter("b", [True, False])],
        [hpt.ContinuousParameter("x", 1, 9, "Logarithmic", step=2), hpt.IntegerParameter("n", 0, 9, step=4)],
    ],
    ids=str,
)
def test_a_finite_space_is_used_up_without_repeats(strategy, parameters):
    space = hpt.SearchSpace(parameters)
    everything = set(product(*(parameter.listed() for parameter in parameters)))
    assert space.size == len(everything)
    tuner, tried = hpt.Tuner(space, "Minimize", strategy, seed=3), []
    while trials := tuner.ask(2):
        for trial in trials:
            tried.append(tuple(trial.config.values()))
            tuner.tell(trial.number, float(len(tried) % 3))
        assert len(tried) <= len(everything)
    assert set(tried) == everything and len(tried) == len(everything)


def test_a_grid_takes_orders_and_constants():
    space = hpt.SearchSpace([hpt.Constant("c", None), hpt.OrdinalParameter("o", [4, 2])])
    tuner = hpt.Tuner(space, strategy="Grid")
    assert [trial.config for trial in tuner.ask(5)] == [{"c": None, "o": 4}, {"c": None, "o": 2}]


def test_the_model_knows_the_value_that_is_used():
    """What is observed at a value stands at that value's place, whatever was proposed."""
    space = hpt.SearchSpace(
        [hpt.ContinuousParameter("x", 0, 1, step=0.25), hpt.OrdinalParameter("o", ["a", "c"])]
    )
    tuner = hpt.Tuner(space, "Minimize", seed=1)
    for _ in range(8):
        [trial] = tuner.ask()
        assert trial.config["x"] in (0, 0.25, 0.5, 0.75, 1)
        tuner.tell(trial.number, (trial.config["x"] - 0.7) ** 2)
    places = {(2 * k + 1) / 10 for k in range(5)}
    assert set(tuner.history.X[:, 0].tolist()) <= places
    assert tuner.best().config["x"] == 0.75


def test_neighbours_in_an_order_do_alike():
    """A search over an order finds its best value with fewer trials than one over categories, on average."""

    def trials_until_found(kind, seed):
        space = hpt.SearchSpace([kind("o", list(range(60)))])
        tuner = hpt.Tuner(space, "Minimize", seed=seed)
        while (best := tuner.best()) is None or best.config["o"] != 41:
            [trial] = tuner.ask()
            tuner.tell(trial.number, (trial.config["o"] - 41) ** 2)
        return len(tuner.trials)

    ordered = np.mean([trials_until_found(hpt.OrdinalParameter, seed) for seed in range(4)])
    unordered = np.mean([trials_until_found(hpt.CategoricalParameter, seed) for seed in range(4)])
    assert ordered < 13 and ordered < unordered / 2


def test_states_keep_steps_orders_and_constants():
    space = hpt.SearchSpace(
        [
            hpt.ContinuousParameter("x", 0, 1, step=0.1),
            hpt.IntegerParameter("n", 0, 8, "Linear", step=2),
            hpt.OrdinalParameter("o", ["a", (1, 2), None]),
            hpt.Constant("c", True),
        ]
    )
    tuner = hpt.Tuner(space, "Minimize", seed=1)
    tuner.ask(3)
    restored = hpt.Tuner.restore(json.loads(json.dumps(tuner.state())))
    assert restored.space == space
    assert restored.propose(2) == tuner.propose(2)
    assert pickle.loads(pickle.dumps(space)) == space
