"""What nodes of a real cluster are sent, when they are waited for, and where training jobs go."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hpt
from hpt.errors import InputError, RetryableError
from hpt.executors.base import AttemptKey, Submission, Update
from hpt.fleet.link import refusal
from hpt.fleet.ray_executor import RayExecutor
from hpt.fleet.setting import Setting
from hpt.job.config import Channel
from hpt.testing.executors import ExecutorSuite
from tests.fleet.ray_cluster import HEAD, RayCluster
from tests.s3_server import endpoint, s3

__all__ = ["endpoint", "s3"]

pytestmark = pytest.mark.slow

PATIENCE = 120.0


@pytest.fixture(scope="module")
def cluster(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    """Three nodes; on the third another hpt is installed, which could not run anything."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'hpt[ray]'")
    old = tmp_path_factory.mktemp("old") / "hpt"
    old.mkdir()
    (old / "__init__.py").write_text("raise ImportError('an old hpt')")
    variables = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    variables |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    with socket.socket() as probe:
        probe.bind((HEAD, 0))
        port = probe.getsockname()[1]
    made = RayCluster(port, variables)
    try:
        made.add(1, "market=on-demand,instance-type=m5.large")
        made.add(2, "market=spot,instance-type=c5.large,rack=two")
        made.add(3, "market=spot,instance-type=old", PYTHONPATH=str(old.parent))
        yield made
    finally:
        made.close()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def executor(cluster: RayCluster, tmp_path: Path, said: list[str]) -> Iterator[RayExecutor]:
    setting = Setting(tmp_path / "job" / "trials", True, None, said.append, {"address": cluster.address})
    made = RayExecutor(replace(setting, options={**setting.options, "lease": "30"}))
    until(made, lambda _: len({node.type for node in made.nodes if node.type}) == 3)
    yield made
    made.close()


def until(executor: RayExecutor, condition: Callable[[list[Update]], Any]) -> list[Update]:
    """Poll until the condition on all updates so far holds."""
    updates: list[Update] = []
    give_up = time.monotonic() + PATIENCE
    while not condition(updates):
        with suppress(RetryableError):
            updates += executor.poll()
        assert time.monotonic() < give_up, updates
        executor.wait(0.1)
    return updates


def ended(updates: list[Update]) -> bool:
    return any(update.exit is not None for update in updates)


def log_of(updates: list[Update]) -> str:
    return b"".join(update.log.data for update in updates).decode()


def wanting(given: Submission, *types: str) -> Submission:
    return replace(given, definition=replace(given.definition, instance_type=types[0]))


def test_a_node_runs_the_tuners_own_hpt_whatever_is_installed_there(
    executor: RayExecutor, cluster: RayCluster, tmp_path: Path
) -> None:
    executor.submit(wanting(ExecutorSuite.submission(tmp_path, "echo it runs", "own"), "old"))
    updates = until(executor, ended)
    assert "it runs" in log_of(updates)
    assert updates[-1].exit is not None
    assert updates[-1].exit.exit_code == 0
    packages = list((cluster.nodes / "packages").iterdir())
    assert len(packages) == 1
    assert (packages[0] / "hpt" / "fleet" / "agent.py").exists()


def test_what_a_node_lacks_is_said_with_its_name(executor: RayExecutor, tmp_path: Path) -> None:
    """A program or an interpreter that is here may not be there."""
    given = ExecutorSuite.submission(tmp_path, "echo", "lacking")
    script = tmp_path / "train.py"
    script.touch()
    python = replace(given.definition, environment={"HPT_PYTHON": "/no/python"}, training_image=str(script))
    for name, definition, why in (
        ("program", replace(given.definition, training_image="/usr/bin/no"), "/usr/bin/no is not found"),
        ("python", python, "HPT_PYTHON '/no/python' does not exist; give the path of an interpreter"),
    ):
        executor.submit(replace(given, name=name, definition=definition))
        [node] = [node for node in executor.nodes if node.used]
        end = until(executor, ended)[-1].exit
        assert end is not None
        assert (end.outcome, end.exit_code) == ("Exited", None)
        assert end.reason.startswith(f"node {node.address}: ") and end.reason.endswith(why)


