"""How a supervisor has a transfer run by the process of its machine that has boto3 loaded.

    supervisor --fork--> its child --socket--> `transfer_server.py` --fork--> the copy that moves the data

The child stands for the copy: it ends as the copy does, and the kernel kills the copy when it dies. Where
nothing serves, or not in time, it becomes a process of its own that imports boto3 for itself: nothing depends
on the server, it only saves CPU time.

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import json
import os
import signal
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SOCKET = "transfers"
"""The name of the socket, in the directory of the tuning job on the machine."""

TAKEN = b"+"
"""The answer to a request that is taken up; the exit code of the transfer follows."""

_PATIENCE = 5.0
"""Seconds until a request is taken up."""


def address(directory: int, name: str = SOCKET) -> str:
    """Of the socket in an open directory, since paths may be longer than addresses."""
    return f"/proc/self/fd/{directory}/{name}"


class Ask:
    """Called in the new process: has the transfer run, and waits for its end. Returns its exit code, or a
    signal, negative; None where nothing serves, and nothing was done.
    """

    def __init__(
        self, arguments: Sequence[str], variables: Mapping[str, str], directory: str, log: str
    ) -> None:
        """What is asked for.

        Parameters
        ----------
        arguments
            Of `s3_transfer`.
        variables
            Its environment.
        directory
            That of the attempt.
        log
            The file that it prints into.
        """
        self._place = directory
        for _ in range(4):  # <tuning job>/trials/<training job>/attempts/<number>
            self._place = os.path.dirname(self._place)
        request = {
            "arguments": list(arguments),
            "variables": dict(variables),
            "directory": directory,
            "log": log,
        }
        self._request = json.dumps(request).encode() + b"\n"

    def __call__(self) -> int | None:
        with socket.socket(socket.AF_UNIX) as server:
            server.settimeout(_PATIENCE)
            try:
                folder = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    server.connect(address(folder))
                finally:
                    os.close(folder)
                server.sendall(self._request)
                if server.recv(1) != TAKEN:
                    return None
            except OSError:
                return None
            server.settimeout(None)
            said = b""
            while data := server.recv(16):
                said += data
        return int(said) if said else -signal.SIGKILL
