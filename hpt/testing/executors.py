"""What every executor that runs real programs must do. Subclass `ExecutorSuite` and define the fixture
`make`.

    class TestMyExecutor(ExecutorSuite):
        @pytest.fixture()
        def make(self, tmp_path):
            return lambda: MyExecutor(tmp_path / "root")

Every call of `make()` stands for another process that looks at the same attempts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hpt.executors.base import AttemptKey, Executor, Exit, Submission, Update
from hpt.job.config import Objective, TrainingJobDefinition
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType

_PHASES = ("Starting", "Downloading", "Training", "Stopping", "Uploading", "Ended")

Make = Callable[[], Executor]


@dataclass
class Attempt:
    """An attempt and everything that was reported of it. offset: where its log begins here."""

    key: AttemptKey
    log: bytes = b""
    update: Update | None = None
    offset: int = 0

    @property
    def exit(self) -> Exit | None:
        return None if self.update is None else self.update.exit

    def take(self, update: Update) -> Update:
        """Take the next update in; its log must follow what came before."""
        assert self.exit is None, "reported after its end"
        assert update.log.start == self.offset + len(self.log)
        self.log += update.log.data
        self.update = update
        return update


class ExecutorSuite:
    """The contract of `hpt.executors.base.Executor`. `patience`: seconds that a test waits for an update."""

    patience = 20.0

    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        raise NotImplementedError("define the fixture `make`, which makes an executor")

    # -- helpers of the tests --------------------------------------------------------------------------------

    @staticmethod
    def submission(tmp_path: Path, script: str, name: str = "job-001", **changes: Any) -> Submission:
        """An attempt at running a shell script."""
        program = tmp_path / f"{name}.sh"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        space = SearchSpace([ContinuousParameter("x", 0, 1)])
        definition = TrainingJobDefinition(
            str(program), space, Objective("m", ObjectiveType.MAXIMIZE), **changes
        )
        return Submission(name, 1, {"x": "0.25"}, definition)

    def follow(self, executor: Executor, attempt: Attempt, until: Callable[[Update, bytes], bool]) -> Update:
        """Poll until the condition on the latest update and the whole log holds; check each update."""
        deadline = time.monotonic() + self.patience
        latest = attempt.update
        while latest is None or not until(latest, attempt.log):
            assert time.monotonic() < deadline, f"{latest and latest.phase}: {attempt.log[-500:]!r}"
            updates = executor.poll()
            assert len({update.key for update in updates}) == len(updates), "an attempt was reported twice"
            for update in updates:
                self.check(update)
                if update.key == attempt.key:
                    latest = attempt.take(update)
            if not updates:
                time.sleep(0.01)
        return latest

    @staticmethod
    def check(update: Update) -> None:
        """What holds of any update."""
        assert isinstance(update.key, AttemptKey)
        assert update.phase in _PHASES
        assert (update.exit is not None) == (update.phase == "Ended")
        assert not (update.exit is not None and update.more)
        offsets = [offset for offset, _ in update.log.times]
        assert offsets == sorted(offsets)
        end = update.log.start + len(update.log.data)
        assert not update.log.data or offsets[-1] >= end, "bytes without a date"

    def start(self, executor: Executor, submission: Submission) -> Attempt:
        executor.submit(submission)
        return Attempt(submission.key, offset=submission.log_offset)

    def finish(self, executor: Executor, attempt: Attempt) -> Exit:
        update = self.follow(executor, attempt, lambda update, log: update.exit is not None)
        assert update.exit is not None
        return update.exit

    def until_it_says(self, executor: Executor, attempt: Attempt, output: bytes) -> None:
        self.follow(executor, attempt, lambda update, log: output in log)

    # -- the contract ---------------------------------------------------------------------------------------

    @pytest.mark.parametrize("code", [0, 3])
    def test_a_program_runs_and_its_end_is_reported(self, make: Make, tmp_path: Path, code: int) -> None:
        executor = make()
        before = time.time()
        submission = self.submission(tmp_path, f"echo out; echo err >&2; exit {code}")
        attempt = self.start(executor, submission)
        ended = self.finish(executor, attempt)
        assert sorted(attempt.log.split()) == [b"err", b"out"]
        assert (ended.outcome, ended.exit_code) == ("Exited", code)
        assert not ended.stopped
        assert not ended.timed_out
        assert bool(ended.reason) == bool(code)
        assert ended.started is not None
        assert ended.ended is not None
        assert before - 1 <= ended.started <= ended.ended <= time.time() + 1

    def test_submitting_again_finds_what_runs(self, make: Make, tmp_path: Path) -> None:
        runs = tmp_path / "runs"
        submission = self.submission(tmp_path, f"echo run >> {runs}; sleep 0.2; echo over")
        first, second = make(), make()
        attempts = [self.start(first, submission), self.start(second, submission)]
        first.submit(submission)
        for executor, attempt in zip((first, second), attempts, strict=True):
            assert self.finish(executor, attempt).exit_code == 0
            assert attempt.log == b"over\n"
        again = self.start(first, submission)  # its end was handed out: it is reported again
        assert self.finish(first, again) == attempts[0].exit
        assert again.log == b"over\n"
        assert runs.read_text() == "run\n"

    def test_another_process_takes_over(self, make: Make, tmp_path: Path) -> None:
        go = tmp_path / "go"
        first = make()
        script = f"echo one; until [ -e {go} ]; do sleep 0.02; done; echo two; exit 4"
        submission = self.submission(tmp_path, script)
        self.until_it_says(first, self.start(first, submission), b"one\n")
        first.close()
        second, third = make(), make()
        attempt = self.start(second, submission)
        self.until_it_says(second, attempt, b"one\n")
        go.touch()
        assert self.finish(second, attempt).exit_code == 4
        assert attempt.log == b"one\ntwo\n"
        rest = self.start(third, replace(submission, log_offset=len(b"one\n")))
        assert self.finish(third, rest).exit_code == 4
        assert rest.log == b"two\n"

    def test_every_offset_is_served_and_every_attempt_found(self, make: Make, tmp_path: Path) -> None:
        submissions = [
            self.submission(tmp_path, f"printf 'a\\377{number}'", f"job-{number:03}") for number in range(3)
        ]
        executor = make()
        for submission in submissions:
            self.finish(executor, self.start(executor, submission))
        for other in (executor, make()):
            attempts = [
                self.start(other, replace(submissions[number], log_offset=offset))
                for number, offset in ((2, 1), (0, 3), (1, 0))
            ]
            deadline = time.monotonic() + self.patience
            while any(attempt.exit is None for attempt in attempts):
                for update in other.poll():
                    self.check(update)
                    next(attempt for attempt in attempts if attempt.key == update.key).take(update)
                assert time.monotonic() < deadline
            assert [attempt.log for attempt in attempts] == [b"\xff2", b"", b"a\xff1"]

    def test_only_what_changed_is_reported(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        assert executor.poll() == []
        go = tmp_path / "go"
        wait = f"until [ -e {go} ]; do sleep 0.02; done"
        quiet = self.start(executor, self.submission(tmp_path, f"echo quiet; {wait}", "quiet"))
        self.until_it_says(executor, quiet, b"quiet\n")
        ended = self.start(executor, self.submission(tmp_path, "echo ended", "ended"))
        updates_of_quiet: list[Update] = []
        deadline = time.monotonic() + self.patience
        while ended.exit is None:
            for update in executor.poll():
                updates_of_quiet += [update] if update.key == quiet.key else []
                if update.key == ended.key:
                    ended.take(update)
            assert time.monotonic() < deadline
        time.sleep(0.05)
        assert executor.poll() == []
        assert [update.log.data for update in updates_of_quiet if update.log.data] == []
        executor.submit(self.submission(tmp_path, f"echo quiet; {wait}", "quiet"))  # followed: left as it is
        assert executor.poll() == []
        go.touch()
        assert self.finish(executor, quiet).exit_code == 0
        assert quiet.log == b"quiet\n"
        assert executor.poll() == []

    def test_no_poll_hands_out_all_of_a_flood(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        attempts = [
            self.start(executor, self.submission(tmp_path, "head -c 20000000 /dev/zero", f"flood-{number}"))
            for number in range(2)
        ]
        deadline = time.monotonic() + self.patience
        while any(attempt.exit is None for attempt in attempts):
            updates = executor.poll()
            assert sum(len(update.log.data) for update in updates) <= 16 << 20
            for update in updates:
                self.check(update)
                next(attempt for attempt in attempts if attempt.key == update.key).take(update)
            assert time.monotonic() < deadline
        assert [len(attempt.log) for attempt in attempts] == [20_000_000] * 2

    def test_the_exit_waits_for_the_last_byte(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        attempt = self.start(executor, self.submission(tmp_path, "head -c 3000000 /dev/zero"))
        self.finish(executor, attempt)
        assert len(attempt.log) == 3_000_000

    def test_a_stop_gives_grace(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        script = "trap 'echo saved; exit 5' TERM; echo ready; while :; do sleep 0.02; done"
        attempt = self.start(executor, self.submission(tmp_path, script))
        self.until_it_says(executor, attempt, b"ready")
        executor.stop(attempt.key)
        executor.stop(attempt.key)
        ended = self.finish(executor, attempt)
        assert (ended.stopped, ended.exit_code, attempt.log) == (True, 5, b"ready\nsaved\n")
        executor.stop(attempt.key)

    def test_a_stop_at_once_gives_none(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        script = "trap '' TERM; echo ready; while :; do sleep 0.02; done"
        attempt = self.start(executor, self.submission(tmp_path, script))
        self.until_it_says(executor, attempt, b"ready")
        executor.stop(attempt.key)
        executor.stop(attempt.key, now=True)
        ended = self.finish(executor, attempt)
        assert ended.stopped
        assert ended.exit_code != 0

    def test_a_stop_reaches_an_attempt_from_another_process(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        attempt = self.start(executor, self.submission(tmp_path, "echo ready; sleep 60"))
        self.until_it_says(executor, attempt, b"ready")
        make().stop(attempt.key)
        assert self.finish(executor, attempt).stopped

    def test_a_stop_of_an_unknown_attempt_is_acknowledged(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        executor.stop(AttemptKey("job-404", 1))
        executor.stop(AttemptKey("job-404", 1), now=True)
        assert executor.poll() == []

    def test_attempts_of_one_job_are_apart(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        first = self.submission(tmp_path, "echo $TRAINING_JOB_NAME; exit 3")
        attempts = [self.start(executor, first)]
        self.finish(executor, attempts[0])
        attempts.append(self.start(executor, replace(first, attempt=2)))
        self.finish(executor, attempts[1])
        assert attempts[0].log == attempts[1].log == b"job-001\n"

    def test_a_stopped_attempt_says_what_its_checkpoint_holds(self, make: Make, tmp_path: Path) -> None:
        """The first one leaves a checkpoint after a line, the second adds nothing to it."""
        executor = make()
        wait = "trap 'exit 0' TERM; while :; do sleep 0.02; done"
        place = "$SAGEMAKER_BASE_DIR/checkpoints"
        script = f"echo one; sleep 1.5; [ -e {place}/c ] || echo 1 > {place}/c; sleep 1.5; echo two; {wait}"
        offsets = []
        for number in (1, 2):
            submission = replace(self.submission(tmp_path, script), attempt=number)
            attempt = self.start(executor, submission)
            self.until_it_says(executor, attempt, b"two\n")
            executor.stop(attempt.key)
            offsets.append(self.finish(executor, attempt).checkpoint)
        without = self.start(executor, self.submission(tmp_path, f"echo one; {wait}", "job-002"))
        self.until_it_says(executor, without, b"one\n")
        executor.stop(without.key)
        assert [*offsets, self.finish(executor, without).checkpoint] == [len(b"one\n"), 0, None]

    def test_limits_of_time_and_grace_are_kept(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        script = "trap '' TERM; while :; do sleep 0.02; done"
        submission = self.submission(tmp_path, script, max_runtime_seconds=0.3, grace_seconds=0.3)
        ended = self.finish(executor, self.start(executor, submission))
        assert (ended.timed_out, ended.stopped) == (True, False)
        assert ended.started is not None
        assert ended.ended is not None
        assert 0.6 <= ended.ended - ended.started < self.patience

    def test_a_program_that_cannot_run_ends_with_a_reason(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        submission = self.submission(tmp_path, "")
        Path(submission.definition.training_image).unlink()
        attempt = self.start(executor, submission)
        ended = self.finish(executor, attempt)
        assert ended.outcome == "Exited"
        assert ended.exit_code != 0
        assert ended.reason
        assert attempt.log == b""

    def test_hyperparameters_arrive_as_strings(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        script = 'cat $SAGEMAKER_BASE_DIR/input/config/hyperparameters.json; echo " $SM_HP_X $*"'
        attempt = self.start(executor, self.submission(tmp_path, script))
        self.finish(executor, attempt)
        assert attempt.log.split() == [b'{"x":', b'"0.25"}', b"0.25", b"-x", b"0.25"]
