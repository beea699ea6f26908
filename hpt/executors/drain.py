"""Carries what a program prints from a pipe into its log.

A program that had the log itself could cut it off: `> /dev/stderr` opens what standard error is once more,
and a file is truncated by that; a pipe is not. It is a pipe with a name, which is taken away at once: the
kernel dates what is written to it, so that what is printed and what is saved can be told in order however
late this process comes to read it. Standard library only: a supervisor imports this once a trial.
"""

from __future__ import annotations

import _thread
import errno
import fcntl
import os
import time

from hpt.host.private import open_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Wrote = Callable[[int, float | None], None]

CHUNK = 1 << 20
"""Bytes read at a time, and that a program can print before it has to wait."""

PATIENCE = 5.0
"""Seconds for what was printed last, once no process is left to print more."""

FULL_DISK = 2.0
"""Seconds that a program waits for room on a full disk."""

_PAUSE = 0.1
_FULL = (errno.ENOSPC, errno.EDQUOT)


LONGEST = 1 << 20
"""Bytes of a line that are held back until it ends, where several programs write to one log."""


class Log:
    """An open log that only grows, whatever is done to its file. One thread at a time may write to it."""

    def __init__(self, log: int) -> None:
        self._log = log
        self._size = os.fstat(log).st_size

    @property
    def size(self) -> int:
        return self._size

    def write(self, data: bytes) -> None:
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


class SharedLog(Log):
    """A log to which several threads write."""

    def __init__(self, log: int) -> None:
        super().__init__(log)
        self._lock = _thread.allocate_lock()
        self._last: object = None  # who wrote last, and whether that was to the end of a line
        self._ended = True

    def write_of(self, writer: object, data: bytes) -> None:
        """Append what a writer has in one piece, on a line of its own unless it wrote the beginning."""
        with self._lock:
            self.write(data if self._ended or self._last is writer else b"\n" + data)
            self._last, self._ended = writer, data.endswith(b"\n")


def _pipe(directory: str) -> tuple[int, int, bool]:
    """The two ends of a pipe, and whether it is dated by what is written to it: one without a name is not,
    by newer kernels.
    """
    path = os.path.join(directory, f".{os.getpid()}.pipe")
    try:
        if not directory:
            return *os.pipe(), False
        os.mkfifo(path, 0o600)
    except OSError:  # a file system without such pipes, or a full one
        return *os.pipe(), False
    output = -1
    try:
        output = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        entry = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        if output >= 0:
            os.close(output)
        return *os.pipe(), False
    finally:
        os.unlink(path)
    os.set_blocking(output, True)
    try:
        os.utime(output, (0, 0))
        os.write(entry, b"\n")
        os.read(output, 1)
        return output, entry, os.fstat(output).st_mtime > 0
    except OSError:
        return output, entry, False


class Drain:
    """A pipe, and a thread that empties it into a log.

    input: the end for the program. The thread ends when all processes have closed it, or the log cannot be
    written any more, as on a disk that stays full; then printing fails.
    """

    def __init__(self, log: Log, wrote: Wrote = lambda size, written: None, directory: str = "") -> None:
        """wrote: called after each write to the log, on the thread, with the log's size and when the program
        wrote the last of it, if that is known. directory: where the pipe can have its name.
        """
        self._log, self._wrote = log, wrote
        output, self.input, self._dated = _pipe(directory)
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
                written = os.fstat(output).st_mtime if self._dated else None
                self._write(data)
                self._wrote(self._log.size, written)
            self._close()
        except OSError:
            pass
        finally:
            os.close(output)
            self._ended.release()

    def _write(self, data: bytes) -> None:
        self._log.write(data)

    def _close(self) -> None:
        """Nothing more will be printed."""


class LineDrain(Drain):
    r"""A drain into a log that several programs share: whole lines, so that none lies within another.

    A line ends with `\n`; what is written over with `\r` is part of it, as for those who read values from the
    log. One that is longer than `LONGEST` is written in pieces, up to a `\r` where there is one; where
    another program prints between them, the line ends there.

    What is printed also goes to a file of the program's own, as it comes. It is a copy for people: where
    the disk takes no more of it, it ends, and the program goes on.
    """

    def __init__(
        self,
        log: SharedLog,
        own: str,
        wrote: Wrote = lambda size, written: None,
        directory: str = "",
    ) -> None:
        """log: the shared one. own: the path of the file. wrote, directory: as for `Drain`.

        Raises:
            OSError: the file cannot be made.
        """
        self._held = b""
        self._own = open_private(own, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._shared = log
        super().__init__(log, wrote, directory)

    def _write(self, data: bytes) -> None:
        self._copy(data)
        place = data.rfind(b"\n") + 1
        whole, self._held = (self._held + data[:place], data[place:]) if place else (b"", self._held + data)
        if len(self._held) > LONGEST:
            place = self._held.rfind(b"\r") + 1
            whole += self._held[:place] if place else self._held
            self._held = self._held[place:] if place else b""
        if whole:
            self._shared.write_of(self, whole)

    def _close(self) -> None:
        try:
            if self._held:
                self._shared.write_of(self, self._held)
        finally:
            if self._own >= 0:
                os.close(self._own)

    def _copy(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view and self._own >= 0:
                view = view[os.write(self._own, view) :]
        except OSError:
            os.close(self._own)
            self._own = -1
