"""Runs the compiled inner loop over the bytes of a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpt.metrics.batch import Batch, LineToRead, Match
from hpt.metrics.fast.decimal_number import NUMBER, powers_of_ten
from hpt.metrics.fast.machine import STACK
from hpt.metrics.fast.plan import Plan
from hpt.metrics.line import decode, number, piece_end

LINE = 3  # a kind of row besides those of `decimal_number.read_number`
MEMO = 2**17
ROOM = 2**18
ROWS = 2**12
KEPT_ROWS = 2**15  # what a line with more values needed is not kept for the next


class Workspace:
    """Room for one scan at a time with one plan; arrays as in `hpt.metrics.fast.inner_loop`.

    finder_at and work_at: addresses of what `find_hits` and `read_lines` take from here and from the plan.
    """

    def __init__(self, plan: Plan, rows: int) -> None:
        count = len(plan.definitions)
        self.plan = plan
        self.rows = np.zeros((rows, 5), np.int64)
        self.values = np.zeros(rows)
        self.hits = np.zeros((max(4 * rows, 2 * count), 2), np.int64)
        finder = (
            plan.literals, plan.letters, plan.folds, plan.buckets, plan.members, plan.tables, self.hits,
            len(self.hits),
        )  # fmt: skip
        work = (
            plan.program, plan.sets, plan.first, np.zeros(STACK, np.int64), np.zeros(MEMO, np.uint8),
            np.zeros(6, np.int64), plan.definitions, count, int(plan.idle), powers_of_ten(), self.hits,
            self.rows, self.values, rows, np.full(2 * count, -1, np.int64), np.zeros(ROOM, np.uint8),
        )  # fmt: skip
        addresses = [np.array([_address(one) for one in group], np.int64) for group in (finder, work)]
        self.finder_at, self.work_at = (_address(array) for array in addresses)
        self._held = finder, work, addresses  # an address does not hold what is there


def _address(one: NDArray[Any] | int) -> int:
    """Where an array lies; a number as it is."""
    return one if isinstance(one, int) else int(one.__array_interface__["data"][0])


class FastReader:
    """The compiled inner loop. Safe to use from several threads; it releases the interpreter's lock."""

    def __init__(self, find_hits: Callable[..., Any], read_lines: Callable[..., Any]) -> None:
        self._find_hits = find_hits
        self._read_lines = read_lines
        self._idle: list[Workspace] = []

    def scan(
        self, plan: Plan, data: bytes, begin: int, stop: int, base: int, longest: int
    ) -> Iterator[Batch]:
        """What data[begin:stop], whole lines, says; offsets are counted from `base`.

        Each batch is a moment's work. Lines longer than `longest` are cut into pieces of that length.
        """
        raw = _address(np.frombuffer(data, np.uint8))
        rows = ROWS
        while begin < stop:
            work = self._workspace(plan, rows)
            count, done = self._step(work, raw, begin, stop, longest)
            if done == begin:  # one line has more hits than there is room for, or gives more values
                count, done = self._line(work, raw, begin, piece_end(data, begin, stop, longest), longest)
            batch = _batch(work, count, data, base, done)
            if len(work.rows) <= KEPT_ROWS:  # others may use it while this batch is seen to
                self._idle.append(work)
            if done == begin:
                rows = 8 * len(work.rows)
            else:
                yield batch
            begin = done

    def _workspace(self, plan: Plan, rows: int) -> Workspace:
        try:
            work = self._idle.pop()
        except IndexError:
            return Workspace(plan, rows)
        return work if work.plan is plan and len(work.rows) >= rows else Workspace(plan, rows)

    def _step(self, work: Workspace, raw: int, begin: int, stop: int, longest: int) -> tuple[int, int]:
        hits, reached = self._find_hits(work.finder_at, raw, begin, stop)
        if hits == 0 and reached == stop and not work.plan.idle:
            return 0, stop
        count, done = self._read_lines(work.work_at, raw, begin, reached, stop, longest, hits)
        return int(count), int(done)

    def _line(self, work: Workspace, raw: int, begin: int, end: int, longest: int) -> tuple[int, int]:
        """Read data[begin:end], a single line, as if every definition might match anywhere on it."""
        number = len(work.plan.definitions)
        work.hits[:number, 0], work.hits[number : 2 * number, 0] = begin, end - 1
        work.hits[: 2 * number, 1] = np.tile(np.arange(number), 2)
        count, done = self._read_lines(work.work_at, raw, begin, end, end, longest, 2 * number)
        return int(count), int(done)


def _batch(work: Workspace, count: int, data: bytes, base: int, done: int) -> Batch:
    """What the first `count` rows say, numbers that only `float` can read included."""
    if not count:
        return Batch(base + done, [], [])
    rows = work.rows[:count]
    found = list(
        zip(
            rows[:, 0].tolist(),
            work.values[:count].tolist(),
            (rows[:, 2] + base).tolist(),
            strict=True,
        )
    )
    special = np.flatnonzero(rows[:, 1] != NUMBER)
    if not len(special):
        return Batch(base + done, found, [])
    matches: list[Match] = []
    lines: list[LineToRead] = []
    last = 0
    for row, (index, kind, after, a, b) in zip(special.tolist(), rows[special].tolist(), strict=True):
        matches += found[last:row]
        last = row + 1
        if kind == LINE:
            lines.append((len(matches), index, data[a:b], base + after))
        elif (value := number(decode(data[a:b]))) is not None:
            matches.append((index, value, base + after))
    return Batch(base + done, matches + found[last:], lines)
