"""Standard output and standard error of a process whose reader may go away, or whose disk may fill up.

Everything that the command writes passes here, and here control characters are written out: whatever a
program printed, or whoever chose a name, a tag or a reason, none of them reaches a terminal.
"""

from __future__ import annotations

import os
from typing import TextIO, cast

from hpt.errors import RetryableError
from hpt.host.terminal import printable


class _Outlet:
    """A stream that passes everything on and ignores failures of one kind.

    Any other failure is raised once: what a stream holds back fails again with every flush, and the
    interpreter flushes at its end.
    """

    def __init__(self, stream: TextIO, ignored: type[OSError], *, clean: bool = True) -> None:
        self._stream = stream
        self._ignored = ignored
        self._reported = False
        self._clean = clean

    @property
    def rich_proxied_file(self) -> _Outlet:
        """The stream for `rich`, which draws with control characters of its own, and finds it by this name.

        What it is given to draw is made printable first.
        """
        return _Outlet(self._stream, self._ignored, clean=False)

    def write(self, string: str) -> int:
        try:
            self._stream.write(printable(string) if self._clean else string)
            return len(string)
        except OSError as error:
            self._failed(error)
            return len(string)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        if self._reported or isinstance(error, self._ignored):
            return
        self._reported = True
        raise RetryableError(
            f"the result could not be written to standard output: {error.strerror}; fix that and try again"
        ) from error

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def for_results(stream: TextIO | None) -> TextIO:
    """Standard output: a reader that went away has had enough (`hpt trials NAME | head`), and that changes
    neither what a command does nor its exit code.

    Writing raises RetryableError where it fails otherwise. None, a stream that the caller closed: nobody
    reads it.
    """
    return _outlet(stream, BrokenPipeError)


def for_progress(stream: TextIO | None) -> TextIO:
    """Standard error: messages about a running job, which goes on whether or not they can be written."""
    return _outlet(stream, OSError)


def for_drawing(stream: TextIO) -> TextIO:
    """A terminal or notebook for a line that control characters keep up to date; what else is drawn
    must be printable.
    """
    return cast(TextIO, _Outlet(stream, OSError, clean=False))


def _outlet(stream: TextIO | None, ignored: type[OSError]) -> TextIO:
    if stream is None:
        stream = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    return cast(TextIO, _Outlet(stream, ignored))
