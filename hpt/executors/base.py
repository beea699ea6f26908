"""What runs training programs: four methods, keyed by the training job's name and attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hpt.job.config import TrainingJobDefinition

Handle = Mapping[str, str | int]
"""How to find an attempt again, also from another process: JSON, at least `name` and `attempt`."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One attempt of one training job.

    name: the training job's. attempt: from 1. hyperparameters: every text the program receives (tuned,
    static, `_tuning_objective_metric`). parallel: how many training jobs share this host, for a fair number
    of threads. spent: seconds of the definition's limit on run time that earlier attempts have used.
    """

    name: str
    attempt: int
    hyperparameters: Mapping[str, str]
    definition: TrainingJobDefinition
    parallel: int = 1
    spent: float = 0.0


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Bytes of the program's log from offset `start` on, and when they were written.

    `times` are (offset, seconds since the epoch) pairs in ascending order: bytes before `offset` were written
    by that time. They are at most a second apart while the program writes.
    """

    start: int
    data: bytes
    times: Sequence[tuple[int, float]] = ()


@dataclass(frozen=True, slots=True)
class Exit:
    """How an attempt ended.

    outcome: `Exited` (the program ran and ended, whatever its code: what the kernel kills for want of memory
    too), `Lost` (the infrastructure failed under it: supervisor gone, host restarted, disk full, could not
    be started for a reason that is not the program's) or `Preempted` (Spot capacity was withdrawn). reason:
    text for a person; the program's own failure file where it wrote one. stopped: a stop was requested
    before it ended. timed_out: it ran into its deadline. started: when its program was; None if it never was.
    model: where its model lies, or None. log: where its log can be read as a file, or None.
    """

    outcome: str
    exit_code: int | None
    reason: str = ""
    stopped: bool = False
    timed_out: bool = False
    started: float | None = None
    ended: float | None = None
    model: str | None = None
    log: str | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """What became of one attempt since it was last polled.

    phase: `Starting`, `Downloading`, `Training`, `Stopping`, `Uploading` or `Ended`. times: when each phase
    was entered, as far as known. exit is set exactly when phase is `Ended` AND every byte of the log was
    handed out. more: further bytes of the log are there already, to be had by polling at once.
    """

    handle: Handle
    phase: str
    log: LogChunk
    exit: Exit | None = None
    times: Mapping[str, float] = field(default_factory=dict)
    more: bool = False


class Executor(Protocol):
    def submit(self, submission: Submission) -> Handle:
        """Start the attempt unless it was started before; a second submit finds it and attaches.

        Raises:
            ExecutorError: nothing could be started (the message says why); submitting again is safe.
            StorageError: nothing can be started before a person has made room; the job is to be resumed then.
        """
        ...

    def poll(self, attempts: Sequence[tuple[Handle, int]]) -> list[Update]:
        """One update for each (handle, log offset read so far), in that order. Never blocks."""
        ...

    def stop(self, handle: Handle, *, now: bool = False) -> None:
        """Ask the attempt to end: SIGTERM, the grace period, SIGKILL; `now` skips the grace. Idempotent."""
        ...

    def close(self) -> None:
        """Let go of every resource of this process; running attempts go on."""
        ...
