"""Transfers in copies of one process of the machine: what they do, and what happens when any part dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from hpt.executors import child, transfer_client
from hpt.executors.base import Exit, Submission
from hpt.executors.local import LocalExecutor
from hpt.executors.node import Node
from hpt.executors.order import Order
from hpt.executors.transfer_client import Ask
from hpt.fleet.transfers import Transfers
from hpt.job.config import Channel
from tests.cli.test_cli import wait_until
from tests.executors.conftest import definition
from tests.fleet.double.control import Control

PROGRAM = """#!/bin/sh
echo "acc=0.5"
mkdir -p "$SM_MODEL_DIR"
echo trained > "$SM_MODEL_DIR/weights"
"""


class Machine:
    """A machine of a cluster whose tuner is elsewhere."""

    def __init__(self, root: Path) -> None:
        self.root = (
            root / "a folder with a name so long that no address of a socket has room for it, not at all"
        )
        self.root.mkdir()
        self.node = Node(elsewhere=True)
        self.local = LocalExecutor(self.root / "trials", node=self.node)
        self.transfers = Transfers(self.root, self.node)
        self.program = root / "train.sh"
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)

    def order(self, name: str, **changes: Any) -> Order:
        given = {"output_path": "s3://bucket/out", **changes}
        return Order.of(Submission(name, 1, {}, definition(self.program, **given)))

    def serve(self) -> psutil.Process:
        self.transfers.begin(self.order("any").content)
        process = self.transfers._process
        assert process is not None
        wait_until((self.root / transfer_client.SOCKET).exists)
        return psutil.Process(process.pid)

    def run(self, name: str, **changes: Any) -> Exit:
        """How an attempt ended."""
        order = self.order(name, **changes)
        self.local.start(order)
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            for update in self.local.poll():
                if update.exit is not None:
                    return update.exit
            self.local.wait(0.1)
        raise AssertionError(f"{name} does not end")

    def log(self, name: str) -> str:
        return (self.root / "trials" / name / "attempts" / "1" / "transfer.log").read_text()

    def close(self) -> None:
        self.local.close()
        if self.transfers._process is not None:
            self.transfers._process.kill()
            self.transfers._process.wait()


@pytest.fixture
def machine(double: Control, tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.close()


def keys() -> list[str]:
    import boto3

    found = boto3.client("s3").list_objects_v2(Bucket="bucket").get("Contents", ())
    return sorted(each["Key"] for each in found)


def test_results_and_logs_reach_the_store_through_it(machine: Machine) -> None:
    before = machine.serve().cpu_times()
    end = machine.run("job-001")
    assert end.exit_code == 0 and end.model == "s3://bucket/out/job-001/output/model.tar.gz", end
    assert keys() == ["out/job-001/logs/1.log", "out/job-001/output/model.tar.gz"]
    assert not machine.log("job-001")
    server = machine.transfers._process
    assert server is not None and server.poll() is None
    assert not (machine.root / "transfers.log").read_text()
    assert psutil.Process(server.pid).cpu_times().user - before.user < 0.1  # its copies did the work


def test_the_environment_of_the_training_job_holds_and_what_it_says_is_in_its_log(machine: Machine) -> None:
    machine.serve()
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    data = Channel("train", "s3://bucket/data/")
    end = machine.run("job-001", environment=nowhere, channels=[data])
    assert end.outcome == "Lost" and "the download failed: Could not connect" in end.reason
    assert "http://127.0.0.1:9" in machine.log("job-001")
    end = machine.run("job-002", channels=[data])
    assert end.outcome == "Exited" and end.exit_code is None, end
    assert "channel 'train'" in end.reason and "s3://bucket/data/" in end.reason


def transfer(machine: Machine, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A process that asks as the child of a supervisor does, and ends as that does."""
    code = (
        "import json, os, sys; from hpt.executors.child import _end; from hpt.executors.transfer_client "
        "import Ask; said = Ask(*json.loads(sys.argv[1]))(); print(said, flush=True); _end(said or 0)"
    )
    given = [list(arguments), dict(os.environ), str(folder), str(folder / "transfer.log")]
    return subprocess.Popen([sys.executable, "-c", code, json.dumps(given)], stdout=subprocess.PIPE)


