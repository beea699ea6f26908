"""What runs training programs: four methods, keyed by a training job's name and attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from hpt.job.config import TrainingJobDefinition


class AttemptKey(NamedTuple):
    """Identifies an attempt in any process: its training job's name, and its number, from 1."""

    name: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Submission:
    """One attempt of one training job.

    name: the training job's. attempt: from 1. hyperparameters: every string the program receives (tuned,
    static, `_tuning_objective_metric`). parallel: how many training jobs share this host, for a fair number
    of threads. spent: seconds of the definition's limit on run time that earlier attempts have used.
    log_offset: how many bytes of the attempt's log are known already, more than 0 where a tuner resumes an
    attempt. job: tells the tuning job from others of its name.

    An attempt that ran with other hyperparameters, another program or for another tuning job is not this one,
    though its key be the same.
    """

    name: str
    attempt: int
    hyperparameters: Mapping[str, str]
    definition: TrainingJobDefinition
    parallel: int = 1
    spent: float = 0.0
    log_offset: int = 0
    job: str = ""

    @property
    def key(self) -> AttemptKey:
        return AttemptKey(self.name, self.attempt)


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

    outcome: `Exited` (the program ran and ended, whatever its code: also killed by the kernel when
    memory ran out), `Lost` (the infrastructure failed under it: supervisor gone, host restarted, disk full,
    could not be started for a reason that is not the program's) or `Preempted` (Spot capacity was withdrawn).
    reason: a message for the user; the program's own failure file where it wrote one. stopped: a stop was
    requested before it ended. timed_out: it ran into its deadline. started: when its program was; None if it
    never was.
    model: where its model lies, or None. log: where its log can be read as a file, or None.

    checkpoint: where another attempt would continue, as an offset of this attempt's log: the checkpoint
    covers what was printed up to there. 0 where the checkpoint is still the one that this attempt began with,
    None if there is no checkpoint. Given for attempts that another may follow: stopped, lost, preempted.

    charged: seconds that a service charges for each of its hosts; None where none does.

    by_user: it was stopped by name, not as the host or the service went down, so that no attempt is to
    follow.
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
    checkpoint: int | None = None
    by_user: bool = False
    charged: int | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """What changed of one attempt since its last update.

    phase: `Starting`, `Downloading`, `Training`, `Stopping`, `Uploading` or `Ended`. log: what was printed
    since, each byte handed out once. times: when each phase was entered, as far as known. exit is set exactly
    when phase is `Ended` AND every byte of the log was handed out. more: further bytes of the log are there
    already: poll at once.
    """

    key: AttemptKey
    phase: str
    log: LogChunk
    exit: Exit | None = None
    times: Mapping[str, float] = field(default_factory=dict)
    more: bool = False


class Executor(Protocol):
    """Runs attempts for one tuner at a time, and finds them again by their keys for the next.

    Every call may fail with a RetryableError, which says nothing about any attempt: it is retried later. Only
    an update says that an attempt was lost, was preempted or ended.

    Two more methods are optional. `wait(seconds)` sleeps until there is news, or so long.
    `warm_up(definition, count, parallel)` begins what `count` attempts of a definition will need, of
    `parallel` that run at a time.
    """

    def submit(self, submission: Submission) -> None:
        """Start the attempt unless any process started it before, and follow it from now on.

        Following begins at `log_offset`. An attempt that is followed already is left as it is; one whose end
        was handed out is followed anew, and its end is reported again.

        Raises:
            ExecutorError: this attempt cannot be started (the message says why); it counts as lost.
            StorageError: nothing can be started before the user has made room; the job is to be resumed then.
            RetryableError: any other error of this kind: it cannot be started now; submitting again is safe.
        """
        ...

    def poll(self) -> list[Update]:
        """What changed since the last call: at most one update for each attempt that is followed.

        Never blocks, and hands out a bounded number of bytes, so that its caller is not held up;
        `Update.more` says that there are further ones. The cost grows with what changed, beside a short look
        at what runs. An attempt whose end was handed out is not followed any further.

        Raises:
            RetryableError: nothing is known now; a later call reports what changed.
        """
        ...

    def stop(self, key: AttemptKey, *, now: bool = False) -> None:
        """Ask the attempt to end: SIGTERM, the grace period, SIGKILL; `now` skips the grace.

        Idempotent, and without effect on an attempt that has ended or never existed. Returning acknowledges
        the request: the attempt will end.

        Raises:
            RetryableError: the request did not arrive.
        """
        ...

    def close(self) -> None:
        """Release every resource of this process; running attempts go on."""
        ...
