"""Starts a Ray cluster of three nodes on this machine, runs a command on it, and ends the cluster again.

    python examples/ray/cluster.py hpt tune examples/mlp/job.json --executor ray

Each node is a `ray start` of its own on a loopback address, as machines are in a real cluster. The command
finds the cluster by RAY_ADDRESS. Two of the nodes are labelled as Spot machines: kill one (`kill -9` the
process that is printed), and its training jobs go on elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEAD, PORT = "127.0.0.10", 6379
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


def wait_for_head(seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        with socket.socket() as probe:
            if probe.connect_ex((HEAD, PORT)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"the head of the cluster did not start within {seconds:g} s")


def main(command: list[str]) -> int:
    if not command:
        raise SystemExit(__doc__)
    place = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # Ray's sockets need short paths
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the cluster is ended then too
    os.environ["RAY_AUTH_MODE"] = "disabled"
    os.environ["RAY_ADDRESS"] = f"{HEAD}:{PORT}"
    head = ("--head", "--port", str(PORT), "--num-cpus", "0", "--include-dashboard", "false")
    nodes = [start(place, 0, *head)]
    try:
        wait_for_head(60)
        for number, labels in enumerate(NODES, 1):
            more = ("--address", f"{HEAD}:{PORT}", "--num-cpus", "1", "--labels", labels)
            nodes.append(start(place, number, *more))
            print(f"node 127.0.0.{10 + number} ({labels}) is process {nodes[-1].pid}", file=sys.stderr)
        return subprocess.run(command, check=False).returncode
    finally:
        for node in reversed(nodes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(node.pid, signal.SIGTERM)
        for node in nodes:
            try:
                node.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(node.pid, signal.SIGKILL)
                node.wait()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
