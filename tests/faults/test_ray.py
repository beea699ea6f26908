"""Nodes of a real cluster are killed, stopped and continued; every trial comes out as if nothing had
happened.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import RetryableError
from hpt.executors.base import Submission, Update
from hpt.fleet.ray_executor import RayExecutor
from hpt.fleet.setting import Setting
from hpt.running.session import Session
from hpt.search.events import Reported
from hpt.testing.executors import ExecutorSuite
from tests.fleet.ray_cluster import HEAD, RayCluster
from tests.s3_server import endpoint, s3

__all__ = ["endpoint", "s3"]

pytestmark = [pytest.mark.faults, pytest.mark.slow]

SPOT = "market=spot"
PATIENCE = 120.0
SAVES_EVERY = 2  # epochs
COPIED_WITHIN = 4.0  # seconds from when a checkpoint was written until it is on the store, at the most
STALE = 4.0  # seconds that a node trains on that was given up: before it is continued and after

TRAINER = """
    import json, os, pathlib, signal, sys, time
    base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
    given = json.loads(os.environ["SM_HPS"])
    saved = base / "checkpoints" / "epoch"
    diary = pathlib.Path(os.environ["DIARY"]) / os.environ["TRAINING_JOB_NAME"]
    x, epochs = float(given["x"]), int(given["epochs"])
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    begin = int(saved.read_text()) if saved.exists() else 0
    for epoch in range(begin + 1, epochs + 1):
        time.sleep(float(given["seconds"]))
        with diary.open("a") as file:
            file.write(f"{epoch}\\n")
        print(f"loss={(x - 0.3) ** 2 + 1 / epoch:.9f}", flush=True)
        if epoch % 2 == 0 or stop:
            new = saved.with_name("epoch.tmp")
            new.write_text(str(epoch))
            new.replace(saved)
        if stop:
            sys.exit(0)
"""


@pytest.fixture(scope="module")
def cluster(endpoint: str) -> Iterator[RayCluster]:
    """A head and three nodes of two CPUs each, with credentials for the store of the module."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'hpt[ray]'")
    variables = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    variables |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    with socket.socket() as probe:
        probe.bind((HEAD, 0))
        port = probe.getsockname()[1]
    made = RayCluster(port, variables)
    try:
        made.add(1, "market=on-demand")
        made.add(2, SPOT)
        made.add(3, SPOT)
        yield made
    finally:
        made.close()


@pytest.fixture
def executor(cluster: RayCluster, tmp_path: Path) -> Iterator[RayExecutor]:
    given = {"address": cluster.address, "lease": "6"}
    made = RayExecutor(Setting(tmp_path / "job" / "trials", True, None, print, given))
    yield made
    made.close()


def until(executor: RayExecutor, condition: Any, seconds: float = PATIENCE) -> list[Update]:
    """Poll until the condition on all updates so far holds."""
    updates: list[Update] = []
    give_up = time.monotonic() + seconds
    while not condition(updates):
        with suppress(RetryableError):
            updates += executor.poll()
        assert time.monotonic() < give_up, updates
        executor.wait(0.1)
    return updates


def ended(updates: list[Update]) -> bool:
    return any(update.exit is not None for update in updates)


def says(word: bytes) -> Any:
    return lambda updates: word in b"".join(update.log.data for update in updates)


def node_of(cluster: RayCluster, updates: list[Update]) -> int:
    """Which node an attempt runs on that printed `node <its root>`."""
    log = b"".join(update.log.data for update in updates).decode()
    for number in list(cluster.numbers):
        if any(f"/{pid}/" in log for pid in cluster.pids(number)):
            return number
    raise AssertionError(log)


def submission(tmp_path: Path, name: str) -> Submission:
    script = """
        echo /$PPID/
        place=$SAGEMAKER_BASE_DIR/checkpoints
        n=$(cat $place/n 2> /dev/null || echo 0)
        while :; do
            n=$((n + 1)); echo epoch $n; [ $((n % 3)) = 0 ] && echo $n > $place/n; sleep 1
        done
    """
    given = ExecutorSuite.submission(tmp_path, script, name, checkpoint_uri="s3://bucket/ck")
    environment = {"HPT_CHECKPOINT_SECONDS": "1"}
    return replace(given, definition=replace(given.definition, environment=environment, grace_seconds=2.0))


