"""One training job of a tuning job's definition: its hyperparameters, its name, its record."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from hpt.errors import InputError, StorageError, ValidationError
from hpt.job.config import JobConfig, Objective, ResourceLimits, TrainingJobDefinition
from hpt.job.document import from_document, to_document
from hpt.running.alone import (
    Chosen,
    alone,
    check_name,
    choose,
    find,
    free_name,
    read_assignments,
    training_session,
)
from hpt.running.session import Session
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace

SPACE = SearchSpace(
    [
        ContinuousParameter("lr", "1e-4", "1", "Logarithmic"),
        ContinuousParameter("momentum", 0.9, 0.9999, "ReverseLogarithmic"),
        IntegerParameter("depth", 1, 9),
        CategoricalParameter("kind", ["a", "b"]),
    ]
)
DEFINITION = TrainingJobDefinition(
    "/usr/bin/env", SPACE, Objective("loss", "Minimize"), hyperparameters={"epochs": "3"}
)
CONFIG = JobConfig("tuned", "Random", DEFINITION, ResourceLimits(5, 2), tags={"team": "blue"})


def chosen(**given: str) -> dict[str, tuple[str, str]]:
    return {each.name: (each.value, each.source) for each in choose(DEFINITION, given)[0]}


def test_the_middle_is_that_of_the_scale() -> None:
    assert chosen() == {
        "lr": ("0.01", "middle"),
        "momentum": ("0.997", "middle"),
        "depth": ("5", "middle"),
        "kind": ("a", "middle"),
        "epochs": ("3", "static"),
    }


def test_given_values_are_those_a_tuning_job_would_pass() -> None:
    values = chosen(lr="1e-3", depth="1e0", kind="b", epochs="many")
    assert values["lr"] == ("0.001", "given")
    assert values["depth"] == ("1", "given")
    assert values["kind"] == ("b", "given")
    assert values["epochs"] == ("many", "given")


def test_a_number_outside_its_range_is_tried_with_a_note() -> None:
    found, notes = choose(DEFINITION, {"depth": "40", "lr": "0.5"})
    assert Chosen("depth", "40", "given") in found
    assert notes == ("depth=40 lies outside its range, 1 to 9: a tuning job does not try it",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dept": "1"}, "did you mean 'depth'"),
        ({"zzz": "1"}, "add it to the static hyperparameters"),
        ({"depth": "1.5"}, "is not an integer"),
        ({"lr": "fast"}, "is not a number"),
        ({"lr": "nan"}, "is not a"),
        ({"kind": "A"}, "give one of 'a', 'b'"),
        ({"_tuning_objective_metric": "loss"}, "is reserved"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose(DEFINITION, given)


def test_a_built_in_algorithm_takes_more_than_the_job_names() -> None:
    built_in = replace(DEFINITION, training_image="xgboost")
    found, notes = choose(built_in, {"max_delta_step": "2"})
    assert Chosen("max_delta_step", "2", "given") in found and notes == ()
    assert choose(built_in, {"tree_method": "hist"})[1] == (
        "tree_method is new to this job, and passed on to xgboost, which may not know it",
    )
    with pytest.raises(InputError, match="did you mean 'max_depth'"):
        choose(built_in, {"max_dept": "2"})


def test_assignments() -> None:
    assert read_assignments(["lr=0.1", "filter=a=b", "empty="]) == {"lr": "0.1", "filter": "a=b", "empty": ""}
    for wrong in (["lr"], ["=1"], ["lr=1", "lr=2"], ["lr=\udcff"]):
        with pytest.raises(InputError):
            read_assignments(wrong)


def test_it_is_stored_and_read_again() -> None:
    config = alone(CONFIG, DEFINITION, "x" * 63, choose(DEFINITION, {})[0])
    assert config.alone and config.definition.space == SearchSpace.nothing()
    assert from_document(to_document(config)) == config
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(InputError, match="1 to 63 letters"):
        replace(config, name="x" * 64)
    with pytest.raises(InputError, match="1 to 32 letters"):
        replace(config, alone=False)


def test_what_cannot_be_passed_to_a_program_is_refused() -> None:
    for value in ("x" * 3_000_000, "[" * 1000):
        with pytest.raises(ValidationError, match=r"definition\.hyperparameters"):
            alone(CONFIG, DEFINITION, "one", choose(DEFINITION, {"epochs": value})[0])


def test_the_state_directory_beside_a_program_is_no_part_of_it(tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text("")
    session = Session(tmp_path / "state")
    session.create(CONFIG)
    definition = replace(DEFINITION, training_image=str(program))
    own = training_session(session)
    config = own.create(alone(CONFIG, definition, "one", choose(definition, {})[0]))
    files = own.job_directory("one") / "program" / str(config.definition.snapshot) / "files"
    assert [path.name for path in files.iterdir()] == ["train.py"]


def test_names_of_training_jobs_and_tuning_jobs_are_apart(tmp_path: Path) -> None:
    session = Session(tmp_path)
    own = training_session(session)
    values = choose(DEFINITION, {})[0]
    assert free_name(own, "tuned") == "tuned-train"
    own.create(alone(CONFIG, DEFINITION, "Tuned-Train", values))
    assert free_name(own, "tuned") == "tuned-train-2"
    assert len(free_name(own, "x" * 63)) == 63
    with pytest.raises(InputError, match="exists in"):
        check_name(own, "tuned-train")
    assert session.jobs() == [] and find(session, "nothing") is None
    assert find(session, "TUNED-train") is not None
    session.create(replace(CONFIG, name="tuned-train"))
    assert find(session, "tuned-train") is None  # the tuning job comes first
    assert (tmp_path / ".training" / "tuned-train" / "job.sqlite").exists()


def test_a_state_directory_is_private_even_if_a_training_job_is_its_first(tmp_path: Path) -> None:
    session = Session(tmp_path / "state")
    training_session(session).create(alone(CONFIG, DEFINITION, "one", choose(DEFINITION, {})[0]))
    for place in (tmp_path / "state", tmp_path / "state" / ".training"):
        assert place.stat().st_mode & 0o777 == 0o700


def test_one_that_is_damaged_is_reported(tmp_path: Path) -> None:
    session = Session(tmp_path)
    (tmp_path / ".training" / "one").mkdir(parents=True)
    (tmp_path / ".training" / "one" / "job.sqlite").write_bytes(b"no database " * 500)
    with pytest.raises(StorageError):
        find(session, "one")
