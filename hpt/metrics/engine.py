"""Loads the kernel when there is enough to read, and runs it.

Numba is imported, and the kernel compiled or taken from the cache, in a thread of its own; until it is there
the scanner reads with `re`. A job that prints little never loads it.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpt.metrics.cache import cache_directory
from hpt.metrics.decimal_number import powers_of_five
from hpt.metrics.machine import STACK
from hpt.metrics.plan import Plan

WORTH_LOADING = 1.0
"""Seconds spent reading with `re` after which the kernel pays: to import Numba takes about as long."""

VALUE, TEXT, LINE = 0, 1, 2
MEMO = 2**17
ROOM = 2**18
ROWS = 2**12
KEPT_ROWS = 2**15  # what a line with more values needed is not kept for the next
_SOURCES = (
    "kernel.py", "simd.py", "machine.py", "decimal_number.py", "compiled.py", "quick_compiler.py",
)  # fmt: skip


NOTHING = np.zeros((0, 5), np.int64), np.zeros(0)


class Workspace:
    """Room for one scan at a time with one plan; arrays as in `hpt.metrics.kernel`, flat.

    find and read: what `find_hits` and `read_lines` are given of these and the plan's, ready made.
    """

    def __init__(self, plan: Plan, at: Callable[[NDArray[Any]], Any], rows: int) -> None:
        self.plan = plan
        self.idle = plan.idle
        self.rows = np.zeros((rows, 5), np.int64)
        self.values = np.zeros(rows, np.uint64)
        self.hit_rows = np.zeros((max(4 * rows, 2 * len(plan.definitions)), 2), np.int64)
        hits = self.hit_rows.reshape(-1)
        powers = powers_of_five()
        spans = np.full(2 * len(plan.definitions), -1, np.int64)
        stack, failed = np.zeros(STACK, np.int64), np.zeros(MEMO, np.uint8)
        state, room = np.zeros(6, np.int64), np.zeros(ROOM, np.uint8)
        self._held = (hits, powers, spans, stack, failed, state, room)  # the addresses below do not hold them
        self.hits = at(hits)
        self.find = (
            at(plan.literals), at(plan.letters), plan.letters.shape[1], at(plan.buckets), at(plan.members),
            at(plan.tables), self.hits, len(self.hit_rows),
        )  # fmt: skip
        self.read = (
            at(plan.definitions), len(plan.definitions), int(plan.idle), at(plan.program), at(plan.sets),
            at(plan.first), at(powers), at(self.rows), at(self.values), rows, at(spans), at(stack),
            at(failed), at(state), at(room),
        )  # fmt: skip


class Kernel:
    """The compiled kernel. Safe to use from several threads; it releases the interpreter's lock."""

    def __init__(
        self, find_hits: Callable[..., Any], read_lines: Callable[..., Any], interpreted: bool = False
    ) -> None:
        self._find_hits = find_hits
        self._read_lines = read_lines
        self._interpreted = interpreted
        self._idle: list[Workspace] = []

    def _at(self, array: NDArray[Any]) -> Any:
        """What the kernel takes for an array: its address, or if interpreted its numbers as Python's own,
        flat.
        """
        return array.reshape(-1).data if self._interpreted else array.__array_interface__["data"][0]

    def scan(
        self, plan: Plan, data: bytes, begin: int, stop: int, longest: int
    ) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float64]]]:
        """What data[begin:stop], whole lines, says: how far it was read, rows (k, 5) and their values (k,).

        Each batch is a moment's work. Lines longer than `longest` are cut into pieces of that length.
        """
        raw = self._at(np.frombuffer(data, np.uint8))
        rows = ROWS
        while begin < stop:
            work = self._workspace(plan, rows)
            count, done = self._step(work, raw, begin, stop, longest)
            if done == begin:  # one line has more hits than there is room for, or gives more values
                end = _piece_end(data, begin, stop, longest)
                count, done = self._line(work, raw, begin, end, longest)
            found = NOTHING
            if count:
                found = work.rows[:count].copy(), work.values[:count].view(np.float64).copy()
            if len(work.rows) <= KEPT_ROWS:  # others may use it while these rows are seen to
                self._idle.append(work)
            if done == begin:
                rows = 8 * len(work.rows)
            else:
                yield done, *found
            begin = done

    def _workspace(self, plan: Plan, rows: int) -> Workspace:
        try:
            work = self._idle.pop()
        except IndexError:
            return Workspace(plan, self._at, rows)
        return work if work.plan is plan and len(work.rows) >= rows else Workspace(plan, self._at, rows)

    def _step(self, work: Workspace, raw: Any, begin: int, stop: int, longest: int) -> tuple[int, int]:
        hits, reached = self._find_hits(raw, begin, stop, *work.find)
        if hits == 0 and reached == stop and not work.idle:
            return 0, stop
        return self._read(work, raw, begin, reached, stop, longest, hits)

    def _line(self, work: Workspace, raw: Any, begin: int, end: int, longest: int) -> tuple[int, int]:
        """Read data[begin:end], a single line, as if every definition might match anywhere on it."""
        number = len(work.plan.definitions)
        work.hit_rows[:number, 0], work.hit_rows[number : 2 * number, 0] = begin, end - 1
        work.hit_rows[: 2 * number, 1] = np.tile(np.arange(number), 2)
        return self._read(work, raw, begin, end, end, longest, 2 * number)

    def _read(
        self, work: Workspace, raw: Any, begin: int, reached: int, stop: int, longest: int, hits: int
    ) -> tuple[int, int]:
        count, done = self._read_lines(raw, begin, reached, stop, longest, work.hits, hits, *work.read)
        return int(count), int(done)


