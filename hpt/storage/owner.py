"""Which process is which: a process identity that survives the reuse of process ids and restarts of the
host.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hpt.search.stored import newer


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process, told apart from every other that ever had its id.

    boot: the kernel's boot id. namespace: inode of the process id namespace, for a pid means nothing outside
    it. pid: as the process sees itself. start: the kernel's start time of the process, in clock ticks since
    boot.
    """

    boot: str
    namespace: int
    pid: int
    start: int

    @staticmethod
    def current() -> ProcessIdentity:
        """The calling process."""
        start = _start_time(os.getpid())
        if start is None:
            raise RuntimeError("/proc does not show the calling process; mount /proc")
        return ProcessIdentity(_boot_id(), _namespace(), os.getpid(), start)

    @staticmethod
    def of(pid: int) -> ProcessIdentity | None:
        """The process of that id in this namespace; None if none runs."""
        start = _start_time(pid)
        return None if start is None else ProcessIdentity(_boot_id(), _namespace(), pid, start)

    @staticmethod
    def parse(text: str) -> ProcessIdentity:
        """The identity that `str` wrote.

        Raises:
            StorageError: a newer version wrote another form of it.
        """
        try:
            boot, namespace, pid, start = text.split("/")
            return ProcessIdentity(boot, int(namespace), int(pid), int(start))
        except ValueError:
            raise newer(f"the process {text!r} that runs the job is of an unknown form") from None

    def __str__(self) -> str:
        return f"{self.boot}/{self.namespace}/{self.pid}/{self.start}"

    def lives(self) -> bool | None:
        """Whether the process runs; None where this process cannot know (another host or container).

        A zombie has ended: it executes nothing any more. An identity of an earlier boot of this host looks
        like one of another host, and is None too.
        """
        if self.boot != _boot_id() or self.namespace != _namespace():
            return None
        return _start_time(self.pid) == self.start


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _namespace() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:  # a kernel without namespaces has one for all
        return 0


def _start_time(pid: int) -> int | None:
    """Start of a process that has not ended, in ticks since boot; None if there is none (proc(5), fields 3
    and 22).
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()  # the command's name may hold blanks and parentheses
    return None if fields[0] in (b"Z", b"X", b"x") else int(fields[19])
