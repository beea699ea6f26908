"""The tuner's end of the pipe to the process that talks to a cluster, which is started anew when it dies."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import connection as pipes
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hpt.errors import ExecutorError, InputError, RetryableError
from hpt.executors.node import Node

Answer = Callable[[str, Any], None]
"""Called with how a call ended (`ray_bridge.py` lists the words) and what came of it."""

_OPENS_WITHIN = 90.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0


class Link:
    """Calls to the agents of nodes.

    opening: what the process is told first. log: receives what it complains of. silent: seconds without a
    look at the nodes after which the cluster's head counts as gone.
    """

    def __init__(self, module: str, opening: tuple[Any, ...], log: Path, silent: float = 10.0) -> None:
        self._module, self._opening, self._log, self._silent = module, opening, log, silent
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._calls: dict[int, Answer] = {}
        self._number = 0
        self._pause, self._next = 0.0, 0.0
        self._began = 0.0
        self.facts: dict[str, str] = {}
        self.nodes: list[dict[str, Any]] | None = None
        self.looked = 0.0  # when `nodes` came, on the monotonic clock
        self.fault = ""
        self.epoch = 0  # how many processes there were
        self._open = False

    def open(self) -> None:
        """Start the process, and wait until it knows the nodes.

        Raises:
            InputError: there is no such cluster, or it is of another version.
            ExecutorError: it does not answer.
        """
        self._start()
        give_up = time.monotonic() + _OPENS_WITHIN
        while self.nodes is None:
            if self._pipe is None or time.monotonic() > give_up:
                fault = self.fault or self._silence()
                self.close()
                raise InputError(fault) if fault.startswith("no cluster") else ExecutorError(fault)
            pipes.wait([self._pipe], 0.5)
            self.pump()

    def pump(self) -> None:
        """Take in what came, and start the process again if it is time. Never blocks."""
        if self._pipe is None:
            if time.monotonic() >= self._next:
                self._start()
            return
        try:
            while self._pipe.poll():
                self._take(self._pipe.recv())
        except (EOFError, OSError):
            self._lose(
                f"the connection to the cluster at {self._opening[1]} is lost; look whether its head runs"
            )
            return
        if self._open and time.monotonic() - self.looked > 60.0 + self._silent:
            self._lose("the cluster's head does not answer")  # Ray's own patience is a minute
        elif not self._open and time.monotonic() - self._began > _OPENS_WITHIN:
            self._lose(self._silence())

    def _silence(self) -> str:
        return (
            f"the cluster at {self._opening[1]} says nothing within {_OPENS_WITHIN:g} s; look whether its "
            "head runs, and whether this is the port of the head (6379), not that of Ray Client (10001)"
        )

    def check(self) -> None:
        """Raises RetryableError while nothing can be known of the cluster."""
        if self._pipe is None or not self._open:
            raise RetryableError(self.fault or "the cluster is being connected to")
        if not self.answers:
            raise RetryableError("the cluster's head does not answer")

    @property
    def answers(self) -> bool:
        """Whether the head of the cluster answered just now."""
        return self._open and self.nodes is not None and time.monotonic() - self.looked < self._silent

    def call(self, answer: Answer, *call: Any) -> None:
        """Make a call; `answer` hears of its end during a later `pump`, or now if it cannot be made."""
        if self._pipe is None or not self._open:
            answer("away", self.fault)
            return
        self._number += 1
        self._calls[self._number] = answer
        try:
            self._pipe.send(("call", self._number, *call))
        except (OSError, ValueError) as error:
            self._lose(f"the process that talks to the cluster cannot be reached: {error}")

    def wait(self, seconds: float) -> None:
        """Sleep until something came, or so many seconds."""
        if self._pipe is None:
            time.sleep(max(0.0, seconds))
        else:
            pipes.wait([self._pipe], max(0.0, seconds))

    def close(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._process is not None:
            try:
                self._process.wait(3.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._open = False
        self._calls.clear()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._began = time.monotonic()
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", self._module, str(theirs.fileno())],
                    env=_environment(),
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the tuner
                )
        except OSError as error:
            ours.close()
            self._process = None
            self._put_off(f"no process can be started to talk to the cluster: {error.strerror}")
            return
        finally:
            theirs.close()
        self.epoch += 1
        self._pipe = Connection(ours.detach())
        self._open = False
        try:
            self._pipe.send(self._opening)
        except OSError:
            self._lose("the process that talks to the cluster has ended")

    def _take(self, message: tuple[Any, ...]) -> None:
        match message:
            case ("open", facts):
                self.facts, self._open, self.fault = facts, True, ""
                self.looked = time.monotonic()
            case ("nodes", rows):
                self.nodes, self.looked, self._pause = rows, time.monotonic(), 0.0
            case ("refused", kind, why):
                self.fault = refusal(self._opening[1], kind, why)
            case (int() as number, how, result):
                answer = self._calls.pop(number, None)
                if answer is not None:
                    answer(how, result)

    def _lose(self, why: str) -> None:
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._pipe = self._process = None
        self._open = False
        self._put_off(self.fault or why)
        calls, self._calls = self._calls, {}
        for answer in calls.values():
            answer("away", self.fault)

    def _put_off(self, why: str) -> None:
        self.fault = why
        self._pause = min(_LONGEST_PAUSE, 2 * self._pause or _FIRST_PAUSE)
        self._next = time.monotonic() + self._pause


def refusal(address: str, kind: str, why: str) -> str:
    """Why a cluster cannot be used, with the fix."""
    if len(versions := re.findall(r"Ray: (\S+)\s+Python: (\S+)", why)) == 2:
        there, here = (f"Ray {ray} and Python {python}" for ray, python in versions)
        return (
            f"no cluster at {address!r} that can be used: it runs {there}, and this is {here}; use the same"
            " Ray, and the same Python up to its second number, on both"
        )
    if "ersion" in why:
        return f"no cluster at {address!r} that can be used: {why}; use the same Ray and Python everywhere"
    if kind in ("ConnectionError", "ValueError", "RuntimeError"):
        return (
            f"no cluster is found at {address!r} ({why}); start one, or give the address of its head as "
            "HOST:PORT"
        )
    return f"the cluster at {address!r} cannot be used: {kind}: {why}"


def _environment() -> dict[str, str]:
    """This process's, with what keeps Ray quiet. Python 3.11.2 and 3.11.7 understand each other."""
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1"}
    quiet["RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL"] = "minor"
    packages = os.pathsep.join(filter(None, [Node().library, os.environ.get("PYTHONPATH")]))
    return {**quiet, **os.environ, **({"PYTHONPATH": packages} if packages else {})}
