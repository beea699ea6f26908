"""Ctrl-C where no runner's loop sees to it: a line on what is left, never a traceback."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from hpt.running.session import Session
from hpt.sagemaker.request.job_file import load_job_file
from hpt.sagemaker.request.parse import parse_request
from hpt.storage.database import DATABASE
from tests.cli.test_cli import Command, wait_until


@pytest.fixture
def hpt(tmp_path: Path) -> Command:
    return Command(tmp_path)


@contextmanager
def held(database: Path) -> Iterator[None]:
    """Somebody is writing to a job's database: whoever wants to write as well waits."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def interrupt_at(process: subprocess.Popen[str], database: Path) -> None:
    """Ctrl-C while the process waits for the database."""
    there = psutil.Process(process.pid)
    wait_until(lambda: any(file.path == str(database) for file in there.open_files()))
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)


def said(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == "", (out, err)
    assert "Traceback" not in err
    return err


def test_before_the_job_is_created(hpt: Command) -> None:
    database = hpt.state / "job" / DATABASE
    with held(database):
        process = hpt.start("tune", str(hpt.job()))
        interrupt_at(process, database)
    assert said(process) == "hpt: interrupted; tuning job job was not created\n"
    assert hpt("list")[0].startswith("no tuning jobs")


def test_before_the_first_training_job_starts(hpt: Command) -> None:
    request, base_dir = load_job_file(hpt.job())
    with closing(Session(hpt.state)) as session:
        session.create(parse_request(request, base_dir=base_dir))
    database = hpt.state / "job" / DATABASE
    with held(database):
        process = hpt.start("resume", "job")
        interrupt_at(process, database)
    assert said(process) == "hpt: interrupted; go on with: hpt resume job\n"
    assert "Completed" in hpt("resume", "job")[0]


def test_while_another_process_stops_the_job(hpt: Command) -> None:
    path = hpt.job()
    (hpt.root / "counted.py").write_text(
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "open(os.environ['RUNS'], 'a').write('run\\n')\ntime.sleep(5)\n"
    )
    owner = hpt.start("tune", str(path))
    wait_until(lambda: hpt.runs.exists())
    process = hpt.start("stop", "job")
    assert process.stderr is not None
    assert "waiting for process" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert "the request to stop tuning job job stays in force" in said(process)
    owner.communicate(timeout=60)
    assert owner.returncode == 3


@pytest.mark.parametrize("limit", [None, 900])
def test_a_pause_counts_towards_the_run_time_of_the_job(hpt: Command, limit: int | None) -> None:
    """Whoever interrupts a job whose run time is limited is told what is left of it."""
    limits = {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2}
    limits |= {} if limit is None else {"MaxRuntimeInSeconds": limit}
    process = hpt.start("tune", str(hpt.slow(hpt.job(ResourceLimits=limits), 1.0)), "--quiet")
    wait_until(lambda: hpt.runs.exists())
    process.send_signal(signal.SIGINT)
    last = said(process).splitlines()[-1]
    found = re.search(
        r"counts towards its MaxRuntimeInSeconds of 900: (\d+) seconds left\. Go on with: ", last
    )
    assert (found is not None) == (limit is not None)
    assert found is None or 700 < int(found[1]) <= 900


def test_limits_of_the_service_with_local_paths(hpt: Command) -> None:
    path = str(hpt.job(ResourceLimits={"MaxNumberOfTrainingJobs": 751, "MaxParallelTrainingJobs": 2}))
    hpt("tune", path, "--check")
    hpt("tune", path, "--check", "--limits", "local")
    _, err = hpt("tune", path, "--check", "--limits", "amt", code=2)
    assert "the limit on training jobs of a Random tuning job is 750" in err
