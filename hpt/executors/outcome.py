"""How an attempt ended, for its exit record and as a message for the user (behaviour 16.4).

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os
import signal

from hpt.executors import channels, contract, record
from hpt.host.files import open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hpt.executors.limits import Limits

NO_VALUE = "the function ended its process with exit code 0, and neither returned nor reported a value"

_TAIL = 4096
_LINE = 300

_SIGNAL_HINTS: dict[int, str] = {
    signal.SIGKILL: "; often the kernel's out-of-memory killer",
    signal.SIGSEGV: "; a crash in native code",
    signal.SIGXFSZ: "; a file grew past the size limit",
    signal.SIGXCPU: "; the CPU time limit was reached",
}


_MACHINE_RAN_OUT = (
    ", when memory ran out and the kernel's out-of-memory killer ended processes; run fewer training jobs at"
    " a time, or give each a memory limit"
)


class Ending:
    """Why and how the program is being ended, if it is. `accepts_stop`: requests to stop count."""

    def __init__(self, *, accepts_stop: bool = True) -> None:
        self.accepts_stop = accepts_stop
        self.stopped = False
        self.timed_out = False
        self.failed = False  # one of several hosts failed, and the others are to end
        self.killed = False
        self.kill_at: float | None = None  # on the monotonic clock

    @property
    def begun(self) -> bool:
        return self.stopped or self.timed_out

    @property
    def ends(self) -> bool:
        """Whether the program is being ended, for whatever reason."""
        return self.begun or self.failed


def lost(reason: str) -> dict[str, Any]:
    """The infrastructure failed."""
    return {"outcome": record.LOST, "exit_code": None, "reason": reason}


def failed(reason: str) -> dict[str, Any]:
    """The program could not run, for a reason that the user can fix."""
    return {"outcome": record.PROGRAM_ENDED, "exit_code": None, "reason": reason}


def not_started() -> dict[str, Any]:
    return failed("stopped before the program started")


def how_it_ended(status: int) -> str:
    """A wait status as a message."""
    if not os.WIFSIGNALED(status):
        return f"exit code {os.WEXITSTATUS(status)}"
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "a real-time signal"
    return f"killed by signal {number} ({name})"


def of_program(
    base: str, log: str, status: int, ending: Ending, spec: dict[str, Any], limits: Limits | None = None
) -> dict[str, Any]:
    """The outcome of a program that ended. A program that fails on a full disk counts as lost.

    Parameters
    ----------
    base
        The training directory, which may hold a failure file.
    log
        The log's path.
    status
        The program's wait status.
    ending
        Whether and why it was being ended.
    spec
        What was run (`hpt.executors.order.Order.on`).
    limits
        What it ran under.

    Returns
    -------
    dict
        `outcome`, `exit_code` and `reason` of the exit record.
    """
    code = os.waitstatus_to_exitcode(status)
    how = how_it_ended(status)
    if ending.begun:
        limit = (
            f"ran into its limit of {spec['max_runtime_seconds']:g} s"
            if ending.timed_out
            else "stopped on request"
        )
        late = f"; it did not end within {spec['grace_seconds']:g} s of grace" if ending.killed else ""
        reason = f"{limit}: {how}{late}"
    elif code == 0:
        reason = ""
    elif limits is not None and (verdict := limits.verdict()):
        reason = verdict
    else:
        hint = _SIGNAL_HINTS.get(os.WTERMSIG(status), "") if code < 0 else ""
        if code == -signal.SIGKILL and limits is not None and limits.machine_ran_out():
            hint = _MACHINE_RAN_OUT
        said = last_line(log)
        tail = f"; the last line of its log: {said}" if said else ""
        reason = contract.failure_text(base) or f"{how}{hint}{tail}"
        if record.is_full(base):
            return lost(f"the disk is full; make room on it. The program ended with: {reason}")
    return {"outcome": record.PROGRAM_ENDED, "exit_code": code, "reason": reason}


def last_line(path: str, *, begins: tuple[str, ...] = ("",)) -> str:
    """The last line of a file that is neither blank nor tagged, shortened; "" if there is none.

    begins: it begins with one of these.
    """
    try:
        with open(open_file(path), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            lines = file.read(_TAIL).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    found = (line for raw in reversed(lines) if (line := raw.strip()) and line[:6] != "[hpt] ")
    said = next((line for line in found if line.startswith(begins)), "")
    return said if len(said) <= _LINE else said[:_LINE] + "…"


def needs_transfer(spec: dict[str, Any]) -> bool:
    """Whether anything is to be fetched from a remote store before the program starts."""
    others = (spec["source"], spec["checkpoint_uri"])
    return channels.needs_download(spec["channels"]) or any(contract.is_remote(uri or "") for uri in others)
