"""Machines of a real cluster that are taken away after a notice, as the metadata service of EC2 gives it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from hpt.executors.base import AttemptKey
from hpt.fleet.placements import Placement, Placements
from hpt.running.session import Session
from tests.faults.test_ray import TRAINER, reports_are_true, request
from tests.fleet.double.control import Control
from tests.fleet.double.fixtures import _double
from tests.fleet.ray_cluster import HEAD, RayCluster

__all__ = ["_double"]

pytestmark = [pytest.mark.faults, pytest.mark.slow]

NOTICED = 9
"""The number of the node that has a notice: a new one in each test."""

EPOCHS, SECONDS = 20, 0.7

DEAF = TRAINER.replace("lambda *_: stop.append(1)", "signal.SIG_IGN")
"""Saves as it always does, and does not end when it is asked to."""


def client(aws: Control) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=aws.endpoint, **keys)


@pytest.fixture(scope="module")
def cluster(_double: Control, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    """A head, and a node of two CPUs that stays; a double of AWS with a bucket."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'hpt[ray]'")
    _double.reset()
    client(_double).create_bucket(Bucket="bucket")
    with socket.socket() as probe:
        probe.bind((HEAD, 0))
        port = probe.getsockname()[1]
    made = RayCluster(port, _double.variables(tmp_path_factory.mktemp("aws")))
    try:
        made.add(1, "market=on-demand")
        made.wait_for(1)
        yield made
    finally:
        made.close()


