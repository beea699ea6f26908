"""Tuners and supervisors of training jobs of three hosts are killed, and nothing is left or run twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from hpt.executors.process import ATTEMPT_VARIABLE
from hpt.search import events as ev
from tests.faults.jobs import FaultJob, results

HOSTS = 3


def three(root: Path, **options: object) -> FaultJob:
    """A job whose training jobs have three hosts."""
    return FaultJob(root, instances=HOSTS, trials=3, **options)  # type: ignore[arg-type]


def programs(job: FaultJob) -> list[int]:
    """The living processes of the job's attempts."""
    found = []
    for process in psutil.process_iter(["pid"]):
        try:
            variables = process.environ()
        except psutil.Error:
            continue
        if ATTEMPT_VARIABLE in variables and str(job.root) in variables.get("SAGEMAKER_BASE_DIR", ""):
            found.append(process.pid)
    return found


def none_left(job: FaultJob, within: float = 10) -> bool:
    deadline = time.monotonic() + within
    while programs(job) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not programs(job)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict[str, object], float | None]]:
    job = three(tmp_path_factory.mktemp("undisturbed"))
    assert job.run() == 0
    return results(job.assert_complete())


@pytest.mark.faults
@pytest.mark.parametrize("boundary", ["before-commit", "after-commit", "after-submit", "mid-scan"])
def test_a_killed_tuner_finds_all_hosts_again(tmp_path: Path, undisturbed: object, boundary: str) -> None:
    job = three(tmp_path / "job", pause=0.1)
    assert job.run(boundary, 3) == -signal.SIGKILL
    assert job.run() == 0
    assert results(job.assert_complete()) == undisturbed
    assert none_left(job)


@pytest.mark.faults
@pytest.mark.parametrize("moment", range(3))
def test_a_killed_supervisor_takes_all_hosts_with_it(tmp_path: Path, moment: int) -> None:
    job = three(tmp_path / "job", pause=0.5)
    tuner = job.start()
    deadline = time.monotonic() + 30
    while sum(job.runs_by_name().values()) < HOSTS:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(random.Random(moment).uniform(0.0, 0.5))
    [victim] = job.supervisors()
    hosts = [child.pid for child in victim.children()]
    assert len(hosts) == HOSTS
    victim.kill()
    assert tuner.wait(60) == 0
    state = job.assert_complete(ran_once=False)
    assert not any(psutil.pid_exists(pid) for pid in hosts)
    ended = [event for event in job.read()[1] if isinstance(event, ev.AttemptEnded)]
    assert [event.outcome for event in ended].count("Lost") == 1
    assert state.training_counters["Completed"] == 3
    assert none_left(job)


@pytest.mark.faults
def test_tuner_and_supervisor_killed_together(tmp_path: Path) -> None:
    job = three(tmp_path / "job", pause=0.3)
    tuner = job.start()
    deadline = time.monotonic() + 30
    while sum(job.runs_by_name().values()) < HOSTS:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    job.kill_tree(tuner)
    assert none_left(job)
    assert job.run() == 0
    job.assert_complete(ran_once=False)


@pytest.mark.faults
def test_a_small_disk_that_fills_up_loses_no_whole_line(tmp_path: Path) -> None:
    """Both hosts print more than there is room for; the attempt is lost, and runs again with room."""
    if os.geteuid() != 0:
        pytest.skip("needs the right to mount a file system")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        from tests.executors.conftest import Workshop

        workshop = Workshop(place)
        script = workshop.script("yes $SM_CURRENT_HOST | head -c 60000000; exit 1")
        run = workshop.finish(workshop.start(script, instance_count=2, grace_seconds=1), within=60)
        assert run.exit is not None and run.exit.outcome == "Lost", run.exit
        assert "the disk is full" in run.exit.reason
        lines = run.log.split(b"\n")
        assert set(lines[:-1]) <= {b"algo-1", b"algo-2"}
        workshop.executor.close()
    finally:
        subprocess.run(["umount", "-l", place], check=True)
