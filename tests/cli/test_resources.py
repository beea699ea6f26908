"""GPUs, cores and memory on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpt.cli.main import main

Hpt = Any


@pytest.fixture
def hpt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hpt:
    """Runs `hpt` in this process on a machine with two GPUs; gives its code, output and messages."""
    monkeypatch.setenv("HPT_RUNTIME_DIR", str(tmp_path / "locks"))
    monkeypatch.setenv("HPT_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "train.sh").write_text('#!/bin/sh\necho "loss=1; $CUDA_VISIBLE_DEVICES"\n')
    (folder / "train.sh").chmod(0o755)
    request = {
        "HyperParameterTuningJobName": "job",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 4},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": "train.sh",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            },
            "ResourceConfig": {"GpusPerJob": 9, "MemoryPerJob": "1G"},
        },
    }
    path = folder / "job.json"
    path.write_text(json.dumps(request))

    def run(*words: str) -> tuple[int, str, str]:
        code = main([word.replace("JOB", str(path)) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_check_says_what_each_job_gets_and_how_many_fit(hpt: Hpt) -> None:
    code, out, _ = hpt("tune", "JOB", "--check", "--gpus-per-job", "1", "--cpus-per-job", "0.5")
    assert code == 0
    assert "  each job    runs for 24:00:00 at most" in out
    assert "              has 1 GPU, 0.5 cores, 1 GiB of memory at most\n" in out
    assert "  note        2 training jobs at a time in place of 4: there are GPUs and cores for" in out


def test_check_refuses_what_is_not_there(hpt: Hpt) -> None:
    code, _, err = hpt("tune", "JOB", "--check")
    assert code == 2
    assert "each training job is to have 9 GPUs, and there are 2 GPUs here (by CUDA_VISIBLE_DEVICES)" in err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--gpus-per-job", "1.5", "gpus '1.5' is not an integer of at least 0"),
        ("--gpus-per-job", "-1", "gpus -1 is not an integer of at least 0"),
        ("--cpus-per-job", "nan", "cpus nan is not a number above 0"),
        ("--cpus-per-job", "0", "cpus 0 is not a number above 0"),
        ("--memory-per-job", "8X", "memory '8X' is not a size; give a number above 0 with a unit"),
        ("--memory-per-job", "8", "memory '8' is less than the 32 MiB"),
        ("--memory-per-job", "-8G", "memory '-8G' is not a size"),
    ],
)
def test_a_bad_value_is_named_with_its_option(hpt: Hpt, option: str, value: str, message: str) -> None:
    code, _, err = hpt("tune", "JOB", f"{option}={value}")
    assert code == 2
    assert err.startswith(f"hpt: {option}: {message}")


def test_a_job_runs_with_them_and_describe_says_so(hpt: Hpt, tmp_path: Path) -> None:
    code, out, _ = hpt("tune", "JOB", "--gpus-per-job", "2", "--quiet")
    assert code == 0
    assert "each job    has 2 GPUs, 1 GiB of memory at most\n" in out
    assert hpt("describe", "job")[1].count("each job ") == 1
    for log in tmp_path.glob("state/job/trials/*/attempts/1/log"):
        assert log.read_text() == "loss=1; GPU-a,GPU-b\n"