def _piece_end(data: bytes, begin: int, stop: int, longest: int) -> int:
    """The offset after the line from `begin` on, or after as much of it as makes a piece."""
    end = begin + longest
    for byte in b"\r\n":
        found = data.find(byte, begin, min(end + 1, stop))
        end = found if found >= 0 else end
    return min(end + 1 if end < stop and data[end] in b"\r\n" else end, stop)


def load_kernel(directory: Path | None) -> Kernel:
    """Import Numba and compile the kernel, or take it from the cache in `directory`."""
    import numba

    config: Any = numba.config
    if config.DISABLE_JIT:
        from hpt.metrics import kernel

        return Kernel(kernel.find_hits, kernel.read_lines, interpreted=True)
    from hpt.metrics.compiled import compiled_entries

    return Kernel(*compiled_entries(directory))


def _sources() -> str:
    """Everything that decides what the compiled code is."""
    texts = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in _SOURCES]
    return "\n".join([sys.version, *texts])


class Loader:
    """Has the kernel loaded in the background once it is worth it.

    failure: why it cannot be had, in which case reading goes on with `re`.
    """

    def __init__(self, worth: float = WORTH_LOADING) -> None:
        self._left = worth
        self._thread: threading.Thread | None = None
        self.kernel: Kernel | None = None
        self.failure: Exception | None = None

    def charge(self, seconds: float) -> None:
        """Note so much time spent for want of the kernel."""
        if self.kernel is None and self._thread is None:
            self._left -= seconds
            if self._left < 0 and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0"):
                self.start()

    def start(self) -> None:
        """Begin to load, if not begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._load, name="hpt-load-kernel", daemon=True)
            self._thread.start()
            # LLVM must not be at work while the process takes itself apart.
            atexit.register(self._thread.join)

    def wait(self) -> Kernel | None:
        """Load now."""
        self.start()
        if self._thread is not None:
            self._thread.join()
        return self.kernel

    def _load(self) -> None:
        try:
            directory = cache_directory(os.environ, _sources())
            if directory is None:
                warnings.warn(
                    "compiled code cannot be cached: neither $NUMBA_CACHE_DIR, the user's cache nor the "
                    "directory for temporary files can be written; it is compiled anew in each run",
                    stacklevel=2,
                )
            self.kernel = load_kernel(directory)
        except Exception as error:
            self.failure = error
            warnings.warn(
                f"logs are read with `re`, for the fast reader cannot be had: {error}", stacklevel=2
            )
