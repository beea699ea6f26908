"""Values that are held while a search chooses the others."""

from __future__ import annotations

import math
from copy import copy

import numpy as np
import pytest

import hpt
from hpt.errors import InputError

SPACE = hpt.SearchSpace(
    [
        hpt.ContinuousParameter("x", 0, 1, "Linear"),
        hpt.ContinuousParameter("rate", 1e-4, 1),
        hpt.IntegerParameter("n", 1, 9),
        hpt.CategoricalParameter("kind", ["a", "b", "c"]),
        hpt.Constant("epochs", 3),
    ]
)
OPTIONS = {"Bayesian": {}, "Random": {}, "Hyperband": {"max_resource": 9}}


def loss(config):
    """Where x should be depends on the rate."""
    middle = 0.2 - 0.15 * math.log10(config["rate"])
    return (config["x"] - middle) ** 2 + abs(config["n"] - 4) / 40 + (config["kind"] != "b") / 4


def searched(trials, seed=1, **options):
    tuner = hpt.Tuner(SPACE, "Minimize", seed=seed, **options)
    for _ in range(trials):
        [trial] = tuner.ask()
        tuner.tell(trial.number, loss(trial.config))
    return tuner


@pytest.mark.parametrize("strategy", OPTIONS)
def test_every_strategy_holds_values_from_the_first_trial_on(strategy):
    tuner = hpt.Tuner(SPACE, "Minimize", strategy, seed=1, **OPTIONS[strategy])
    fixed = {"kind": "c", "rate": np.float64(0.03)}
    for step in range(12):
        for trial in tuner.ask(2, fixed=fixed if step % 2 else None):
            assert (trial.config["kind"], trial.config["rate"]) == ("c", 0.03) or not step % 2
            assert list(trial.config) == ["x", "rate", "n", "kind", "epochs"] and trial.config["epochs"] == 3
            tuner.tell(trial.number, loss(trial.config))
    assert [trial.number for trial in tuner.trials] == list(range(1, 25))
    assert len({str(trial.config) for trial in tuner.trials}) == 24


def test_the_others_are_proposed_by_the_model_of_all_trials():
    for seed in range(3):
        tuner = searched(40, seed)
        found = []
        for _ in range(4):
            [trial] = tuner.ask(fixed={"rate": 0.1, "kind": "b", "n": 4})
            tuner.tell(trial.number, loss(trial.config))
            found.append(trial.value if trial.value is not None else loss(trial.config))
        assert min(found) < 1e-3  # x is 0.35 there, wherever the best of all is


def test_a_batch_is_one_by_one_and_caches_change_nothing():
    tuner = searched(15)
    fixed = {"kind": "a", "x": 0.25}
    batch = [trial.config for trial in copy(tuner).ask(3, fixed=fixed)]
    for config in batch:
        fresh = hpt.Tuner.restore(tuner.state())  # has no cache
        assert [trial.config for trial in tuner.ask(fixed=fixed)] == [config]
        assert [trial.config for trial in fresh.ask(fixed=fixed)] == [config]


@pytest.mark.parametrize("strategy", ["Bayesian", "Random", "Grid"])
def test_what_is_left_of_a_finite_space_is_used_up(strategy):
    space = hpt.SearchSpace(
        [hpt.CategoricalParameter("a", range(3)), hpt.CategoricalParameter("b", range(4))]
    )
    tuner = hpt.Tuner(space, "Minimize", strategy, seed=1)
    tuner.record({"a": 1, "b": 2}, value=0.5)
    tuner.add({"a": 1, "b": 3}, 0.25)
    for _ in range(3):
        for trial in tuner.ask(fixed={"a": 0}):
            tuner.tell(trial.number, trial.config["b"])
    [pending] = tuner.ask(fixed={"a": 1}, pending=[{"a": 1, "b": 0}])
    assert pending.config == {"a": 1, "b": 1}
    assert [trial.config["b"] for trial in tuner.ask(9, fixed={"a": 1})] == [0]
    assert len(tuner.ask(9, fixed={"a": 0})) == 1 and tuner.ask(fixed={"a": 0}) == []
    assert [trial.config for trial in tuner.ask(2, fixed={"a": 2, "b": 3})] == [{"a": 2, "b": 3}]
    assert tuner.ask(fixed={"b": 3, "a": 2}) == []
    assert len(tuner.ask(20)) == 12 - 9


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"y": 1}, "'y', which the space does not know"),
        ({"x": 1.5}, "'x': 1.5 is out of range"),
        ({"kind": "d"}, "'kind': 'd' is not one of its values"),
        ({"epochs": 4}, "'epochs'"),
        ([("x", 0.5)], "is no dict"),
    ],
)
def test_what_cannot_be_held(fixed, message):
    tuner = hpt.Tuner(SPACE, "Minimize", seed=1)
    with pytest.raises(InputError, match=message):
        tuner.ask(fixed=fixed)
    with pytest.raises(InputError, match=message):
        hpt.suggest(SPACE, [], fixed=fixed)
    assert tuner.trials == []
    several = hpt.Tuner({"one": SPACE, "two": SPACE}, "Minimize", seed=1)
    with pytest.raises(InputError, match="belong to no definition"):
        several.ask(fixed={"x": 0.5})


def test_a_stateless_search_holds_values_too():
    known = [(trial.config, trial.value) for trial in searched(20).trials]
    fixed, cache = {"kind": "c"}, hpt.Cache()
    found = hpt.suggest(SPACE, known, fixed=fixed, count=3, cache=cache)
    assert [config["kind"] for config in found] == ["c"] * 3
    assert [hpt.suggest(SPACE, known, fixed=fixed, worker=k, cache=cache)[0] for k in range(3)] == found
    expected = hpt.suggest(SPACE, known, fixed=fixed, count=3, seed=1, worker=0)
    assert [trial.config for trial in searched(20).ask(3, fixed=fixed)] == expected


def test_what_others_try_of_several_definitions():
    spaces = {
        "one": hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)]),
        "two": hpt.SearchSpace([hpt.IntegerParameter("n", 1, 3)]),
    }
    tuner = hpt.Tuner(spaces, "Minimize", seed=1)
    for _ in range(12):
        [trial] = tuner.ask()
        tuner.tell(trial.number, trial.config.get("x", 0.5))
    before = tuner.state()
    for wrong, message in [
        ({"x": 0.5}, "belongs to no definition"),
        (("three", {"x": 0.5}), "one of one, two"),
        (("one", {"n": 2}), "'x'"),
        (("two", {"n": 4}), "out of range"),
    ]:
        with pytest.raises(InputError, match=message):
            tuner.ask(pending=[wrong])
    assert tuner.state() == before
    [proposed] = tuner.propose(1)
    [other] = tuner.propose(1, pending=[(proposed.definition, proposed.config)])
    assert (other.definition, other.config) != (proposed.definition, proposed.config)
    assert other.number == proposed.number
    done = [("two", {"n": n}) for n in (1, 2, 3)]
    assert {trial.definition for trial in tuner.ask(4, pending=done)} == {"one"}
