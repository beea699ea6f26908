"""What `hpt.tune` and `hpt.run` refuse before anything starts: the rules of every other job."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hpt
from hpt.errors import InputError, MissingDependencyError, ValidationError
from hpt.job import (
    Channel,
    HyperbandConfig,
    JobConfig,
    MetricDefinition,
    Objective,
    ResourceLimits,
    TrainingJobDefinition,
    tuning_job,
)
from hpt.job.complete import completed
from hpt.job.config import EarlyStopping
from hpt.running.differences import differences
from hpt.running.session import Again, Session
from hpt.search.trial import ObjectiveType

NUMBERS = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])
FEW = hpt.SearchSpace([hpt.CategoricalParameter("kind", ["a", "b"])])


def train(config, report):  # type: ignore[no-untyped-def]
    return 1.0


@pytest.mark.parametrize(
    ("space", "arguments", "rule", "words"),
    [
        (NUMBERS, {"strategy": "grid"}, "V14", "space['x']: range 'x' is continuous, and Grid takes categ"),
        (FEW, {"strategy": "grid", "max_jobs": 3}, "V15", "max_jobs: 3 differs from the 2 combinations"),
        (FEW, {"max_jobs": 3}, "V16", "max_jobs: the ranges allow 2.0 combinations, not enough for 3"),
        (NUMBERS, {}, "end", "max_jobs: is missing, and nothing else ends a Bayesian search; give it or max"),
        (FEW, {}, "end", "max_jobs: is missing"),
        (
            NUMBERS,
            {"strategy": "hyperband", "max_jobs": 3},
            "V18",
            "hyperband=HyperbandConfig(max_resource=...): is missing and cannot be inferred; give it",
        ),
        (NUMBERS, {"max_jobs": 3, "hyperband": HyperbandConfig(9)}, "V20", "does not fit strategy Bayesian"),
        (
            NUMBERS,
            {
                "strategy": "hyperband",
                "max_jobs": 3,
                "hyperband": HyperbandConfig(9),
                "early_stopping": EarlyStopping(),
            },
            "V17",
            "early_stopping: it does not go with Hyperband, which stops training jobs itself; leave it out",
        ),
        (
            NUMBERS,
            {"max_jobs": 10_001},
            "V31",
            "the limit on training jobs of a Bayesian tuning job is 10000",
        ),
        (
            NUMBERS,
            {"max_jobs": 3, "environment": {f"A{i}": "" for i in range(48)}},
            "V30",
            "environment: 49 entries",
        ),
    ],
)
def test_tune(
    tmp_path: Path, space: hpt.SearchSpace, arguments: dict[str, Any], rule: str, words: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        hpt.tune(train, space, name="refused", state=tmp_path, **arguments)
    [violation] = caught.value.violations
    assert violation.rule == rule
    assert words in str(violation)
    assert list(tmp_path.iterdir()) == []


def by_hand(folder: Path, **changes: Any) -> JobConfig:
    program = folder / "train.py"
    program.write_text("print('loss=1;')\n")
    definition = TrainingJobDefinition(
        str(program),
        NUMBERS,
        Objective("loss", ObjectiveType.MINIMIZE),
        metric_definitions=(MetricDefinition("loss", "loss=(.*?);"),),
    )
    return JobConfig("hand", "Random", replace(definition, **changes), ResourceLimits(2, 1), seed=1)


@pytest.mark.parametrize(
    ("changes", "rule", "path"),
    [
        ({"metric_definitions": ()}, "V05", "definition.objective.metric"),
        ({"spot": True}, "V22", "definition.max_wait_seconds"),
        (
            {"spot": True, "max_runtime_seconds": 9.0, "max_wait_seconds": 8.0},
            *("V23", "definition.max_wait_seconds"),
        ),
        ({"training_image": "registry.example.com/a/b:1"}, "program", "definition.training_image"),
        ({"training_image": "/nowhere/train.py"}, "program", "definition.training_image"),
        ({"channels": (Channel("train", "/nowhere"),)}, "path", "definition.channels['train']"),
        (
            {"channels": (Channel("train", "/", record_wrapper="RecordIO"),)},
            "inputs",
            "definition.channels['train']",
        ),
        ({"output_path": sys.executable}, "path", "definition.output_path"),
        ({"instance_count": 101}, "instances", "definition.instance_count"),
    ],
)
def test_run(tmp_path: Path, changes: dict[str, Any], rule: str, path: str) -> None:
    with pytest.raises(ValidationError) as caught:
        hpt.run(by_hand(tmp_path, **changes), state=tmp_path / "state")
    [violation] = caught.value.violations
    assert (violation.rule, violation.path) == (rule, path)
    assert not (tmp_path / "state").exists()


def test_relative_paths_start_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(Session(tmp_path / "state")) as session:
        session.start(by_hand(tmp_path, training_image="train.py", output_path="models"))
        definition = session.config("hand").definition
    assert definition.training_image == f"{tmp_path}/train.py"
    assert definition.output_path == f"{tmp_path}/models"


def test_everything_that_is_not_there_is_named_at_once(tmp_path: Path) -> None:
    job = tuning_job(
        "gone",
        program="gone.py",
        space=NUMBERS,
        metric="loss",
        regex="loss=(.)",
        channels={"train": "gone.csv"},
        max_jobs=1,
        base_dir=tmp_path,
    )
    with pytest.raises(ValidationError) as caught:
        hpt.run(job, state=tmp_path / "state")
    assert [violation.rule for violation in caught.value.violations] == ["program", "path"]
    assert f"{tmp_path}/gone.py does not exist" in str(caught.value)


def test_defaults_are_filled_in_whoever_built_the_configuration(tmp_path: Path) -> None:
    objective = Objective("validation:auc", ObjectiveType.MAXIMIZE)
    statics = {"num_round": "3"}
    definition = TrainingJobDefinition("xgboost", NUMBERS, objective, hyperparameters=statics)
    job = completed(JobConfig("hand", "Random", definition, ResourceLimits(None, 1, 60)))
    assert "validation:auc" in {metric.name for metric in job.definition.metric_definitions}
    assert job.limits.max_jobs == 10_000
    assert job.definition.max_runtime_seconds is None  # said by whoever built it
    grid = JobConfig("hand", "Grid", replace(definition, space=FEW), ResourceLimits(None, 1))
    assert completed(grid).limits.max_jobs == 2
    waits = tuning_job(
        "spot", program="x.py", space=FEW, metric="m", regex="(.)", max_jobs=1, spot=True, max_wait_seconds=60
    )
    assert waits.definition.max_runtime_seconds == 60


def test_a_job_that_was_accepted_goes_on_although_a_rule_changed(tmp_path: Path) -> None:
    accepted = by_hand(tmp_path, spot=True)
    with closing(Session(tmp_path / "state")) as session:
        session.create(accepted)  # as a version did that had no such rule
        run = session.start(accepted, again=Again.SAME)
        assert (run.name, run.notes) == ("hand", ())
        other = replace(accepted, limits=ResourceLimits(1, 1))
        with pytest.raises(hpt.JobExistsError, match=r"limits\.max_jobs is 2 there and 1 here") as caught:
            session.start(other, again=Again.SAME)
        assert (caught.value.name, caught.value.unfinished) == ("hand", True)
        assert session.extend("hand", max_jobs=3).limits.max_jobs == 3


def test_names_of_jobs_that_are_run_again(tmp_path: Path) -> None:
    config = by_hand(tmp_path)
    with closing(Session(tmp_path / "state")) as session:
        session.start(config)
        with pytest.raises(hpt.JobExistsError) as caught:
            session.start(config)
        assert caught.value.unfinished
        assert session.start(replace(config, name="HAND"), again=Again.NEXT).name == "hand"
        assert session.run("hand").result().status == "Completed"
        run = session.start(config, again=Again.NEXT)
        assert run.name == "hand-2"
        run.stop()
        assert run.follow() is False
        assert run.result().status == "Stopped"
        long = replace(config, name="a" * 32)
        session.start(long)
        assert session.run("a" * 32).result().status == "Completed"
        assert session.start(long, again=Again.NEXT).name == "a" * 30 + "-2"


def test_a_number_of_jobs_that_was_not_requested_is_no_difference(tmp_path: Path) -> None:
    """Earlier versions stored none."""
    stored = replace(by_hand(tmp_path), limits=ResourceLimits(None, 1, 60))
    given = completed(stored)
    assert given.limits.max_jobs == 10_000
    assert differences(stored, given) == []
    asked = replace(stored, limits=ResourceLimits(5, 1, 60))
    assert differences(stored, asked) == ["limits.max_jobs is None there and 5 here"]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"executor": "slurm"}, InputError, "executor 'slurm' runs no functions; give executor='ray'"),
        ({"address": "10.0.0.5:6379"}, InputError, "that of a Ray cluster; give executor='ray'"),
        ({"executor": "ray"}, MissingDependencyError, "executor 'ray' needs hpt[ray]"),
    ],
)
def test_clusters_that_cannot_run_functions(
    tmp_path: Path, arguments: dict[str, str], error: type[Exception], words: str
) -> None:
    if error is MissingDependencyError and importlib.util.find_spec("ray") is not None:
        pytest.skip("Ray is installed")
    with pytest.raises(error) as raised:
        hpt.tune(train, NUMBERS, max_jobs=1, name="job", state=tmp_path, **arguments)  # type: ignore[arg-type]
    assert words in str(raised.value)
    assert not list(tmp_path.glob("*/function.pickle"))
