"""`hpt train`: one training job in the foreground, and what is said of it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hpt.cli.main import main
from tests.cli.test_cli import Command, wait_until

PROGRAM = """#!/bin/sh
echo "lr $SM_HP_LR, kind $SM_HP_KIND, epochs $SM_HP_EPOCHS"
"""
LOSSES = PROGRAM + "for i in 3 1 2; do echo loss=$i';'; done\n"


def request(name: str = "job", **definition: Any) -> dict[str, Any]:
    ranges = {
        "ContinuousParameterRanges": [
            {"Name": "lr", "MinValue": "0.0001", "MaxValue": "1", "ScalingType": "Logarithmic"}
        ],
        "CategoricalParameterRanges": [{"Name": "kind", "Values": ["a", "b"]}],
    }
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": ranges,
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": "train.sh",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            },
            "StaticHyperParameters": {"epochs": "3"},
            **definition,
        },
    }


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes a job file and its program."""
    monkeypatch.setenv("HPT_HOME", str(tmp_path / "state"))

    def write(program: str = LOSSES, content: dict[str, Any] | None = None) -> str:
        (tmp_path / "train.sh").write_text(program)
        (tmp_path / "train.sh").chmod(0o755)
        (tmp_path / "job.json").write_text(json.dumps(content or request()))
        return str(tmp_path / "job.json")

    return write


