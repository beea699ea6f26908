"""The cores and the memory limit of a program, as its supervisor sets and enforces them.

The kernel enforces a memory limit where a control group can be made (`cgroup.py`). Elsewhere the supervisor
looks at what the processes of the program hold together, the more often the closer it is to the limit.
Limits of the kernel for one process (`setrlimit`) would not do: they count addresses that are only reserved,
of which CUDA, Java and Go reserve far more than they use, and know nothing of a program's other processes.

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os
import time

from hpt.host.identity import read_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from hpt.executors import cgroup

RARELY, OFTEN = 0.5, 0.05
"""Seconds between looks at a program far from its limit and close to it."""

_GROWTH = 4 << 30  # bytes a second that a program may be expected to grow at most
_PAGE = os.sysconf("SC_PAGE_SIZE")
_FIELDS = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")


class Limits:
    """Those of one program, or of one warm worker."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """What cannot be left to the kernel is watched."""
        self._cores: list[int] | None = spec.get("cores")
        self._memory: int | None = spec.get("memory_bytes")
        self._group: cgroup.Group | None = None
        parent = spec.get("memory_group")
        if self._memory is not None and parent:
            from hpt.executors import cgroup  # few training jobs have a limit, on few machines with groups

            try:
                self._group = cgroup.Group(parent, self._memory, os.urandom(8).hex())
            except OSError:
                pass
        self._watched = self._memory is not None and self._group is None
        self._due = 0.0
        self._kills = 0
        self._machine_kills = 0
        self.held: int | None = None
        """Bytes that the program held when it was found above its limit."""

    def begin(self) -> None:
        """A training job begins: what was counted before does not concern it."""
        self.held = None
        self._due = 0.0
        self._kills = 0 if self._group is None else self._group.kills()
        self._machine_kills = _kills_of_the_machine()

    def apply(self) -> None:
        """Put the calling process, which is about to become the program, under them.

        Raises:
            OSError: the system refuses.
        """
        if self._group is not None:
            self._group.enter()
        if self._cores:
            os.sched_setaffinity(0, self._cores)

    def moment(self) -> float | None:
        """When to look next, on the monotonic clock; None: never."""
        return self._due if self._watched and self.held is None else None

    def exceeded(self, spared: int | None = None) -> bool:
        """Whether the processes below this one hold more memory than they may. spared: a child that does not
        belong to the program.
        """
        now = time.monotonic()
        if not self._watched or self.held is not None or now < self._due:
            return False
        assert self._memory is not None
        pids = _below(os.getpid(), spared)
        used = sum(map(_resident, pids))
        if used > self._memory:  # pages that processes share were counted for each
            used = sum(map(_share, pids))
        self._due = now + min(RARELY, max(OFTEN, (self._memory - used) / _GROWTH))
        if used <= self._memory:
            return False
        self.held = used
        return True

    def verdict(self) -> str:
        """Why the program was killed for memory; "" if it was not."""
        if self._memory is None:
            return ""
        if self.held is not None:
            return (
                f"it went over its memory limit of {_size(self._memory)}: its processes held"
                f" {_size(self.held)} together; {_FIX}"
            )
        if self._group is not None and self._group.kills() > self._kills:
            return over(self._memory)
        return ""

    def machine_ran_out(self) -> bool:
        """Whether the kernel has killed a process for want of memory since `begin`."""
        return _kills_of_the_machine() > self._machine_kills

    def close(self) -> None:
        if self._group is not None:
            self._group.remove()
            self._group = None


def over(memory: int, more: str = "", *, sure: bool = True) -> str:
    """Why the kernel killed a program with a limit of so many bytes.

    more: follows the limit. sure: whether it is known that it was for memory.
    """
    if sure:
        return f"it went over its memory limit of {_size(memory)}{more}, and the kernel killed it; {_FIX}"
    return f"killed (SIGKILL), most likely for its memory limit of {_size(memory)}{more}; {_FIX}"


_FIX = "raise the limit, or let the program use less"


def _size(number: int) -> str:
    """In the unit that leaves three digits or so."""
    unit, factor = ("GiB", 1 << 30) if number >= 10 << 30 else ("MiB", 1 << 20)
    return f"{number / factor:.0f} {unit}"


def _kills_of_the_machine() -> int:
    try:
        with open("/proc/vmstat", encoding="ascii") as file:
            return next((int(line[9:]) for line in file if line.startswith("oom_kill ")), 0)
    except (OSError, ValueError):
        return 0


def _below(root: int, spared: int | None) -> list[int]:
    """Every descendant of a process, without one and those below it."""
    found: list[int] = []
    queue = [root]
    while queue:
        children = [pid for pid in _children(queue.pop()) if pid != spared]
        found += children
        queue += children
    return found


def _children(pid: int) -> list[int]:
    if not _HAS_CHILDREN:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(name) == pid]
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
    except (OSError, ValueError):  # it ended meanwhile
        pass
    return found


_HAS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")
"""Some kernels are built without."""


def _parent(pid: str) -> int:
    found = read_stat(pid)
    return 0 if found is None else found[1]


def _resident(pid: int) -> int:
    """Bytes of memory that a process has, shared ones and those of files included."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _share(pid: int) -> int:
    """Its share of the memory that cannot be read again from files: what several processes share counts for
    each in part.
    """
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as file:
            lines = [line.split() for line in file if line.startswith(_FIELDS)]
    except OSError:
        return _resident(pid)
    return sum(int(words[1]) << 10 for words in lines) if lines else _resident(pid)
