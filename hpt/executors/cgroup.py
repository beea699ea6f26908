"""Memory limits that the kernel enforces: a control group (cgroup v2) for each training job, where some part
of the hierarchy is delegated to this user.

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import errno
import os
import time

_PREFIX = "hpt-job-"
_OWN = "hpt-tuner"
"""The group that tuners and supervisors move into, so that their own may have others below it."""

_OLD = 60.0  # seconds after which an empty group is left over
_PATIENCE = 5.0


def delegated() -> str | None:
    """The directory of the group below which others can get a memory limit; None where there is none.

    That is the group of this process, if it has the memory controller to hand out. A group that holds
    processes may not have it at once; where it is marked as delegated, they are moved into one below.
    """
    own = _own_group()
    if own is None:
        return None
    if os.path.basename(own) == _OWN:
        own = os.path.dirname(own)
    try:
        if not os.access(own, os.W_OK) or "memory" not in _words(own, "cgroup.controllers"):
            return None
        if "memory" in _words(own, "cgroup.subtree_control"):
            return own
        if not _is_delegated(own):
            return None
        below = os.path.join(own, _OWN)
        os.makedirs(below, exist_ok=True)
        for pid in _words(own, "cgroup.procs"):
            try:
                _write(below, "cgroup.procs", pid)
            except ProcessLookupError:
                pass
        _write(own, "cgroup.subtree_control", "+memory")
    except OSError:
        return None
    return own


def _own_group() -> str | None:
    """The directory of this process's group in the unified hierarchy."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            path = next((line[3:].rstrip("\n") for line in file if line.startswith("0::")), None)
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            mounts = [line.split() for line in file if " - cgroup2 " in line]
    except OSError:
        return None
    if path is None or not mounts:
        return None
    root, place = mounts[0][3], mounts[0][4]
    if root != "/" and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    found = os.path.normpath(place + "/" + path)
    return found if os.path.isdir(found) else None


def _is_delegated(group: str) -> bool:
    for name in ("user.delegate", "trusted.delegate"):
        try:
            if os.getxattr(group, name) == b"1":
                return True
        except OSError:
            continue
    return False


def _words(group: str, name: str) -> list[str]:
    with open(os.path.join(group, name), encoding="ascii") as file:
        return file.read().split()


def _write(group: str, name: str, value: str) -> None:
    fd = os.open(os.path.join(group, name), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


class Group:
    """The group of one training job."""

    def __init__(self, parent: str, limit: int, token: str) -> None:
        """Make it. token: distinguishes it from others.

        Raises:
            OSError: it cannot be made or has no memory controller.
        """
        self.path = os.path.join(parent, _PREFIX + token)
        os.mkdir(self.path)
        try:
            _write(self.path, "memory.max", str(limit))
            for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
                try:
                    _write(self.path, name, value)
                except FileNotFoundError:  # a kernel without swap, or an old one
                    pass
        except OSError:
            os.rmdir(self.path)
            raise

    def enter(self) -> None:
        """Move the calling process into it."""
        _write(self.path, "cgroup.procs", "0")

    def kills(self) -> int:
        """How many of its processes the kernel has killed for memory."""
        try:
            words = _words(self.path, "memory.events")
        except OSError:
            return 0
        events = dict(zip(words[::2], words[1::2], strict=False))
        return int(events.get("oom_kill", 0))

    def remove(self) -> None:
        """Kill what is left in it, and remove it."""
        remove(self.path)


def remove(path: str) -> None:
    """Remove a group with all that is left in it."""
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > give_up:
                return  # found again by `remove_leftovers`
        try:
            _write(path, "cgroup.kill", "1")
        except OSError:
            pass
        time.sleep(0.01)


def remove_leftovers(parent: str) -> None:
    """Remove the empty groups of training jobs whose supervisors were killed."""
    if not parent:
        return
    try:
        names = [name for name in os.listdir(parent) if name.startswith(_PREFIX)]
    except OSError:
        return
    for name in names:
        path = os.path.join(parent, name)
        try:
            if time.time() - os.stat(path).st_mtime > _OLD:
                os.rmdir(path)  # the kernel refuses it while there is a process in it
        except OSError:
            continue
