"""Runs training programs on this host, each under a supervisor that outlives the tuner."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hpt.errors import ExecutorError, InputError, StorageError, Trouble
from hpt.executors import process, record
from hpt.executors.attempt import Attempt
from hpt.executors.base import Handle, Submission, Update
from hpt.executors.programs import Program, resolve

_LOG_BYTES = 1 << 20  # of one attempt, a poll
_LEAST_LOG_BYTES = 1 << 16
_ALL_LOG_BYTES = 16 << 20  # of all attempts together, a poll
_PACKAGES = str(Path(__file__).resolve().parents[2])  # the directory that holds the package `hpt`


class LocalExecutor:
    """Training jobs as processes of this host.

    root: the directory below which each training job has its own, see `record.py`; made when needed. Every
    attempt's state lies there, so any process that is given the same root sees and steers the same attempts.

    clock: seconds since the epoch, for the end of attempts whose supervisor left no record of it. outlive:
    False has attempts stopped with grace once the process that submitted them is gone.
    """

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.time, outlive: bool = True) -> None:
        self._root = Path(root).absolute()
        self._clock = clock
        self._boot = process.boot_id()
        self._owner = None if outlive else process.identity(os.getpid())
        self._attempts: dict[tuple[str, int], Attempt] = {}
        self._let_go: list[
            Attempt
        ] = []  # handed out as ended, while their supervisor was still on its way out

    def submit(self, submission: Submission) -> Handle:
        """Start the attempt unless it was started before, by whomever; then it is only found again.

        A program that cannot run is no error here: the attempt ends as failed and says why.

        Raises:
            InputError: the name cannot be that of a directory.
            StorageError: the disk is full, on which the attempt would only be lost.
            ExecutorError: nothing could be started; submitting again is safe.
        """
        attempt = self._attempt(submission.name, submission.attempt)
        if attempt.was_started:
            return attempt.handle
        try:
            Path(attempt.file("")).mkdir(parents=True, exist_ok=True)
            if record.is_full(attempt.file("")):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            record.write_json(
                attempt.file(record.SPEC), specification(submission) | {"owner": self._owner}, durable=False
            )
        except OSError as error:
            what, path = f"training job {submission.name} cannot be set up", attempt.file("")
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                facts = {"path": path, "reason": str(error.strerror), "fix": "make room there"}
                raise StorageError(what, trouble=Trouble.FULL, **facts) from None
            raise ExecutorError(
                f"{what} in {path}: {error.strerror}; make room or set permissions there"
            ) from None
        attempt.spawn()
        return attempt.handle

    def poll(self, attempts: Sequence[tuple[Handle, int]]) -> list[Update]:
        """One update for each (handle, log offset read so far), in that order. Never blocks.

        An attempt is given up as lost when its supervisor died without a record; whatever it left running is
        killed first. One whose supervisor never got to mark it is started again.
        """
        self._let_go = [attempt for attempt in self._let_go if attempt.reap()]
        limit = max(_LEAST_LOG_BYTES, min(_LOG_BYTES, _ALL_LOG_BYTES // max(1, len(attempts))))
        updates = []
        for handle, offset in attempts:
            attempt = self._attempt(str(handle["name"]), int(handle["attempt"]))
            update = attempt.poll(offset, limit)
            if update.exit is not None:
                self._forget(attempt)
            updates.append(update)
        return updates

    def stop(self, handle: Handle, *, now: bool = False) -> None:
        """Ask the attempt to end: SIGTERM, the grace period, SIGKILL; `now` skips the grace. Idempotent.

        Raises:
            ExecutorError: the request could not be left for a supervisor that cannot be reached otherwise.
        """
        self._attempt(str(handle["name"]), int(handle["attempt"])).stop(now=now)

    def close(self) -> None:
        """Forget everything; running attempts go on under their supervisors."""
        for attempt in [*self._attempts.values(), *self._let_go]:
            attempt.reap()
        self._attempts.clear()
        self._let_go.clear()

    def _attempt(self, name: str, number: int) -> Attempt:
        known = self._attempts.get((name, number))
        if known is not None:
            return known
        if not name or "/" in name or "\0" in name or name in (".", ".."):
            raise InputError(
                f"training job name {name!r} cannot be a directory's; use letters, digits and hyphens"
            )
        if number < 1:
            raise InputError(f"attempt {number} of {name}: attempts count from 1")
        directory = self._root / name / "attempts" / str(number)
        attempt = Attempt({"name": name, "attempt": number}, directory, self._boot, self._clock)
        self._attempts[name, number] = attempt
        return attempt

    def _forget(self, attempt: Attempt) -> None:
        """Ended attempts cost nothing; asked about again, they are read from their directory again."""
        self._attempts.pop((str(attempt.handle["name"]), int(attempt.handle["attempt"])), None)
        if attempt.reap():
            self._let_go.append(attempt)


def specification(submission: Submission) -> dict[str, Any]:
    """All a supervisor needs to know, as JSON data; the same for the same submission."""
    definition = submission.definition
    refusal = ""
    try:
        program = resolve(definition.training_image, submission.hyperparameters)
    except InputError as error:
        program, refusal = Program(()), str(error)
    library = _PACKAGES if Path(_PACKAGES).name not in ("site-packages", "dist-packages") else ""
    return {
        "name": submission.name,
        "attempt": submission.attempt,
        "parallel": submission.parallel,
        "refusal": refusal,
        "command": program.command,
        "entry": program.entry,
        "source": program.source,
        "in_code": program.in_code,
        "takes_arguments": program.takes_arguments,
        "python": program.python,
        "python_path": library if program.needs_library else "",
        "interpreter": sys.executable,
        "transfer_path": library,
        "requested_image": definition.training_image,
        "hyperparameters": dict(submission.hyperparameters),
        "environment": dict(definition.environment),
        "channels": [asdict(channel) for channel in definition.channels],
        "output_path": definition.output_path,
        "checkpoint_uri": definition.checkpoint_uri,
        "checkpoint_local_path": definition.checkpoint_local_path,
        "max_runtime_seconds": definition.max_runtime_seconds,
        "spent_seconds": submission.spent,
        "grace_seconds": definition.grace_seconds,
        "instance_type": definition.instance_type,
    }
