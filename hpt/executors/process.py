"""The descendants of a process, and how to end them all. Linux; standard library only."""

from __future__ import annotations

import os
import signal
import time

from hpt.host.identity import read_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_START = b"/executors/start.py"
"""How the path of a supervisor's program ends, of whatever installation."""

ATTEMPT_VARIABLE = "HPT_ATTEMPT"
"""Environment variable that marks the processes of an attempt: its value is the attempt's token."""


def _all_processes() -> dict[int, tuple[str, int, int, int]]:
    found = ((int(name), read_stat(name)) for name in os.listdir("/proc") if name.isdigit())
    return {pid: entry for pid, entry in found if entry is not None}


def _below(roots: set[int], processes: Mapping[int, tuple[str, int, int, int]]) -> set[int]:
    """Every descendant of `roots`, without them."""
    children: dict[int, list[int]] = {}
    for pid, (_, parent, _, _) in processes.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    queue = list(roots)
    while queue:
        for pid in children.get(queue.pop(), ()):
            if pid not in found and pid not in roots:
                found.add(pid)
                queue.append(pid)
    return found


def living_descendants(root: int) -> set[int]:
    """The descendants of a process that have not ended."""
    processes = _all_processes()
    return {pid for pid in _below({root}, processes) if processes[pid][0] not in "ZX"}


def signal_descendants(number: int) -> int:
    """Signal every living descendant of this process; returns how many there were.

    Process groups are signalled as a whole: the kernel does that in one step, so that a group that forks as
    fast as it can cannot run away from it. A group of a descendant in another session than ours holds
    descendants only.
    """
    processes = _all_processes()
    own_group = os.getpgrp()
    below = [pid for pid in _below({os.getpid()}, processes) if processes[pid][0] not in "ZX"]
    for group in {processes[pid][2] for pid in below} - {own_group, 0}:
        send(-group, number)
    for pid in below:
        if processes[pid][2] == own_group:
            send(pid, number)
    return len(below)


def send(pid: int, number: int) -> None:
    """Signal a process (or, negative, a group) if it still is there and ours."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def reap() -> dict[int, int] | None:
    """Wait statuses of children that ended, by pid; None when this process has no child left at all."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended or None
        if pid == 0:
            return ended
        ended[pid] = status


def kill_descendants(patience: float = 60.0) -> int:
    """Kill every descendant, however deep and in whatever session; returns how many could not be killed.

    To be called by a child subreaper, to whom orphans fall: when it has no child, it has no descendant.
    `patience` in seconds bounds the wait for processes stuck in the kernel.
    """
    give_up = time.monotonic() + patience
    pause = 0.002
    while reap() is not None:
        left = signal_descendants(signal.SIGKILL)
        if time.monotonic() > give_up:
            return left
        signal.sigtimedwait({signal.SIGCHLD}, pause)
        pause = min(0.25, pause * 1.5)
    return 0


def kill_marked(*marks: str) -> int:
    """Kill every process that carries one of the attempt's marks in its environment (`NAME=value`; a word
    alone is the attempt's token), and all their descendants.

    Returns how many were found: call again until it is 0. A process that threw its environment away and lost
    its parent is not found.
    """
    wanted = {(mark if "=" in mark else f"{ATTEMPT_VARIABLE}={mark}").encode() for mark in marks}
    processes = _all_processes()
    marked = {
        pid
        for pid, entry in processes.items()
        if entry[0] not in "ZX" and not wanted.isdisjoint(_environment(pid))
    }
    found = {pid for pid in marked | _below(marked, processes) if processes[pid][0] not in "ZX"} - {
        os.getpid()
    }
    for pid in found:
        send(pid, signal.SIGKILL)
    return len(found)


def kill_supervisors(directory: str) -> int:
    """Kill whatever supervises the attempt in `directory`; returns how many processes were found."""
    found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if supervises(pid, directory)]
    for pid in found:
        send(pid, signal.SIGKILL)
    return len(found)


def supervises(pid: int, directory: str) -> bool:
    """Whether the process is a supervisor of the attempt in `directory`, by its command."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(1 << 16).split(b"\0")
    except OSError:
        return False
    if len(words) > 3 and words[-2] == os.fsencode(directory) and words[-3].endswith(_START):
        return True
    return (
        len(words) > 5 and words[-5].endswith(_START) and words[-4] == b"warm" and _holds_lock(pid, directory)
    )


def _holds_lock(pid: int, directory: str) -> bool:
    """Whether the supervisor of a warm worker is at the attempt in `directory`: it has the lock open."""
    lock = os.path.join(directory, "lock")
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{fd}") == lock for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def _environment(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:  # gone, or not ours to read and so not ours to kill
        return []
