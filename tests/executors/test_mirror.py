"""The process beside a program is there once there is something to bring, and again if it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any

import pytest

from hpt.executors import mirror
from hpt.executors.base import Submission
from hpt.executors.child import LaunchError
from hpt.executors.local import specification
from hpt.executors.mirror import Mirror
from hpt.executors.node import Node
from tests.executors.conftest import definition


class Launches:
    """Starts processes that sleep."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.refuses = False

    def __call__(self) -> int:
        if self.refuses:
            raise LaunchError("no memory", ours=True)
        self.processes.append(subprocess.Popen(["sleep", "60"]))
        return self.processes[-1].pid


def mirror_of(launches: Launches, *, elsewhere: bool = True, **places: Any) -> Mirror:
    submission = Submission("job-001", 1, {}, definition("/x", **places))
    return Mirror(specification(submission, Node(elsewhere=elsewhere)), launches)


def status(pid: int) -> dict[int, int]:
    return dict([os.waitpid(pid, 0)])


@pytest.mark.parametrize(
    ("places", "copies", "log"),
    [
        ({}, False, False),
        ({"checkpoint_uri": "/ck", "output_path": "/out"}, False, False),
        ({"checkpoint_uri": "s3://b/ck"}, True, True),
        ({"output_path": "s3://b/out"}, False, True),
    ],
)
def test_what_is_brought(places: dict[str, str], copies: bool, log: bool) -> None:
    made = mirror_of(Launches(), **places)
    assert (made.copies, made.log_is_due) == (copies, log)
    here = mirror_of(Launches(), elsewhere=False, **places)
    assert (here.copies, here.log_is_due) == (copies, False)
    assert not Mirror({}, Launches()).copies  # its record could not be read


def test_for_a_log_alone_it_waits_until_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    launches = Launches()
    made = mirror_of(launches, output_path="s3://b/out", environment={"HPT_LOG_SECONDS": "20"})
    made.begin()
    assert made.pid is None
    began = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began + 21)
    made.look()
    made.look()
    assert made.pid == launches.processes[0].pid and len(launches.processes) == 1
    made.end()
    assert made.pid is None


def test_one_that_dies_is_started_again_and_one_that_has_nothing_to_do_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mirror, "_AGAIN", 0.0)
    launches = Launches()
    made = mirror_of(launches, checkpoint_uri="s3://b/ck")
    made.begin()
    assert made.pid is not None
    os.kill(made.pid, signal.SIGKILL)
    made.take(status(made.pid))
    assert made.pid is None
    made.look()
    assert len(launches.processes) == 2
    made.take({made.pid: 0})
    made.look()
    assert made.pid is None and len(launches.processes) == 2
    launches.processes[1].kill()
    launches.processes[1].wait()


def test_one_that_cannot_be_started_is_no_reason_to_lose_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_AGAIN", 0.0)
    launches = Launches()
    launches.refuses = True
    made = mirror_of(launches, checkpoint_uri="s3://b/ck")
    made.begin()
    made.look()
    assert made.pid is None
    launches.refuses = False
    made.look()
    assert made.pid is not None
    made.end()
    made.look()
    assert made.pid is None and len(launches.processes) == 1
