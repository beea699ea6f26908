"""The names of the hosts of a training job: each is an address of the loopback network.

The addresses are drawn for each attempt, so that training jobs that run beside each other can use the same
ports. Programs find them by a file that lies over /etc/hosts in a mount namespace of their own; where the
kernel does not give one, the addresses themselves are the names.

Standard library only: the supervisor imports this, for training jobs of several hosts.
"""

from __future__ import annotations

import ctypes
import os
import socket

from hpt.executors import hosts
from hpt.host.private import open_private

PLACE = "/etc/hosts"

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_MS_BIND = 0x1000
_MS_SLAVE_ALL = 0x80000 | 0x4000  # MS_SLAVE | MS_REC

_FIRST_ADDRESS = 101
"""The last byte of the first host's address: addresses with three digits sort as their hosts do."""

_PORTS = (20000, 32000)
"""Among which a port is drawn: below those that the kernel gives to connections."""


class HostNames:
    """Names, addresses and a rendezvous port for the hosts of an attempt.

    names: by number, what the hosts are called; file: what lies over /etc/hosts, None where nothing does.
    """

    def __init__(self, count: int, path: str) -> None:
        """Draw the addresses, and write the file if it can be used.

        Raises:
            OSError: the file cannot be written, or no port is free.
        """
        block = f"127.{1 + os.urandom(1)[0] % 254}.{os.urandom(1)[0]}"
        numbers = range(1, count + 1)
        self.names = {number: hosts.name_of(number) for number in numbers}
        addresses = {number: f"{block}.{_FIRST_ADDRESS + number - 1}" for number in numbers}
        self.port = free_port()
        self.file: str | None = path
        _write(path, {self.names[number]: addresses[number] for number in numbers})
        if not resolves(path, self.names[count], addresses[count]):
            self.file, self.names = None, addresses

    def enter(self) -> None:
        """Make the names known to this process, which is about to become a host.

        Raises:
            OSError: the kernel does not allow it.
        """
        if self.file is not None:
            cover(self.file)


def _write(path: str, addresses: dict[str, str]) -> None:
    """Our names, then what the machine's own file says of others."""
    lines = [f"{address}\t{name}\n" for name, address in addresses.items()]
    try:
        with open(PLACE, encoding="utf-8", errors="surrogateescape") as file:
            lines += [line for line in file if addresses.keys().isdisjoint(line.partition("#")[0].split())]
    except OSError:
        pass  # then nothing can be put in its place either
    fd = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with open(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(lines)
    os.chmod(path, 0o644)  # a host may be another user inside


def cover(path: str) -> None:
    """Put a file over /etc/hosts for this process and its descendants alone.

    Raises:
        OSError: the kernel does not allow it.
    """
    library = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if library.unshare(_CLONE_NEWNS) != 0:
        _checked(library.unshare(_CLONE_NEWNS | _CLONE_NEWUSER))
        for name, line in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            fd = os.open(f"/proc/self/{name}", os.O_WRONLY)
            try:
                os.write(fd, line.encode())
            finally:
                os.close(fd)
    _checked(library.mount(b"none", b"/", None, ctypes.c_ulong(_MS_SLAVE_ALL), None))
    _checked(library.mount(os.fsencode(path), PLACE.encode(), None, ctypes.c_ulong(_MS_BIND), None))


def _checked(code: int) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def resolves(path: str, name: str, address: str) -> bool:
    """Whether a process with that file over /etc/hosts finds the address of the name. It is tried."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            cover(path)
            code = 0 if socket.gethostbyname(name) == address else 1
        except BaseException:
            pass
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def are_possible() -> bool:
    """Whether hosts find each other by name on this machine, else by address. It is tried."""
    import tempfile

    try:
        with tempfile.TemporaryDirectory(prefix="hpt-hosts-") as directory:
            return HostNames(1, f"{directory}/hosts").file is not None
    except OSError:
        return False


def free_port() -> int:
    """A port that nobody uses now, on any address of this machine.

    Raises:
        OSError: none was found.
    """
    first, end = _PORTS
    for _ in range(200):
        port = first + int.from_bytes(os.urandom(4)) % (end - first)
        with socket.socket() as one:
            try:
                one.bind(("", port))
            except OSError:
                continue
        return port
    raise OSError(f"no port from {first} to {end - 1} is free")
