"""An executor that fails now and then, as one that is reached over a network does."""

from __future__ import annotations

from collections import Counter

import numpy as np

from hpt.errors import RetryableError
from hpt.executors.base import AttemptKey, Executor, Submission, Update


class UnreliableExecutor:
    """Fails a share of the calls, each by chance: before it takes effect or, but for polls, after it did.

    down: every call fails while this is set; a set of names, these do. calls: how many were made, by name;
    failed: how many of them failed.
    """

    def __init__(self, executor: Executor, share: float = 0.0, seed: int = 0) -> None:
        self.executor, self.share = executor, share
        self.down: set[str] = set()
        self.calls: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._rng = np.random.default_rng(seed)

    def submit(self, submission: Submission) -> None:
        self._before("submit")
        self.executor.submit(submission)
        self._after("submit")

    def poll(self) -> list[Update]:
        self._before("poll")
        return self.executor.poll()

    def stop(self, key: AttemptKey, *, now: bool = False) -> None:
        self._before("stop")
        self.executor.stop(key, now=now)
        self._after("stop")

    def close(self) -> None:
        self.executor.close()

    def _before(self, name: str) -> None:
        self.calls[name] += 1
        self._perhaps_fail(name, self.share / 2)

    def _after(self, name: str) -> None:
        self._perhaps_fail(name, self.share / 2)

    def _perhaps_fail(self, name: str, share: float) -> None:
        if name in self.down or self._rng.random() < share:
            self.failed[name] += 1
            raise RetryableError("the service is busy")
