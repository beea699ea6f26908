"""Starts a Ray cluster of three nodes on this machine, runs a command on it, and ends the cluster again.

    python examples/ray/cluster.py hpt tune examples/mlp/job.json --executor ray

It needs Ray and what the command needs, `pip install -e '.[xgboost,ray]'` for this one. Each node is a
`ray start` of its own on a loopback address, as machines are in a real cluster. The command finds the
cluster by RAY_ADDRESS. Two of the nodes are labelled as Spot machines: kill one (`kill -9` the process that
is printed), and its training jobs go on elsewhere. Ctrl-C is for the command; when that has ended, so does
the cluster, and what the nodes kept is removed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEAD = "127.0.0.10"
ENDS_WITHIN = 8.0  # seconds, after which what is left of the nodes is killed
NODES = ("market=on-demand", "market=spot", "market=spot")


def start(place: Path, number: int, *options: str) -> subprocess.Popen[bytes]:
    """A node, in the foreground of a session of its own, so that it can be ended as a whole."""
    with (place / f"{number}.log").open("wb") as log:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"),
                *("--node-ip-address", f"127.0.0.{10 + number}", "--temp-dir", str(place / str(number))),
                *("--object-store-memory", "80000000", *options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def wait_for_head(head: subprocess.Popen[bytes], port: int, log: Path, seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while head.poll() is None and time.monotonic() < give_up:
        with socket.socket() as probe:
            if probe.connect_ex((HEAD, port)) == 0:
                return
        time.sleep(0.1)
    why = "ended" if head.poll() is not None else f"did not start within {seconds:g} s"
    raise SystemExit(f"the head of the cluster {why}; it said:\n{log.read_text()[-2000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HEAD, 0))
        return int(probe.getsockname()[1])


def run(command: list[str]) -> int:
    """The command, which is sent the signals that this process gets; its exit code as a shell tells it."""
    signal.signal(signal.SIGINT, lambda *_: None)  # a terminal sends it to both
    try:
        child = subprocess.Popen(command)
    except OSError as error:
        raise SystemExit(f"{command[0]} cannot be run: {error.strerror}; correct the command") from None
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    code = child.wait()
    return code if code >= 0 else 128 - code


def end(nodes: list[subprocess.Popen[bytes]]) -> None:
    """End the cluster, the head last, whatever comes meanwhile."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    for node in reversed(nodes):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(node.pid, signal.SIGTERM)
    give_up = time.monotonic() + ENDS_WITHIN
    for node in nodes:
        try:
            node.wait(max(0.0, give_up - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(node.pid, signal.SIGKILL)
            node.wait()


def main(command: list[str]) -> int:
    if not command:
        raise SystemExit(__doc__)
    if importlib.util.find_spec("ray") is None:
        raise SystemExit(f"Ray is not installed; run: {sys.executable} -m pip install -e '.[xgboost,ray]'")
    port = free_port()
    place = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # Ray's sockets need short paths
    for each in (signal.SIGINT, signal.SIGTERM):  # so that the cluster is ended then too
        signal.signal(each, lambda number, _: sys.exit(128 + number))
    os.environ["RAY_AUTH_MODE"] = "disabled"
    os.environ["RAY_ADDRESS"] = f"{HEAD}:{port}"
    os.environ["HPT_NODE_ROOT"] = str(place / "kept")
    head = ("--head", "--port", str(port), "--num-cpus", "0", "--include-dashboard", "false")
    nodes = [start(place, 0, *head)]
    try:
        wait_for_head(nodes[0], port, place / "0.log", 60)
        for number, labels in enumerate(NODES, 1):
            more = ("--address", f"{HEAD}:{port}", "--num-cpus", "1", "--labels", labels)
            nodes.append(start(place, number, *more))
            print(f"node 127.0.0.{10 + number} ({labels}) is process {nodes[-1].pid}", file=sys.stderr)
        return run(command)
    finally:
        end(nodes)
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
