"""The shipped suite, applied to functions in warm workers, and what only these do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from hpt.executors.base import Exit, Submission
from hpt.executors.warm import WarmExecutor
from hpt.functions import payload
from hpt.job.config import Objective, TrainingJobDefinition
from hpt.job.program_kind import FUNCTION_WORKER
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType
from hpt.testing.executors import ExecutorSuite, Make

SPACE = SearchSpace([ContinuousParameter("x", 0, 1)])


def become_script(config: dict[str, object], report: object) -> None:
    """Turn the worker into a shell script whose output is what an executor hands out."""
    output = os.open(os.environ["HPT_RESULTS_FILE"], os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.execv(os.environ["SCRIPT"], [os.environ["SCRIPT"]])


def submission_of(tmp_path: Path, function: object, name: str = "job-001", **changes: Any) -> Submission:
    """An attempt at calling a function."""
    stored = tmp_path / f"{name}.pickle"
    stored.write_bytes(payload.pack(function, SPACE))
    environment = {"HPT_FUNCTION": str(stored), **changes.pop("environment", {})}
    objective = Objective("m", ObjectiveType.MAXIMIZE)
    definition = TrainingJobDefinition(FUNCTION_WORKER, SPACE, objective, environment=environment, **changes)
    return Submission(name, 1, {"x": "0.25"}, definition)


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie, which in a container nobody may collect."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class TestWarmExecutor(ExecutorSuite):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Any:
        made: list[WarmExecutor] = []

        def one() -> WarmExecutor:
            made.append(WarmExecutor(tmp_path / "trials"))
            return made[-1]

        yield one
        for executor in made:
            executor.close()

    @staticmethod
    def submission(tmp_path: Path, script: str, name: str = "job-001", **changes: Any) -> Submission:
        program = tmp_path / f"{name}.sh"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        environment = {"SCRIPT": str(program)}
        return submission_of(tmp_path, become_script, name, environment=environment, **changes)

    def test_a_program_that_cannot_run_ends_with_a_reason(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        submission = self.submission(tmp_path, "")
        Path(submission.definition.environment["SCRIPT"]).unlink()
        ended = self.finish(executor, self.start(executor, submission))
        assert (ended.outcome, ended.exit_code) == ("Exited", 1)
        assert ended.reason.startswith("FileNotFoundError: ")

    def test_limits_of_time_and_grace_are_kept(self, make: Make, tmp_path: Path) -> None:
        executor = make()

        def ignores(config: Any, report: Any) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)

        self.call(executor, tmp_path, lambda c, r: 1.0, "warm")
        limits = {"max_runtime_seconds": 0.5, "grace_seconds": 0.3}
        ended = self.finish(executor, self.start(executor, submission_of(tmp_path, ignores, **limits)))
        assert (ended.timed_out, ended.stopped) == (True, False)
        assert ended.reason == (
            "ran into its limit of 0.5 s: killed by signal 9 (SIGKILL); it did not end within 0.3 s of grace"
        )
        assert ended.started is not None and ended.ended is not None
        assert 0.8 <= ended.ended - ended.started < self.patience

    def test_hyperparameters_arrive_as_strings(self, make: Make, tmp_path: Path) -> None:
        """A function gets typed values."""
        executor = make()
        attempt = self.start(executor, submission_of(tmp_path, lambda config, report: config["x"] * 2))
        assert self.finish(executor, attempt).exit_code == 0
        assert attempt.log == b"[hpt] result=0.5\n"

    # -- what only workers do --------------------------------------------------------------------------------

    def call(self, executor: WarmExecutor, tmp_path: Path, function: object, name: str) -> tuple[bytes, Exit]:
        attempt = self.start(executor, submission_of(tmp_path, function, name))
        ended = self.finish(executor, attempt)
        return attempt.log, ended

    def test_one_worker_runs_attempt_after_attempt(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        pids = [self.call(executor, tmp_path, lambda c, r: os.getpid(), f"j-{i}")[0] for i in range(4)]
        assert len(set(pids)) == 1

    def test_a_crash_gets_a_fresh_worker(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        first, _ = self.call(executor, tmp_path, lambda c, r: os.getpid(), "a")
        _, ended = self.call(executor, tmp_path, lambda c, r: os.kill(os.getpid(), signal.SIGSEGV), "b")
        assert ended.reason.startswith("killed by signal 11 (SIGSEGV); a crash in native code")
        second, _ = self.call(executor, tmp_path, lambda c, r: os.getpid(), "c")
        assert first != second

    def test_what_a_trial_leaves_running_ends_with_it(self, make: Make, tmp_path: Path) -> None:
        executor = make()

        def leaves(config: Any, report: Any) -> float:
            shell = subprocess.Popen(["sh", "-c", "setsid sleep 600 & echo $!"], stdout=subprocess.PIPE)
            assert shell.stdout is not None
            return float(shell.stdout.readline())

        log, ended = self.call(executor, tmp_path, leaves, "a")
        assert ended.exit_code == 0
        pid = int(float(log.split(b"=")[1]))
        assert not lives(pid)
        assert self.call(executor, tmp_path, lambda c, r: 1.0, "b")[0] == b"[hpt] result=1.0\n"

    def test_a_killed_worker_leaves_a_reason_and_the_next_attempt_runs(
        self, make: Make, tmp_path: Path
    ) -> None:
        executor = make()
        _, ended = self.call(executor, tmp_path, lambda c, r: os.kill(os.getpid(), signal.SIGKILL), "a")
        assert "killed by signal 9 (SIGKILL)" in ended.reason
        assert self.call(executor, tmp_path, lambda c, r: 1.0, "b")[1].exit_code == 0

    def test_a_killed_supervisor_loses_its_attempt_alone(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        assert self.call(executor, tmp_path, lambda c, r: 1.0, "a")[1].exit_code == 0

        def kills(config: Any, report: Any) -> None:
            report(os.getpid())
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(600)

        log, ended = self.call(executor, tmp_path, kills, "b")
        assert ended.outcome == "Lost"
        assert ended.reason == "its supervisor is gone and left no record of the program's end"
        assert not lives(int(float(log.split(b"=")[1])))
        assert self.call(executor, tmp_path, lambda c, r: 1.0, "c")[1].exit_code == 0

    def test_a_stop_at_a_report_spares_the_worker(self, make: Make, tmp_path: Path) -> None:
        executor = make()

        def reports(config: Any, report: Any) -> None:
            while True:
                report(os.getpid())
                time.sleep(0.01)

        before, _ = self.call(executor, tmp_path, lambda c, r: os.getpid(), "a")
        attempt = self.start(executor, submission_of(tmp_path, reports, "b"))
        self.until_it_says(executor, attempt, b"report")
        executor.stop(attempt.key)
        ended = self.finish(executor, attempt)
        assert (ended.stopped, ended.reason) == (True, "stopped on request: exit code 143")
        after, _ = self.call(executor, tmp_path, lambda c, r: os.getpid(), "c")
        assert before == after

    def test_a_stop_reaches_only_the_attempt_that_is_meant(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        first = self.start(executor, submission_of(tmp_path, lambda c, r: 1.0, "a"))
        self.finish(executor, first)
        second = self.start(executor, submission_of(tmp_path, lambda c, r: time.sleep(0.5) or 2.0, "b"))
        time.sleep(0.1)
        executor.stop(first.key)
        executor.stop(first.key, now=True)
        [host] = executor._hosts
        os.kill(host._pid, signal.SIGTERM)  # as one that comes too late for the first
        assert self.finish(executor, second).exit_code == 0
        assert second.log == b"[hpt] result=2.0\n"

    def test_a_function_that_handles_sigterm_gets_it(self, make: Make, tmp_path: Path) -> None:
        executor = make()

        def saves(config: Any, report: Any) -> None:
            saved = []
            signal.signal(signal.SIGTERM, lambda *_: saved.append(1))
            while not saved:
                report(0.5)
                time.sleep(0.01)
            report(7.0)
            sys.exit(5)

        attempt = self.start(executor, submission_of(tmp_path, saves))
        self.until_it_says(executor, attempt, b"report")
        executor.stop(attempt.key)
        ended = self.finish(executor, attempt)
        assert (ended.stopped, ended.exit_code, attempt.log[-17:]) == (True, 5, b"[hpt] report=7.0\n")

    def test_an_attempt_goes_on_without_its_tuner_and_its_worker_ends_then(
        self, make: Make, tmp_path: Path
    ) -> None:
        first, second = make(), make()
        attempt = self.start(
            first, submission_of(tmp_path, lambda c, r: r(os.getpid()) or time.sleep(1) or 3.0)
        )
        self.until_it_says(first, attempt, b"report")
        pid = int(float(attempt.log.split(b"=")[1]))
        first.close()
        submission = replace(submission_of(tmp_path, None), log_offset=len(attempt.log))
        rest = self.start(second, submission)
        assert self.finish(second, rest).exit_code == 0
        assert rest.log == b"[hpt] result=3.0\n"
        deadline = time.monotonic() + 10
        while lives(pid):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def test_closing_ends_idle_workers(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        log, _ = self.call(executor, tmp_path, lambda c, r: os.getpid(), "a")
        executor.close()
        assert not lives(int(float(log.split(b"=")[1])))

    def test_news_ends_a_wait(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        self.call(executor, tmp_path, lambda c, r: 1.0, "a")
        attempt = self.start(executor, submission_of(tmp_path, lambda c, r: time.sleep(0.2) or 1.0, "b"))
        began = time.monotonic()
        executor.wait(30)
        assert time.monotonic() - began < 10
        assert self.finish(executor, attempt).exit_code == 0