def test_what_a_node_that_is_killed_had_goes_on_elsewhere(
    cluster: RayCluster, executor: RayExecutor, tmp_path: Path, s3: Any
) -> None:
    first = submission(tmp_path, "killed")
    executor.submit(first)
    updates = until(executor, says(b"epoch 14\n"))
    number = node_of(cluster, updates)
    cluster.kill(number)
    updates += until(executor, ended)
    end = updates[-1].exit
    assert end is not None
    assert end.outcome == ("Lost" if number == 1 else "Preempted")
    assert f"node {cluster.host(number)} " in end.reason
    log = b"".join(update.log.data for update in updates)
    assert end.checkpoint is not None
    covered = log[: end.checkpoint].count(b"epoch")
    executor.submit(replace(first, attempt=2))
    again = until(executor, says(b"epoch"))
    begins = int(b"".join(update.log.data for update in again).split(b"epoch ")[1].split()[0])
    assert covered >= 3
    assert begins - 1 == covered
    executor.stop(replace(first, attempt=2).key, now=True)
    until(executor, ended)
    cluster.add(number, "market=on-demand" if number == 1 else SPOT)


def test_one_that_stops_and_comes_back_spoils_nothing(
    cluster: RayCluster, executor: RayExecutor, tmp_path: Path, s3: Any
) -> None:
    first = submission(tmp_path, "stopped")
    executor.submit(first)
    updates = until(executor, says(b"epoch 7\n"))
    number = node_of(cluster, updates)
    stopped = cluster.signal(number, signal.SIGSTOP)
    began = time.monotonic()
    updates += until(executor, ended)
    assert time.monotonic() - began < 30
    assert updates[-1].exit is not None
    second = replace(first, attempt=2)
    executor.submit(second)
    until(executor, says(b"epoch"))
    cluster.signal_all(stopped, signal.SIGCONT)
    more = until(executor, lambda updates: b"".join(u.log.data for u in updates).count(b"epoch") >= 8)
    assert {update.key for update in more} == {second.key}  # nothing of the first is reported any more
    executor.stop(second.key)
    last = until(executor, ended)[-1].exit
    assert last is not None
    assert last.stopped
    kept = int(s3.get_object(Bucket="bucket", Key="ck/stopped/n")["Body"].read())
    time.sleep(3)
    assert int(s3.get_object(Bucket="bucket", Key="ck/stopped/n")["Body"].read()) == kept
    cluster.renew(number, "market=on-demand" if number == 1 else SPOT)


def test_an_agent_that_is_killed_is_replaced_and_its_attempts_are_found(
    cluster: RayCluster, executor: RayExecutor, tmp_path: Path, s3: Any
) -> None:
    first = submission(tmp_path, "agent")
    executor.submit(first)
    updates = until(executor, says(b"epoch 4\n"))
    number = node_of(cluster, updates)
    for pid in cluster.pids(number):
        if b"ray::Seed" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    end = until(executor, ended)[-1].exit
    assert end is not None
    assert (end.outcome, end.stopped) == ("Exited", True)  # to be gone on with
    assert end.checkpoint


def test_a_notice_ends_attempts_with_grace_and_they_are_preempted(
    cluster: RayCluster, tmp_path: Path, s3: Any
) -> None:
    notice = tmp_path / "notice"
    cluster.add(4, "market=spot,instance-type=noticed", HPT_NOTICE=str(notice))
    given = {"address": cluster.address, "lease": "6"}
    executor = RayExecutor(Setting(tmp_path / "job" / "trials", True, None, print, given))
    try:
        first = submission(tmp_path, "notice")
        first = replace(first, definition=replace(first.definition, instance_type="noticed"))
        give_up = time.monotonic() + PATIENCE
        while not any(node.type == "noticed" for node in executor.nodes):
            executor.poll()
            executor.wait(0.2)
            assert time.monotonic() < give_up
        executor.submit(first)
        until(executor, says(b"epoch 4\n"))
        notice.write_text("terminate at noon")
        end = until(executor, ended)[-1].exit
        assert end is not None
        assert (end.outcome, end.reason) == (
            "Preempted",
            "the machine is being taken away: terminate at noon",
        )
        assert end.checkpoint
        second = replace(first, attempt=2)
        executor.submit(second)
        updates = until(executor, says(b"epoch"))
        assert node_of(cluster, updates) != 4
        assert b"epoch 1\n" not in b"".join(update.log.data for update in updates)
        executor.stop(second.key, now=True)
        until(executor, ended)
    finally:
        executor.close()
        cluster.kill(4)


