"""The executors there are, by name. A new one is a file beside this one and a line below."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hpt.errors import InputError
from hpt.executors.base import Executor
from hpt.executors.local import LocalExecutor
from hpt.executors.warm import WarmExecutor

LOCAL = "local"
"""Processes of this host; functions in workers that stay warm."""

FRESH = "fresh"
"""The same, but every attempt, also that of a function, in a process of its own."""

EXECUTORS: dict[str, Callable[[Path, bool], Executor]] = {
    LOCAL: lambda root, outlive: WarmExecutor(root, outlive=outlive),
    FRESH: lambda root, outlive: LocalExecutor(root, outlive=outlive),
}
"""What makes an executor of each kind, given its root and whether attempts outlive their tuner."""


def make_executor(kind: str, root: Path, *, outlive: bool = True) -> Executor:
    """The executor of that kind whose attempts have their state below `root`.

    outlive: False stops attempts with grace once the process that submitted them is gone.

    Raises:
        InputError: there is no such kind.
    """
    if kind not in EXECUTORS:
        raise InputError(f"executor {kind!r} is not known; use one of {', '.join(EXECUTORS)}")
    return EXECUTORS[kind](root, outlive)
