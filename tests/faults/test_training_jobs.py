"""The command that trains, or the whole tree below it, is killed; the training job is found again."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.cli.test_cli import Command, wait_until
from tests.cli.test_train import started

pytestmark = pytest.mark.faults


def test_killed_its_program_goes_on_and_is_stopped_later(tmp_path: Path) -> None:
    hpt = Command(tmp_path)
    process, log = started(hpt, linger="0")
    process.kill()
    process.communicate(timeout=60)
    out, _ = hpt("describe", "job-train")
    assert out.startswith("training job job-train  ") and ", interrupted\n" in out
    assert "next         hpt resume job-train\n" in out
    with log.open("ab") as file:  # as the program would, which has gone on
        file.write(b"loss=2;\n")
    out, err = hpt("stop", "job-train")
    assert out.startswith("training job job-train  Stopped\n")
    assert "2 values, first 1.0, last 2.0" in out and "bye" in err


def test_a_killed_supervisor_is_a_lost_attempt_that_is_run_again(tmp_path: Path) -> None:
    hpt = Command(tmp_path)
    process, log = started(hpt, linger="0")
    process.kill()
    process.communicate(timeout=60)
    place = log.parent
    supervisor = json.loads((place / "started.json").read_text())["pid"]
    os.kill(supervisor, signal.SIGKILL)
    resumed = hpt.start("resume", "job-train")
    second = place.parent / "2" / "log"
    wait_until(lambda: second.exists() and b"loss" in second.read_bytes())
    resumed.send_signal(signal.SIGINT)
    out, err = resumed.communicate(timeout=60)
    assert resumed.returncode == 3, (out, err)
    assert "started again (attempt 2)" in err and "attempt 1: Lost" in out