def test_a_node_whose_folder_cannot_be_written_is_named_with_the_reason(
    cluster: RayCluster, executor: RayExecutor, tmp_path: Path, said: list[str]
) -> None:
    """Ray's own message has the reason in its last line, below a traceback with numbers that differ."""
    cluster.add(7, "instance-type=no-folder", HPT_NODE_ROOT="/dev/null/none")
    try:
        until(executor, lambda _: any(node.type == "no-folder" for node in executor.nodes))
        executor.submit(wanting(ExecutorSuite.submission(tmp_path, "echo elsewhere", "folder"), "no-folder"))
        end = until(executor, ended)[-1].exit
        assert end is not None and end.exit_code == 0
        [refused] = [each for each in said if "cannot be used" in each]
        assert refused.startswith(f"node {cluster.host(7)} cannot be used: NotADirectoryError: [Errno 20] ")
        assert refused.endswith("correct that there: it is tried again every 30 s")
    finally:
        cluster.kill(7)


def test_local_data_is_sent_once_to_each_node(
    executor: RayExecutor, cluster: RayCluster, tmp_path: Path, said: list[str]
) -> None:
    data, table = tmp_path / "data", tmp_path / "table.csv"
    (data / "deep").mkdir(parents=True)
    (data / "deep" / "x").write_text("deep data\n")
    (data / "big").write_bytes(bytes(40 << 20))
    table.write_text("1,2\n")
    script = """
        cd $SAGEMAKER_BASE_DIR/input/data
        cat train/deep/x; wc -c < train/big; cat table/table.csv; readlink -f train
    """
    given = wanting(ExecutorSuite.submission(tmp_path, script, "data-1"), "m5.large")
    channels = (Channel("train", str(data)), Channel("table", f"file://{table}"))
    given = replace(given, definition=replace(given.definition, channels=channels))
    places = set()
    for name in ("data-1", "data-2"):
        executor.submit(replace(given, name=name))
        updates = until(executor, ended)
        lines = log_of(updates).split()
        assert lines[:4] == ["deep", "data", str(40 << 20), "1,2"], said
        places.add(lines[4])
    [place] = places
    assert Path(place).is_relative_to(cluster.nodes)
    (data / "deep" / "x").write_text("new data\n")
    executor.submit(replace(given, name="data-3"))
    assert log_of(until(executor, ended)).startswith("new data")


def test_a_bucket_that_is_not_there_holds_training_jobs(
    executor: RayExecutor, tmp_path: Path, said: list[str], s3: Any
) -> None:
    given = ExecutorSuite.submission(tmp_path, "echo it runs", "held", checkpoint_uri="s3://missing/ck")
    executor.submit(given)
    until(executor, lambda _: any("NoSuchBucket" in message for message in said))
    time.sleep(3)
    assert not ended(executor.poll())
    executor.submit(replace(given, name="given-up"))
    executor.stop(AttemptKey("given-up", 1))
    end = until(executor, ended)[-1]
    assert end.key.name == "given-up"
    assert end.exit is not None
    assert (end.exit.stopped, end.exit.reason) == (True, "stopped before the program started")
    s3.create_bucket(Bucket="missing")
    updates = until(executor, ended)
    assert updates[-1].exit is not None
    assert (updates[-1].exit.outcome, updates[-1].exit.exit_code) == ("Exited", 0)
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="missing").get("Contents", ())]
    assert not [key for key in keys if key.endswith(".check")]


def test_training_jobs_go_to_the_nodes_that_are_wanted_first(
    cluster: RayCluster, executor: RayExecutor, tmp_path: Path
) -> None:
    definition = {
        "HyperParameterTuningResourceConfig": {
            "InstanceConfigs": [
                {"InstanceType": "p9.huge"},
                {"InstanceType": "rack=two"},
                {"InstanceType": "old"},
            ]
        }
    }
    said: list[str] = []
    options = {"address": cluster.address, "lease": "30"}
    setting = Setting(
        tmp_path / "wishes" / "trials",
        True,
        None,
        said.append,
        options,
        {"TrainingJobDefinition": definition},
    )
    other = RayExecutor(setting)
    try:
        until(other, lambda _: len([node for node in other.nodes if node.type]) == 3)
        for number in range(5):
            other.submit(ExecutorSuite.submission(tmp_path, "echo node $OF_NODE; sleep 2", f"wish-{number}"))
        used = {node.type: len(node.used) for node in other.nodes if node.type}
        assert used == {"c5.large": 2, "old": 2, "m5.large": 1}
        assert not said
        until(other, lambda updates: len([each for each in updates if each.exit is not None]) == 5)
        definition["HyperParameterTuningResourceConfig"]["InstanceConfigs"][1:] = []
        other.submit(ExecutorSuite.submission(tmp_path, "echo", "wish-6"))
        assert said == [
            "no node of the cluster is p9.huge, which the job asks for; its training jobs run on other nodes"
            " (c5.large, m5.large, old)"
        ]
        until(other, ended)
    finally:
        other.close()


