"""Standard output and standard error of a process whose reader may go away, or whose disk may fill up."""

from __future__ import annotations

import os
from typing import TextIO, cast

from hpt.errors import RetryableError


class _Outlet:
    """A stream that passes everything on, and forgives failures of one kind.

    Any other failure is raised once: what a stream holds back fails again with every flush, and the
    interpreter flushes at its end.
    """

    def __init__(self, stream: TextIO, forgiven: type[OSError]) -> None:
        self._stream = stream
        self._forgiven = forgiven
        self._told = False

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._failed(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        if self._told or isinstance(error, self._forgiven):
            return
        self._told = True
        raise RetryableError(
            f"the result could not be written to standard output: {error.strerror}; mend that and ask again"
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
    """Standard error: words about a running job, which goes on whether or not they can be written."""
    return _outlet(stream, OSError)


def _outlet(stream: TextIO | None, forgiven: type[OSError]) -> TextIO:
    if stream is None:
        stream = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    return cast(TextIO, _Outlet(stream, forgiven))
