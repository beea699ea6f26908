"""The executors there are, by name. A new one is a file beside this one and a line below."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hpt.errors import InputError
from hpt.executors.base import Executor
from hpt.executors.local import LocalExecutor
from hpt.executors.warm import WarmExecutor
from hpt.host.clock import SteadyClock

LOCAL = "local"
"""Processes of this host; functions in workers that stay warm."""

FRESH = "fresh"
"""The same, but every attempt, also that of a function, in a process of its own."""

Say = Callable[[str], None]

EXECUTORS: dict[str, Callable[[Path, bool, SteadyClock | None, Say], Executor]] = {
    LOCAL: lambda root, outlive, clock, say: WarmExecutor(root, outlive=outlive, clock=clock, say=say),
    FRESH: lambda root, outlive, clock, say: LocalExecutor(root, outlive=outlive, clock=clock, say=say),
}
"""What makes an executor of each kind, given the arguments of `make_executor` but the kind."""


def make_executor(
    kind: str,
    root: Path,
    *,
    outlive: bool = True,
    clock: SteadyClock | None = None,
    say: Say = lambda message: None,
) -> Executor:
    """Make the executor of a tuning job.

    Parameters
    ----------
    kind
        A key of `EXECUTORS`.
    root
        The directory below which its attempts have their state.
    outlive
        False stops attempts with grace once the process that submitted them is gone.
    clock
        The clock of the tuning job; None: one that begins now.
    say
        Called with messages for the user.

    Returns
    -------
    Executor
        Nothing is submitted yet.

    Raises
    ------
    InputError
        There is no such kind.
    """
    if kind not in EXECUTORS:
        raise InputError(f"executor {kind!r} is not known; use one of {', '.join(EXECUTORS)}")
    return EXECUTORS[kind](root, outlive, clock, say)
