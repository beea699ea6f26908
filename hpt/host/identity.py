"""Which process is which: an identity that outlives the reuse of process ids and restarts of the host.

Standard library only, and few modules of it: a supervisor imports this once a trial.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ENDED = "ZXx"
"""Letters of the states of a process that executes nothing any more."""


class ProcessIdentity:
    """One process, distinguished from every other that ever had its id."""

    __slots__ = ("boot", "namespace", "pid", "start")

    def __init__(self, boot: str, namespace: int, pid: int, start: int) -> None:
        """Nothing is checked.

        Parameters
        ----------
        boot
            The kernel's boot id.
        namespace
            Inode of the process id namespace: a pid means nothing outside it.
        pid
            As the process sees itself.
        start
            The kernel's start time of the process, in clock ticks since boot.
        """
        self.boot, self.namespace, self.pid, self.start = boot, namespace, pid, start

    @staticmethod
    def current() -> ProcessIdentity:
        """The calling process."""
        found = read_stat(os.getpid())
        if found is None:
            raise RuntimeError("/proc does not show the calling process; mount /proc")
        return ProcessIdentity(boot_id(), pid_namespace(), os.getpid(), found[3])

    @staticmethod
    def of(pid: int) -> ProcessIdentity | None:
        """The process of that id in this namespace; None if no such process runs."""
        found = read_stat(pid)
        if found is None or found[0] in ENDED:
            return None
        return ProcessIdentity(boot_id(), pid_namespace(), pid, found[3])

    @staticmethod
    def parse(string: str) -> ProcessIdentity:
        """The identity that `str` wrote.

        Raises:
            StorageError: a newer version wrote another form of it.
        """
        try:
            boot, namespace, pid, start = string.split("/")
            return ProcessIdentity(boot, int(namespace), int(pid), int(start))
        except ValueError:
            from hpt.search.stored import newer  # late: a supervisor does not need it

            raise newer(f"the process {string!r:.80} that runs the job is of an unknown form") from None

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> ProcessIdentity:
        """The identity that `to_json` wrote. One without a namespace is of an earlier version, which took it
        for that of whoever reads it.
        """
        namespace = content["namespace"] if "namespace" in content else pid_namespace()
        return ProcessIdentity(
            str(content["boot_id"]), int(namespace), int(content["pid"]), int(content["start_time"])
        )

    def to_json(self) -> dict[str, Any]:
        """The identity as JSON data."""
        return {
            "boot_id": self.boot,
            "namespace": self.namespace,
            "pid": self.pid,
            "start_time": self.start,
        }

    def __str__(self) -> str:
        return f"{self.boot}/{self.namespace}/{self.pid}/{self.start}"

    def __repr__(self) -> str:
        return f"ProcessIdentity({self.boot!r}, {self.namespace}, {self.pid}, {self.start})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProcessIdentity) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def lives(self) -> bool | None:
        """Whether the process runs; None where this process cannot know (another host or container).

        A zombie has ended: it executes nothing any more. An identity of an earlier boot of this host looks
        like one of another host, and is None too.
        """
        state = self.state()
        return None if state is None else bool(state) and state not in ENDED

    def state(self) -> str | None:
        """The letter of the process's state (proc(5)), "" if it is gone; None as for `lives`."""
        if self.boot != boot_id() or self.namespace != pid_namespace():
            return None
        found = read_stat(self.pid)
        return found[0] if found is not None and found[3] == self.start else ""


def boot_id() -> str:
    """Differs after every start of the host."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def pid_namespace() -> int:
    """Inode of this process's process id namespace; 0 on a kernel without them, which has one for all."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def read_stat(pid: int | str) -> tuple[str, int, int, int] | None:
    """State letter, parent, process group, start time in ticks since boot (proc(5), fields 3, 4, 5 and 22);
    None if there is no such process.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return None
    # The second field, the name, may hold anything, also spaces and brackets.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[19])
