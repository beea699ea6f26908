"""A workshop for tests that run real programs under real supervisors."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from hpt.executors.base import AttemptKey, Exit, Submission, Update
from hpt.executors.local import LocalExecutor
from hpt.job.config import Objective, TrainingJobDefinition
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType

REPOSITORY = Path(__file__).resolve().parents[2]

_SPACE = SearchSpace([ContinuousParameter("x", 0, 1)])


def definition(image: str | Path, **changes: Any) -> TrainingJobDefinition:
    plain = TrainingJobDefinition(str(image), _SPACE, Objective("m", ObjectiveType.MAXIMIZE))
    return replace(plain, **changes)


@dataclass
class Run:
    """An attempt under an executor and all its reported updates. offset: where its log begins here."""

    submission: Submission
    executor: LocalExecutor
    log: bytes = b""
    dates: list[tuple[int, float]] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    offset: int = 0

    @property
    def key(self) -> AttemptKey:
        return self.submission.key

    @property
    def exit(self) -> Exit | None:
        return self.updates[-1].exit if self.updates else None

    @property
    def phase(self) -> str:
        return self.updates[-1].phase if self.updates else ""

    def take(self, update: Update) -> None:
        assert self.exit is None
        assert update.log.start == self.offset + len(self.log)
        self.log += update.log.data
        self.dates += update.log.times
        self.updates.append(update)


class Workshop:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "trials"
        self.executor = LocalExecutor(self.root)
        self.runs: list[Run] = []
        (directory / "programs").mkdir()

    def script(self, content: str, name: str = "train.sh") -> Path:
        """An executable program; `content` without a first line of its own is a shell script. One for Python
        is run by the Python of these tests, whether or not there is a `python3` on the path.
        """
        path = self.directory / "programs" / name
        content = content.replace("#!/usr/bin/env python3", f"#!{sys.executable}", 1)
        path.write_text(content if content.startswith("#!") else f"#!/bin/sh\n{content}\n")
        path.chmod(0o755)
        return path

    def start(
        self,
        image: str | Path,
        name: str = "job-001",
        attempt: int = 1,
        hyperparameters: dict[str, str] | None = None,
        parallel: int = 1,
        executor: LocalExecutor | None = None,
        **changes: Any,
    ) -> Run:
        """Start an attempt, or find it again."""
        submission = Submission(name, attempt, hyperparameters or {}, definition(image, **changes), parallel)
        return self.submit(submission, executor)

    def submit(self, submission: Submission, executor: LocalExecutor | None = None) -> Run:
        run = Run(submission, executor or self.executor, offset=submission.log_offset)
        run.executor.submit(submission)
        self.runs.append(run)
        return run

    def again(self, run: Run, executor: LocalExecutor, offset: int = 0) -> Run:
        """The same attempt as another executor finds it, its log reported from `offset` on."""
        return self.submit(replace(run.submission, log_offset=offset), executor)

    def run(self, image: str | Path, **options: Any) -> Run:
        return self.finish(self.start(image, **options))

    def look(self, run: Run) -> list[Update]:
        """Poll the run's executor and hand its news to whomever they concern."""
        updates = run.executor.poll()
        for update in updates:
            for other in self.runs:
                if other.key == update.key and other.executor is run.executor and other.exit is None:
                    other.take(update)
        return updates

    def until(self, run: Run, condition: Callable[[Run], bool], *, within: float = 15) -> Run:
        deadline = time.monotonic() + within
        while not condition(run):
            assert time.monotonic() < deadline, f"{run.phase}: {run.log[-2000:]!r}, {run.exit}"
            if not self.look(run):
                time.sleep(0.005)
        return run

    def finish(self, run: Run, *, within: float = 15) -> Run:
        return self.until(run, lambda run: run.exit is not None, within=within)

    def says(self, run: Run, output: bytes, **options: Any) -> Run:
        return self.until(run, lambda run: output in run.log, **options)

    def await_record(self, run: Run, *, within: float = 15) -> None:
        """Wait for the exit record without polling."""
        deadline = time.monotonic() + within
        while not (self.attempt(run) / "exit.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def attempt(self, run: Run) -> Path:
        return self.root / run.key.name / "attempts" / str(run.key.attempt)

    def base(self, run: Run) -> Path:
        return self.root / run.key.name / "ml"


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    place = Workshop(tmp_path)
    yield place
    for run in place.runs:  # whatever a failed test left running
        if run.exit is None:
            run.executor.stop(run.key, now=True)
            run.executor.submit(replace(run.submission, log_offset=1 << 60))
            while not any(u.key == run.key and u.exit is not None for u in run.executor.poll()):
                time.sleep(0.005)
    place.executor.close()


def is_running(pid: int) -> bool:
    """Whether that process lives; a zombie, whose parent may never wait for it, does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat[stat.rindex(")") + 2] not in "ZX"


def vanish(pid: int, within: float = 5) -> bool:
    """Whether the process is gone, or goes within some seconds."""
    deadline = time.monotonic() + within
    while is_running(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def own_children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()]


PYTHON = f"#!{sys.executable}"
"""The first line of a program in Python; a machine may have no `python3` on the path."""

# A daemon by the book: forks twice, leaves the session, closes its outputs; `$1` gets its pid.
DAEMON = (
    PYTHON
    + """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    for fd in range(3):
        os.close(fd)
    with open(os.environ["SM_HP_PIDS"], "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(60)
    os._exit(0)
while not os.path.exists(os.environ["SM_HP_PIDS"]) or not os.path.getsize(os.environ["SM_HP_PIDS"]):
    time.sleep(0.005)
print("ready", flush=True)
if "SM_HP_STAY" in os.environ:
    time.sleep(60)
"""
)


def supervisor_of(workshop: Workshop, run: Run) -> int:
    return int(json.loads((workshop.attempt(run) / "started.json").read_text())["pid"])


def pids_in(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()]
