"""A fleet whose machines are real Ray nodes: the double of AWS launches, interrupts and replaces them."""

from __future__ import annotations

import json
import socket
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpt.fleet.ec2 import machines, teardown
from hpt.fleet.ec2.aws import Aws
from hpt.fleet.ec2.names import HEAD as HEAD_ROLE
from tests.cli.test_cli import Command
from tests.faults.test_ray import TRAINER
from tests.fleet.double.control import Control
from tests.fleet.double.fixtures import _double, double
from tests.fleet.ec2.test_story import Fleet, eventually
from tests.fleet.ray_cluster import HEAD, RayCluster

__all__ = ["_double", "double"]

pytestmark = [pytest.mark.faults, pytest.mark.slow]

FILE = """
name = "search"
bucket = "s3://bucket/tuning"
slots = 4
[head]
idle = "1h"
[nodes]
instance_types = { "c5.xlarge" = 2, "m5.xlarge" = 2 }
on_demand = 2
idle = "1h"
"""


class Machines(threading.Thread):
    """Starts a Ray node for each machine that the double launches, and kills it with its machine.

    cluster: of nodes that are told the metadata of their machines.
    """

    def __init__(self, fleet: Fleet, cluster: RayCluster) -> None:
        super().__init__(daemon=True)
        self._fleet, self._cluster = fleet, cluster
        self.numbers: dict[str, int] = {}
        self._ended = threading.Event()
        self._aws = fleet.files._aws

    def run(self) -> None:
        while not self._ended.wait(0.5):
            living = machines.instances(self._aws, "search")
            nodes = {each["InstanceId"]: each for each in living if machines.role_of(each) != HEAD_ROLE}
            for node in self.numbers.keys() - nodes.keys():
                if (number := self.numbers[node]) in self._cluster.numbers:
                    self._cluster.kill(number)
            for node, described in nodes.items():
                if node not in self.numbers:
                    self.numbers[node] = len(self.numbers) + 1
                    market = "spot" if described.get("InstanceLifecycle") == "spot" else "on-demand"
                    share = 0.25 if market == "spot" else 1.0
                    labels = f"market={market},instance-type={described['InstanceType']},price-share={share}"
                    notice = f"imds={self._fleet.double.endpoint}/imds/{node}"
                    self._cluster.add(self.numbers[node], labels, HPT_NOTICE=notice)

    def close(self) -> None:
        self._ended.set()
        self.join()

    def spot(self) -> str:
        """The newest Spot machine."""
        found = machines.instances(self._aws, "search")
        living = [each["InstanceId"] for each in found if each.get("InstanceLifecycle") == "spot"]
        return max(living, key=lambda node: self.numbers.get(node, 0), default="")


@pytest.fixture
def fleet(double: Control, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(double, Command(tmp_path))
    made.file.write_text(FILE)
    yield made
    made.close()


def request(fleet: Fleet, trials: int, epochs: int) -> Path:
    root = fleet.hpt.root
    (root / "train.py").write_text(textwrap.dedent(TRAINER))
    (root / "diary").mkdir()
    path = fleet.hpt.job(ResourceLimits={"MaxNumberOfTrainingJobs": trials, "MaxParallelTrainingJobs": 4})
    body = json.loads(path.read_text())
    body["HyperParameterTuningJobConfig"]["ParameterRanges"] = {
        "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
    }
    body["TrainingJobDefinition"] |= {
        "AlgorithmSpecification": {
            "TrainingImage": "train.py",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.e-]+)"}],
        },
        "StaticHyperParameters": {"epochs": str(epochs), "seconds": "1"},
        "CheckpointConfig": {"S3Uri": "s3://bucket/checkpoints"},
        "RetryStrategy": {"MaximumRetryAttempts": 3},
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
        "Environment": {
            "DIARY": str(root / "diary"),
            "HPT_CHECKPOINT_SECONDS": "1",
            "HPT_LOG_SECONDS": "1",
            "HPT_GRACE_SECONDS": "5",
        },
    }
    path.write_text(json.dumps(body))
    return path


def test_a_job_goes_on_while_its_machines_are_taken_away(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Once with a notice and once without: all trials complete, and few epochs are trained twice."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'hpt[ray]'")
    trials, epochs = 14, 10
    with socket.socket() as probe:
        probe.bind((HEAD, 0))
        port = probe.getsockname()[1]
    cluster = RayCluster(port, fleet.double.variables(tmp_path))
    nodes = None
    try:
        for name, value in {**cluster.environment, "RAY_ADDRESS": cluster.address}.items():
            monkeypatch.setenv(name, value)
        fleet.up()
        fleet.hpt("tune", str(request(fleet, trials, epochs)), "--fleet", "search")
        nodes = Machines(fleet, cluster)
        nodes.start()
        fleet.start_head()
        eventually(lambda: trained(fleet) >= 8, 240)
        first = nodes.spot()
        fleet.double.interrupt(first, notice=15.0)
        eventually(
            lambda: first not in {each["InstanceId"] for each in machines.instances(nodes._aws, "search")}, 60
        )
        eventually(lambda: len(nodes.numbers) == 3 and trained(fleet) >= 60, 240)
        fleet.double.interrupt(nodes.spot(), notice=0.0)
        eventually(lambda: fleet.jobs() == {"job": "Completed"}, 400)
        found = json.loads(fleet.hpt("trials", "job", "--fleet", "search", "--json")[0])
        assert len(found) == trials and {each["TrainingJobStatus"] for each in found} == {"Completed"}
        assert len(nodes.numbers) >= 4  # two machines, and one in place of each that was taken away
        assert trials * epochs <= trained(fleet) <= trials * epochs + 2 * 2 * 4
        described = json.loads(fleet.hpt("describe", "job", "--fleet", "search", "--json")[0])
        assert described["Executor"]["Name"] == "ray"
        assert described["Charges"]["Interruptions"] >= 1
        assert 0 < described["Charges"]["SavingsPercent"] <= 75
        [log] = described["BestTrainingJobLogs"]
        key = log.removeprefix("s3://bucket/")
        content = fleet.files._aws.s3.get_object(Bucket="bucket", Key=key)["Body"].read()
        assert content.startswith(b"loss=")
        for each in found:  # of lost machines too
            for attempt in each["AttemptHistory"]:
                for place in attempt.get("Logs", ()):
                    fleet.files._aws.s3.head_object(Bucket="bucket", Key=place.removeprefix("s3://bucket/"))
        fleet.hpt("fleet", "down", "search")
    finally:
        if nodes is not None:
            nodes.close()
        print((fleet.hpt.root / "head.log").read_text() if (fleet.hpt.root / "head.log").exists() else "")
        cluster.close()


@pytest.mark.parametrize("call", ["CreateSecurityGroup", "CreateInstanceProfile", "CreateLaunchTemplate"])
def test_what_is_left_of_a_killed_command_is_taken_down(fleet: Fleet, call: str) -> None:
    command = fleet.hpt.start("fleet", "up", str(fleet.file))
    eventually(lambda: any(each["action"] == call for each in fleet.double.calls()))
    command.kill()
    command.communicate()
    fleet.hpt("fleet", "down", "search")
    assert not teardown.look(Aws("us-east-1"), "search")


def trained(fleet: Fleet) -> int:
    """Epochs of all trials."""
    return sum(len(path.read_text().splitlines()) for path in (fleet.hpt.root / "diary").iterdir())