def test_a_function_is_sent(cluster: RayCluster, tmp_path: Path) -> None:
    offset = 0.3

    def train(config: dict[str, Any], report: Callable[[float], None]) -> float:
        import os

        for step in range(2):
            report((config["x"] - offset) ** 2 + 1 / (1 + step))
        assert os.environ["OF_THE_NODE"] == "yes"
        return (config["x"] - offset) ** 2

    space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])
    found = hpt.tune(
        train, space, objective="Minimize", strategy="Random", max_jobs=4, max_parallel_jobs=3, seed=1,
        executor="ray", address=cluster.address, name="function", state=tmp_path,
    )  # fmt: skip
    assert len(found.trials) == 4
    for trial in found.trials:
        assert trial.value == pytest.approx((trial.config["x"] - offset) ** 2)
    with pytest.raises(InputError, match="'slurm' runs no functions; give executor='ray'"):
        hpt.tune(train, space, max_jobs=1, executor="slurm")
    with pytest.raises(InputError, match=f"no cluster is found at '{HEAD}:1'"):
        hpt.tune(train, space, max_jobs=1, executor="ray", address=f"{HEAD}:1")


def test_a_node_that_is_drained_is_left_in_time(
    executor: RayExecutor, cluster: RayCluster, tmp_path: Path, s3: Any
) -> None:
    script = """
        place=$SAGEMAKER_BASE_DIR/checkpoints
        n=$(cat $place/n 2> /dev/null || echo 0)
        while :; do n=$((n + 1)); echo epoch $n; echo $n > $place/n; sleep 1; done
    """
    given = ExecutorSuite.submission(tmp_path, script, "drained", checkpoint_uri="s3://bucket/ck")
    first = wanting(replace(given, definition=replace(given.definition, grace_seconds=2.0)), "c5.large")
    executor.submit(first)
    updates = until(executor, lambda updates: "epoch 3\n" in log_of(updates))
    [node] = [node for node in executor.nodes if node.type == "c5.large"]
    assert first.key in node.used
    drain = [sys.executable, "-m", "ray.scripts.scripts", "drain-node", "--address", cluster.address]
    why = ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot", "--node-id", node.id]
    more = ["--deadline-remaining-seconds", "300"]
    subprocess.run([*drain, *why, *more], env=cluster.environment, check=True, capture_output=True)
    updates += until(executor, ended)
    end = updates[-1].exit
    assert end is not None
    assert (end.outcome, end.reason) == (
        "Preempted",
        "the node is being drained",
    )
    assert end.checkpoint == len(log_of(updates))
    executor.submit(replace(first, attempt=2))
    more_updates = until(executor, lambda updates: "epoch" in log_of(updates))
    assert log_of(more_updates).splitlines()[0] == f"epoch {log_of(updates).count('epoch') + 1}"
    assert first.key not in node.used
    executor.stop(replace(first, attempt=2).key, now=True)
    until(executor, ended)


def test_versions_that_differ_are_named() -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'hpt[ray]'")
    from ray._private.utils import check_version_info

    with pytest.raises(RuntimeError) as refused:
        check_version_info({"ray_version": "2.9.3", "python_version": "3.8.18"}, "here")
    said = refusal("10.0.0.5:6379", "RuntimeError", " ".join(str(refused.value).split()))
    here = ".".join(map(str, sys.version_info[:3]))
    assert f"it runs Ray 2.9.3 and Python 3.8.18, and this is Ray {ray.__version__} and Python {here}" in said
