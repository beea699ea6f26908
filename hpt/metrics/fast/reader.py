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


class Workspace:
    """Room for one scan at a time with one plan; arrays as in `hpt.metrics.fast.inner_loop`.

    at: the address of what `read_log` takes from here and from the plan.
    """

    def __init__(self, plan: Plan) -> None:
        count = len(plan.patterns)
        self.plan = plan
        self.rows = np.zeros((ROWS, 5), np.int64)
        self.values = np.zeros(ROWS)
        fields = (
            plan.program, plan.sets, np.zeros(STACK, np.int64), np.zeros(4, np.int64), plan.definitions,
            plan.literals, plan.letters, plan.buckets, plan.members, plan.tables, count, int(plan.idle),
            powers_of_ten(), self.rows, self.values, ROWS, np.full(2 * count, -1, np.int64),
            np.zeros(ROOM, np.uint8),
        )  # fmt: skip
        table = np.array([_address(one) for one in fields], np.int64)
        self.at = _address(table)
        self._held = fields, table  # an address does not hold what is there


def _address(one: NDArray[Any] | int) -> int:
    """Where an array lies; a number as it is."""
    return one if isinstance(one, int) else int(one.__array_interface__["data"][0])


class FastReader:
    """The compiled inner loop. Safe to use from several threads; it releases the interpreter's lock."""

    def __init__(self, read_log: Callable[..., Any]) -> None:
        self._read_log = read_log
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
            count, done = map(int, self._read_log(work.at, raw, begin, stop))
            batch = _batch(work, count, data, base, done)
            self._idle.append(work)  # others may use it while this batch is seen to
            if done == begin:  # one line gives more values than there is room for
                done = line_end(data, begin, stop)
                line = data[begin:done].rstrip(b"\r\n")
                batch = Batch(base + done, [(i, line, base + done) for i in range(len(plan.patterns))], True)
            yield batch
            begin = done


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
