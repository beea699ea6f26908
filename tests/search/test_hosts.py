"""Tuners within other frameworks: trials of the host, ids, late news, state, threads."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import hpt
from hpt.errors import InputError, StorageError
from hpt.search.stopping.median import MedianRule
from hpt.search.strategies.bayesian import BayesianStrategy
from hpt.testing.hosts import HostSuite
from hpt.testing.strategies import GRID, MIXED

STORED = Path(__file__).parent / "stored"


class TestRandom(HostSuite):
    histories = 12

    def make(self):
        return hpt.Tuner(MIXED, "Minimize", "Random", seed=5)


class TestBayesian(HostSuite):
    histories = 3
    steps = 15

    def make(self):
        return hpt.Tuner(MIXED, "Maximize", "Bayesian", seed=5, first=3)


class TestHyperband(HostSuite):
    def make(self):
        return hpt.Tuner(MIXED, "Minimize", "Hyperband", seed=5, max_resource=9)


class TestAnObject(HostSuite):
    """Strategy and rule given as objects are given again."""

    histories = 3

    def make(self):
        return hpt.Tuner(
            MIXED, "Minimize", BayesianStrategy(first=2), seed=2, stopping_rule=MedianRule(min_trials=2)
        )

    def restore(self, state):
        rule = MedianRule(min_trials=2)
        return hpt.Tuner.restore(state, strategy=BayesianStrategy(first=2), stopping_rule=rule)


@pytest.mark.slow
class TestManyHistories(HostSuite):
    histories = 1000
    steps = 40

    def make(self):
        return hpt.Tuner(MIXED, "Minimize", "Random", seed=9)


@pytest.mark.slow
class TestManyHistoriesWithAModel(HostSuite):
    histories = 100

    def make(self):
        return hpt.Tuner(MIXED, "Minimize", "Bayesian", seed=9, first=2)


# -- several definitions


def test_trials_of_a_multi_algorithm_search_are_recorded_and_restored():
    tuner = hpt.Tuner({"mixed": MIXED, "grid": GRID}, "Minimize", seed=1)
    tuner.record({"kind": "a", "flag": "on"}, definition="grid", value=0.5, noise=0.1)
    tuner.record({"kind": "b", "flag": "on"}, definition="grid", id="host")
    tuner.ask(4)
    tuner.forget("host")
    tuner.tell(3, 0.25)
    with pytest.raises(InputError, match="belongs to no definition"):
        tuner.ask(pending=[{"kind": "a", "flag": "on"}])
    restored = hpt.Tuner.restore(json.loads(json.dumps(tuner.state())))
    assert restored.state() == tuner.state()
    assert restored.propose(6) == tuner.propose(6)
    assert restored.history.of("grid").distinct == tuner.history.of("grid").distinct


# -- what does not fit


def test_clip_moves_numbers_to_the_nearest_end():
    tuner = hpt.Tuner(MIXED, strategy="Random", seed=1)
    trial = tuner.record({"rate": 7, "depth": -2.5, "kind": "a"}, value=1, outside="clip")
    assert trial.config == {"rate": 1.0, "depth": 1, "kind": "a"}
    for wrong in ({"rate": 7, "depth": 2, "kind": "z"}, {"rate": "x", "depth": 2, "kind": "a"}, {"rate": 7}):
        with pytest.raises(InputError):
            tuner.record(wrong, value=1, outside="clip")
    assert len(tuner.trials) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"value": "high"}, "value 'high' is not a number"),
        ({"status": "Done"}, "status 'Done' is not known"),
        ({"status": "Stopping"}, "does not go with"),
        ({"status": "InProgress", "value": 0.5}, "does not go with the value 0.5"),
        ({"value": 0.5, "noise": -1}, "noise -1 is negative"),
        ({"value": 0.5, "noise": float("nan")}, "noise nan is not a finite"),
        ({"reports": 3}, "reports 3 is not a list"),
        ({"reports": [3]}, "report 3 is not a pair"),
        ({"reports": [(0, 0.5)]}, "resource 0 is not a positive number"),
        (
            {"value": 0.5, "outside": "keep"},
            "outside 'keep' is not known; use one of 'raise'",
        ),
        ({"value": 0.5, "extra": "keep"}, "extra 'keep' is not known"),
        ({"value": 0.5, "source": 3}, "source 3 is not a string"),
    ],
)
def test_a_wrong_record_changes_nothing(arguments, message):
    tuner = hpt.Tuner(MIXED, strategy="Random", seed=1)
    before = tuner.state()
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        tuner.record({"rate": 0.5, "depth": 2, "kind": "a"}, **arguments)
    assert tuner.state() == before


def test_a_trial_of_a_related_search_is_no_trial_of_this_one():
    tuner = hpt.Tuner(MIXED, seed=1)
    config = {"rate": 0.5, "depth": 2, "kind": "a"}
    assert tuner.record(config, value=0.5, source="last year") is None
    assert tuner.record(config, status="Failed", source="last year") is None
    assert tuner.trials == [] and tuner.best() is None
    assert len(tuner.history.related["last year"].y) == 1


# -- strategy options


def test_options_of_a_strategy_by_name():
    by_name = hpt.Tuner(MIXED, seed=1, first=0, acquisition="UCB")
    by_object = hpt.Tuner(MIXED, strategy=BayesianStrategy(first=0, acquisition="UCB"), seed=1)
    for tuner in (by_name, by_object):
        for k in range(5):
            [trial] = tuner.ask()
            tuner.tell(trial.number, k % 3)
    assert by_name.ask()[0].config == by_object.ask()[0].config
    assert pickle.loads(pickle.dumps(by_name)).propose(2) == by_name.propose(2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frist": 0}, "strategy 'Bayesian' has no option 'frist'"),
        ({"strategy": "Random", "first": 0}, "strategy 'Random' has no options"),
        ({"strategy": BayesianStrategy(), "first": 0}, "first: options are for a strategy given by name"),
        ({"first": -1}, "first -1 is not an integer of at least 0"),
    ],
)
def test_wrong_options(arguments, message):
    with pytest.raises(InputError, match=message):
        hpt.Tuner(MIXED, **arguments)


# -- predictions


@pytest.mark.parametrize(("objective", "sign"), [("Minimize", 1.0), ("Maximize", -1.0)])
def test_predictions_are_in_the_unit_of_the_objective(objective, sign):
    space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])
    tuner = hpt.Tuner(space, objective, seed=1)
    with pytest.raises(InputError, match="nothing was observed yet"):
        tuner.predict([{"x": 0.5}])
    for x in np.linspace(0, 1, 12):
        tuner.record({"x": x}, value=sign * (100 + (x - 0.3) ** 2))
    mean, deviation = tuner.predict([{"x": 0.3}, {"x": 0.95}])
    assert mean == pytest.approx([sign * 100, sign * 100.4225], abs=0.02)
    assert (deviation >= 0).all() and (deviation < 0.1).all()
    with pytest.raises(InputError, match="out of range"):
        tuner.predict([{"x": 2}])
    with pytest.raises(InputError, match="has no model"):
        hpt.Tuner(space, strategy="Random").predict([{"x": 0.5}])


# -- state


def test_a_state_of_the_first_version_is_read_for_ever():
    """Never write this file anew; add another where a version stores something in another way."""
    state = json.loads((STORED / "tuner_1.json").read_text())
    tuner = hpt.Tuner.restore(state)
    assert [(t.number, t.status, t.value, t.id) for t in tuner.trials] == [
        (1, "Completed", 0.5, "first"),
        (3, "Stopped", 0.75, None),
        (4, "Failed", None, None),
        (5, "Stopping", None, "host"),
    ]
    assert tuner.state() == state


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"version": 2}, StorageError, "newer hpt"),
        ({"later": 1}, StorageError, "newer hpt"),
        ({"events": [["Later", {"time": 0}]]}, StorageError, "newer hpt"),
        ({"events": [["TrialEnded", {"time": 0.0, "number": 1}]]}, StorageError, "damaged"),
        ({"events": 3}, StorageError, "damaged"),
        ({"space": [["LaterParameter", ["x"]]]}, StorageError, "newer hpt"),
        ({"space": 7}, StorageError, "damaged"),
        ({"strategy": None}, InputError, "give it again as strategy="),
    ],
)
def test_a_state_that_cannot_be_read(change, error, message):
    tuner = hpt.Tuner(MIXED, strategy="Random", seed=1)
    tuner.ask()
    with pytest.raises(error, match=message):
        hpt.Tuner.restore({**tuner.state(), **change})
    for wrong in (None, [], {}, {"trials": []}):
        with pytest.raises(InputError, match=r"not one that Tuner\.state gave"):
            hpt.Tuner.restore(wrong)
    with pytest.raises(InputError, match="another search space"):
        hpt.Tuner.restore(tuner.state(), space=GRID)


def test_ids_that_json_does_not_have():
    tuner = hpt.Tuner(MIXED, strategy="Random", seed=1)
    tuner.ask(ids=[("a", 1)])
    with pytest.raises(InputError, match="is not a string, as the state"):
        tuner.state()


# -- threads


def test_threads_may_call_a_tuner_at_once():
    tuner = hpt.Tuner(MIXED, "Minimize", seed=1, first=4)

    def work(worker):
        for turn in range(10):
            [trial] = tuner.ask(ids=[f"{worker}-{turn}"])
            tuner.report(trial.id, 0.5, 1)
            tuner.record(trial.config, value=float(trial.config["depth"]))
            tuner.tell(trial.id, float(trial.config["rate"]))
            assert tuner.best() is not None

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert [trial.number for trial in tuner.trials] == list(range(1, 81))
    asked = [tuple(trial.config.items()) for trial in tuner.trials if trial.id]
    assert len(asked) == len(set(asked)) == 40
