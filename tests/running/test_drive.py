"""Ctrl-C ends a tuner whatever it is doing."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from hpt.search import events as ev
from tests.faults.jobs import FaultJob

ROOT = Path(__file__).resolve().parents[2]


def _tuner(job: FaultJob, hang: str) -> subprocess.Popen[bytes]:
    """Runs the job; at the boundary `hang`, it does not come back."""
    code = f"""
        import time
        from hpt.running.drive import drive
        from hpt.running.session import Session
        def boundary(name):
            while name == {hang!r}:
                time.sleep(0.01)
        with Session({str(job.root)!r}).take({job.name!r}, boundary=boundary) as runner:
            print(drive(runner), flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def _wait_for_runs(job: FaultJob) -> None:
    deadline = time.monotonic() + 30
    while not job.runs_by_name():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)


@pytest.mark.parametrize("pauses", [[2.5], [0.2, 0.2]])
def test_a_step_that_hangs_is_left(tmp_path: Path, pauses: list[float]) -> None:
    job = FaultJob(tmp_path / "job", trials=2, pause=0.5, epochs=100)
    tuner = _tuner(job, "mid-scan")
    _wait_for_runs(job)
    time.sleep(0.7)
    tuner.send_signal(signal.SIGINT)
    for pause in pauses:
        time.sleep(pause)
        tuner.send_signal(signal.SIGINT)
    assert tuner.communicate(timeout=10)[0] == b"True\n"
    deadline = time.monotonic() + 10
    while job.supervisors():  # the programs were ended at once
        assert time.monotonic() < deadline
        time.sleep(0.05)
    resumed = job.start()
    deadline = time.monotonic() + 30
    while not any(isinstance(event, ev.AttemptCreated) and event.attempt == 2 for event in job.read()[1]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    resumed.send_signal(signal.SIGINT)
    assert resumed.wait(15) == 3
    [trial, *_] = job.read()[0].jobs.values()
    assert trial.interrupted >= 1 and str(trial.status) == "InProgress"
