"""Tuners and supervisors are killed while containers run: none is left, and the job goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executors.podman import IMAGE, Podman, podman
from tests.faults.jobs import FaultJob

pytestmark = pytest.mark.faults

_EPOCHS = 12
_PROGRAM = f"""
at=/opt/ml/checkpoints/epoch
epoch=0
[ -f $at ] && epoch=$(cat $at)
echo "$TRAINING_JOB_NAME begins at $epoch"
while [ $epoch -lt {_EPOCHS} ]; do
    epoch=$((epoch + 1))
    echo "loss=$((100 - epoch));"
    echo $epoch > $at.tmp && mv $at.tmp $at
    sleep 0.2
done
"""


@pytest.fixture(scope="module")
def any_engine() -> Iterator[Podman]:
    with podman() as found:
        yield found


@pytest.fixture
def engine(any_engine: Podman, monkeypatch: pytest.MonkeyPatch) -> Podman:
    for name, value in any_engine.variables.items():
        monkeypatch.setenv(name, value)
    return any_engine


@pytest.fixture
def job(engine: Podman, tmp_path: Path) -> FaultJob:
    changes = {
        "training_image": IMAGE,
        "environment": {"PROGRAM": _PROGRAM},
        "checkpoint_uri": str(tmp_path / "checkpoints"),
        "retry_attempts": 5,
    }
    return FaultJob(tmp_path / "job", parallel=2, trials=3, strategy="Random", changes=changes)


def _await_epochs(job: FaultJob, count: int) -> None:
    """Wait until a training job has kept so many epochs."""
    deadline = time.monotonic() + 60
    place = job.root.parent / "checkpoints"
    while not any(int(path.read_text() or 0) >= count for path in place.glob("*/epoch")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _beginnings(job: FaultJob) -> list[int]:
    """The epochs at which attempts after the first began."""
    found = []
    for path in job.root.glob("faults/trials/*/attempts/*/log"):
        if path.parent.name != "1":
            found += [
                int(line.split()[-1]) for line in path.read_text().splitlines() if " begins at " in line
            ]
    return found


def _assert_whole(job: FaultJob, engine: Podman) -> None:
    state, _ = job.read()
    assert state.training_counters["Completed"] == 3, state.training_counters
    assert all(trial.value == 100 - _EPOCHS for trial in state.jobs.values())
    assert engine.containers() == []


def test_a_killed_tuner_finds_its_containers_again(job: FaultJob, engine: Podman) -> None:
    tuner = job.start()
    _await_epochs(job, 3)
    os.kill(tuner.pid, signal.SIGKILL)
    tuner.wait()
    assert len(engine.containers()) == 2
    assert job.run() == 0
    _assert_whole(job, engine)
    assert _beginnings(job) == []  # nothing was started twice


def test_a_killed_supervisor_loses_its_container_and_the_job_goes_on(job: FaultJob, engine: Podman) -> None:
    tuner = job.start()
    _await_epochs(job, 3)
    for supervisor in job.supervisors():
        supervisor.kill()
    assert tuner.wait(120) == 0
    _assert_whole(job, engine)
    assert len(_beginnings(job)) == 2
    assert max(_beginnings(job)) >= 3


@pytest.mark.parametrize("programs", [True, False])
def test_a_killed_tree_leaves_nothing_and_goes_on(job: FaultJob, engine: Podman, programs: bool) -> None:
    tuner = job.start()
    _await_epochs(job, 3)
    job.kill_tree(tuner, programs=programs)
    assert job.run() == 0
    _assert_whole(job, engine)
    assert len(_beginnings(job)) == 2
    assert max(_beginnings(job)) >= 3


def test_kills_at_any_moment_of_a_start_leave_nothing(job: FaultJob, engine: Podman) -> None:
    for pause in (0.3, 0.45, 0.6, 0.75, 0.9, 1.1):
        tuner = job.start()
        time.sleep(pause)
        job.kill_tree(tuner, programs=False)
    assert job.run() == 0
    assert engine.containers() == []
    state, _ = job.read()
    assert state.status.ended
