"""Values of categoricals: plain, typed, and the same in every process."""

from __future__ import annotations

import enum
import json
import os
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hpt
from hpt.errors import InputError
from hpt.job import tuning_job
from hpt.job.config import Objective, TrainingJobDefinition
from hpt.job.document import _parameter, _space
from hpt.search.events import from_json, to_json
from hpt.search.values import value_string
from tests.functions import functions

ROOT = Path(__file__).parents[2]


class Depth(enum.IntEnum):
    SMALL = 2
    LARGE = 8


class Name(enum.StrEnum):
    ADAM = "adam"
    SGD = "sgd"


class Rate(float, enum.Enum):
    SLOW = 0.25


class Layers(enum.Enum):
    NARROW = (64, 64)
    FLAG = True
    NOTHING = None


class Text(str):
    def __str__(self) -> str:
        return "another"


def categorical(*values: Any) -> hpt.CategoricalParameter:
    return hpt.CategoricalParameter("x", list(values))


@pytest.mark.parametrize(
    ("given", "plain", "string"),
    [
        (Depth.SMALL, 2, "2"),
        (Name.ADAM, "adam", "adam"),
        (Rate.SLOW, 0.25, "0.25"),
        (Layers.NARROW, (64, 64), "[64, 64]"),
        (Layers.FLAG, True, "true"),
        (Layers.NOTHING, None, "null"),
        (None, None, "null"),
        (np.str_("a"), "a", "a"),
        (np.float32(0.5), 0.5, "0.5"),
        (np.array(3), 3, "3"),
        (np.longdouble(0.5), 0.5, "0.5"),
        (Decimal("0.1"), 0.1, "0.1"),
        (Fraction(1, 4), 0.25, "0.25"),
        (2**70, 2**70, str(2**70)),
        (Text("own"), "own", "own"),
        ((1, ("é", None), [2.5, np.int64(3)]), (1, ("é", None), (2.5, 3)), '[1, ["é", null], [2.5, 3]]'),
        ([64, Depth.LARGE], (64, 8), "[64, 8]"),
    ],
)
def test_values_are_plain_and_reach_a_program_as_what_they_are(given: Any, plain: Any, string: str) -> None:
    parameter = categorical(given, "other")
    assert (parameter.values[0], type(parameter.values[0])) == (plain, type(plain))
    assert parameter.format(given) == parameter.format(plain) == string
    assert parameter.parse(string) == plain
    assert parameter.check(json.loads(json.dumps(plain))) == plain  # as it comes back from a log


def test_a_program_never_receives_the_repr_of_an_enum() -> None:
    space = hpt.SearchSpace([hpt.CategoricalParameter("d", Depth), hpt.CategoricalParameter("n", list(Name))])
    assert space.format({"d": Depth.SMALL, "n": Name.ADAM}) == {"d": "2", "n": "adam"}
    assert all(type(value) in (int, str) for value in space.sample(1, np.random.default_rng(1))[0].values())
    job = tuning_job(
        "job", program="p.sh", space=space, metric="m", regex="(.*)", static={"e": Depth.LARGE}, max_jobs=3
    )
    assert job.definition.hyperparameters["e"] == "8"


CODE = """
import hpt
sets = {"adam", "sgd", "rmsprop", "lion"}, frozenset({3, 0.5, "b", "a", None, (1, "x"), (1, "a"), 1e300, -2})
space = hpt.SearchSpace([hpt.CategoricalParameter(f"x{i}", values) for i, values in enumerate(sets)])
print(space.parameters[1].values, [trial.config for trial in hpt.Tuner(space, seed=1).ask(4)])
"""


def test_a_set_has_an_order_of_its_own_whatever_the_hash_seed() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-P", "-c", CODE],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2, 3)
    }
    [line] = printed
    assert line.startswith("(-2, 0.5, 3, 1e+300, 'a', 'b', (1, 'a'), (1, 'x'), None) [")


def test_other_collections_keep_their_order() -> None:
    for values in (
        ["b", "a"],
        ("b", "a"),
        {"b": 1, "a": 2},
        {"b": 1, "a": 2}.keys(),
        iter("ba"),
        np.array(["b", "a"]),
    ):
        assert hpt.CategoricalParameter("x", values).values == ("b", "a")


