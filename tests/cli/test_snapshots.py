"""What the command says of a program's snapshot, and of what a program left."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hpt.cli.main import main

PROGRAM = """#!/bin/sh
cat model.txt
echo "$TRAINING_JOB_NAME" > model.txt
echo "loss=$SM_HP_X;"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "project"
    place.mkdir()
    monkeypatch.setenv("HPT_HOME", str(tmp_path / "state"))
    (place / "train.sh").write_text(PROGRAM)
    (place / "train.sh").chmod(0o755)
    (place / "model.txt").write_text("by hand\n")
    (place / ".git").mkdir()
    with (place / "weights.bin").open("wb") as file:
        file.truncate(20_000_000)
    request = {
        "HyperParameterTuningJobName": "job",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": "train.sh",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            },
        },
    }
    (place / "job.json").write_text(json.dumps(request))
    return place


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(words) == code, capsys.readouterr()
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(said(capsys, *words, "--json"))


def test_check_lists_what_would_be_taken(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = sum((project / name).stat().st_size for name in ("job.json", "model.txt", "train.sh"))
    out = said(capsys, "tune", str(project / "job.json"), "--check")
    assert f"snapshot    copies 3 files, {size} bytes of {project}: job.json " in out
    assert "model.txt 8 bytes, train.sh " in out
    assert "            shares, not copied: weights.bin 20.0 MB (it is large)\n" in out
    assert "            leaves out: .git (ignored: .*)\n" in out
    [snapshot] = document(capsys, "tune", str(project / "job.json"), "--check")["snapshots"]
    assert [each["path"] for each in snapshot["files"]] == ["job.json", "model.txt", "train.sh"]
    assert [each["path"] for each in snapshot["shared"]] == ["weights.bin"]
    assert snapshot["left_out"] == [{"path": ".git", "why": "ignored: .*"}]
    assert not (project.parent / "state").exists()


def test_check_says_what_cannot_be_taken(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = json.loads((project / "job.json").read_text())
    definition = request["TrainingJobDefinition"]
    definition["AlgorithmSpecification"]["TrainingImage"] = "any/image:1"
    definition["StaticHyperParameters"] = {
        "sagemaker_program": "absent.py",
        "sagemaker_submit_directory": str(project),
    }
    (project / "job.json").write_text(json.dumps(request))
    assert main(["tune", str(project / "job.json"), "--check"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"'absent.py' is not in the source; name the script within {project}\n" in err


def test_describe_names_the_snapshot_and_what_the_best_left(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(capsys, "tune", str(project / "job.json"), "--quiet")
    assert "snapshot    " in out
    assert f" of {project}, taken 2" in out
    assert "            shares, not copied: weights.bin 20.0 MB (it is large)\n" in out
    assert "left      model.txt (" in out
    described = document(capsys, "describe", "job")
    [program] = described["Programs"]
    assert (program["kind"], program["program"]) == ("file", [str(project / "train.sh")])
    [snapshot] = described["ProgramSnapshots"]
    assert (snapshot["Source"], snapshot["Files"]) == (str(project), 3)
    assert Path(snapshot["Directory"], "train.sh").read_text() == PROGRAM
    best = described["BestTrainingJob"]["TrainingJobName"]
    left = described["BestTrainingJobLeft"]
    assert [each["Path"] for each in left["Files"]] == ["model.txt"]
    assert Path(left["Directory"], "model.txt").read_text() == f"{best}\n"
    assert (project / "model.txt").read_text() == "by hand\n"
    shutil.rmtree(project.parent / "state" / "job" / "program")
    assert "which cannot be read" in said(capsys, "describe", "job")