def request(tmp_path: Path, trials: int, epochs: int, seconds: float) -> Path:
    program = tmp_path / "program" / "train.py"
    program.parent.mkdir()
    program.write_text(textwrap.dedent(TRAINER))
    diary = tmp_path / "diary"
    diary.mkdir()
    body = {
        "HyperParameterTuningJobName": "hunted",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": trials, "MaxParallelTrainingJobs": 5},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
            "RandomSeed": 7,
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": str(program),
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.e-]+)"}],
            },
            "StaticHyperParameters": {"epochs": str(epochs), "seconds": str(seconds)},
            "CheckpointConfig": {"S3Uri": "s3://bucket/hunted"},
            "RetryStrategy": {"MaximumRetryAttempts": 30},
            "EnableManagedSpotTraining": True,
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
            "Environment": {"DIARY": str(diary), "HPT_CHECKPOINT_SECONDS": "1", "HPT_GRACE_SECONDS": "5"},
        },
    }
    path = tmp_path / "job.json"
    path.write_text(json.dumps(body))
    return path


def test_twenty_trials_complete_while_nodes_and_tuner_are_killed(
    cluster: RayCluster, tmp_path: Path, s3: Any
) -> None:
    """By SIGKILL, by SIGSTOP with a SIGCONT later, and the tuner too: every trial trains what it is to train,
    and repeats no more than the checkpoints allow.
    """
    trials, epochs, seconds = 20, 12, 0.8
    job = request(tmp_path, trials, epochs, seconds)
    state = tmp_path / "state"
    tune = [sys.executable, "-m", "hpt.cli.main"]
    first = [*tune, "tune", str(job), "--executor", "ray", "--address", cluster.address, "--lease", "6"]
    again = [*tune, "resume", "hunted"]
    draw, events = random.Random(3), []
    log = (tmp_path / "tuner.log").open("wb")

    def begin(command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*command, "--state", str(state)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )

    tuner = begin(first)
    give_up = time.monotonic() + 420
    try:
        time.sleep(20)
        while tuner.poll() is None:
            assert time.monotonic() < give_up, (tmp_path / "tuner.log").read_text()[-3000:]
            number = draw.choice([1, 2, 3])
            what = draw.choice(["kill", "kill", "stop", "tuner"])
            events.append((what, number))
            labels = "market=on-demand" if number == 1 else SPOT
            if what == "kill":
                cluster.renew(number, labels)
            elif what == "stop":
                stopped = cluster.signal(number, signal.SIGSTOP)
                time.sleep(9)
                cluster.signal_all(stopped, signal.SIGCONT)
                time.sleep(2)
                cluster.renew(number, labels)
            elif len([each for each in events if each[0] == "tuner"]) <= 3:
                tuner.kill()
                tuner.wait()
                tuner = begin(again)
            for _ in range(60):
                if tuner.poll() is None:
                    time.sleep(0.1)
        said = (tmp_path / "tuner.log").read_text()
        assert tuner.returncode == 0, said[-3000:]
    finally:
        tuner.kill()
        log.close()
    shown = subprocess.run(
        [*tune, "describe", "hunted", "--state", str(state), "--json"], capture_output=True, check=True
    )
    described = json.loads(shown.stdout)
    assert described["TrainingJobStatusCounters"]["Completed"] == trials, said
    _, _, found = Session(state).load("hunted")
    extra, again_begun = 0, 0
    for trial in found.jobs.values():
        trained = [int(line) for line in (tmp_path / "diary" / trial.name).read_text().split()]
        assert sorted(set(trained)) == list(range(1, epochs + 1)), trial.name
        extra += len(trained) - epochs
        again_begun += trial.attempt - 1
        assert trial.reports == epochs, (trial.name, trial.attempt, trial.reports, trained)
    print(f"{events=} {again_begun=} {extra=}")
    assert again_begun >= 3, events
    assert reports_are_true(state) >= trials * epochs
    assert results(found) == undisturbed(tmp_path, job)
    stops = sum(what == "stop" for what, _ in events)
    assert extra <= again_begun * (SAVES_EVERY + COPIED_WITHIN / seconds) + stops * 2 * STALE / seconds