def test_true_is_told_apart_from_one() -> None:
    assert categorical(1, 2).check(np.int64(1)) == 1
    for parameter, value in (
        (categorical(1, 2), True),
        (categorical(True, False), 1),
        (categorical("1", "2"), 1),
        (categorical((1, 2), "x"), (True, 2)),
        (categorical("a", None), "null"),
        (categorical("a", "b"), {"a"}),
        (categorical("a", "b"), float("nan")),
    ):
        with pytest.raises(InputError, match="is not one of its values; give one of"):
            parameter.check(value)


def test_none_and_tuples_go_through_the_library() -> None:
    space = hpt.SearchSpace([categorical(None, (64, 64), (128,), "auto", 3)])
    assert _space([_parameter(each) for each in space.parameters]) == space
    stored = json.loads(json.dumps([_parameter(each) for each in space.parameters]))
    assert _space(stored) == space
    for strategy in ("Random", "Bayesian", "Grid"):
        tuner, again = (hpt.Tuner(space, strategy=strategy, seed=1) for _ in range(2))
        seen = []
        for _ in range(5):
            [event] = tuner.propose(1)
            for each in (tuner, again):
                each.apply(event if each is tuner else from_json(*to_json(event)))
                each.tell(event.number, 0.5)
            seen.append(tuner.trials[-1].config["x"])
        assert set(map(value_string, seen)) == {"null", "[64, 64]", "[128]", "auto", "3"}
        assert [trial.config for trial in again.trials] == [trial.config for trial in tuner.trials]
        assert tuner.ask() == []


def test_functions_receive_none_and_tuples(tmp_path: Path) -> None:
    space = hpt.SearchSpace(
        [hpt.ContinuousParameter("x", -1, 1), hpt.CategoricalParameter("kind", [None, (1, 2)])]
    )
    result = hpt.tune(
        functions.typed, space, max_jobs=3, seed=1, strategy="Random", name="typed", state=tmp_path
    )
    assert [trial.value for trial in result.trials] == [
        1.0 if t.config["kind"] is None else 3.0 for t in result.trials
    ]
    assert {trial.config["kind"] for trial in result.trials} == {None, (1, 2)}


def test_programs_cannot_receive_none() -> None:
    message = r"CategoricalParameter 'x': a program receives strings and None has none; write it as a string"
    with pytest.raises(InputError, match=message):
        tuning_job(
            "job", program="p.sh", space=[categorical(None, "a")], metric="m", regex="(.*)", max_jobs=3
        )
    with pytest.raises(InputError, match=message):
        TrainingJobDefinition("p.sh", hpt.SearchSpace([categorical(None, "a")]), Objective("m", "Maximize"))  # type: ignore[arg-type]


def test_what_is_large_has_a_short_repr() -> None:
    many = [hpt.CategoricalParameter(f"x{i}", [f"value {k}" for k in range(500)]) for i in range(60)]
    space = hpt.SearchSpace(many)
    tuner = hpt.Tuner(space, strategy="Random", seed=7)
    [trial] = tuner.ask()
    for step in range(1, 500):
        tuner.report(trial.number, 0.5, step)
    tuner.tell(trial.number, 0.123456789)
    [trial] = tuner.trials
    assert len(repr(space)) < 1000
    for shown in (many[0], trial, tuner, tuner.history, hpt.ContinuousParameter("n" * 200, 0, 1)):
        assert len(repr(shown)) < 200 and "\n" not in repr(shown)
    assert (
        repr(tuner)
        == "<tuner: Maximize, Random, seed 7, 1 trial of which 0 running, best 0.123457 by trial 1>"
    )
    assert repr(trial).startswith("<trial 1: Completed, 0.123457, x0='value ")
    small = hpt.SearchSpace([hpt.ContinuousParameter("eta", 0, 1, "Auto"), categorical("a", None, 1)])
    assert (
        repr(small)
        == "SearchSpace([ContinuousParameter('eta', 0.0, 1.0), CategoricalParameter('x', ['a', None, 1])])"
    )
    assert eval(repr(small), vars(hpt)) == small
    assert repr(hpt.IntegerParameter("n", 1, 9, "Logarithmic")) == (
        "IntegerParameter('n', 1, 9, 'Logarithmic')"
    )
