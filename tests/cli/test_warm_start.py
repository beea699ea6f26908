from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpt.cli.main import main
from hpt.running.session import Session
from tests.behaviour.stored import STATICS, request, store

NOTE = "warm start (TransferLearning): 'old' gives 2 of 2 results"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPT_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
    store(tmp_path / "state", "old")
    (tmp_path / "job.json").write_text(json.dumps(job({})))
    return tmp_path


def job(changes: dict[str, Any]) -> dict[str, Any]:
    return request("new", {"HyperParameterTuningJobConfig.RandomSeed": 1, **changes})


def named(kind: str) -> dict[str, Any]:
    """A warm start as a job file has it."""
    parents = [{"HyperParameterTuningJobName": "old"}]
    return {"ParentHyperParameterTuningJobs": parents, "WarmStartType": kind}


def said(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_check_says_what_parents_give_and_starts_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["tune", str(folder / "job.json"), "--check", "--warm-start", "OLD"]
    assert main(words) == 0
    assert NOTE in said(capsys)[0]
    assert main([*words, "--warm-start-type", "identical"]) == 0
    assert "2 of 2 results, 2 of them as this job's own" in said(capsys)[0]
    assert not (folder / "state" / "new").exists()


def test_parents_in_job_files_may_have_other_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "job.yaml").write_text(
        json.dumps(job({"WarmStartConfig": named("TransferLearning"), STATICS: {}}))
    )
    assert main(["tune", str(folder / "job.yaml"), "--check"]) == 0
    assert "'momentum' is no longer used" in said(capsys)[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--warm-start", "nobody"], "no tuning job is named 'nobody'"),
        (["--warm-start", "old", "--warm-start", "Old"], "the parent 'old' is named twice; name it once"),
        (["--warm-start", "old", "--warm-start-type", "other"], "warm start type 'other' is not known"),
        (["--warm-start-type", "transfer"], "add --warm-start NAME"),
        (["--warm-start", "old", "--strategy", "grid"], "does not go with strategy Grid"),
    ],
)
def test_bad_words(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    body = json.loads((folder / "job.json").read_text())
    ranges = body["HyperParameterTuningJobConfig"]["ParameterRanges"]
    if "grid" in words:
        del ranges["ContinuousParameterRanges"]
        del body["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"]
    (folder / "job.json").write_text(json.dumps(body))
    assert main(["tune", str(folder / "job.json"), *words]) == 2
    assert message in said(capsys)[1]
    assert not (folder / "state" / "new").exists()


def test_a_job_runs_and_shows_its_parents(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    statics = {STATICS: {"depth": "3", "pause": "0.01"}}
    store(folder / "state", "deep", statics)
    body = job({"TrainingJobDefinition.Environment": {"RUNS": str(folder / "runs")}, **statics})
    (folder / "job.json").write_text(json.dumps(body))
    words = ["tune", str(folder / "job.json"), "--quiet", "--json", "--warm-start", "deep"]
    assert main([*words, "--warm-start-type", "Identical"]) == 0
    out, err = said(capsys)
    assert "hpt: note: warm start (IdenticalDataAndAlgorithm): 'deep' gives 2 of 2 results" in err
    document = json.loads(out)
    assert document["WarmStartConfig"]["WarmStartType"] == "IdenticalDataAndAlgorithm"
    assert document["TrainingJobStatusCounters"]["Completed"] == 3
    assert document["OverallBestTrainingJob"]["TuningJobName"] in ("deep", "new")
    assert main(["describe", "new"]) == 0
    assert "warm start  results of parents, IdenticalDataAndAlgorithm: 2 of deep" in said(capsys)[0]
    session = Session(folder / "state")
    assert session.config("new").warm_start is not None
    session.close()


def test_simulate_takes_parents_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "sim.json").write_text(json.dumps(job({"WarmStartConfig": named("IdenticalDataAndAlgorithm")})))
    (folder / "curves.py").write_text("def curve(h):\n    return [h['x']], 60\n")
    words = ["simulate", str(folder / "sim.json"), "--curves", str(folder / "curves.py"), "--json", "--quiet"]
    assert main(words) == 0
    assert json.loads(said(capsys)[0])["TrainingJobStatusCounters"]["Completed"] == 3
