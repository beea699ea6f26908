"""The wall clock of real tuners, supervisors and programs is set while they run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import JobNotFoundError
from hpt.running.session import Session
from hpt.search import events as ev

DAY = 86_400
HERE = Path(__file__).parent
COMPILER = shutil.which("cc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")


class Host:
    """A host whose wall clock can be set, and one tuning job on it."""

    def __init__(self, directory: Path) -> None:
        library = directory / "wall.so"
        command = [str(COMPILER), "-shared", "-fPIC", "-o", str(library), str(HERE / "wall.c"), "-ldl"]
        subprocess.run(command, check=True)
        self.directory, self.setting = directory, directory / "ahead"
        self.set(0)
        self.environment = os.environ | {
            "LD_PRELOAD": str(library),
            "WALL_CLOCK_AHEAD": str(self.setting),
            "HPT_HOME": str(directory / "state"),
        }

    def set(self, ahead: int) -> None:
        self.setting.write_text(str(ahead))

    def job(self, program: str, *, trials: int = 2, seconds: int = 600, trial_seconds: int = 600) -> Path:
        script = self.directory / "train.sh"
        script.write_text(f"#!/bin/sh\n{program}\n")
        script.chmod(0o755)
        request = {
            "HyperParameterTuningJobName": "set",
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "RandomSeed": 1,
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
                "ResourceLimits": {
                    "MaxNumberOfTrainingJobs": trials,
                    "MaxParallelTrainingJobs": 1,
                    "MaxRuntimeInSeconds": seconds,
                },
                "ParameterRanges": {
                    "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
                },
            },
            "TrainingJobDefinition": {
                "AlgorithmSpecification": {
                    "TrainingImage": str(script),
                    "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
                },
                "StoppingCondition": {"MaxRuntimeInSeconds": trial_seconds},
                "Environment": {"HPT_GRACE_SECONDS": "1"},
            },
        }
        path = self.directory / "job.json"
        path.write_text(json.dumps(request))
        return path

    def start(self, *words: object) -> subprocess.Popen[bytes]:
        command = [str(Path(sys.executable).with_name("hpt")), *map(str, words)]
        return subprocess.Popen(command, env=self.environment)

    def events(self) -> tuple[Any, list[Any]]:
        session = Session(self.directory / "state")
        record, events = session.storage.read("set")
        session.close()
        return record, events

    def until_trained(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            with suppress(JobNotFoundError):
                if any(isinstance(event, ev.MetricLogged) for event in self.events()[1]):
                    return
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_clock_is_really_set(host: Host) -> None:
    host.set(3 * DAY)
    command = [sys.executable, "-c", "import time; print(time.time(), time.monotonic())"]
    wall, monotonic = map(float, subprocess.check_output(command, env=host.environment).split())
    assert wall - time.time() == pytest.approx(3 * DAY, abs=60)
    assert monotonic - time.monotonic() == pytest.approx(0, abs=60)


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [3 * DAY, -3 * DAY])
def test_a_clock_that_is_set_ends_nothing(host: Host, ahead: int) -> None:
    tuner = host.start("tune", host.job("echo loss=2; sleep 3; echo loss=1"), "--quiet")
    host.until_trained()
    host.set(ahead)
    assert tuner.wait(60) == 0
    record, events = host.events()
    assert events[-1].criterion == "MaxNumberOfTrainingJobs"
    times = [event.time for event in events]
    assert max(times) - record.created < 60
    assert min(times) >= record.created - 1


def test_a_clock_that_is_set_back_removes_no_limit(host: Host) -> None:
    job = host.job("echo loss=2; exec sleep 300", trials=5, seconds=6)
    tuner = host.start("tune", job, "--quiet")
    host.until_trained()
    host.set(-3 * DAY)
    begin = time.monotonic()
    assert tuner.wait(60) == 0
    assert time.monotonic() - begin < 30
    assert host.events()[1][-1].criterion == "MaxRuntimeInSeconds"


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [3 * DAY, -3 * DAY])
def test_a_clock_that_is_set_between_kill_and_resume_changes_no_limit(host: Host, ahead: int) -> None:
    """The training job's limit counts over the attempts that were lost as well."""
    job = host.job("echo loss=2; exec sleep 300", trials=1, trial_seconds=5)
    tuner = host.start("tune", job, "--quiet")
    host.until_trained()
    [supervisor] = _supervisors(host.directory)
    for pid in (tuner.pid, supervisor):
        os.kill(pid, signal.SIGKILL)
    tuner.wait()
    host.set(ahead)
    begin = time.monotonic()
    assert host.start("resume", "set", "--quiet").wait(60) == 0
    assert time.monotonic() - begin < 30
    ended = [event for event in host.events()[1] if isinstance(event, ev.TrialEnded)]
    assert [event.secondary for event in ended] == ["MaxRuntimeExceeded"]


def _supervisors(directory: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if b"executors/start.py" in words and bytes(directory) in words:
            found.append(int(entry.name))
    return found
