"""The calls that a tuning job makes to its executor, with retries where the executor fails.

A call that raises RetryableError says nothing about any attempt: a submission waits, a stop is requested
again until it is acknowledged, and a poll brings no updates. Each kind of call is retried after a pause,
which grows while the executor keeps failing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Generic, TypeVar

from hpt.errors import BusyError, ExecutorError, HptError, RetryableError, StorageError
from hpt.executors.base import AttemptKey, Executor, Submission, Update
from hpt.job.config import TrainingJobDefinition

PATIENCE = 600.0
"""Seconds without any answer of the executor after which the job is interrupted, to be resumed later."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 15.0

T = TypeVar("T")


class Backoff:
    """Pauses between calls that fail: `FIRST_PAUSE` seconds at first, each twice as long as the last, up to
    `LONGEST_PAUSE`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pause = 0.0
        self._failed_at = 0.0
        self._since: float | None = None

    @property
    def over(self) -> bool:
        """Whether the next call may be made. A clock that was set back ends a pause."""
        return not 0 <= self._clock() - self._failed_at < self._pause

    @property
    def failing(self) -> bool:
        """Whether the last call failed."""
        return self._since is not None

    def failed(self) -> float:
        """Record that a call failed; returns for how many seconds no call has succeeded."""
        self._failed_at = self._clock()
        self._since = self._failed_at if self._since is None else min(self._since, self._failed_at)
        self._pause = min(LONGEST_PAUSE, 2 * self._pause or FIRST_PAUSE)
        return self._failed_at - self._since

    def succeeded(self) -> None:
        self._pause, self._since = 0.0, None


class _Queue(Generic[T]):
    """Calls still to be made, by attempt, in order. One that fails moves to the end and ends the round."""

    def __init__(self, clock: Callable[[], float], problem: str, say: Callable[[str], None]) -> None:
        self._backoff, self._problem, self._say = Backoff(clock), problem, say
        self.calls: dict[AttemptKey, T] = {}

    def make(self, keys: Collection[AttemptKey], call: Callable[[AttemptKey, T], None]) -> None:
        """Make the calls that wait for one of `keys`; none during a pause."""
        if not self.calls or not self._backoff.over:
            return
        for key in [key for key in self.calls if key in keys]:
            content = self.calls.pop(key)
            try:
                call(key, content)
            except RetryableError as error:
                self.calls[key] = content
                if not self._backoff.failing:
                    self._say(f"{self._problem.format(name=key.name)}: {error}; trying again")
                self._backoff.failed()
                return
            self._backoff.succeeded()


class Attempts:
    """The attempts that this process has under an executor.

    boundary: called with a name before and after calls; it may raise. say: called with messages for the user
    about a failing executor. patience: seconds without any answer before `poll` gives up.
    """

    def __init__(
        self,
        executor: Executor,
        clock: Callable[[], float],
        boundary: Callable[[str], None],
        say: Callable[[str], None],
        patience: float = PATIENCE,
    ) -> None:
        """Nothing is submitted yet.

        Parameters
        ----------
        executor
            Runs the attempts.
        clock
            Seconds since the epoch.
        boundary, say, patience
            As the class says.
        """
        self._executor, self._boundary, self._say, self._patience = executor, boundary, say, patience
        self._polling = Backoff(clock)
        self._submissions: _Queue[Submission] = _Queue(clock, "{name} cannot be started now", say)
        self._stops: _Queue[bool] = _Queue(clock, "{name} cannot be stopped now", say)
        self.submitted: set[AttemptKey] = set()
        self._waiting: set[AttemptKey] = set()  # for what others have now

    def submit(self, submission: Submission) -> None:
        """Have an attempt started, or found again, by the next `act`."""
        self._submissions.calls[submission.key] = submission

    def stop(self, key: AttemptKey, *, now: bool = False) -> None:
        """Have an attempt stopped by the next `act` once it is submitted."""
        self._stops.calls[key] = now or self._stops.calls.get(key, False)

    def forget(self, key: AttemptKey) -> None:
        """The attempt has ended: nothing further is asked about it."""
        self.submitted.discard(key)
        self._stops.calls.pop(key, None)

    def abandon(self) -> None:
        """Have every attempt ended at once, whatever becomes of this process. Failures are ignored."""
        for key in self.submitted:
            with suppress(HptError, OSError):
                self._executor.stop(key, now=True)

    def withdraw(self) -> None:
        """Drop the submissions that still wait."""
        self._submissions.calls.clear()
        self._waiting.clear()

    def act(self) -> list[tuple[AttemptKey, str]]:
        """Make the calls that are due; returns the attempts that cannot be started, each with the reason.

        Raises:
            StorageError: nothing can be started before the user has made room.
        """
        refused: list[tuple[AttemptKey, str]] = []
        full: list[StorageError] = []

        def stop(key: AttemptKey, now: bool) -> None:
            self._executor.stop(key, now=now)
            self._boundary("mid-stop")

        def submit(key: AttemptKey, submission: Submission) -> None:
            if full:
                return
            self._boundary("before-submit")
            try:
                self._executor.submit(submission)
            except BusyError:
                self._waiting.add(key)
                raise
            except StorageError as error:
                full.append(error)
            except ExecutorError as error:
                self._waiting.discard(key)
                refused.append((key, str(error)))
            else:
                self.submitted.add(key)
                self._waiting.discard(key)
                self._boundary("after-submit")

        for key in self._waiting & self._stops.calls.keys():  # nothing of it was started
            self._waiting.discard(key)
            self._submissions.calls.pop(key, None)
            self._stops.calls.pop(key)
            refused.append((key, "it was stopped before there was room for it"))
        self._stops.make(self.submitted, stop)
        self._submissions.make(self._submissions.calls.keys(), submit)
        if full:
            raise full[0]
        return refused

    def warm_up(self, definition: TrainingJobDefinition, count: int, parallel: int) -> None:
        """Have `count` attempts prepared, of `parallel` that run at a time, if the executor does that."""
        begin = getattr(self._executor, "warm_up", None)
        if begin is not None:
            begin(definition, count, parallel)

    def wait(self, seconds: float) -> None:
        """Sleep until the executor has news, where it can say so, or so many seconds."""
        wait = getattr(self._executor, "wait", time.sleep)
        wait(seconds)

    def poll(self) -> list[Update]:
        """What changed; nothing while the executor does not answer.

        Raises:
            ExecutorError: it has not answered for `patience` seconds; the job can be resumed later.
        """
        if not self._polling.over:
            return []
        try:
            updates = self._executor.poll()
        except RetryableError as error:
            if not self._polling.failing:
                self._say(f"no news of the running training jobs: {error}; asking again")
            silent = self._polling.failed()
            if silent >= self._patience:
                raise ExecutorError(
                    f"no news of the running training jobs for {silent:.0f} s: {error}; resume the job once "
                    "that is fixed"
                ) from error
            return []
        if self._polling.failing:
            self._say("there is news of the running training jobs again")
            self._polling.succeeded()
        return updates
