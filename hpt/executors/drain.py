"""Carries what a program prints from a pipe into its log.

A program that had the log itself could cut it off: `> /dev/stderr` opens what standard error is once more,
and a file is truncated by that; a pipe is not. Standard library only: a supervisor imports this once a trial.
"""

from __future__ import annotations

import _thread
import errno
import fcntl
import os
import time

CHUNK = 1 << 20
"""Bytes read at a time, and that a program can print before it has to wait."""

PATIENCE = 5.0
"""Seconds for what was printed last, once no process is left to print more."""

FULL_DISK = 2.0
"""Seconds that a program waits for room on a full disk."""

_PAUSE = 0.1
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Drain:
    """A pipe, and a thread that empties it into a log.

    input: the end for the program. The thread ends when all processes have closed it, or the log cannot be
    written any more, as on a disk that stays full; then printing fails.
    """

    def __init__(self, log: int) -> None:
        self._log = log
        self._size = os.fstat(log).st_size
        output, self.input = os.pipe()
        try:
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, CHUNK)
        except OSError:
            pass  # above the system's limit: the program has to wait more often
        self._ended = _thread.allocate_lock()
        self._ended.acquire()
        _thread.start_new_thread(self._run, (output,))

    def close_input(self) -> None:
        """Leave the pipe to the program, which has been started, or could not be."""
        os.close(self.input)

    def finish(self) -> None:
        """Wait for the last that was printed; no process is left that prints."""
        self._ended.acquire(timeout=PATIENCE)

    def _run(self, output: int) -> None:
        try:
            while data := os.read(output, CHUNK):
                self._write(data)
        except OSError:
            pass
        finally:
            os.close(output)
            self._ended.release()

    def _write(self, data: bytes) -> None:
        """Append to the log; if that was cut off, where it ended, so that no reader misses what follows."""
        if os.fstat(self._log).st_size < self._size:
            os.ftruncate(self._log, self._size)
            data = b"\n" + data
        view = memoryview(data)
        patience = FULL_DISK
        while view:
            try:
                view = view[os.write(self._log, view) :]
            except OSError as error:
                if error.errno not in _FULL or patience <= 0:
                    raise
                time.sleep(_PAUSE)
                patience -= _PAUSE
        self._size = os.fstat(self._log).st_size
