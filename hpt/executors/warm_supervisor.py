"""The supervisor of a warm worker: it serves one attempt of a function after another.

The worker is an interpreter that calls the function, trial after trial, so that what the function imports is
paid once. Each attempt has its records in its directory like any other (`record.py`), and any process finds,
reads and stops it there; only who starts it, and who is woken by its end, goes by a socket:

    tuner -> supervisor      the attempt's directory, as JSON, in a line; before the first, what a worker is
                             to be started for; the end of the stream: no more
    supervisor -> tuner      `r`: something was reported; `e`: the attempt has ended
    supervisor -> worker     what to call, as JSON, in a line; the end of the stream: exit
    worker -> supervisor     `b`: it begins with its first trial; `r`; or the trial's exit code in a line, and
                             the worker is as good as new

A worker that is not as good as new (a process that the function started is still there, memory has grown)
exits instead, and the next attempt gets a fresh one. So it does after a crash and after a kill. Records of
these attempts need not outlive a power cut: what a tuner has read of them is in its storage.

Standard library only.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time

from hpt.executors import child as launch
from hpt.executors import contract, environment, limits, process, record
from hpt.executors.attempt_lock import take_lock, was_started
from hpt.executors.launcher import complain
from hpt.executors.signals import drain, open_signals
from hpt.executors.supervisor import SIGNALS, TICK, Supervisor
from hpt.host.identity import ProcessIdentity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

SOFT = 0.1
"""Seconds that a function has to end at its next report before it gets SIGTERM, which ends its worker too."""

PATIENCE = 60.0
"""Seconds that a worker has to read what it is told."""

FAREWELL = 3.0
"""Seconds that a worker has to exit once it is not needed any more."""

BEGUN, REPORTED, ENDED = b"b", b"r", b"e"


def main(descriptor: int) -> NoReturn:
    """Serve attempts until the tuner closes its end of the socket, or is gone."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    code = 0
    try:
        launch.become_subreaper()
        Host(descriptor).serve()
    except OSError as error:
        complain()
        code = error.errno or 255
    except Exception:
        complain()
        code = 255
    os._exit(code)


class Host:
    """A worker and the tuner that hands it attempts."""

    def __init__(self, descriptor: int) -> None:
        self.tuner = socket.socket(fileno=descriptor)
        self.tuner.setblocking(False)
        self.worker: Worker | None = None
        self.token = os.urandom(16).hex()
        self.over = False  # no further attempts will come
        self._parent = os.getppid()
        self._signals = open_signals(SIGNALS)
        self._requests = b""

    def serve(self) -> None:
        while True:
            directory = self._next()
            if directory is None:
                break
            self._serve(directory)
            self._send(ENDED)
        if self.worker is not None:
            self.worker.dismiss()
        process.kill_descendants()

    def wait(self, seconds: float) -> None:
        """Sleep until a signal, a word of the worker or of the tuner, or so many seconds."""
        waiting = select.poll()
        waiting.register(self._signals, select.POLLIN)
        if not self.over:
            waiting.register(self.tuner.fileno(), select.POLLIN)
        if self.worker is not None and not self.worker.silent:
            waiting.register(self.worker.socket.fileno(), select.POLLIN)
        for fd, _ in waiting.poll(max(0.0, seconds) * 1000):
            if fd == self._signals:
                drain(fd)
            elif fd == self.tuner.fileno():
                self._read()
            elif self.worker is not None and self.worker.read():
                self._send(REPORTED)
        if os.getppid() != self._parent:
            self.over = True

    def _next(self) -> str | None:
        """The directory of the next attempt, once there is one; None: there will be none."""
        while b"\n" not in self._requests:
            if self.over:
                return None
            self.wait(5.0)
            ended = process.reap() or {}
            if self.worker is not None and self.worker.pid in ended:
                self.worker.limits.close()
                self.worker = None
        line, _, self._requests = self._requests.partition(b"\n")
        request = json.loads(line)
        if isinstance(request, str):
            return request
        if self.worker is None:
            self._begin(request)
        return self._next()

    def _begin(self, spec: dict[str, Any]) -> None:
        """Start a worker before there is an attempt; it imports nothing of the function's until then."""
        variables = environment.build("/", spec, self.token, os.environ)
        try:
            self.worker = Worker(
                list(spec["command"]), variables, "/", sys.stderr.fileno(), limits.Limits(spec)
            )
        except launch.LaunchError:  # to be met again with the first attempt, which reports it
            self.worker = None

    def _read(self) -> None:
        try:
            data = self.tuner.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._requests += data
        self.over = self.over or not data

    def _send(self, word: bytes) -> None:
        try:
            self.tuner.send(word, socket.MSG_NOSIGNAL)
        except OSError:  # it is gone, or has more than enough words to read
            pass

    def _serve(self, directory: str) -> None:
        lock = take_lock(directory)
        if lock is None:
            return  # another supervisor has it
        attempt: WarmSupervisor | None = None
        try:
            if not was_started(directory):
                attempt = WarmSupervisor(directory, self)
                attempt.run()
        finally:
            if attempt is not None:
                attempt.close()
            os.close(lock)


