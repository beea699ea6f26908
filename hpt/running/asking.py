"""Suggestions made beside the job: in a thread of their own, so that nothing waits for them.

One is made at a time, from a view of the history as it stood when it was begun. What comes in meanwhile is
known to the next; its number is not affected, as nothing else creates trials. What is taken is recorded and
started while the next is being made.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from threading import Thread

from hpt.search.events import TrialCreated
from hpt.search.history import History
from hpt.search.proposing import proposals
from hpt.search.strategies.base import Seed, Strategy

SUGGESTING = 0.005
"""Seconds that a step of a job waits for suggestions: a strategy that takes less than that loses no time by
being asked in another thread, and its trials are recorded together with what made room for them."""

LONGEST = 0.05
"""Seconds after which other news is looked for where a suggestion is waited for."""

CLOSING = 5.0
"""Seconds that a suggestion has to end in when nobody wants it any more."""

_Request = tuple[int, History]
_Answer = tuple[int, list[TrialCreated] | BaseException]


class Asking:
    """A strategy that is asked in a thread of its own, which nothing else may use.

    patience: how many seconds `suggestions` waits for them. boundary: called with a name whenever a
    suggestion was begun; it may raise.
    """

    def __init__(
        self,
        strategy: Strategy,
        seed: Seed,
        *,
        patience: float = SUGGESTING,
        boundary: Callable[[str], None] = lambda name: None,
    ) -> None:
        """Nothing is asked yet.

        Parameters
        ----------
        strategy
            Makes the suggestions.
        seed
            The search's seed.
        patience, boundary
            As the class says.
        """
        self._strategy, self._seed, self._boundary = strategy, seed, boundary
        self.patience = patience
        self.exhausted = False
        """Whether the strategy has nothing left to suggest."""
        self._turn = 0  # grows with every suggestion that is begun or dropped
        self._outstanding = False
        self._answer: _Answer | None = None
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        self._answers: SimpleQueue[_Answer] = SimpleQueue()
        self._thread: Thread | None = None
        weakref.finalize(self, self._requests.put, None)  # a thread that nobody asks any more ends

    @property
    def outstanding(self) -> bool:
        """Whether a suggestion is being made, or waits to be taken."""
        return self._outstanding

    def suggestions(self, count: int, history: Callable[[], History]) -> Iterator[TrialCreated]:
        """At most `count` trials to create, as far as they are suggested within `patience`.

        Each is to be applied before the next is taken. The one that is being made at the end is there for the
        next call, sooner or later.

        Parameters
        ----------
        count
            How many are wanted.
        history
            What has happened, as it stands when it is called.

        Yields
        ------
        TrialCreated
            A trial to create.

        Raises
        ------
        Exception
            What the strategy raised.
        """
        until = time.monotonic() + self.patience
        while count > 0 and not self.exhausted:
            if not self._outstanding:
                self._begin(history().pinned())
            if not self._await(until - time.monotonic()):
                return
            assert self._answer is not None
            _, made = self._answer
            self._outstanding, self._answer = False, None
            if isinstance(made, BaseException):
                raise made
            self.exhausted = not made
            count -= len(made)
            yield from made

    def wait(self, seconds: float) -> None:
        """Sleep until the suggestion that is being made is there, or so many seconds."""
        self._await(min(seconds, LONGEST))

    def drop(self) -> None:
        """Make nothing of the suggestion that is being made."""
        self._turn += 1
        self._outstanding, self._answer = False, None

    def close(self) -> None:
        """End the thread. One that a strategy keeps for long is left to end with the process."""
        self.drop()
        if self._thread is not None:
            self._requests.put(None)
            self._thread.join(CLOSING)
            self._thread = None

    def _begin(self, history: History) -> None:
        self._turn += 1
        self._outstanding = True
        request = self._turn, history
        if self._thread is None:
            work = self._strategy, self._seed, self._requests, self._answers
            self._thread = Thread(target=_work, args=work, name="hpt-asking", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # there are too many threads
                self._thread = None
        if self._thread is None:
            self._answers.put(_answer(self._strategy, self._seed, request))
        else:
            self._requests.put(request)
        self._boundary("after-ask")

    def _await(self, seconds: float) -> bool:
        """Whether the suggestion that is being made is there, within so many seconds."""
        until = time.monotonic() + seconds
        while self._outstanding and self._answer is None:
            left = until - time.monotonic()
            try:
                answer = (
                    self._answers.get(timeout=min(left, 60.0)) if left > 0 else self._answers.get_nowait()
                )
            except Empty:
                if left > 0:
                    continue
                return False
            if answer[0] == self._turn:  # others were dropped
                self._answer = answer
        return self._answer is not None


def _work(
    strategy: Strategy, seed: Seed, requests: SimpleQueue[_Request | None], answers: SimpleQueue[_Answer]
) -> None:
    """Answer requests until there is a None."""
    while (request := requests.get()) is not None:
        answers.put(_answer(strategy, seed, request))
        del request  # which keeps a history


def _answer(strategy: Strategy, seed: Seed, request: _Request) -> _Answer:
    turn, history = request
    try:
        return turn, proposals(strategy, history, 1, seed)
    except BaseException as error:  # it is raised where the suggestion is taken
        return turn, error
