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

_PAUSE = 0.2
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


class Drain:
    """A pipe, and a thread that empties it into a log. While the disk is full, the program waits.

    input: the end for the program. The thread ends when all processes have closed it, or the log cannot be
    written any more; then printing fails.
    """

    def __init__(self, log: int) -> None:
        self._log = log
        self._size = os.fstat(log).st_size
        self._given_up = False
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
        if not self._ended.acquire(timeout=PATIENCE):
            self._given_up = True

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
        while view and not self._given_up:
            try:
                view = view[os.write(self._log, view) :]
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                time.sleep(_PAUSE)
        self._size = os.fstat(self._log).st_size
