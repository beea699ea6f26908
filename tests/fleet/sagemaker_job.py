"""A tuning job for the double of SageMaker: its file, "
"its program, and runs of it in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fleet.double.sagemaker import IMAGE, REGION, ROLE

_HPT = (sys.executable, "-c", "import sys; from hpt.cli.main import main; sys.exit(main())")

PROGRAM = """
import argparse, json, os, time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("-x", type=float, required=True)  # as script mode passes one letter
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--pause", type=float, default=0.1)
options, _ = parser.parse_known_args()
place = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "checkpoints")
place.mkdir(parents=True, exist_ok=True)
kept = sorted(place.glob("epoch-*.json"))
weight, first = 0.0, 1
if kept:
    state = json.loads(kept[-1].read_text())
    weight, first = state["weight"], state["epoch"] + 1
for epoch in range(first, options.epochs + 1):
    time.sleep(options.pause)
    weight += 0.3 * (options.x - weight)
    print(f"epoch {epoch} loss={(weight - 0.4) ** 2 + 0.1 / epoch!r};", flush=True)
    temporary = place / "new"
    temporary.write_text(json.dumps({"weight": weight, "epoch": epoch}))
    temporary.rename(place / f"epoch-{epoch:03}.json")
Path(os.environ["SM_MODEL_DIR"], "weight").write_text(repr(weight))
"""


def job_file(tmp_path: Path, **changes: Any) -> Path:
    """Write the program and the job; changes: of the definition."""
    source = tmp_path / "source"
    source.mkdir(exist_ok=True)
    (source / "train.py").write_text(PROGRAM)
    definition = {
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.e-]+);"}],
        },
        "StaticHyperParameters": {"sagemaker_program": "train.py", "sagemaker_submit_directory": str(source)},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/models"},
        "CheckpointConfig": {"S3Uri": "s3://bucket/checkpoints"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 600},
        **changes,
    }
    request = {
        "HyperParameterTuningJobName": "spot",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "RandomSeed": 7,
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 4},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        "TrainingJobDefinition": {name: value for name, value in definition.items() if value is not None},
        "Tags": [{"Key": "team", "Value": "search"}],
    }
    file = tmp_path / "job.json"
    file.write_text(json.dumps(request))
    return file


def variables(url: str) -> dict[str, str]:
    """What makes boto3 use the double, and nothing else."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def start(url: str, log: Path, *words: str | Path) -> subprocess.Popen[bytes]:
    """Start the command `hpt`."""
    with log.open("ab") as file:
        return subprocess.Popen(
            [*_HPT, *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **variables(url)},
        )


def run(url: str, *words: str | Path, timeout: float = 200) -> subprocess.CompletedProcess[str]:
    """Run the command `hpt` to its end."""
    return subprocess.run(
        [*_HPT, *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **variables(url)},
        check=False,
    )


def trials(url: str, state: Path) -> list[dict[str, Any]]:
    """The training jobs as the command shows them."""
    shown = run(url, "trials", "spot", "--state", state, "--json")
    assert shown.returncode == 0, shown.stderr
    return list(json.loads(shown.stdout))
