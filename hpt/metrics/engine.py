"""Loads the kernel when there is enough to read, and runs it.

Numba is imported, and the kernel compiled or taken from the cache, in a thread of its own; until it is there
the scanner reads with `re`. A job that prints little never loads it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hpt.metrics.cache import cache_directory
from hpt.metrics.plan import Plan

WORTH_LOADING = 4 * 2**20
"""Bytes of log (times patterns) after which the kernel pays."""

Row = tuple[int, int, int, int, int]
"""Definition, kind, offset after the line, begin and end of a piece: see `hpt.metrics.kernel`."""

VALUE, TEXT, LINE = 0, 1, 2
_SOURCES = ("kernel.py", "simd.py", "machine.py", "decimal_number.py")


class Workspace:
    """Room for one scan at a time of a job with so many definitions."""

    def __init__(self, definitions: int, rows: int = 4096) -> None:
        self.rows = np.zeros((rows, 5), np.int64)
        self.values = np.zeros(rows, np.uint64)
        self.hits = np.zeros((4 * rows, 2), np.int64)
        self.spans = np.full((definitions, 2), -1, np.int64)
        self.stack = np.zeros(4 * 4096, np.int64)
        self.failed = np.zeros(2**20, np.uint8)
        self.small = np.zeros((3, 4), np.int64)
        self.room = np.zeros(2**18, np.uint8)

    def grow(self) -> None:
        """More room for what one line gave."""
        self.__init__(len(self.spans), 8 * len(self.rows))  # type: ignore[misc]


class Kernel:
    """The compiled kernel. Safe to use from several threads; it releases the interpreter's lock."""

    def __init__(self, module: Any) -> None:
        self._find_hits = module.find_hits
        self._read_lines = module.read_lines
        from hpt.metrics.decimal_number import powers_of_five

        self._powers = powers_of_five()
        self._idle: list[Workspace] = []

    def scan(
        self, plan: Plan, data: bytes, begin: int, stop: int, longest: int
    ) -> Iterator[tuple[list[list[int]], list[float]]]:
        """What data[begin:stop], whole lines, says: batches of rows with their values.

        Lines longer than `longest` are cut into pieces of that length.
        """
        raw = np.frombuffer(data, np.uint8)
        try:
            work = self._idle.pop()
        except IndexError:
            work = Workspace(len(plan.definitions))
        if len(work.spans) != len(plan.definitions):
            work = Workspace(len(plan.definitions))
        while begin < stop:
            hits, reached = self._find_hits(
                raw,
                begin,
                stop,
                plan.literals,
                plan.letters,
                plan.buckets,
                plan.members,
                plan.tables,
                work.hits,
            )
            count, done = self._read_lines(
                raw, begin, reached, stop, longest, work.hits, hits, plan.definitions, plan.program,
                plan.sets, plan.first, self._powers, work.rows, work.values, work.spans, work.stack,
                work.failed, work.small, work.room,
            )  # fmt: skip
            if count:
                yield work.rows[:count].tolist(), work.values[:count].view(np.float64).tolist()
            if done == begin:
                work.grow()
            begin = done
        self._idle.append(work)


def load_kernel(directory: Path | None) -> Kernel:
    """Import Numba and compile the kernel, or take it from the cache in `directory`."""
    import numba
    from numba.core.caching import NullCache

    from hpt.metrics import kernel

    config: Any = numba.config
    if config.DISABLE_JIT:
        return Kernel(kernel)
    entries: dict[Any, Any] = {
        kernel.find_hits: _find_hits_types(numba.types),
        kernel.read_lines: _read_lines_types(numba.types),
    }
    for entry, types in entries.items():
        if entry.signatures:  # compiled before in this process
            continue
        if directory is not None:
            with _numba_cache(config, directory):
                entry.enable_caching()
        try:
            entry.compile(types)
        except (OSError, EOFError, ValueError, RuntimeError, AttributeError, ImportError) as error:
            # A full disk, or a damaged file in the cache: do without.
            warnings.warn(f"the cache of compiled code in {directory} cannot be used: {error}", stacklevel=2)
            entry._cache = NullCache()
            entry.compile(types)
    return Kernel(kernel)


@contextlib.contextmanager
def _numba_cache(config: Any, directory: Path) -> Iterator[None]:
    """Numba's setting of where to cache, for the moment: it is one for the whole process, and others use
    it.
    """
    before = config.CACHE_DIR
    config.CACHE_DIR = str(directory)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _arrays(types: Any) -> dict[str, Any]:
    def array(dtype: Any, dimensions: int, readonly: bool = False) -> Any:
        return types.Array(dtype, dimensions, "C", readonly=readonly)

    return {
        "raw": array(types.uint8, 1, True),
        "i1": array(types.int64, 1),
        "i2": array(types.int64, 2),
        "b1": array(types.uint8, 1),
        "b2": array(types.uint8, 2),
        "u1": array(types.uint64, 1),
        "u2": array(types.uint64, 2),
    }


def _find_hits_types(types: Any) -> Any:
    a, i = _arrays(types), types.int64
    return types.UniTuple(i, 2)(a["raw"], i, i, a["i2"], a["b2"], a["i1"], a["i1"], a["b2"], a["i2"])


def _read_lines_types(types: Any) -> Any:
    a, i = _arrays(types), types.int64
    return types.UniTuple(i, 2)(
        a["raw"], i, i, i, i, a["i2"], i, a["i2"], a["i2"], a["b2"], a["b2"], a["u2"], a["i2"], a["u1"],
        a["i2"], a["i1"], a["b1"], a["i2"], a["b1"],
    )  # fmt: skip


def _sources() -> str:
    """Everything that decides what the compiled code is."""
    texts = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in _SOURCES]
    return "\n".join([sys.version, *texts])


class Loader:
    """Has the kernel loaded in the background once it is worth it.

    failure: why it cannot be had, in which case reading goes on with `re`.
    """

    def __init__(self, worth: int = WORTH_LOADING) -> None:
        self._left = worth
        self._thread: threading.Thread | None = None
        self.kernel: Kernel | None = None
        self.failure: Exception | None = None

    def charge(self, work: int) -> Kernel | None:
        """Note so much work to do; the kernel if it is there."""
        if self.kernel is None and self._thread is None:
            self._left -= work
            if self._left < 0 and not os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
                self.start()
        return self.kernel

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
