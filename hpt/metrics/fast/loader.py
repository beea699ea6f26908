"""Loads the compiled reader when there is enough to read.

Numba is imported, and the inner loop compiled or taken from the cache, in a thread of its own; until it is
there, and where there is no Numba, `re` reads. A job that prints little never loads it.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import sys
import threading
import warnings
from pathlib import Path

from hpt.metrics.fast.cache import cache_directory
from hpt.metrics.fast.reader import FastReader

WORTH_LOADING = 1.0
"""Seconds spent reading with `re` after which compiling pays: to import Numba takes about as long."""

_SOURCES = ("inner_loop.py", "simd.py", "machine.py", "decimal_number.py", "compiled.py", "reader.py")


class Loader:
    """Has the compiled reader loaded in the background once it is worth it.

    reader: the compiled reader, once it is there.
    failure: why it cannot be had, in which case reading goes on with `re`.
    """

    def __init__(self, worth: float = WORTH_LOADING) -> None:
        self._left = worth
        self._thread: threading.Thread | None = None
        self.reader: FastReader | None = None
        self.failure: Exception | None = None

    def charge(self, seconds: float) -> None:
        """Note so much time spent for want of the compiled reader."""
        if self._thread is None:
            self._left -= seconds
            if self._left < 0:
                self.start()

    def start(self) -> None:
        """Begin to load, if not begun."""
        if self._thread is None and self.reader is None and self.failure is None:
            self.failure = _unavailable()
            if self.failure is None:
                self._thread = threading.Thread(target=self._load, name="hpt-load-reader", daemon=True)
                self._thread.start()
                # LLVM must not be at work while the process takes itself apart.
                atexit.register(self._thread.join)

    def wait(self) -> FastReader | None:
        """Load now."""
        self.start()
        if self._thread is not None:
            self._thread.join()
        return self.reader

    def _load(self) -> None:
        try:
            directory = cache_directory(os.environ, _sources())
            if directory is None:
                warnings.warn(
                    "compiled code cannot be cached: neither $NUMBA_CACHE_DIR, the user's cache nor the "
                    "directory for temporary files can be written; it is compiled anew in each run",
                    stacklevel=2,
                )
            from hpt.metrics.fast.compiled import compiled_entry

            self.reader = FastReader(compiled_entry(directory))
        except Exception as error:
            self.failure = error
            warnings.warn(
                f"logs are read with `re`, for the compiled reader cannot be loaded: {error}", stacklevel=2
            )


def _unavailable() -> Exception | None:
    """Why nothing can be compiled by the user's choice, which is nothing to warn of."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return RuntimeError("NUMBA_DISABLE_JIT is set")
    if sys.modules.get("numba", ...) is None or importlib.util.find_spec("numba") is None:
        return ModuleNotFoundError("No module named 'numba'", name="numba")
    return None


def _sources() -> str:
    """Everything that decides what the compiled code is."""
    texts = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in _SOURCES]
    return "\n".join([sys.version, *texts])
