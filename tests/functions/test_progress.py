"""The progress of `hpt.tune`: a live line where a person looks, nothing where nobody does."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import hpt, time
space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])
def train(config, report):
    if config["x"] < 0.2:
        raise ValueError("too small")
    time.sleep(0.1)
    return config["x"]
hpt.tune(train, space, max_jobs=5, metric="score", strategy="Random", seed=3, verbose={verbose})
"""


def run_on_a_terminal(tmp_path: Path, verbose: object) -> str:
    (tmp_path / "script.py").write_text(SCRIPT.format(verbose=verbose))
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "script.py"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=follower
    )
    os.close(follower)
    said = b""
    while True:
        try:
            data = os.read(leader, 4096)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        said += data
    os.close(leader)
    assert process.wait(60) == 0
    return said.decode()


def test_a_line_is_kept_up_to_date_on_a_terminal(tmp_path: Path) -> None:
    said = run_on_a_terminal(tmp_path, None)
    assert said.count("\n") == 1 and said.endswith("\r\n")
    lines = [line.strip() for line in said.split("\r") if line.strip()]
    assert len(lines) >= 3
    assert re.fullmatch(r"0/5 trials  0:\d\d", lines[0])
    assert re.fullmatch(r"5/5 trials  1 failed  best score 0\.985469 \(trial \d\)  0:\d\d", lines[-1]), lines[
        -1
    ]
    assert any("about 0:0" in line and line.endswith(" left") for line in lines)


def test_nothing_is_shown_if_it_is_not_to_be(tmp_path: Path) -> None:
    assert run_on_a_terminal(tmp_path, False) == ""


@pytest.mark.parametrize(("verbose", "lines"), [(None, 0), (False, 0), (True, 10)])
def test_a_pipe_gets_lines_only_if_asked(tmp_path: Path, verbose: object, lines: int) -> None:
    command = [sys.executable, "-c", SCRIPT.format(verbose=verbose)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == lines, done.stderr
