"""Reads the logs of running attempts: updates of the executor in, metric values with their times out, at a
limited pace.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hpt.executors.base import AttemptKey, Exit, Update
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.pace import Pace
from hpt.metrics.tail import LoggedValue, LogTail


@dataclass(frozen=True, slots=True)
class Reading:
    """What an update brought. exit: set once everything that came before the end was read."""

    update: Update
    values: list[LoggedValue]
    exit: Exit | None


class LogReader:
    """Reads what `poll` brings, in its order.

    pace: how long one `read` may go on, the rest being left for the next; None: until what one poll brought
    is read. What was handed out and not yet read is kept, and the executor is not polled meanwhile: it bounds
    what it hands out. A log that takes long is read in turns with the others.

    boundary: called with a name before a log is read; it may raise.
    """

    def __init__(
        self, poll: Callable[[], list[Update]], pace: Pace | None, boundary: Callable[[str], None]
    ) -> None:
        self._poll, self._pace, self._boundary = poll, pace, boundary
        self._tails: dict[AttemptKey, LogTail] = {}
        self._unread: deque[Update] = deque()
        self.behind = False
        """Whether something is left to read at once."""

    def follow(self, key: AttemptKey, definitions: CompiledDefinitions, cursor: int) -> None:
        """Read the log of an attempt from an offset on, unless it is being read."""
        if key not in self._tails:
            self._tails[key] = LogTail(definitions, cursor)

    def read(self) -> Iterator[Reading]:
        """What is read in one stretch."""
        if self._pace is not None:
            self._pace.begin()
        more, asked = self.behind, False
        while True:
            if not self._unread:
                if asked and (self._pace is None or not more):
                    break
                self._unread.extend(self._poll())
                more, asked = any(update.more for update in self._unread), True
                if not self._unread:
                    break
            yield self._take(self._unread.popleft())
            if self._pace is not None and self._pace.spent:
                break
        self.behind = more or bool(self._unread)

    def _take(self, update: Update) -> Reading:
        tail = self._tails.get(update.key)
        if tail is None:  # the attempt is not followed any more
            return Reading(update, [], None)
        values = tail.go_on(self._pace) if tail.behind else []
        if update.log.data and not tail.behind:
            self._boundary("mid-scan")
            values += tail.feed(update.log, self._pace)
        if update.exit is not None and not tail.behind:
            values += tail.finish(self._pace)
        if tail.behind:
            self._unread.append(update)  # the others come first
        elif update.exit is not None:
            del self._tails[update.key]
            return Reading(update, values, update.exit)
        return Reading(update, values, None)
