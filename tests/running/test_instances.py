"""Tuning jobs whose training jobs have several instances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpt.executors import hosts
from hpt.running.drive import drive
from hpt.running.result import TuningResult, stored_result
from hpt.running.session import Session
from hpt.sagemaker.request.parse import parse_request

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def tuned(root: Path, request: dict[str, Any], base_dir: Path) -> TuningResult:
    """The result of a job that runs to its end."""
    session = Session(root)
    config = parse_request(request, base_dir=base_dir)
    session.create(config)
    with session.take(config.name) as runner:
        drive(runner)
    result = stored_result(session, config.name)
    session.close()
    return result


def script_job(folder: Path, script: str, **more: Any) -> dict[str, Any]:
    program = folder / "train.sh"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {
        "HyperParameterTuningJobName": "several",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": "train.sh",
                "MetricDefinitions": [{"Name": "loss", "Regex": "^loss=(.*)$"}],
            },
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
            **more,
        },
    }


def test_the_objective_is_the_last_value_over_all_instances(tmp_path: Path) -> None:
    first = tmp_path / "first"
    script = f"""
        if [ $SM_CURRENT_HOST_RANK = 0 ]; then echo loss=1; echo loss=2; touch {first}; exit 0; fi
        echo loss=5; until [ -e {first} ]; do sleep 0.01; done; sleep 0.1; echo loss=3
        """
    result = tuned(tmp_path / "state", script_job(tmp_path, script), tmp_path)
    [trial] = result.trials
    assert trial.value == 3.0
    assert sorted(report.value for report in trial.reports) == [1.0, 2.0, 3.0, 5.0]


def test_the_traceback_is_that_of_the_instance_that_failed_first(tmp_path: Path) -> None:
    script = """exec python3 - <<'END'
import os, signal, sys
if os.environ["SM_CURRENT_HOST_RANK"] == "1":
    raise KeyError("the cause")
def late(*arguments):
    raise ConnectionError("the others are gone")
signal.signal(signal.SIGTERM, late)
signal.pause()
END"""
    result = tuned(
        tmp_path / "state", script_job(tmp_path, script, RetryStrategy={"MaximumRetryAttempts": 1}), tmp_path
    )
    [trial] = result.trials
    assert trial.failure_reason.startswith("algo-2: exit code 1")
    assert trial.traceback.endswith("KeyError: 'the cause'")


def test_half_of_the_data_each(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for number in range(4):
        (data / f"part-{number}.csv").write_text("1\n")
    source = {"S3DataType": "S3Prefix", "S3Uri": "data", "S3DataDistributionType": "ShardedByS3Key"}
    script = "for file in $SM_CHANNEL_TRAIN/*; do echo loss=$(basename $file | tr -dc 0-9); done"
    request = script_job(
        tmp_path, script, InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]
    )
    [trial] = tuned(tmp_path / "state", request, tmp_path).trials
    assert sorted(report.value for report in trial.reports) == [0.0, 1.0, 2.0, 3.0]
    attempt = tmp_path / "state" / "several" / "trials" / trial.name / "attempts" / "1"
    shares = [set(Path(path).read_text().split()) for path in hosts.logs(str(attempt)).values()]
    assert [len(share) for share in shares] == [2, 2] and not shares[0] & shares[1]


def test_the_allreduce_example_is_tuned(tmp_path: Path) -> None:
    request = json.loads((EXAMPLES / "allreduce" / "job.json").read_text())
    request["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 2
    result = tuned(tmp_path / "state", request, EXAMPLES / "allreduce")
    assert [trial.status for trial in result.trials] == ["Completed"] * 2
    for trial in result.trials:
        assert len(trial.reports) == 10 and 0.5 < (trial.value or 0) < 1
        assert [path.name for path in Path(trial.model).iterdir()] == ["weights.npy"]


@pytest.mark.slow
def test_the_guides_example_with_two_instances_runs(tmp_path: Path) -> None:
    """The classic job, unchanged but for its data and the number of training jobs."""
    request = json.loads((EXAMPLES / "direct_marketing" / "job.json").read_text())
    request["HyperParameterTuningJobConfig"]["ResourceLimits"] = {
        "MaxNumberOfTrainingJobs": 2,
        "MaxParallelTrainingJobs": 2,
    }
    definition = request["TrainingJobDefinition"]
    definition["ResourceConfig"] = {"InstanceCount": 2, "InstanceType": "ml.c4.2xlarge", "VolumeSizeInGB": 10}
    for channel in definition["InputDataConfig"]:
        path = EXAMPLES / "breast_cancer" / "data" / f"{channel['ChannelName']}.csv"
        channel["DataSource"]["S3DataSource"]["S3Uri"] = str(path)
    result = tuned(tmp_path / "state", request, tmp_path)
    assert [trial.status for trial in result.trials] == ["Completed"] * 2
    assert all(trial.value is not None and 0.4 < trial.value <= 1 for trial in result.trials)


def test_streams_are_shared_and_those_of_another_group_are_not_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for number in range(4):
        (data / f"part-{number}").write_text(f"loss={number}\n")
    source = {"S3DataType": "S3Prefix", "S3Uri": "data", "S3DataDistributionType": "ShardedByS3Key"}
    channels = [
        {"ChannelName": "train", "InputMode": "Pipe", "DataSource": {"S3DataSource": source}},
        {
            "ChannelName": "own",
            "InputMode": "Pipe",
            "DataSource": {"S3DataSource": {**source, "InstanceGroupNames": ["b"]}},
        },
    ]
    groups = [{"InstanceGroupName": name, "InstanceType": "local", "InstanceCount": 1} for name in "ab"]
    script = """
        cat ${SM_CHANNEL_TRAIN}_0
        if [ $SM_CURRENT_INSTANCE_GROUP = b ]; then cat ${SM_CHANNEL_OWN}_0
        elif [ -e $SM_INPUT_DIR/data/own_0 ]; then exit 1; fi
        """
    request = script_job(
        tmp_path, script, InputDataConfig=channels, ResourceConfig={"InstanceGroups": groups}
    )
    [trial] = tuned(tmp_path / "state", request, tmp_path).trials
    assert trial.status == "Completed", trial.failure_reason
    attempt = tmp_path / "state" / "several" / "trials" / trial.name / "attempts" / "1"
    first, second = (Path(path).read_text().split() for path in hosts.logs(str(attempt)).values())
    assert len(first) == 2 and len(second) == 6  # its share of both, and all of its own
    assert sorted(first + second[:2]) == sorted(second[2:]) == [f"loss={number}" for number in range(4)]
