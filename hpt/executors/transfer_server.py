"""Runs transfers of a machine in copies of one process, so that boto3 is imported and set up once there.

Run as `python -m hpt.executors.transfer_server DIRECTORY`: that of the tuning job on the machine. It serves
until its standard input ends: with the agent that started it. `transfer_client.py` is the other side.

What it has begun goes on when it ends.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys

from hpt.executors.transfer_client import SOCKET, TAKEN, address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_BACKLOG = 128
_F_SETSIG = 10
_MOST = 1 << 24


def serve(place: str) -> None:
    """Serve until standard input ends."""
    warm = _warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # copies answer for themselves
    folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with socket.socket(socket.AF_UNIX) as listener:
        new = f"{SOCKET}.{os.getpid()}"
        listener.bind(address(folder, new))
        listener.listen(_BACKLOG)
        os.rename(new, SOCKET, src_dir_fd=folder, dst_dir_fd=folder)  # listens from the first moment
        waiting = select.poll()
        waiting.register(0, select.POLLIN)
        waiting.register(listener, select.POLLIN)
        while all(fd == listener.fileno() for fd, _ in waiting.poll()):
            client, _ = listener.accept()
            with client:
                if os.fork() == 0:
                    listener.close()
                    _run(client, warm)


def _warm_up() -> Any:
    """Import what transfers need, and read what boto3 knows of S3; returns what has read it."""
    import boto3
    import botocore.session

    from hpt.executors import s3_transfer  # noqa: F401, copies need it

    session = botocore.session.Session()
    made = boto3.Session("none", "none", region_name="us-east-1", botocore_session=session)
    made.client("s3")
    gc.collect()
    gc.freeze()
    return session.get_component("data_loader")


def _run(client: socket.socket, warm: Any) -> NoReturn:
    """In a copy: do what is asked, and say how that ended."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        line = b""
        while not line.endswith(b"\n") and len(line) < _MOST and (data := client.recv(1 << 16)):
            line += data
        request = json.loads(line)
        if _die_with(client):
            client.sendall(TAKEN)
            client.sendall(str(_transfer(request, warm)).encode())
    finally:
        os._exit(1)


def _die_with(client: socket.socket) -> bool:
    """Have the kernel kill this process when the other end is closed; False if it is."""
    import fcntl

    fcntl.fcntl(client, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(client, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(client, fcntl.F_SETFL, fcntl.fcntl(client, fcntl.F_GETFL) | os.O_ASYNC)
    looking = select.poll()
    looking.register(client, 0)
    return not looking.poll(0)  # closed ones are told whatever is looked for


def _transfer(request: dict[str, Any], warm: Any) -> int:
    """Its exit code, as if it were a process by itself."""
    try:
        return _moved(request, warm)
    except Exception:
        sys.excepthook(*sys.exc_info())
        return 1
    finally:
        sys.stdout.flush()


def _moved(request: dict[str, Any], warm: Any) -> int:
    import random

    output = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["variables"])
    random.seed()  # or all copies wait as long between two tries
    import boto3
    import botocore.session

    session = botocore.session.Session()
    if not os.environ.get("AWS_DATA_PATH"):
        session.register_component("data_loader", warm)
    boto3.setup_default_session(botocore_session=session)
    from hpt.executors.s3_transfer import run

    return run(request["arguments"])


if __name__ == "__main__":
    serve(sys.argv[1])
