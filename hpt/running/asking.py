"""Suggestions made beside the job: in a thread of their own, so that nothing waits for them.

They are made a few at a time, each with those before it running, from a view of the results as it stood when
the first was begun: what comes in meanwhile is known to the next few, and changes no number, as nothing else
creates trials. Each is recorded and started when it is ready, while the next is being made.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

from hpt.search.events import TrialCreated
from hpt.search.history import History
from hpt.search.proposing import proposals
from hpt.search.strategies.base import Seed, Strategy

SUGGESTING = 0.005
"""Seconds that a step of a job waits for suggestions: a strategy that takes less than that loses no time by
being asked in another thread, and its trials are recorded together with what made room for them."""

FEW, FRESH = 16, 0.25
"""How many suggestions are made from one view of the results, and for how many seconds at most: a model that
has not changed makes the next one for half the price."""

LONGEST = 0.05
"""Seconds after which other news is looked for where a suggestion is waited for."""

CLOSING = 5.0
"""Seconds that a suggestion has to end in when nobody wants it any more."""


@dataclass(slots=True, eq=False)
class _Order:
    """Suggestions to make from a view of the results."""

    history: History
    count: int
    dropped: bool = False


class _Answer(NamedTuple):
    """made: a trial to create, None if there are no more, or what the strategy raised. last: of its order."""

    order: _Order
    made: TrialCreated | BaseException | None
    last: bool


class Asking:
    """A strategy that is asked in a thread of its own, which nothing else may use.

    patience: how many seconds `suggestions` waits for them. boundary: called with a name whenever suggestions
    were begun or taken; it may raise.
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
        self._patience = patience
        self.exhausted = False
        """Whether the strategy has nothing left to suggest."""
        self._order: _Order | None = None
        self._next: _Answer | None = None  # of the order, if it is there
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._answers: SimpleQueue[_Answer] = SimpleQueue()
        self._thread: Thread | None = None
        weakref.finalize(self, self._orders.put, None)  # a thread that nobody asks any more ends

    @property
    def outstanding(self) -> bool:
        """Whether a suggestion is being made, or waits to be taken."""
        return self._order is not None

    def suggestions(self, count: int, history: Callable[[], History]) -> Iterator[TrialCreated]:
        """At most `count` trials to create, as far as they are suggested within the patience.

        Each is to be applied before the next is taken. Those that are being made at the end are there for the
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
        until = time.monotonic() + self._patience
        while count > 0 and not self.exhausted:
            if self._order is None:
                self._begin(_Order(history().pinned(), min(count, FEW)))
            if not self._await(until - time.monotonic()):
                return
            assert self._next is not None
            _, made, last = self._next
            self._next = None
            if last:
                self._order = None
            self._boundary("mid-ask")
            if isinstance(made, BaseException):
                raise made
            if made is None:
                self.exhausted = True
            else:
                count -= 1
                yield made

    def wait(self, seconds: float) -> None:
        """Sleep until the suggestion that is being made is there, or so many seconds."""
        self._await(min(seconds, LONGEST))

    def drop(self) -> None:
        """Make nothing of the suggestions that are being made."""
        if self._order is not None:
            self._order.dropped = True
        self._order = self._next = None

    def close(self) -> None:
        """End the thread. One that a strategy keeps for long is left to end with the process."""
        self.drop()
        if self._thread is not None:
            self._orders.put(None)
            self._thread.join(CLOSING)
            self._thread = None

    def _begin(self, order: _Order) -> None:
        self._order = order
        if self._thread is None:
            work = self._strategy, self._seed, self._orders, self._answers
            self._thread = Thread(target=_work, args=work, name="hpt-asking", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # there are too many threads
                self._thread = None
        if self._thread is None:
            _carry_out(order, self._strategy, self._seed, self._answers)
        else:
            self._orders.put(order)
        self._boundary("mid-ask")

    def _await(self, seconds: float) -> bool:
        """Whether the next suggestion is there, within so many seconds."""
        until = time.monotonic() + seconds
        while self._order is not None and self._next is None:
            left = until - time.monotonic()
            try:
                answer = self._answers.get(left > 0, min(max(left, 0.0), 60.0))
            except Empty:
                if left > 0:
                    continue
                return False
            if answer.order is self._order:  # others were dropped
                self._next = answer
        return self._next is not None


def _work(
    strategy: Strategy, seed: Seed, orders: SimpleQueue[_Order | None], answers: SimpleQueue[_Answer]
) -> None:
    """Carry out orders until there is a None."""
    while (order := orders.get()) is not None:
        _carry_out(order, strategy, seed, answers)
        del order  # which keeps a history


def _carry_out(order: _Order, strategy: Strategy, seed: Seed, answers: SimpleQueue[_Answer]) -> None:
    history, until, left = order.history, time.monotonic() + FRESH, order.count
    while left and not order.dropped:
        left -= 1
        try:
            made = proposals(strategy, history, 1, seed)
        except BaseException as error:  # it is raised where the suggestion is taken
            answers.put(_Answer(order, error, last=True))
            return
        if not made:
            answers.put(_Answer(order, None, last=True))
            return
        left = left if time.monotonic() < until else 0
        answers.put(_Answer(order, made[0], last=not left))
        if left:
            history = history.with_pending([made[0].config], made[0].definition)
