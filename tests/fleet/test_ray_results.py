"""What outlives the nodes of a real cluster: logs and models, on S3 or on the tuner's machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hpt
from tests.fleet.ray_cluster import HEAD, RayCluster
from tests.s3_server import endpoint, s3

__all__ = ["endpoint", "s3"]

pytestmark = pytest.mark.slow

SPOT = "market=spot,price-share=0.5"
TRAIN = """
import os, pathlib, sys, time
x, epochs = float(sys.argv[2]), int(os.environ.get("EPOCHS", "2"))
for epoch in range(epochs):
    print(f"epoch {epoch}", flush=True)
    time.sleep(float(os.environ.get("SECONDS_EACH", "0")))
print(f"loss={x};", flush=True)
pathlib.Path(os.environ["SM_MODEL_DIR"], "weights").write_text(f"{x}")
"""


class Tuner:
    """Runs `hpt` on the cluster."""

    def __init__(self, cluster: RayCluster, root: Path) -> None:
        self.cluster, self.root = cluster, root
        (root / "train.py").write_text(TRAIN)
        self.processes: list[subprocess.Popen[str]] = []

    def job(self, trials: int = 2, **definition: Any) -> Path:
        body = {
            "HyperParameterTuningJobName": "job",
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": trials, "MaxParallelTrainingJobs": 2},
                "ParameterRanges": {
                    "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
                },
            },
            "TrainingJobDefinition": {
                "AlgorithmSpecification": {
                    "TrainingImage": str(self.root / "train.py"),
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+);"}],
                },
                **definition,
            },
        }
        path = self.root / "job.json"
        path.write_text(json.dumps(body))
        return path

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "hpt.cli.main", *words, "--state", str(self.root / "state")]
        self.processes.append(
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "RAY_ADDRESS": ""},
            )
        )
        return self.processes[-1]

    def tune(self, job: Path) -> subprocess.Popen[str]:
        return self.start(
            "tune", str(job), "--executor", "ray", "--address", self.cluster.address, "--lease", "6"
        )

    def __call__(self, *words: str) -> str:
        process = self.start(*words)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return out

    def until(self, condition: Callable[[], Any], seconds: float = 120) -> Any:
        give_up = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < give_up
            time.sleep(0.2)
        return found


@pytest.fixture(scope="module")
def cluster(endpoint: str) -> Iterator[RayCluster]:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'hpt[ray]'")
    variables = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    variables |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    with socket.socket() as probe:
        probe.bind((HEAD, 0))
        port = probe.getsockname()[1]
    made = RayCluster(port, variables)
    try:
        made.add(1, SPOT)
        yield made
    finally:
        made.close()


@pytest.fixture
def tuner(cluster: RayCluster, tmp_path: Path) -> Iterator[Tuner]:
    made = Tuner(cluster, tmp_path)
    yield made
    for process in made.processes:
        process.kill()
        process.communicate()


def log_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_the_best_model_is_where_describe_says_when_the_nodes_are_gone(
    cluster: RayCluster, tuner: Tuner
) -> None:
    process = tuner.tune(tuner.job())
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "models of up to 1 GiB come to this machine" in said
    cluster.kill(1)
    described = json.loads(tuner("describe", "job", "--json"))
    best = described["BestTrainingJob"]
    model = Path(tuner.root / "state/job/trials" / best["TrainingJobName"] / "ml/model")
    assert float((model / "weights").read_text()) == pytest.approx(float(best["TunedHyperParameters"]["x"]))
    [log] = described["BestTrainingJobLogs"]
    assert Path(log).read_text().startswith("epoch 0\nepoch 1\nloss=")
    shown = tuner("describe", "job")
    assert f"  model     {model}\n  log       {log}\n" in shown
    assert f"log          {log}\n" in tuner("trials", "job", best["TrainingJobName"])
    cluster.add(1, SPOT)


def test_the_log_of_a_lost_node_is_on_s3_and_here(cluster: RayCluster, tuner: Tuner, s3: Any) -> None:
    environment = {"SECONDS_EACH": "1", "EPOCHS": "8", "HPT_LOG_SECONDS": "1"}
    job = tuner.job(
        1,
        OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
        Environment=environment,
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200},
    )
    process = tuner.tune(job)
    key = tuner.until(
        lambda: [
            each["Key"]
            for each in s3.list_objects_v2(Bucket="bucket", Prefix="out/").get("Contents", ())
            if each["Size"] > 30
        ]
    )[0]
    name = key.split("/")[1]
    assert key == f"out/{name}/logs/1.log"
    cluster.renew(1, SPOT)
    _, said = process.communicate(timeout=180)
    assert process.returncode == 0, said
    here = tuner.root / "state/job/trials" / name / "attempts"
    first = log_of(here / "1" / "log")
    assert first.startswith("epoch 0\nepoch 1\n") and "loss" not in first
    brought = s3.get_object(Bucket="bucket", Key=key)["Body"].read().decode()
    assert len(brought) > 30 and (first.startswith(brought) or brought.startswith(first))
    again = s3.get_object(Bucket="bucket", Key=f"out/{name}/logs/2.log")["Body"].read().decode()
    assert again == log_of(here / "2" / "log")
    shown = tuner("trials", "job", "1")
    assert f"    log {here / '1' / 'log'}\n    log s3://bucket/{key}\n" in shown
    assert f"log          s3://bucket/out/{name}/logs/2.log\n" in shown
    [trial] = json.loads(tuner("trials", "job", "--json"))
    assert [each["Outcome"] for each in trial["AttemptHistory"]] == ["Preempted", "Completed"]
    assert trial["AttemptHistory"][0]["Logs"][1] == f"s3://bucket/{key}"
    charges = json.loads(tuner("describe", "job", "--json"))["Charges"]
    assert charges["Interruptions"] == trial["Interruptions"] == 1
    assert charges["BillableTimeInSeconds"] == trial["BillableTimeInSeconds"]
    trained = charges["TrainingTimeInSeconds"]
    assert trained > 10  # with what the first attempt did in vain
    assert trained / 2 <= charges["BillableTimeInSeconds"] <= trained / 2 + 2
    assert 30 < charges["SavingsPercent"] <= 50
    assert "% saved, for each instance; 1 interruption\n" in tuner("describe", "job")
    assert trial["Model"] == f"s3://bucket/out/{name}/output/model.tar.gz"


def test_a_tuner_that_is_killed_as_models_come_gets_them_once_it_is_back(
    cluster: RayCluster, tuner: Tuner
) -> None:
    """The models are large, and the tuner is killed at the first sign of one."""
    with (tuner.root / "train.py").open("a") as program:
        program.write('\nopen(os.environ["SM_MODEL_DIR"] + "/large", "wb").write(os.urandom(200 << 20))\n')
    process = tuner.tune(tuner.job(1, OutputDataConfig={"S3OutputPath": str(tuner.root / "out")}))
    tuner.until(lambda: list((tuner.root / "out").glob("*/output/*.tmp")))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not list((tuner.root / "out").glob("*/output/model.tar.gz"))
    tuner("resume", "job")
    [archive] = (tuner.root / "out").glob("*/output/*")
    assert archive.name == "model.tar.gz" and archive.stat().st_size > 200 << 20
    assert f"  model     {archive}\n" in tuner("describe", "job")


def test_values_of_a_function_are_not_taken_for_its_log(cluster: RayCluster, tmp_path: Path) -> None:
    def train(config: dict[str, Any], report: Callable[[float], None]) -> float:
        print("what it says")
        if config["x"] > 0.5:
            raise ValueError("too large")
        return float(config["x"])

    space = hpt.SearchSpace([hpt.CategoricalParameter("x", [0.25, 0.75])])
    found = hpt.tune(
        train, space, objective="Minimize", strategy="Grid", max_jobs=2, max_parallel_jobs=2,
        executor="ray", address=cluster.address, name="function", state=tmp_path,
    )  # fmt: skip
    for trial in found.trials:
        log = tmp_path / "function/trials" / trial.name / "attempts/1/log"
        assert "what it says" in log.read_text()
        assert ("ValueError: too large" in trial.traceback) == (trial.config["x"] > 0.5)
