"""Jobs that earlier versions stored are read, shown and run to their end by this one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.stored import corpus

ENDED = ("Completed", "Failed", "Stopped")
DELETED = "deleted"
"""A job whose database lies among the deleted ones."""

JOBS = [(version, name) for version in corpus.VERSIONS for name in corpus.names(version) if name != DELETED]
EXPECTED: dict[tuple[str, str], dict[str, Any]] = {job: corpus.expected(*job) for job in JOBS}
UNFINISHED = [job for job in JOBS if "resumed" in EXPECTED[job]]
REPLIED = [job for job in JOBS if "replies" in EXPECTED[job]]


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A state directory with every stored job of each version. Tests do not change it."""
    found = {}
    for version in corpus.VERSIONS:
        found[version] = tmp_path_factory.mktemp("stored") / "state"
        corpus.build(version, found[version], corpus.names(version))
    return found


@pytest.mark.parametrize(("version", "name"), JOBS)
def test_a_stored_job_is_shown_as_it_was(states: dict[str, Path], version: str, name: str) -> None:
    found = corpus.shown(version, states[version], name)
    for part in ("list", "describe", "trials"):
        corpus.assert_holds(EXPECTED[version, name][part], found[part], f"{name} {part}")


@pytest.mark.parametrize(("version", "name"), REPLIED)
def test_a_client_is_answered_as_before(states: dict[str, Path], version: str, name: str) -> None:
    found = corpus.replies(version, states[version], name)
    corpus.assert_holds(EXPECTED[version, name]["replies"], found, name)


@pytest.mark.parametrize(("version", "name"), UNFINISHED)
def test_an_unfinished_job_is_resumed_to_its_end(tmp_path: Path, version: str, name: str) -> None:
    state = tmp_path / "state"
    corpus.build(version, state, [name])
    found, expected = corpus.resumed(version, state, name), EXPECTED[version, name]["resumed"]
    assert found["describe"]["HyperParameterTuningJobStatus"] in ENDED
    corpus.assert_holds(expected, found, name)
    assert_same_trials(EXPECTED[version, name]["trials"], found["trials"])


def assert_same_trials(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """The trials that the job had are the first of those it has now, with the same configurations."""
    for old, new in zip(before, after, strict=False):
        for member in ("TrainingJobName", "TunedHyperParameters"):
            assert new[member] == old[member]
        if old["TrainingJobStatus"] in ENDED:
            corpus.assert_holds({key: value for key, value in old.items() if not key.endswith("Time")}, new)
    assert len(after) >= len(before)


@pytest.mark.parametrize("version", corpus.VERSIONS)
def test_a_database_file_as_it_lay_there(tmp_path: Path, version: str) -> None:
    """It was written by SQLite of then, in its own journal mode, with paths of a machine that is gone."""
    state = tmp_path / "state"
    corpus.place_database(version, state, "by-client")
    found, expected = corpus.shown(version, state, "by-client"), EXPECTED[version, "by-client"]
    for old, new in zip(expected["trials"], found["trials"], strict=True):
        assert new.pop("Model").startswith(corpus.RECORDED_UNDER)
        corpus.assert_holds({key: value for key, value in old.items() if key != "Model"}, new)
    corpus.assert_holds(expected["describe"], found["describe"])


@pytest.mark.parametrize("version", corpus.VERSIONS)
def test_a_database_file_is_resumed(tmp_path: Path, version: str) -> None:
    state = tmp_path / "state"
    corpus.place_database(version, state, "paused-random")
    corpus.relocate_database(version, state, "paused-random")
    found = corpus.resumed(version, state, "paused-random")
    corpus.assert_holds(EXPECTED[version, "paused-random"]["resumed"], found)


@pytest.mark.parametrize("version", corpus.VERSIONS)
def test_a_deleted_job_can_still_be_read(states: dict[str, Path], version: str) -> None:
    found = corpus.shown(version, states[version], "deleted.1", inside=".deleted")
    for part in ("describe", "trials"):
        corpus.assert_holds(corpus.expected(version, DELETED)[part], found[part])


@pytest.mark.parametrize("version", corpus.VERSIONS)
def test_stored_jobs_are_parents_of_a_new_one(tmp_path: Path, version: str) -> None:
    state, best = tmp_path / "state", EXPECTED[version, "bayesian"]["describe"]["BestTrainingJob"]
    corpus.build(version, state, ["random", "bayesian"])
    program = corpus.HERE / version / "programs" / "train.py"
    (tmp_path / "job.json").write_text(json.dumps(child(str(program))))
    parents = ["--warm-start", "random", "--warm-start", "bayesian", "--warm-start-type", "identical"]
    code, found = corpus.command(state, "tune", str(tmp_path / "job.json"), "--quiet", *parents)
    assert (code, found["TrainingJobStatusCounters"]["Completed"]) == (0, 1)
    assert found["OverallBestTrainingJob"]["TrainingJobName"] == best["TrainingJobName"]


def child(program: str) -> dict[str, Any]:
    """A job of one training job that is worse than any stored one."""
    x = {"Name": "x", "MinValue": "0.9", "MaxValue": "1", "ScalingType": "Linear"}
    return {
        "HyperParameterTuningJobName": "child",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {"ContinuousParameterRanges": [x]},
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": program,
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            },
            "StaticHyperParameters": {"depth": "9"},
        },
    }


def test_no_path_of_the_recording_is_left() -> None:
    for version in corpus.VERSIONS:
        for path in (corpus.HERE / version / "jobs").iterdir():
            assert corpus.RECORDED_UNDER not in path.read_text(encoding="utf-8"), path.name
