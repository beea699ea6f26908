"""The loop of a program that trains in units of progress (rounds, epochs): resumed, stopped and saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from hpt.algorithms.checkpoints import Checkpoints
from hpt.algorithms.container import Log, StopRequest

T = TypeVar("T")

# Checkpoints are written at every unit of progress until they have cost a second; from then on only as often
# as keeps them under this share of the time, since a model of thousands of trees is slow to write.
_FREE_SECONDS = 1.0
_CHECKPOINT_SHARE = 0.2


class UnsuitableError(Exception):
    """A whole checkpoint that a run cannot go on from; the message completes "checkpoint 3 ..."."""


@dataclass(frozen=True, slots=True)
class Loop:
    """Where a run is resumed from and saved to, what stops it, and its log.

    unit, limit: a unit of progress and the hyperparameter that says how many there are: `epoch`, `epochs`.
    """

    checkpoints: Checkpoints
    stop: StopRequest
    log: Log
    unit: str
    limit: str

    def resume(self, total: int, load: Callable[[int, bytes], T]) -> T | None:
        """What `load` makes of the number and content of the newest checkpoint that fits, or None.

        `total` is the number of units: later checkpoints do not fit, nor those of which `load` raises
        UnsuitableError. What is passed over is logged.
        """
        for number, content in self.checkpoints.newest_first():
            try:
                if number >= total:
                    raise UnsuitableError(f"is beyond {self.limit} {total}")
                if content is None:
                    raise UnsuitableError("is damaged")
                state = load(number, content)
            except UnsuitableError as error:
                self.log(f"hpt: checkpoint {number} {error}, passed over")
            else:
                self.log(f"hpt: resuming after {self.unit} {number} from {self.checkpoints.stem}.{number}")
                return state
        return None


class Steps:
    """The numbers of the units still to do, until all are done, the loop is stopped or it is `enough`.

    A unit is done once the loop asks for the next; a loop that breaks leaves its last unit undone. Saves as
    often as is cheap, and always what came last.
    """

    def __init__(
        self,
        loop: Loop,
        done: int,
        total: int,
        content: Callable[[], bytes] | None,
        enough: Callable[[int], bool] = lambda done: False,
    ) -> None:
        """Steps from unit `done` on.

        Parameters
        ----------
        loop
            Where to save, and what stops.
        done, total
            How many units are done and saved already, and how many there are in all.
        content
            Makes the content of a checkpoint; None where a run cannot be resumed.
        enough
            `enough(done)`, asked before each unit: whether to end early.
        """
        self.done = self._saved = done
        self._loop, self._total, self._content, self._enough = loop, total, content, enough

    def __iter__(self) -> Iterator[int]:
        begin, spent = time.monotonic(), 0.0
        while self.done < self._total and not self._loop.stop and not self._enough(self.done):
            yield self.done
            self.done += 1
            now = time.monotonic()
            if spent <= max(_FREE_SECONDS, _CHECKPOINT_SHARE * (now - begin)):
                self._save()
                spent += time.monotonic() - now
        if self.done > self._saved:
            self._save()

    def _save(self) -> None:
        if self._content is not None:
            self._loop.checkpoints.save(self.done - 1, self._content())
        self._saved = self.done
