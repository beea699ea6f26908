"""The whole story of a fleet against the double, as a user types it; a process plays the head."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from hpt.errors import InputError
from hpt.fleet.ec2.aws import Aws
from hpt.fleet.ec2.store import Store
from hpt.running.fleet_jobs import read_copy
from hpt.running.session import Session
from hpt.search.trial import TrialStatus
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
    """A fleet of the double. The head is a process of this host, of an interpreter that is this one's."""

    def __init__(self, double: Control, hpt: Command) -> None:
        self.double, self.hpt = double, hpt
        self.file = hpt.root / "fleet.toml"
        self.file.write_text(FILE)
        self.head, self.interpreter = "", sys.executable
        self.files = Store(Aws("us-east-1", attempts=1), "bucket", "tuning/search/")
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
            self.interpreter,
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

    def runner(self) -> int:
        """The process of the head that runs the job; 0 while there is none."""
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if {"tune", "resume"} & set(words) and f"{self.hpt.root}/head/state" in words:
                return process.pid
        return 0

    def kill_tree(self, process: subprocess.Popen[bytes]) -> None:
        for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()

    def copied_trials(self, name: str) -> int:
        """How many training jobs of the copy have completed."""
        with suppress(InputError):
            place, _ = read_copy(self.files, name, self.hpt.root / "looked")
            state = Session(place).load(name)[2]
            return sum(job.status is TrialStatus.COMPLETED for job in state.jobs.values())
        return 0

    def jobs(self) -> dict[str, str]:
        """How each job has ended."""
        found = {
            name: self.files.get_json(f"jobs/{name}/status.json") for name in self.files.folders("jobs/")
        }
        return {name: said["status"] if said else "Unfinished" for name, said in found.items()}

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
    eventually(lambda: fleet.jobs() == {"job": "Completed"})
    described = json.loads(hpt("describe", "job", "--fleet", "search", "--json")[0])
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["TrainingJobStatusCounters"]["Completed"] == 4
    assert len(json.loads(hpt("trials", "job", "--fleet", "search", "--json")[0])) == 4
    status = fleet.status()
    assert status["CostUSD"] > 0 and status["BudgetUSD"] == 5.0
    assert "its files stay: s3://bucket/tuning/search/" in hpt("fleet", "down", "search")[0]
    assert "has no fleet search" in hpt("fleet", "status", "search", code=2)[1]


def trials_started(fleet: Fleet) -> int:
    return len(fleet.hpt.runs.read_text().splitlines()) if fleet.hpt.runs.exists() else 0


@pytest.mark.slow
def test_a_head_that_is_killed_goes_on_elsewhere_with_what_was_copied(fleet: Fleet) -> None:
    """The second head has nothing of the first but the bucket."""
    hpt = fleet.hpt
    fleet.up()
    job = hpt.slow(hpt.job(ResourceLimits={"MaxNumberOfTrainingJobs": 6, "MaxParallelTrainingJobs": 2}), 0.5)
    hpt("tune", str(job), "--fleet", "search")
    first = fleet.start_head("first")
    eventually(lambda: trials_started(fleet) >= 3)
    eventually(lambda: fleet.copied_trials("job") >= 2)
    first.send_signal(signal.SIGSTOP)  # its runner goes too, as with the machine
    fleet.kill_tree(first)
    fleet.start_head("second")
    eventually(lambda: fleet.jobs() == {"job": "Completed"})
    assert "restored as the last head left it" in (hpt.root / "second.log").read_text()
    trials = json.loads(hpt("trials", "job", "--fleet", "search", "--json")[0])
    assert len(trials) == 6 and {each["TrainingJobStatus"] for each in trials} == {"Completed"}


@pytest.mark.slow
def test_a_runner_that_is_killed_is_started_again_and_a_stop_object_stops(fleet: Fleet) -> None:
    hpt = fleet.hpt
    fleet.up()
    job = hpt.slow(hpt.job(ResourceLimits={"MaxNumberOfTrainingJobs": 50, "MaxParallelTrainingJobs": 2}), 0.3)
    hpt("tune", str(job), "--fleet", "search")
    fleet.start_head()
    eventually(lambda: fleet.copied_trials("job") >= 1)
    runner = fleet.runner()
    os.kill(runner, signal.SIGKILL)
    eventually(lambda: fleet.runner() not in (0, runner))
    assert "is told to stop" in hpt("stop", "job", "--fleet", "search")[1]
    eventually(lambda: fleet.jobs() == {"job": "Stopped"})
    assert "has ended (Stopped)" in hpt("stop", "job", "--fleet", "search", code=2)[1]
    described = json.loads(hpt("describe", "job", "--fleet", "search", "--json")[0])
    assert described["HyperParameterTuningJobStatus"] == "Stopped"


@pytest.mark.slow
def test_a_bucket_that_refuses_for_a_while_loses_nothing(fleet: Fleet) -> None:
    hpt = fleet.hpt
    fleet.up()
    job = hpt.slow(hpt.job(), 0.5)
    hpt("tune", str(job), "--fleet", "search")
    fleet.start_head()
    eventually(lambda: fleet.copied_trials("job") >= 1)
    fleet.double.refuse("S3", "AccessDenied", status=403)
    assert "AccessDenied" in hpt("describe", "job", "--fleet", "search", code=2)[1]
    assert "AccessDenied" in " ".join(fleet.status()["Notes"])
    time.sleep(3)
    fleet.double.allow("S3")
    eventually(lambda: fleet.jobs() == {"job": "Completed"})
