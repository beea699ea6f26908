"""The names of the hosts of a training job: each is an address of the loopback network.

The addresses are drawn for each attempt, so that training jobs that run beside each other can use the same
ports. Programs find them by a file that lies over /etc/hosts in a mount namespace of their own; where the
kernel does not give one, the addresses themselves are the names.

Standard library only: the supervisor imports this, for training jobs of several hosts.
"""

from __future__ import annotations

import os
import socket

from hpt.executors import hosts
from hpt.host import namespace
from hpt.host.private import open_private

PLACE = "/etc/hosts"

_FIRST_ADDRESS = 101
"""The last byte of the first host's address: addresses with three digits sort as their hosts do."""

_PORTS = (20000, 32000)
"""Among which a port is drawn: below those that the kernel gives to connections."""


class HostNames:
    """Names, addresses and a rendezvous port for the hosts of an attempt.

    names: by number, what the hosts are called; addresses: theirs. file: what lies over /etc/hosts, None
    where nothing does.
    """

    def __init__(self, count: int, path: str) -> None:
        """Draw the addresses, and write the file if it can be used.

        Raises:
            OSError: the file cannot be written, or no port is free.
        """
        block = f"127.{1 + os.urandom(1)[0] % 254}.{os.urandom(1)[0]}"
        numbers = range(1, count + 1)
        self.names = {number: hosts.name_of(number) for number in numbers}
        addresses = self.addresses = {number: f"{block}.{_FIRST_ADDRESS + number - 1}" for number in numbers}
        self.port = free_port()
        self.file: str | None = path
        _write(path, {self.names[number]: addresses[number] for number in numbers})
        if not resolves(path, self.names[count], addresses[count]):
            self.file, self.names = None, addresses

    @property
    def binds(self) -> list[tuple[str, str]]:
        """What a host needs to see in place of files of the machine."""
        return [] if self.file is None else [(self.file, PLACE)]


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


def resolves(path: str, name: str, address: str) -> bool:
    """Whether a process with that file over /etc/hosts finds the address of the name. It is tried."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            namespace.enter([(path, PLACE)])
            code = 0 if socket.gethostbyname(name) == address else 1
        except BaseException:
            pass
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def are_possible() -> bool:
    """Whether hosts find each other by name on this machine, else by address: another process tries it."""
    import subprocess
    import sys

    packages = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = os.pathsep.join(filter(None, [packages, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "hpt.executors.host_names"]
    try:
        tried = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, timeout=20.0, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def _main() -> int:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="hpt-hosts-") as directory:
        return 0 if HostNames(1, f"{directory}/hosts").file is not None else 1


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


if __name__ == "__main__":
    raise SystemExit(_main())
