"""What `--check` says about containers and `/opt/ml`, and a tuned image from its job file to its models."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hpt.cli.main import main
from hpt.host.namespace import cannot_bind
from tests.executors.podman import IMAGE, podman
from tests.prerequisites import unprivileged

Check = Callable[..., str]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Checks a job of an image or a program's text; returns what the command prints."""
    monkeypatch.setenv("HPT_HOME", str(tmp_path / "state"))

    def checked(image: str, *words: str, code: int = 0, **members: Any) -> str:
        assert main(["tune", write(tmp_path, image, **members), "--check", *words]) == code
        printed = capsys.readouterr()
        return printed.out + printed.err

    return checked


def write(place: Path, image: str, **members: Any) -> str:
    """A job file; `image` is one, or the text of a program."""
    if image.startswith("#!"):
        (place / "train.sh").write_text(image)
        (place / "train.sh").chmod(0o755)
        image = "train.sh"
    request = {
        "HyperParameterTuningJobName": "boxed",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "RandomSeed": 1,
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {"IntegerParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "99"}]},
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": image,
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            },
            **members,
        },
    }
    (place / "job.json").write_text(json.dumps(request))
    return str(place / "job.json")


def test_containers_that_are_not_wanted_or_not_to_be_had(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = check("me/train:1", "--containers", "never", code=2)
    assert "'me/train:1' is an image, and containers are never; let images run in containers (auto)" in said
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no container engine is installed; install Podman or Docker" in check("me/train:1", code=2)
    engine = tmp_path / "docker"
    engine.write_text("#!/bin/sh\necho Error: No such image: me/train:1\nexit 1\n")
    engine.chmod(0o755)
    assert (
        "docker has no such image here; pull it, or correct the name; run: docker pull me/train:1\n"
        in check("me/train:1", code=2)
    )


@pytest.mark.skipif(cannot_bind("/opt/ml") is not None, reason="no private /opt/ml here")
def test_a_program_that_names_opt_ml_is_told_where_that_leads(check: Check, tmp_path: Path) -> None:
    plain, named = "#!/bin/sh\necho 1\n", "#!/bin/sh\nls /opt/ml/model\n"
    assert "finds" not in check(plain)
    assert "  finds       its training directory at /opt/ml, which its files name\n" in check(named)
    checkpoints = {"S3Uri": "kept", "LocalPath": "/for-checkpoints"}
    said = check(plain, CheckpointConfig=checkpoints)
    assert "  finds       the checkpoints of its training job at /for-checkpoints\n" in said
    assert not Path("/for-checkpoints").exists()
    checkpoints["LocalPath"] = "/opt/ml/input/x"
    assert "is where the training job finds its input" in check(plain, code=2, CheckpointConfig=checkpoints)


@pytest.mark.slow
def test_a_system_without_namespaces_is_a_note_or_a_reason(tmp_path: Path) -> None:
    words = unprivileged()
    if not words:
        pytest.skip("an ordinary user may be allowed them")

    def said(**members: Any) -> str:
        file = write(tmp_path, "#!/bin/sh\nls /opt/ml/model\n", **members)
        command = [*words, sys.executable, "-m", "hpt.cli.main", "tune", file, "--check"]
        command += ["--state", str(tmp_path / "state")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    note = said()
    assert "  note        its files name /opt/ml, which it will not find: the system does not allow" in note
    assert "or have it read SAGEMAKER_BASE_DIR in place of /opt/ml\n" in note
    refused = said(CheckpointConfig={"S3Uri": "kept", "LocalPath": "/for-checkpoints"})
    assert (
        "'/for-checkpoints' cannot be had for each training job alone: the system does not allow" in refused
    )


@pytest.mark.slow
def test_an_image_is_tuned(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = (
        """x=$(sed 's/.*"x": "\\([0-9]*\\)".*/\\1/' /opt/ml/input/config/hyperparameters.json)\n"""
        'echo "loss=$(((x - 42) * (x - 42)));"\necho $x > /opt/ml/model/x\n'
    )
    members = {"Environment": {"PROGRAM": program}, "OutputDataConfig": {"S3OutputPath": "models"}}
    with podman() as engine:
        for name, value in engine.variables.items():
            monkeypatch.setenv(name, value)
        assert "  runs in     a container of podman " in check(IMAGE, **members)
        assert main(["tune", write(tmp_path, IMAGE, **members), "--json", "--quiet"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert engine.containers() == []
    assert result["TrainingJobStatusCounters"]["Completed"] == 3
    assert len(list(tmp_path.glob("models/*/output/model.tar.gz"))) == 3


def test_a_choice_about_opt_ml_that_is_none_is_noted(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPT_OPT_ML", "sometimes")
    said = check("#!/bin/sh\necho 1\n")
    assert "HPT_OPT_ML is 'sometimes', which is none of auto, always and never: auto applies" in said


def test_instances_in_containers_without_a_network_are_noted(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = tmp_path / "docker"
    engine.write_text("#!/bin/sh\nexit 0\n")
    engine.chmod(0o755)
    monkeypatch.setenv("HPT_CONTAINER_ENGINE", str(engine))
    two = {"InstanceCount": 2, "InstanceType": "local", "VolumeSizeInGB": 1}
    assert "do not reach each other" not in check("me/train:1", ResourceConfig=two)
    monkeypatch.setenv("HPT_CONTAINER_OPTIONS", "--init --network none")
    said = check("me/train:1", ResourceConfig=two)
    assert "its instances do not reach each other under --network=none of HPT_CONTAINER_OPTIONS" in said
