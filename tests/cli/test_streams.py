"""Output that cannot be written: a display never ends the job it shows, a lost result is told."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import hpt as library
from tests import prerequisites
from tests.cli.test_cli import Command, wait_until

FULL = Path("/dev/full")


@pytest.fixture
def hpt(tmp_path: Path) -> Command:
    return Command(tmp_path)


def closing(number: int) -> str:
    """A program that runs `hpt` with one of its streams closed, as `2>&-` does it."""
    return f"import os, sys\nos.close({number})\nos.execv(sys.executable, [sys.executable, *sys.argv[1:]])"


def test_a_job_outlives_the_reader_of_its_progress(hpt: Command) -> None:
    read, write = os.pipe()
    process = hpt.start("tune", str(hpt.slow(hpt.job(), 0.3)), stdout=write, stderr=write)
    os.close(write)
    os.read(read, 10)
    os.close(read)
    assert process.wait(timeout=60) == 0
    assert hpt.describe("job")["HyperParameterTuningJobStatus"] == "Completed"


def test_a_job_outlives_the_terminal_of_its_display(hpt: Command) -> None:
    leader, follower = prerequisites.terminal()
    process = hpt.start("tune", str(hpt.slow(hpt.job(), 0.3)), stderr=follower)
    os.close(follower)
    wait_until(lambda: hpt.runs.exists())
    os.read(leader, 10)
    os.close(leader)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "Completed" in out


def test_a_job_needs_no_room_for_its_progress(hpt: Command) -> None:
    with FULL.open("w") as full:
        process = hpt.start("tune", str(hpt.job()), stderr=full)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "Completed" in out


@pytest.mark.parametrize("number", [1, 2])
def test_a_job_needs_no_open_stream(hpt: Command, number: int) -> None:
    words = ["-m", "hpt.cli.main", "tune", str(hpt.job()), "--state", str(hpt.state)]
    done = subprocess.run(
        [sys.executable, "-c", closing(number), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert hpt.describe("job")["HyperParameterTuningJobStatus"] == "Completed"


@pytest.mark.parametrize("words", [["list"], ["--help"]])
def test_a_result_that_finds_no_room_is_told_in_a_line(hpt: Command, words: list[str]) -> None:
    with FULL.open("w") as full:
        process = hpt.start(*words, stdout=full)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4
    assert err.startswith("hpt: the result could not be written to standard output") and err.count("\n") == 1


@pytest.mark.parametrize(("program", "code"), [(None, 0), ("raise SystemExit(3)", 1)])
def test_the_exit_code_is_the_job_s_when_nobody_reads_the_result(
    hpt: Command, program: str | None, code: int
) -> None:
    path = hpt.job(ResourceLimits={"MaxNumberOfTrainingJobs": 5, "MaxParallelTrainingJobs": 2})
    if program is not None:
        (hpt.root / "counted.py").write_text(program)
    read, write = os.pipe()
    os.close(read)
    process = hpt.start("tune", str(path), "--quiet", stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code and err == ""


def half(config: dict[str, object], report: object) -> float:
    return 0.5


def test_the_library_s_progress_is_as_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    space = library.SearchSpace([library.ContinuousParameter("x", 0, 1)])
    with suppress(OSError), FULL.open("w") as full:  # closing it fails once more
        for stream in (full, None):
            monkeypatch.setattr(sys, "stderr", stream)
            result = library.tune(half, space, max_jobs=1, verbose=True)
            assert result.best_value == 0.5
