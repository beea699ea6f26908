"""The channel by which a function's values reach the tuner: a file of the attempt beside its log.

Whatever a function does to its standard output, what it reports arrives, and whatever it prints is never
taken for a report. Each value is one line, appended in one call to a file that is opened for it: so any
process or thread that the function starts may report, and nothing is left open.

Standard library only: the worker imports this before it knows where the user's modules are.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

REPORT_PREFIX = "[hpt] report="
RESULT_PREFIX = "[hpt] result="

STOP_CODE = 143
"""Exit code of a function that was stopped at a report: that of a program which SIGTERM ends."""


class TrialStopped(BaseException):
    """Raised by `report` where the trial is to stop; no `except Exception` of the function catches it."""


def format_number(value: object, what: str) -> str:
    """The shortest decimal of a real number that reads back to the same float.

    Raises:
        InputError: `value` is not a real number.
    """
    from hpt.search.numbers import real_number

    return repr(real_number(value, what, "return or report a float"))


def append(path: str, line: str) -> None:
    """Append a line to a file in one call.

    Raises:
        OSError: it cannot be written, as on a full disk.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, line.encode("ascii"))
    finally:
        os.close(fd)


class Report:
    """`report(value)`: reports one interim value of the objective; each report is one unit of progress.

    It can be pickled and handed to other processes and threads.
    """

    def __init__(self, path: str, reported: Callable[[], object] | None = None) -> None:
        """path: the file of the attempt's values. reported: called after each report of the thread that calls
        the function, not of others nor of other processes; it may raise.
        """
        self._path, self._reported = path, reported
        self._home = (os.getpid(), threading.get_ident())
        self._over = False

    def __call__(self, value: float) -> None:
        """Report a value.

        Raises:
            InputError: it is not a real number; nothing was reported.
            RuntimeError: the trial has ended, in this process.
        """
        if self._over:
            raise RuntimeError("the trial has ended; nothing can be reported of it any more")
        append(self._path, f"{REPORT_PREFIX}{format_number(value, 'the reported value')}\n")
        if self._reported is not None and self._home == (os.getpid(), threading.get_ident()):
            self._reported()

    def close(self) -> None:
        """Refuse further reports, such as those of a thread that outlived the trial."""
        self._over = True

    def __reduce__(self) -> tuple[type[Report], tuple[str]]:
        return Report, (self._path,)


def write_result(path: str, value: object) -> None:
    """Write what the function returned. Raises InputError: it is not a real number."""
    append(path, f"{RESULT_PREFIX}{format_number(value, 'the returned value')}\n")
