"""The whole story of a fleet against the double, as a user types it; a process plays the head."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import Command, wait_until
from tests.fleet.double.control import Control

FILE = """
name = "search"
bucket = "s3://bucket/tuning"
slots = 8
budget = 5.0
[head]
executor = "local"
idle = "1h"
[nodes]
instance_types = { "c5.xlarge" = 2, "m5.xlarge" = 2 }
idle = "1s"
"""


class Fleet:
    """A fleet of the double. The head is a process of this host."""

    def __init__(self, double: Control, hpt: Command) -> None:
        self.double, self.hpt = double, hpt
        self.file = hpt.root / "fleet.toml"
        self.file.write_text(FILE)
        self.head = ""
        self.processes: list[subprocess.Popen[bytes]] = []

    def up(self) -> None:
        self.head = json.loads(self.hpt("fleet", "up", str(self.file), "--json")[0])["Head"]

    def start(self, module: str, instance: str, *words: str, work: str) -> subprocess.Popen[bytes]:
        """The unit of a machine."""
        environment = {
            **os.environ,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{self.double.endpoint}/imds/{instance}",
            "HPT_HOME": str(self.hpt.root / work / "home"),
        }
        place = "s3://bucket/tuning/search/"
        command = [
            sys.executable,
            "-m",
            f"hpt.fleet.ec2.{module}",
            place,
            "--work",
            str(self.hpt.root / work),
        ]
        with (self.hpt.root / f"{work}.log").open("ab") as log:
            process = subprocess.Popen([*command, *words], env=environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def start_head(self, work: str = "head") -> subprocess.Popen[bytes]:
        return self.start("head", self.head, "--keep-seconds", "0.5", work=work)

    def status(self) -> Any:
        return json.loads(self.hpt("fleet", "status", "search", "--json")[0])

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def fleet(double: Control, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(double, Command(tmp_path))
    yield made
    made.close()


def eventually(condition: Callable[[], bool], timeout: float = 90) -> None:
    wait_until(condition, timeout)


@pytest.mark.slow
def test_a_job_is_handed_over_run_read_and_everything_goes(fleet: Fleet) -> None:
    hpt = fleet.hpt
    fleet.up()
    out, _ = hpt("tune", str(hpt.job()), "--fleet", "search")
    assert "job job is handed to fleet search" in out
    assert "has a tuning job 'job'" in hpt("tune", str(hpt.job()), "--fleet", "search", code=2)[1]
    assert "waits for the fleet's head" in hpt("describe", "job", "--fleet", "search", code=2)[1]
    fleet.start_head()
    eventually(lambda: fleet.status()["TuningJobs"] == {"job": "Completed"})
    described = json.loads(hpt("describe", "job", "--fleet", "search", "--json")[0])
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["TrainingJobStatusCounters"]["Completed"] == 4
    assert len(json.loads(hpt("trials", "job", "--fleet", "search", "--json")[0])) == 4
    status = fleet.status()
    assert status["CostUSD"] > 0 and status["BudgetUSD"] == 5.0
    assert "its files stay: s3://bucket/tuning/search/" in hpt("fleet", "down", "search")[0]
    assert "has no fleet search" in hpt("fleet", "status", "search", code=2)[1]
