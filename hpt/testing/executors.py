"""What every executor that runs real programs must do. Subclass `ExecutorSuite` and say how to make one.

    class TestMyExecutor(ExecutorSuite):
        @pytest.fixture()
        def make(self, tmp_path):
            return lambda: MyExecutor(tmp_path / "root")

Every call of `make()` stands for another process that looks at the same attempts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hpt.executors.base import Executor, Exit, Handle, Submission, Update
from hpt.job.config import Objective, TrainingJobDefinition
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType

_PHASES = ("Starting", "Downloading", "Training", "Stopping", "Uploading", "Ended")

Make = Callable[[], Executor]


class ExecutorSuite:
    """The contract of `hpt.executors.base.Executor`. `patience`: seconds a test waits for what must come."""

    patience = 20.0

    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        raise NotImplementedError("say how to make an executor")

    # -- help for the tests ---------------------------------------------------------------------------------

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

    def follow(
        self, executor: Executor, handle: Handle, until: Callable[[Update, bytes], bool]
    ) -> tuple[Update, bytes]:
        """Poll until the condition on the latest update and the whole log holds; check each update."""
        log = b""
        deadline = time.monotonic() + self.patience
        while True:
            [update] = executor.poll([(handle, len(log))])
            assert update.handle == handle
            assert update.log.start == len(log)
            assert update.phase in _PHASES
            assert (update.exit is not None) == (update.phase == "Ended")
            offsets = [offset for offset, _ in update.log.times]
            assert offsets == sorted(offsets)
            log += update.log.data
            assert not update.log.data or offsets[-1] >= len(log), "bytes without a date"
            if until(update, log):
                return update, log
            assert time.monotonic() < deadline, f"{update.phase}: {log[-500:]!r}"
            time.sleep(0.01)

    def finish(self, executor: Executor, handle: Handle) -> tuple[Exit, bytes]:
        update, log = self.follow(executor, handle, lambda update, log: update.exit is not None)
        assert update.exit is not None
        return update.exit, log

    def until_it_says(self, executor: Executor, handle: Handle, text: bytes) -> None:
        self.follow(executor, handle, lambda update, log: text in log)

    # -- the contract ---------------------------------------------------------------------------------------

    @pytest.mark.parametrize("code", [0, 3])
    def test_a_program_runs_and_its_end_is_told(self, make: Make, tmp_path: Path, code: int) -> None:
        executor = make()
        before = time.time()
        submission = self.submission(tmp_path, f"echo out; echo err >&2; exit {code}")
        ended, log = self.finish(executor, executor.submit(submission))
        assert sorted(log.split()) == [b"err", b"out"]
        assert (ended.outcome, ended.exit_code) == ("Exited", code)
        assert not ended.stopped
        assert not ended.timed_out
        assert bool(ended.reason) == bool(code)
        assert ended.started is not None
        assert ended.ended is not None
        assert before - 1 <= ended.started <= ended.ended <= time.time() + 1

    def test_submitting_again_finds_what_runs(self, make: Make, tmp_path: Path) -> None:
        runs = tmp_path / "runs"
        submission = self.submission(tmp_path, f"echo run >> {runs}; sleep 0.2")
        first, second = make(), make()
        handle = first.submit(submission)
        assert second.submit(submission) == handle == first.submit(submission)
        self.finish(second, handle)
        assert make().submit(submission) == handle
        self.finish(first, handle)
        assert runs.read_text() == "run\n"

    def test_another_process_takes_over(self, make: Make, tmp_path: Path) -> None:
        go = tmp_path / "go"
        first = make()
        handle = first.submit(
            self.submission(tmp_path, f"echo one; until [ -e {go} ]; do sleep 0.02; done; echo two; exit 4")
        )
        self.until_it_says(first, handle, b"one\n")
        first.close()
        second = make()
        self.until_it_says(second, handle, b"one\n")
        go.touch()
        ended, log = self.finish(second, handle)
        assert (ended.exit_code, log) == (4, b"one\ntwo\n")

    def test_every_offset_and_every_order_is_served(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        handles = [
            executor.submit(self.submission(tmp_path, f"printf 'a\\377{number}'", f"job-{number:03}"))
            for number in range(3)
        ]
        for handle in handles:
            self.finish(executor, handle)
        asked: Sequence[tuple[Handle, int]] = [
            (handles[2], 1),
            (handles[0], 3),
            (handles[1], 0),
            (handles[2], 2),
        ]
        updates = executor.poll(asked)
        assert [update.handle for update in updates] == [handle for handle, _ in asked]
        assert [update.log.data for update in updates] == [b"\xff2", b"", b"a\xff1", b"2"]
        assert all(update.exit is not None for update in updates)

    def test_the_exit_waits_for_the_last_byte(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        handle = executor.submit(self.submission(tmp_path, "head -c 3000000 /dev/zero"))
        _, log = self.finish(executor, handle)
        assert len(log) == 3_000_000

    def test_a_stop_gives_grace(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        script = "trap 'echo saved; exit 5' TERM; echo ready; while :; do sleep 0.02; done"
        handle = executor.submit(self.submission(tmp_path, script))
        self.until_it_says(executor, handle, b"ready")
        executor.stop(handle)
        executor.stop(handle)
        ended, log = self.finish(executor, handle)
        assert (ended.stopped, ended.exit_code, log) == (True, 5, b"ready\nsaved\n")
        executor.stop(handle)

    def test_a_stop_at_once_gives_none(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        script = "trap '' TERM; echo ready; while :; do sleep 0.02; done"
        handle = executor.submit(self.submission(tmp_path, script))
        self.until_it_says(executor, handle, b"ready")
        executor.stop(handle)
        executor.stop(handle, now=True)
        ended, _ = self.finish(executor, handle)
        assert ended.stopped
        assert ended.exit_code != 0

    def test_limits_of_time_and_grace_are_kept(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        script = "trap '' TERM; while :; do sleep 0.02; done"
        submission = self.submission(tmp_path, script, max_runtime_seconds=0.3, grace_seconds=0.3)
        ended, _ = self.finish(executor, executor.submit(submission))
        assert (ended.timed_out, ended.stopped) == (True, False)
        assert ended.started is not None
        assert ended.ended is not None
        assert 0.6 <= ended.ended - ended.started < self.patience

    def test_a_program_that_cannot_run_ends_with_a_reason(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        submission = self.submission(tmp_path, "")
        Path(submission.definition.training_image).unlink()
        ended, log = self.finish(executor, executor.submit(submission))
        assert ended.outcome == "Exited"
        assert ended.exit_code != 0
        assert ended.reason
        assert log == b""

    def test_hyperparameters_arrive_as_texts(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        script = 'cat $SAGEMAKER_BASE_DIR/input/config/hyperparameters.json; echo " $SM_HP_X $*"'
        _, log = self.finish(executor, executor.submit(self.submission(tmp_path, script)))
        assert log.split() == [b'{"x":', b'"0.25"}', b"0.25", b"-x", b"0.25"]