@pytest.fixture
def attempt(machine: Machine, double: Control) -> Path:
    """An attempt whose results the store refuses, so that storing them takes as long as it is let."""
    machine.program.write_text("#!/bin/sh\nexit 0\n")
    machine.run("job-001")
    folder = machine.root / "trials" / "job-001" / "attempts" / "1"
    (folder / "model.tar.gz").write_bytes(b"model")
    double.refuse("S3", "SlowDown", status=503)
    return folder


def copies(server: psutil.Process) -> list[psutil.Process]:
    return server.children()


def test_the_copy_dies_with_the_process_that_asked(machine: Machine, attempt: Path) -> None:
    server = machine.serve()
    asking = transfer(machine, attempt, "upload", str(attempt), str(attempt))
    wait_until(lambda: "cannot" in (attempt / "transfer.log").read_text())
    [copy] = copies(server)
    asking.kill()
    asking.wait()
    copy.wait(5)
    assert server.is_running()


def test_what_it_has_begun_goes_on_when_it_ends(machine: Machine, attempt: Path, double: Control) -> None:
    """As when the agent that started it has gone."""
    server = machine.serve()
    asking = transfer(machine, attempt, "upload", str(attempt), str(attempt))
    wait_until(lambda: "cannot" in (attempt / "transfer.log").read_text())
    assert machine.transfers._process is not None and machine.transfers._process.stdin is not None
    machine.transfers._process.stdin.close()
    server.wait(10)
    double.allow("S3")
    assert asking.wait(60) == 0
    assert "out/job-001/output/model.tar.gz" in keys()


def test_a_copy_that_is_killed_is_no_success(machine: Machine, attempt: Path) -> None:
    server = machine.serve()
    asking = transfer(machine, attempt, "upload", str(attempt), str(attempt))
    wait_until(lambda: "cannot" in (attempt / "transfer.log").read_text())
    [copy] = copies(server)
    copy.kill()
    assert asking.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize("how", ["none", "killed", "stopped"])
def test_without_it_transfers_run_by_themselves(
    machine: Machine, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how != "none":
        server = machine.serve()
        server.send_signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
    end = machine.run("job-001")
    assert end.exit_code == 0 and "out/job-001/output/model.tar.gz" in keys(), (end, machine.log("job-001"))


def test_one_that_ended_is_started_again_and_what_needs_none_starts_none(machine: Machine) -> None:
    local = [Channel("train", str(machine.root))]
    machine.transfers.begin(machine.order("x", output_path=None, channels=local).content)
    assert machine.transfers._process is None
    machine.serve().kill()
    first = machine.transfers._process
    assert first is not None
    first.wait()
    machine.transfers.begin(machine.order("x").content)
    assert machine.transfers._process is first  # not at once
    machine.transfers._next = 0.0
    machine.transfers.begin(machine.order("x").content)
    assert machine.transfers._process is not first
    folder = machine.root / "trials" / "job-001" / "attempts" / "1"
    folder.mkdir(parents=True)  # without a record
    ask = Ask(["log", str(folder), str(folder)], os.environ, str(folder), str(folder / "transfer.log"))
    wait_until(lambda: ask() is not None)
    assert ask() == 3 and "its record spec.json is missing" in machine.log("job-001")
    assert Ask(["log", "x", "y", "z"], os.environ, str(folder), str(folder / "transfer.log"))() == 1
    assert "ValueError: invalid literal for int() with base 10: 'z'" in machine.log("job-001")
    assert Ask(["log", "x", "y"], os.environ, str(folder), str(folder))() == 1  # no file


def test_a_command_runs_where_nothing_else_does_instead(tmp_path: Path) -> None:
    def run(instead: Any) -> int:
        with (tmp_path / "out").open("wb") as out:
            pid = child.launch(["/bin/echo", "by itself"], {}, str(tmp_path), out.fileno(), instead=instead)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert run(lambda: 7) == 7 and run(lambda: -signal.SIGKILL) == -signal.SIGKILL
    assert not (tmp_path / "out").read_text()
    assert run(lambda: None) == 0 and (tmp_path / "out").read_text() == "by itself\n"
    began = time.monotonic()
    with (tmp_path / "out").open("wb") as out:
        slow = child.launch(
            ["/bin/true"], {}, str(tmp_path), out.fileno(), instead=lambda: time.sleep(1) or 0
        )
    assert time.monotonic() - began < 0.9  # who starts it does not wait
    os.waitpid(slow, 0)