class Job:
    """A tuning job whose training jobs go first to the node that will have a notice."""

    def __init__(
        self,
        cluster: RayCluster,
        aws: Control,
        place: Path,
        name: str,
        *,
        trials: int,
        program: str = TRAINER,
        grace: str = "30",
    ) -> None:
        self.aws, self.place, self.name = aws, place, name
        path = request(place, trials, EPOCHS, SECONDS)
        body = json.loads(path.read_text())
        (place / "program" / "train.py").write_text(textwrap.dedent(program))
        body["HyperParameterTuningJobName"] = self.name
        body["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxParallelTrainingJobs"] = 3
        definition = body["TrainingJobDefinition"]
        del definition["RetryStrategy"]  # what is lost fails
        definition["CheckpointConfig"]["S3Uri"] = f"s3://bucket/{self.name}"
        wish = {"InstanceType": f"machine={self.name}", "InstanceCount": 1, "VolumeSizeInGB": 1}
        definition["HyperParameterTuningResourceConfig"] = {"InstanceConfigs": [wish]}
        definition["Environment"] |= {"HPT_CHECKPOINT_SECONDS": "600", "HPT_GRACE_SECONDS": grace}
        path.write_text(json.dumps(body))
        command = ["tune", str(path), "--executor", "ray", "--address", cluster.address, "--lease", "6"]
        with (place / "tuner.log").open("wb") as log:
            self.tuner = subprocess.Popen(
                [sys.executable, "-m", "hpt.cli.main", *command, "--state", str(place / "state")],
                env={**os.environ, **aws.variables(place)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def said(self) -> str:
        return (self.place / "tuner.log").read_text()

    def epochs(self, name: str) -> list[int]:
        """What a training job has trained, by all its attempts."""
        path = self.place / "diary" / name
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def placed(self) -> list[tuple[str, int, str]]:
        """Name and attempt of each training job, and the address of the node that it was given to."""
        return [(*key, placement.address) for key, placement in self.placements()]

    def placements(self) -> list[tuple[AttemptKey, Placement]]:
        root = self.place / "state" / self.name / "trials"
        path, found = root / "nodes.log", Placements(root)
        lines = path.read_text().splitlines() if path.exists() else []
        keys = dict.fromkeys(AttemptKey(*json.loads(line)[:2]) for line in lines if line.startswith("["))
        return [(key, placement) for key in keys if (placement := found.of(key)) is not None]

    def on(self, address: str) -> list[str]:
        """The training jobs whose first attempts were given to a node."""
        return [name for name, attempt, where in self.placed() if where == address and attempt == 1]

    def until(self, condition: Callable[[], Any], seconds: float = 120.0) -> None:
        give_up = time.monotonic() + seconds
        while not condition():
            assert self.tuner.poll() is None and time.monotonic() < give_up, self.said[-3000:]
            time.sleep(0.1)

    def end(self) -> dict[str, Any]:
        """The training jobs by name, once all have completed by true reports."""
        assert self.tuner.wait(240) == 0, self.said[-3000:]
        found = {job.name: job for job in Session(self.place / "state").load(self.name)[2].jobs.values()}
        assert {str(job.status) for job in found.values()} == {"Completed"}, self.said[-3000:]
        assert {job.lost for job in found.values()} == {0}
        assert {job.reports for job in found.values()} == {EPOCHS}
        reports_are_true(self.place / "state", self.name)
        return found


@pytest.fixture
def start(cluster: RayCluster, _double: Control, tmp_path: Path) -> Iterator[Callable[..., Job]]:
    """Starts a job, and the node that its training jobs go to first."""
    made: list[Job] = []

    def begin(name: str, **given: Any) -> Job:
        notice = {"HPT_NOTICE": f"imds={_double.endpoint}/imds/{name}"}
        cluster.add(NOTICED, f"market=spot,machine={name}", **notice)
        cluster.wait_for(NOTICED)
        made.append(Job(cluster, _double, tmp_path, name, **given))
        return made[0]

    yield begin
    for job in made:
        job.tuner.kill()
        job.tuner.wait()
        print(job.said)
    if NOTICED in cluster.numbers:
        cluster.kill(NOTICED)


def stored(job: Job, name: str) -> int:
    """The epoch of the newest set of a first attempt, 0 where there is none."""
    s3 = client(job.aws)
    place = f"{job.name}/{name}/.hpt/{name}/000001/manifest.json"
    if not s3.list_objects_v2(Bucket="bucket", Prefix=place)["KeyCount"]:
        return 0
    [[_, key, *_]] = json.loads(s3.get_object(Bucket="bucket", Key=place)["Body"].read())["files"]
    return int(s3.get_object(Bucket="bucket", Key=key)["Body"].read())


def test_what_a_noticed_machine_runs_saves_and_goes_on_elsewhere(
    cluster: RayCluster, start: Callable[..., Job]
) -> None:
    """No epoch is trained twice, no retry is used, and nothing more is started there."""
    job = start("noticed", trials=5)
    there = cluster.host(NOTICED)
    job.until(lambda: len(job.on(there)) == 2 and min(len(job.epochs(name)) for name in job.on(there)) >= 4)
    moved = job.on(there)
    job.aws.interrupt(job.name, notice=60.0)
    job.until(lambda: {(name, 2, cluster.host(1)) for name in moved} <= set(job.placed()))
    cluster.kill(NOTICED)
    found = job.end()
    assert job.on(there) == moved
    for name, each in found.items():
        assert job.epochs(name) == list(range(1, EPOCHS + 1)), (name, job.said[-2000:])
        assert (each.attempt, each.preempted) == ((2, 1) if name in moved else (1, 0))
        assert [str(one.outcome) for one in each.attempts[:-1]] == ["Preempted"] * (each.attempt - 1)


def test_what_does_not_end_goes_on_from_what_was_copied_at_the_notice(
    cluster: RayCluster, start: Callable[..., Job]
) -> None:
    """The machine is gone before the grace period is over, and long before a copy was due."""
    job = start("deaf", trials=3, program=DEAF, grace="600")
    there = cluster.host(NOTICED)
    job.until(lambda: len(job.on(there)) == 2 and min(len(job.epochs(name)) for name in job.on(there)) >= 3)
    moved = job.on(there)
    assert not any(stored(job, name) for name in moved)
    job.aws.interrupt(job.name, notice=60.0)
    job.until(lambda: all(stored(job, name) for name in moved), 30)
    copied = {name: stored(job, name) for name in moved}
    trained = {name: len(job.epochs(name)) for name in moved}
    cluster.kill(NOTICED)
    found = job.end()
    for name in moved:
        assert (found[name].attempt, found[name].preempted) == (2, 1)
        assert copied[name] >= 2
        epochs = job.epochs(name)
        before = len(epochs) - (EPOCHS - copied[name])
        assert before >= trained[name]
        assert epochs[:before] == list(range(1, before + 1))
        assert epochs[before:] == list(range(copied[name] + 1, EPOCHS + 1))


def test_after_a_recommendation_checkpoints_are_copied_and_everything_runs_on(
    cluster: RayCluster, start: Callable[..., Job]
) -> None:
    """Nothing more is started there; what runs there ends as if nothing had been said."""
    job = start("recommended", trials=6)
    there = cluster.host(NOTICED)
    job.until(lambda: len(job.on(there)) == 2 and min(len(job.epochs(name)) for name in job.on(there)) >= 3)
    stay = job.on(there)
    job.aws.interrupt(job.name, kind="rebalance")
    job.until(lambda: all(stored(job, name) for name in stay), 30)
    found = job.end()
    assert job.on(there) == stay
    for name, each in found.items():
        assert job.epochs(name) == list(range(1, EPOCHS + 1))
        assert (each.attempt, each.preempted) == (1, 0)


def test_a_drained_node_is_as_one_with_a_notice(cluster: RayCluster, start: Callable[..., Job]) -> None:
    """Ray ends it at its deadline; until then everything has gone elsewhere."""
    job = start("drained", trials=4)
    there = cluster.host(NOTICED)
    job.until(lambda: len(job.on(there)) == 2 and min(len(job.epochs(name)) for name in job.on(there)) >= 4)
    moved = job.on(there)
    node = next(placement.node for _, placement in job.placements() if placement.address == there)
    drain = [sys.executable, "-m", "ray.scripts.scripts", "drain-node", "--address", cluster.address]
    why = ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot", "--node-id", node]
    more = ["--deadline-remaining-seconds", "60"]
    subprocess.run([*drain, *why, *more], env=cluster.environment, check=True, capture_output=True)
    job.until(lambda: {(name, 2, cluster.host(1)) for name in moved} <= set(job.placed()))
    found = job.end()
    assert f"node {there} is being drained: its training jobs go on elsewhere" in job.said
    assert job.on(there) == moved
    for name, each in found.items():
        assert job.epochs(name) == list(range(1, EPOCHS + 1))
        assert (each.attempt, each.preempted) == ((2, 1) if name in moved else (1, 0))