def test_one_screen(job: Callable[..., str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    left = "\necho m > $SM_MODEL_DIR/model.bin; echo o > $SM_OUTPUT_DATA_DIR/seen.txt; echo s > side.txt\n"
    path = job(LOSSES + left)
    assert main(["train", path, "--set", "kind=b"]) == 0
    out, err = capsys.readouterr()
    assert "the middle of the ranges: lr=0.01\n" in err
    assert "lr 0.01, kind b, epochs 3\nloss=3;\nloss=1;\nloss=2;\n" in err
    assert out.startswith("training job job-train  Completed\n")
    assert "lr = 0.01  (the middle of its range)\n" in out and "kind = b  (as given)\n" in out
    assert "loss (the objective, Minimize): 3 values, first 3.0, last 2.0, best 1.0\n" in out
    assert "last in: loss=2;\n" in out
    place = tmp_path / "state" / ".training" / "job-train" / "trials" / "job-train"
    assert f"model        {place}/ml/model: model.bin (2 bytes)\n" in out
    assert f"output       {place}/ml/output/data: seen.txt (2 bytes)\n" in out
    assert f"left         {place}/ml/code: side.txt (2 bytes)\n" in out
    assert f"log          {place}/attempts/1/log\n" in out
    assert out.endswith(f"next         hpt tune {path}\n")
    assert len(out.splitlines()) <= 24


def test_a_second_run_has_another_name_and_is_found(
    job: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = job()
    assert main(["train", path, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["train", path, "--quiet", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["TrainingJobName"] == "job-train-2"
    assert report["HyperParameterSources"] == {"lr": "middle", "kind": "middle", "epochs": "static"}
    [metric] = report["MetricDefinitions"]
    assert (metric["Matches"], metric["First"], metric["Last"], metric["Best"]) == (3, 3.0, 2.0, 1.0)
    assert set(report["PhaseSeconds"]) >= {"Starting", "Training"}
    assert main(["describe", "JOB-train"]) == 0
    assert capsys.readouterr().out.startswith("training job job-train  Completed\n")
    assert main(["list"]) == 0
    assert "2 training jobs run by hpt train or a client" in capsys.readouterr().out
    assert main(["list", "--training-jobs", "--json"]) == 0
    names = [each["TrainingJobName"] for each in json.loads(capsys.readouterr().out)]
    assert names == ["job-train", "job-train-2"]
    assert main(["train", path, "--name", "job-train"]) == 2
    assert main(["trials", "job-train"]) == 2
    assert "is a training job, and no tuning job" in capsys.readouterr().err
    assert main(["delete", "job-train", "job-train-2", "--yes"]) == 0
    assert main(["list", "--training-jobs"]) == 0
    assert "no training job was run by itself" in capsys.readouterr().out


def test_a_program_that_prints_no_metric(job: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    path = job(PROGRAM + "echo 'loss = 3'\n")
    assert main(["train", path]) == 1  # a tuning job would learn nothing
    out = capsys.readouterr().out
    assert "training job job-train  Completed\n" in out
    assert "loss (the objective): no value was read by loss=(.*?);\n" in out
    assert "nearest: matches as far as loss in: loss = 3\n" in out
    assert "try: hpt check-metric " in out and "hpt tune" not in out
    assert len(out.splitlines()) <= 24


def test_a_program_that_fails(
    job: Callable[..., str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    content = request()
    content["TrainingJobDefinition"]["AlgorithmSpecification"]["TrainingImage"] = "train.py"
    (tmp_path / "train.py").write_text("def inner(x):\n    return 1 / x\n\n\ninner(0)\n")
    assert main(["train", job(content=content)]) == 1
    out = capsys.readouterr().out
    assert "training job job-train  Failed\n" in out and "exit code 1" in out
    assert f'File "{tmp_path}/train.py", line 2, in inner' in out  # the user's own, and not its copy
    assert "ZeroDivisionError: division by zero" in out
    assert "nearest" not in out and "next" not in out
    assert len(out.splitlines()) <= 24


def test_what_is_wrong_is_said_before_anything_runs(
    job: Callable[..., str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = job()
    for words, message in (
        (["--set", "lrr=1"], "did you mean 'lr'"),
        (["--set", "lr=x"], "is not a number"),
        (["--set", "kind=c"], "give one of 'a', 'b'"),
        (["--set", "lr"], "is not NAME=VALUE"),
        (["--definition", "x"], "has one definition"),
        (["--name", "-"], "1 to 63 letters"),
    ):
        assert main(["train", path, *words]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "train.sh").unlink()
    assert main(["train", path]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_a_value_outside_its_range_is_tried(
    job: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", job(), "--set", "lr=7", "epochs=1"]) == 0
    err = capsys.readouterr().err
    assert "hpt: note: lr=7 lies outside its range, 0.0001 to 1.0" in err
    assert "lr 7.0, kind a, epochs 1\n" in err


def test_a_definition_of_several(job: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    content = request()
    body = content.pop("TrainingJobDefinition")
    tuning = content["HyperParameterTuningJobConfig"]
    objective = tuning.pop("HyperParameterTuningJobObjective")
    more = {"TuningObjective": objective, "HyperParameterRanges": tuning.pop("ParameterRanges")}
    content["TrainingJobDefinitions"] = [
        {**body, **more, "DefinitionName": name, "StaticHyperParameters": {"epochs": name}} for name in "xy"
    ]
    path = job(content=content)
    assert main(["train", path, "--definition", "z"]) == 2
    assert "use x or y" in capsys.readouterr().err
    assert main(["train", path, "--definition", "y"]) == 0
    assert "epochs y\n" in capsys.readouterr().err


def test_a_request_for_a_training_job_is_a_job_file_too(
    job: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = job(
        content={
            "TrainingJobName": "single",
            "AlgorithmSpecification": {
                "TrainingImage": "train.sh",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            },
            "HyperParameters": {"lr": "1", "kind": "k", "epochs": "2"},
        }
    )
    assert main(["train", path, "--set", "lr=2"]) == 0
    out, err = capsys.readouterr()
    assert "lr 2, kind k, epochs 2\n" in err
    assert "training job single-train  Completed\n" in out
    assert "loss: 3 values, first 3.0, last 2.0, from 1.0 to 3.0\n" in out  # nobody says which is better
    assert "hpt tune" not in out


SLOW = """#!/bin/sh
trap 'echo bye; sleep $LINGER; exit 0' TERM
echo "loss=1;"
while true; do sleep 0.05; done
"""


def started(hpt: Command, linger: str) -> Any:
    (hpt.root / "train.sh").write_text(SLOW)
    (hpt.root / "train.sh").chmod(0o755)
    (hpt.root / "job.json").write_text(json.dumps(request(Environment={"LINGER": linger})))
    process = hpt.start("train", str(hpt.root / "job.json"))
    log = hpt.state / ".training" / "job-train" / "trials" / "job-train" / "attempts" / "1" / "log"
    wait_until(lambda: log.exists() and b"loss" in log.read_bytes())
    return process, log


@pytest.mark.slow
def test_ctrl_c_stops_with_grace_and_a_second_one_at_once(tmp_path: Path) -> None:
    hpt = Command(tmp_path)
    process, log = started(hpt, linger="60")
    process.send_signal(signal.SIGINT)
    wait_until(lambda: b"bye" in log.read_bytes())
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, (out, err)
    assert time.monotonic() - begun < 30
    assert "stopping the training job with grace; Ctrl-C again ends it at once" in err
    assert out.startswith("training job job-train  Stopped\n") and "one value, 1.0" in out


def test_it_has_the_slot_of_a_tuning_job(
    job: Callable[..., str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = job(LOSSES + "echo cores $SM_NUM_CPUS\n")
    slot = ["--cpus-per-job", "1", "--memory-per-job", "64M", "--containers", "never"]
    assert main(["train", path, *slot]) == 0
    out, err = capsys.readouterr()
    assert "cores 1\n" in err
    assert "gets         1 core, 64 MiB of memory at most\n" in out
    order = "--cpus-per-job 1 --memory-per-job 64M --containers never"
    assert out.endswith(f"next         hpt tune {path} {order}\n")
    alone = {
        "TrainingJobName": "one",
        "AlgorithmSpecification": request()["TrainingJobDefinition"]["AlgorithmSpecification"],
        "ResourceConfig": {"MemoryPerJob": "1G", "CpusPerJob": 2},
    }
    path = job(LOSSES, alone)
    assert main(["train", path, *slot]) == 0
    assert "gets         1 core, 64 MiB of memory at most\n" in capsys.readouterr().out
    for words, message in (
        (["--memory-per-job", "3x"], "--memory-per-job: memory '3x' is not a size"),
        (["--gpus-per-job", "900"], "each training job is to have 900 GPUs, and there"),
    ):
        assert main(["train", path, *words]) == 2
        assert message in capsys.readouterr().err


def test_logs_of_instances_are_named(
    job: Callable[..., str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    two = {"InstanceCount": 2, "InstanceType": "local", "VolumeSizeInGB": 1}
    path = job(LOSSES, request(ResourceConfig=two))
    assert main(["train", path]) == 0
    assert "beside it, of each instance: log-algo-1, log-algo-2\n" in capsys.readouterr().out
    assert main(["describe", "job-train", "--json"]) == 0
    own = json.loads(capsys.readouterr().out)["InstanceLogs"]
    place = tmp_path / "state/.training/job-train/trials/job-train/attempts/1"
    assert own == {f"algo-{n}": f"{place}/log-algo-{n}" for n in (1, 2)}