class Worker:
    """The interpreter that calls the function."""

    def __init__(
        self,
        command: list[str],
        variables: dict[str, str],
        directory: str,
        log: int,
        under: limits.Limits,
    ) -> None:
        """Start it.

        Parameters
        ----------
        command
            What to run; it gets the number of its descriptor as a further argument.
        variables
            Its environment.
        directory
            Its working directory until it is told of a trial.
        log
            What takes its output until then.
        under
            What it runs under as long as it lives.

        Raises
        ------
        LaunchError
            It cannot be run.
        """
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        self.silent = False  # it closed its end
        self.begun = False  # with its first trial
        self.limits = under
        self._said = b""
        try:
            os.set_inheritable(theirs.fileno(), True)
            words = [*command, str(theirs.fileno())]
            self.pid = launch.launch(words, variables, directory, log, limit=under.apply)
        except launch.LaunchError:
            under.close()
            raise
        finally:
            theirs.close()

    def call(self, content: dict[str, Any]) -> bool:
        """Tell it of a trial; False if it does not listen any more."""
        self._said = b""
        self.socket.setblocking(True)
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.sendall(json.dumps(content).encode() + b"\n")
        except OSError:
            return False
        finally:
            self.socket.setblocking(False)
        return True

    def read(self) -> bool:
        """Take in what it says; returns whether it is of interest to the tuner before the trial's end."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.silent = True
            return False
        self.begun = self.begun or BEGUN in data
        self._said += data.replace(REPORTED, b"").replace(BEGUN, b"")
        return REPORTED in data

    @property
    def code(self) -> int | None:
        """The exit code of the trial, once it has said so."""
        line, ended, _ = self._said.partition(b"\n")
        return int(line) & 0xFF if ended and line.isdigit() else None

    def dismiss(self) -> None:
        """Let it exit, as an interpreter does that has reached its end."""
        self.socket.close()
        give_up = time.monotonic() + FAREWELL
        while (left := give_up - time.monotonic()) > 0:
            ended = process.reap()
            if ended is None or self.pid in ended:
                break
            signal.sigtimedwait({signal.SIGCHLD}, min(0.05, left))
        self.limits.close()


class WarmSupervisor(Supervisor):
    """The course of one attempt in a worker that may have run others before.

    SIGTERM and SIGQUIT only say that there is something to be found in the directory: they may be meant for
    the attempt before this one.
    """

    durable = False

    def __init__(self, directory: str, host: Host) -> None:
        self._descriptors: list[int] = []
        self._host = host
        self._soft: float | None = None  # until when the function may end by itself, on the monotonic clock
        self._pid = 0
        self._handed = 0.0  # when the worker was told of the trial, on the monotonic clock
        self._delay: float | None = None  # how long it took to begin with it
        self._signalled = False
        self._kept = False  # the worker is as good as new
        self._left: limits.Limits | None = None  # of a worker that has ended
        super().__init__(directory, host.token)
        # The end of the tuner is the end of the socket: it need not be looked for at every turn.
        self._owner = self.spec.pop("owner", None)

    def _open(self, name: str) -> int:
        fd = super()._open(name)
        self._descriptors.append(fd)
        return fd

    def close(self) -> None:
        """Release every descriptor."""
        for fd in self._descriptors:
            os.close(fd)
        self.index.close()
        self.exit_record.close()

    def _prepare(self) -> None:
        contract.prepare_function(self.base, self.spec)

    def _begin(self) -> int:
        host, command, directory = self._host, self.program.command, self.program.directory
        content = {
            "variables": self.variables,
            "hyperparameters": self.spec["hyperparameters"],
            "directory": directory,
            "log": self._path(record.LOG),
        }
        process.reap()
        if host.worker is None or not host.worker.call(content):
            self._clear()
            host.worker = Worker(command, self.variables, directory, self.log, limits.Limits(self.spec))
            if not host.worker.call(content):
                raise launch.LaunchError("its worker does not listen", ours=True)
        self.limits = host.worker.limits
        self.limits.begin()
        self._pid, self._handed = host.worker.pid, time.monotonic()
        return self._pid

    def _answer(self) -> int | None:
        worker = self._host.worker
        code = None if worker is None else worker.code
        if code is None:
            return None
        self._kept = not self._signalled
        if code == 128 + signal.SIGTERM:
            self._look(self.ending)  # the function may have found the request before this process did
        return code << 8

    def _end_descendants(self) -> int:
        return 0 if self._kept else self._clear()

    def _clear(self) -> int:
        """End the worker and all that it left."""
        worker, self._host.worker = self._host.worker, None
        if worker is not None:
            worker.socket.close()
        left = process.kill_descendants()
        if worker is not None:
            self._left = worker.limits
        return left

    def _lift(self, kept: Any) -> None:
        """A worker that is kept stays under its limits."""
        if self._left is not None:
            self._left.close()
            self._left = None

    def _look(self, ending: Any) -> bool:
        if self._owner is not None and self._host.over and not ProcessIdentity.from_json(self._owner).lives():
            self.signalled.add(record.STOP)  # no process is left to read the result
        return super()._look(ending)

    def _ask_to_end(self, pid: int) -> None:
        if self.ending.stopped:  # the request is a file that `report` looks for
            self._soft = time.monotonic() + SOFT
        else:
            self._signal(pid)

    def _signal(self, pid: int) -> None:
        self._signalled = True
        process.send(pid, signal.SIGTERM)

    def _keep_limits(self, pid: int, ending: Any, grace: float, deadline: float | None) -> None:
        worker = self._host.worker
        if self._delay is None and worker is not None and worker.begun:
            self._delay = time.monotonic() - self._handed
        # The start of a worker is not the function's time.
        later = None if deadline is None or self._delay is None else deadline + self._delay
        super()._keep_limits(pid, ending, grace, later)
        if self._soft is not None and time.monotonic() >= self._soft:
            self._soft = None
            self._signal(pid)
        self._signalled = self._signalled or ending.killed

    def _wait(self, moments: list[float | None]) -> None:
        now = time.monotonic()
        due = [moment - now for moment in (*moments, self._soft) if moment is not None and moment > now]
        self._host.wait(min([TICK, *due]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
