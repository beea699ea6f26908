"""A real Ray cluster on this machine: each node is a `ray start` of its own on a loopback address."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

_NETWORK = f"127.{1 + (os.getpid() >> 8) % 254}.{os.getpid() % 256}"
"""Loopback addresses that no other run of tests here uses: nodes choose ports as if they were alone."""

HEAD = f"{_NETWORK}.10"
QUICK = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "5",
}
"""A node that is gone is noticed within seconds in place of a minute."""


class RayCluster:
    """Nodes are known by their numbers, from 1; the head runs nothing."""

    def __init__(self, port: int, variables: Mapping[str, str] | None = None) -> None:
        self._variables = dict(variables or {})
        self.place = Path(tempfile.mkdtemp(prefix="hr", dir="/tmp"))  # Ray's sockets need short paths
        self.nodes = Path(tempfile.mkdtemp(prefix="hn"))  # what the agents keep
        self.address = f"{HEAD}:{port}"
        self._port = port
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._begun: dict[int, int] = {}  # bytes of each node's log when it was started last
        self.start_head()

    @property
    def environment(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        return {
            **plain,
            **QUICK,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "disabled",
            "HPT_NODE_ROOT": str(self.nodes),
            "OF_THE_NODE": "yes",
            "OMP_NUM_THREADS": "1",
            **self._variables,
        }

    def start_head(self) -> None:
        more = ("--head", "--port", str(self._port), "--num-cpus", "0", "--include-dashboard", "false")
        self._start(0, HEAD, more, {})
        give_up = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((HEAD, self._port)) == 0:
                    return
            assert time.monotonic() < give_up, (self.place / "0.log").read_text()[-2000:]
            time.sleep(0.1)

    def add(self, number: int, labels: str = "", cpus: int = 2, **variables: str) -> None:
        more = ("--address", self.address, "--num-cpus", str(cpus))
        self._start(number, self.host(number), (*more, *(("--labels", labels) if labels else ())), variables)

    def wait_for(self, number: int, seconds: float = 90.0) -> None:
        """Wait until a node that was added is part of the cluster."""
        log, give_up = self.place / f"{number}.log", time.monotonic() + seconds
        while b"Ray runtime started" not in log.read_bytes()[self._begun[number] :]:
            assert time.monotonic() < give_up, log.read_text()[-2000:]
            time.sleep(0.1)

    def host(self, number: int) -> str:
        return f"{_NETWORK}.{10 + number}"

    def _start(self, number: int, host: str, more: tuple[str, ...], variables: dict[str, str]) -> None:
        with (self.place / f"{number}.log").open("ab") as log:
            self._begun[number] = log.tell()
            self._processes[number] = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ray.scripts.scripts", "start", *more),
                    *("--node-ip-address", host, "--object-store-memory", "80000000"),
                    *("--temp-dir", str(self.place / str(number)), "--disable-usage-stats", "--block"),
                ],
                env={**self.environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def pids(self, number: int) -> list[int]:
        """Every process of a node that Ray started: not what the agents there started in sessions of their
        own, if those are no descendants any more.
        """
        try:
            process = psutil.Process(self._processes[number].pid)
            return [process.pid, *(each.pid for each in process.children(recursive=True))]
        except psutil.NoSuchProcess:
            return []

    @property
    def numbers(self) -> list[int]:
        """Of the nodes that were started and not killed, without the head."""
        return [number for number in self._processes if number]

    def signal(self, number: int, what: signal.Signals) -> list[int]:
        """Send a signal to the whole node, its training programs included, as when a machine goes away;
        returns whom.
        """
        pids = self.pids(number)
        self.signal_all(pids, what)
        return pids

    def signal_all(self, pids: Sequence[int], what: signal.Signals) -> None:
        for pid in pids:
            try:
                os.kill(pid, what)
            except ProcessLookupError:
                continue

    def renew(self, number: int, labels: str = "") -> None:
        """Kill a node, and start another in its place."""
        self.kill(number)
        self.add(number, labels)

    def kill(self, number: int) -> None:
        self.signal(number, signal.SIGKILL)
        self._processes.pop(number).wait()

    def close(self) -> None:
        for number in sorted(self._processes, reverse=True):
            self.signal(number, signal.SIGCONT)
            self.kill(number)
        for place in (self.place, self.nodes):
            shutil.rmtree(place, ignore_errors=True)
