"""Runs functions in workers that stay warm, and every other program as `LocalExecutor` does.

A worker and its supervisor (`warm_supervisor.py`) live as long as the executor, one for each attempt that
runs at a time. An attempt is handed to an idle one; where none is, another is started. The attempt's
directory holds all there is to know of it, so any process finds it there, and one that this process did not
hand to a worker is followed as `LocalExecutor` follows it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hpt.errors import BusyError, ExecutorError
from hpt.executors.attempt import _BLOCKED, _DEFAULT, _START, Attempt
from hpt.executors.base import AttemptKey, Submission
from hpt.executors.local import LocalExecutor
from hpt.executors.order import Order
from hpt.executors.slots import Assignment
from hpt.executors.warm_supervisor import ENDED, FAREWELL
from hpt.host.clock import SteadyClock
from hpt.host.identity import read_stat
from hpt.host.private import make_directories
from hpt.job.config import TrainingJobDefinition
from hpt.job.program_kind import FUNCTION_WORKER

_DESCRIPTOR = 3
"""The number that the supervisor's end of the socket has there."""

_PATIENCE = 20.0
"""Seconds that a supervisor has to read a request."""


class WarmExecutor(LocalExecutor):
    """See the module, and `LocalExecutor` for what it is made of."""

    def __init__(
        self,
        root: Path,
        *,
        clock: SteadyClock | None = None,
        outlive: bool = True,
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        super().__init__(root, clock=clock, outlive=outlive, say=say)
        self._hosts: list[Host] = []

    def warm_up(self, definition: TrainingJobDefinition, count: int, parallel: int) -> None:
        """Start `count` workers of a function, of `parallel` that will run at a time.

        What fails here fails again, and is reported, where an attempt is submitted.
        """
        if definition.training_image != FUNCTION_WORKER or definition.resources:
            return
        spec = Order.of(Submission("worker", 1, {}, definition, parallel)).on(self._node)
        with contextlib.suppress(OSError, ExecutorError):
            make_directories(self._root.parent)
            for _ in range(count - len(self._hosts)):
                host = Host(self._log)
                self._hosts.append(host)
                host.begin(spec)

    def wait(self, seconds: float) -> None:
        """Sleep until a worker has news, an attempt has ended, or so many seconds."""
        workers = [host.socket.fileno() for host in self._hosts if not host.gone]
        self._sleep(seconds, workers)

    def close(self) -> None:
        """Release everything; a running attempt goes on, and its worker exits after it."""
        for host in self._hosts:
            host.socket.close()
        give_up = time.monotonic() + FAREWELL + 1
        for host in self._hosts:
            while not host.reap() and host.idle and time.monotonic() < give_up:
                time.sleep(0.002)
        for host in self._hosts:
            self._slots.release(host.assignment)
        self._hosts.clear()
        super().close()

    def _attempt_of(self, order: Order) -> Attempt:
        if order.content["requested_image"] != FUNCTION_WORKER:
            return super()._attempt_of(order)
        directory = self._directory(order.key)
        return WarmAttempt(order.key, directory, self._clock, order.log_offset, self._idle_host)

    @property
    def _log(self) -> str:
        return str(self._root.with_name("workers.log"))

    def _idle_host(self, assignment: Assignment | None = None) -> Host:
        """The supervisor of an idle worker that has just what is given here; else a new one."""
        self._hosts = [host for host in self._hosts if not self._has_ended(host, assignment)]
        for host in self._hosts:
            if host.idle and not host.gone and host.assignment is assignment:
                return host
        host = Host(self._log, assignment)
        self._hosts.append(host)
        return host

    def _has_ended(self, host: Host, wanted: Assignment | None = None) -> bool:
        if not host.reap():
            return False
        if host.idle and host.assignment is not wanted:
            self._slots.release(host.assignment)
        return True

    def _assign(self, attempt: Attempt, order: Order) -> dict[str, Any]:
        """As for a program; but an idle worker keeps what it has, until others need that."""
        wanted = order.resources
        if not wanted or not isinstance(attempt, WarmAttempt):
            return super()._assign(attempt, order)
        self._hosts = [host for host in self._hosts if not self._has_ended(host)]
        idle = [host for host in self._hosts if host.idle and not host.gone and host.assignment is not None]
        for host in idle:
            if host.assignment is not None and host.assignment.resources == wanted:
                attempt.assignment = host.assignment
                return host.assignment.specification()
        try:
            return super()._assign(attempt, order)
        except BusyError:
            for host in idle:
                host.dismiss()
                self._slots.release(host.assignment)
            if not idle:
                raise
        return super()._assign(attempt, order)

    def _freed(self, attempt: Attempt) -> None:
        """A worker that goes on keeps what it has."""
        if isinstance(attempt, WarmAttempt) and any(
            host.assignment is attempt.assignment and not host.gone for host in self._hosts
        ):
            return
        super()._freed(attempt)


class Host:
    """The supervisor of a worker, as the process that started it sees it."""

    def __init__(self, log: str, assignment: Assignment | None = None) -> None:
        """Start it. log: the file that takes its complaints. assignment: what its worker gets of the machine.

        Raises:
            ExecutorError: no process can be started.
        """
        self.gone = False  # it closed its end
        self.idle = True
        self.assignment = assignment
        self._ended = False
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        actions = [
            *(() if assignment is None else assignment.actions(theirs.fileno())),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), _DESCRIPTOR),
        ]
        command = [sys.executable, "-I", "-S", _START, "warm", str(_DESCRIPTOR), log]
        try:
            theirs.set_inheritable(True)
            self._pid: int | None = os.posix_spawn(
                command[0],
                command,
                os.environ,
                file_actions=actions,
                setsid=True,
                setsigmask=_BLOCKED,
                setsigdef=_DEFAULT,
            )
        except OSError as error:
            self.socket.close()
            raise ExecutorError(
                f"no worker could be started: {error.strerror}; free memory, processes or disk space, then"
                " resume"
            ) from None
        finally:
            theirs.close()

    def begin(self, spec: Mapping[str, Any]) -> None:
        """Have its worker started before there is an attempt."""
        self._send(spec)

    def _send(self, request: object) -> None:
        self.socket.settimeout(_PATIENCE)
        try:
            self.socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError:
            self.gone = True
        finally:
            self.socket.setblocking(False)

    def dismiss(self) -> None:
        """There will be no more attempts for it: it exits by itself."""
        self.socket.close()
        self.gone = True

    def hand(self, directory: str) -> bool:
        """Hand it an attempt; False if it is not there any more."""
        self.idle = self._ended = False
        self._send(directory)
        return not self.gone

    def works(self) -> bool:
        """Whether it is still at the attempt that it was handed last."""
        while not self.gone and not self._ended:
            try:
                words = self.socket.recv(1 << 12)
            except BlockingIOError:
                break
            except OSError:
                words = b""
            self.gone = self.gone or not words
            self._ended = ENDED in words
        self.idle = self.idle or self._ended
        return not self.gone and not self._ended

    def stopped(self) -> int | None:
        """Its process if a signal has stopped it, else None."""
        found = None if self._pid is None else read_stat(self._pid)
        return self._pid if found is not None and found[0] == "T" else None

    def reap(self) -> bool:
        """Whether its process has ended; collects its exit code."""
        if self._pid is None:
            return True
        try:
            pid, _ = os.waitpid(self._pid, os.WNOHANG)
        except ChildProcessError:  # somebody else in this process waited for it
            pid = self._pid
        if pid == 0:
            return False
        self._pid, self.gone = None, True
        return True


class WarmAttempt(Attempt):
    """An attempt that a warm worker runs."""

    def __init__(
        self,
        key: AttemptKey,
        directory: Path,
        clock: SteadyClock,
        offset: int,
        idle_host: Callable[[Assignment | None], Host],
    ) -> None:
        """As `Attempt`; idle_host: gives the supervisor to hand it to."""
        super().__init__(key, directory, clock, offset)
        self._idle_host = idle_host
        self._host: Host | None = None

    def spawn(self) -> None:
        """Hand it to a supervisor; the lock and the marker ensure that only one ever calls the function."""
        if self._host is not None and self._host.works():
            return
        self._spawns += 1
        host = self._idle_host(self.assignment)
        while not host.hand(self._path):
            host = self._idle_host(self.assignment)
        self._host = host

    def reap(self) -> bool:
        """Whether its supervisor is still at it; one that was stopped is made to continue."""
        if self._host is None or not self._host.works():
            return False
        if (pid := self._host.stopped()) is not None:
            self._continue(pid)
        return True