def reports_are_true(state: Path, name: str = "hunted") -> int:
    """Each report counts as the epochs that its model was trained for; returns how many there are."""
    session = Session(state)
    _, _, found = session.load(name)
    _, events = session.storage.read(name)
    reports = [event for event in events if isinstance(event, Reported)]
    for report in reports:
        x = found.jobs[report.number].config["x"]
        assert report.value == pytest.approx((x - 0.3) ** 2 + 1 / report.resource, abs=1e-8), report
    return len(reports)


HYPERBAND = {"Strategy": "Hyperband", "StrategyConfig": {"HyperbandStrategyConfig": {}}}
HYPERBAND["StrategyConfig"]["HyperbandStrategyConfig"] |= {"MinResource": 1, "MaxResource": 9}
AT_RANDOM = HYPERBAND | {"Strategy": "RandomHyperband"}
MEDIAN = {"TrainingJobEarlyStoppingType": "Auto"}


@pytest.mark.parametrize("rule", [HYPERBAND, AT_RANDOM, MEDIAN], ids=["Hyperband", "random", "median"])
def test_trials_are_judged_by_the_epochs_that_they_were_trained_for(
    cluster: RayCluster, tmp_path: Path, s3: Any, rule: dict[str, Any]
) -> None:
    """Though nodes are lost, and what was trained last with them. Epochs are so long that a verdict comes in
    time on a machine that is busy.
    """
    path = request(tmp_path, 14, 9, 1.5)
    body = json.loads(path.read_text())
    body["HyperParameterTuningJobConfig"] |= rule
    ranges = body["HyperParameterTuningJobConfig"]["ParameterRanges"]["ContinuousParameterRanges"]
    ranges[0]["MaxValue"] = "3"  # most are far worse than the best
    path.write_text(json.dumps(body))
    command = [sys.executable, "-m", "hpt.cli.main", "tune", str(path), "--state", str(tmp_path / "state")]
    command += ["--executor", "ray", "--address", cluster.address, "--lease", "6"]
    with (tmp_path / "tuner.log").open("wb") as log:
        tuner = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    diary, give_up = tmp_path / "diary", time.monotonic() + 300
    try:
        for number, epochs in ((2, 10), (3, 22)):
            while sum(len(each.read_text().split()) for each in diary.iterdir()) < epochs:
                assert tuner.poll() is None and time.monotonic() < give_up
                time.sleep(0.2)
            cluster.renew(number, SPOT)
        assert tuner.wait(300) == 0
    finally:
        tuner.kill()
        said = (tmp_path / "tuner.log").read_text()
        print(said)
    assert reports_are_true(tmp_path / "state") >= 20
    _, _, found = Session(tmp_path / "state").load("hunted")
    assert any(trial.attempt > 1 for trial in found.jobs.values())
    ends = {str(trial.status) for trial in found.jobs.values()}
    if rule is HYPERBAND:  # of what its model proposes, it may be that nothing is bad enough to be stopped
        ends |= {"Stopped"}
    assert ends == {"Completed", "Stopped"}
    for trial in found.jobs.values():  # none trained on far beyond its verdict
        assert max(map(int, (diary / trial.name).read_text().split())) <= trial.reports + 4, trial.name


def results(state: Any) -> dict[int, tuple[float, float]]:
    return {number: (trial.config["x"], trial.value) for number, trial in state.jobs.items()}


def undisturbed(tmp_path: Path, job: Path) -> dict[int, tuple[float, float]]:
    """What the same job finds on this host, where nothing is killed."""
    body = json.loads(job.read_text())
    definition = body["TrainingJobDefinition"]
    definition["StaticHyperParameters"]["seconds"] = "0"
    for name in ("CheckpointConfig", "EnableManagedSpotTraining"):
        del definition[name]
    del definition["StoppingCondition"]["MaxWaitTimeInSeconds"]
    path, state = tmp_path / "undisturbed.json", tmp_path / "undisturbed"
    path.write_text(json.dumps(body))
    command = [sys.executable, "-m", "hpt.cli.main", "tune", str(path), "--state", str(state)]
    (tmp_path / "diary").rename(tmp_path / "disturbed")
    (tmp_path / "diary").mkdir()
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True, capture_output=True)
    return results(Session(state).load("hunted")[2])
