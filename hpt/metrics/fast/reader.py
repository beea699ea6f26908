"""Runs the compiled inner loop over the bytes of a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpt.metrics.fast.decimal_number import powers_of_ten
from hpt.metrics.fast.machine import STACK
from hpt.metrics.fast.plan import Plan
from hpt.metrics.line import Batch, Found, decode, line_end, number

NUMBER, TEXT, LINE = range(3)
"""Kinds of rows: a value; a text for `float`; a line for `re`."""

ROOM = 2**18
ROWS = 2**12
HITS = 4 * ROWS


class Workspace:
    """Room for one scan at a time with one plan; arrays as in `hpt.metrics.fast.inner_loop`.

    finder_at and work_at: addresses of what `find_hits` and `read_lines` take from here and from the plan.
    """

    def __init__(self, plan: Plan) -> None:
        count = len(plan.patterns)
        self.plan = plan
        self.rows = np.zeros((ROWS, 5), np.int64)
        self.values = np.zeros(ROWS)
        hits = np.zeros((HITS, 2), np.int64)
        finder = (plan.literals, plan.letters, plan.buckets, plan.members, plan.tables, hits, HITS)
        work = (
            plan.program, plan.sets, np.zeros(STACK, np.int64), np.zeros(4, np.int64), plan.definitions,
            count, int(plan.idle), powers_of_ten(), hits, self.rows, self.values, ROWS,
            np.full(2 * count, -1, np.int64), np.zeros(ROOM, np.uint8),
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

    def scan(self, plan: Plan, data: bytes, begin: int, stop: int, base: int) -> Iterator[Batch]:
        """What data[begin:stop], whole lines, says, a moment's work at a time; offsets are counted from
        `base`.
        """
        raw = _address(np.frombuffer(data, np.uint8))
        while begin < stop:
            try:
                work = self._idle.pop()
            except IndexError:
                work = Workspace(plan)
            if work.plan is not plan:
                work = Workspace(plan)
            count, done = self._step(work, raw, data, begin, stop)
            batch = _batch(work, int(count), data, base, int(done))
            self._idle.append(work)  # others may use it while this batch is seen to
            if done == begin:  # one line has more hits or gives more values than there is room for
                done = line_end(data, begin, stop)
                line = data[begin:done].rstrip(b"\r\n")
                batch = Batch(base + done, [(i, line, base + done) for i in range(len(plan.patterns))], True)
            yield batch
            begin = done

    def _step(self, work: Workspace, raw: int, data: bytes, begin: int, stop: int) -> tuple[int, int]:
        """How many rows were written, and the start of the line that was come to."""
        hits, reached = self._find_hits(work.finder_at, raw, begin, stop)
        if reached < stop:  # only lines all of whose hits are known can be read
            stop = max(data.rfind(b"\n", begin, reached), data.rfind(b"\r", begin, reached), begin - 1) + 1
        if hits == 0 and not work.plan.idle:
            return 0, stop
        count, done = self._read_lines(work.work_at, raw, begin, stop, hits)
        return count, done


def _batch(work: Workspace, count: int, data: bytes, base: int, done: int) -> Batch:
    """What the first `count` rows say, numbers that only `float` can read included."""
    if not count:
        return Batch(base + done, [], False)
    rows = work.rows[:count]
    values = work.values[:count].tolist()
    found: list[Found] = list(zip(rows[:, 0].tolist(), values, (rows[:, 2] + base).tolist(), strict=True))
    special = np.flatnonzero(rows[:, 1] != NUMBER)
    for row, (index, kind, after, begin, end) in zip(
        special.tolist()[::-1], rows[special].tolist()[::-1], strict=True
    ):
        what = data[begin:end] if kind == LINE else number(decode(data[begin:end]))
        found[row : row + 1] = [] if what is None else [(index, what, base + after)]
    return Batch(base + done, found, bool((rows[:, 1] == LINE).any()))
