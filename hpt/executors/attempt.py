"""The tuner's view of one attempt: it reads what the supervisor writes to the directory and never blocks."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hpt.errors import ExecutorError
from hpt.executors import checked, checkpoint, hosts, process, record
from hpt.executors.attempt_log import AttemptLog
from hpt.executors.base import AttemptKey, Exit, Update
from hpt.executors.container_removal import ContainerRemoval
from hpt.executors.node import Node
from hpt.executors.slots import Assignment
from hpt.host.clock import SteadyClock
from hpt.host.identity import ENDED, ProcessIdentity, boot_id
from hpt.host.private import open_private

_SPAWNS = 3  # supervisors to try while none gets as far as its marker
_MOST_STOPS = 20  # times that a supervisor which was stopped is made to continue
_END_PATIENCE = 20.0  # seconds for an attempt to end that was asked to end at once
_LOCK_PATIENCE = 5.0
_START = str(Path(__file__).with_name("start.py"))
_BLOCKED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGHUP)
_DEFAULT = (signal.SIGCHLD, signal.SIGPIPE)
_KEPT_PHASES = 64


class Attempt:
    """One attempt and, where this process started it, its supervisor."""

    def __init__(
        self,
        key: AttemptKey,
        directory: Path,
        clock: SteadyClock,
        offset: int = 0,
        node: Node | None = None,
    ) -> None:
        """Nothing is started or read yet.

        Parameters
        ----------
        key
            The training job's name and the attempt's number.
        directory
            The attempt's own directory.
        clock
            The clock of its tuning job.
        offset
            How many bytes of its log were handed out before.
        node
            The environment of its supervisor and program begins with that of the node.
        """
        self.key = key
        self._node = node or Node()
        self._path = str(directory)
        self._clock = clock
        self._log = AttemptLog(self._path, clock, offset)
        self.assignment: Assignment | None = None  # what this process gave it of the machine
        self._child: int | None = None
        self._child_failure = ""
        self._spawns = 0
        self._marker: dict[str, Any] | None = None
        self._exit: Exit | None = None
        self._phase = "Starting"
        self._times: dict[str, float] = {}
        self._phases_read = 0
        self._phases_reported = 0  # both in bytes of the file of phases
        self._condemned = ""  # why the attempt is lost once nothing of it runs
        self._end_by: float | None = None  # on the monotonic clock, once it was asked to end at once
        self._stops = 0
        self._is_ours = False  # whether the process that the marker names is a supervisor of this attempt
        self._locked_since: float | None = None  # these two on the monotonic clock
        self._killing_since: float | None = None
        self._removal: ContainerRemoval | None = None

    def file(self, name: str) -> str:
        return f"{self._path}/{name}"

    @property
    def supervisor(self) -> int | None:
        """Its supervisor's process id, where that is a child of this process that was not waited for yet."""
        return self._child

    @property
    def was_started(self) -> bool:
        return os.path.lexists(self.file(record.STARTED)) or os.path.lexists(self.file(record.EXIT))

    # -- starting and stopping ------------------------------------------------------------------------------

    def spawn(self) -> None:
        """Start a supervisor; the lock and the marker ensure that only one ever runs the program."""
        if self._child is not None:
            return
        actions = [
            *(self.assignment.actions() if self.assignment is not None else ()),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (
                os.POSIX_SPAWN_OPEN,
                1,
                self.file("supervisor.log"),
                os.O_WRONLY | os.O_CREAT | os.O_APPEND,
                0o600,
            ),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        command = [sys.executable, "-I", "-S", _START, self._path]
        try:
            # Signals stay blocked from the first moment, so that a stop request cannot kill a supervisor
            # that is not yet ready to receive it.
            self._child = os.posix_spawn(
                command[0],
                command,
                self._node.environment,
                file_actions=actions,
                setsid=True,
                setsigmask=_BLOCKED,
                setsigdef=_DEFAULT,
            )
        except OSError as error:
            raise ExecutorError(
                f"no supervisor could be started for {self.key.name}: {error.strerror}; free memory,"
                " processes or disk space, then resume"
            ) from None
        self._spawns += 1

    def stop(self, *, now: bool) -> None:
        """Leave the request in the directory, then wake the supervisor if there is one."""
        name, number = (record.STOP_NOW, signal.SIGQUIT) if now else (record.STOP, signal.SIGTERM)
        if not os.path.isdir(self._path) or self._exit is not None:
            return
        if os.path.lexists(self.file(record.EXIT)) and not self._may_run():
            return
        if now and self._end_by is None:
            self._end_by = time.monotonic() + _END_PATIENCE
        failure = None
        try:
            os.close(open_private(self.file(name), os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK))
        except OSError as error:
            failure = error
        if not self._wake(number) and failure is not None:
            raise ExecutorError(
                f"{self.key.name} cannot be asked to stop: {failure.strerror} ({self.file(name)})"
            )

    def end_within(self, seconds: float) -> None:
        """`stop`, with a grace period of so many seconds at most."""
        record.append_line(self.file(record.GRACE), f"{seconds:g}\n")
        self.stop(now=False)

    def _may_run(self) -> bool:
        """Whether a supervisor may run, though an exit record is there: a program may have made that."""
        if self._child is not None:
            return True
        try:
            return self._supervisor_lives()
        except checked.DamagedRecordError:
            return True

    def _wake(self, number: signal.Signals) -> bool:
        if self._child is not None:
            for each in (number, signal.SIGCONT):
                process.send(self._child, each)  # not reaped yet, so the pid is still its own
            return True
        try:
            supervisor = self._supervisor()
        except checked.DamagedRecordError:
            return False
        if supervisor is None or not self._is_ours or not supervisor.lives():
            return False
        try:
            fd = os.pidfd_open(supervisor.pid)
        except OSError:
            return False
        try:
            if supervisor.lives():  # asked again, now that it cannot change
                signal.pidfd_send_signal(fd, number)
                signal.pidfd_send_signal(fd, signal.SIGCONT)  # also one that was stopped ends
                return True
        except ProcessLookupError:
            pass
        finally:
            os.close(fd)
        return False

    # -- looking --------------------------------------------------------------------------------------------

    def poll(self, limit: int) -> Update | None:
        """What changed of the attempt since the last call, None where nothing did; at most `limit` bytes of
        its log.

        Raises:
            OSError: its files cannot be read now; nothing was handed out.
        """
        if self._exit is None:
            try:
                self._look()
            except checked.DamagedRecordError as error:
                self.condemn(str(error))
        since = self._times.get("Starting", 0.0)
        try:
            if not self._log.is_known:
                spec = checked.read_spec(self._path)
                self._log.follow(record.RESULTS if spec and spec.get("function") else record.LOG)
            chunk, whole = self._log.read(limit, since=since)
        except checked.DamagedRecordError as error:
            if not self._log.is_known:
                self._log.follow(record.LOG)
            self._exit = None
            self.condemn(str(error))
            chunk, whole = self._log.read(limit, since=since)
        ended = self._exit if whole else None
        if whole and not chunk.data and ended is None and self._phases_reported == self._phases_read:
            return None
        self._phases_reported = self._phases_read
        phase = "Ended" if ended else self._phase
        return Update(self.key, phase, chunk, ended, dict(self._times), more=not whole)

    def reap(self) -> bool:
        """Collect the exit code of our own supervisor if it has ended; returns whether it still runs."""
        if self._child is None:
            return False
        try:
            pid, status = os.waitpid(self._child, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:  # somebody else in this process waited for it
            pid, status = self._child, 0
        if pid == 0:
            return True
        if os.WIFSTOPPED(status):
            self._continue(self._child)
            return True
        self._child = None
        code = os.waitstatus_to_exitcode(status)
        if code > 0:
            self._child_failure = self._explain(code)
        return False

    def _look(self) -> None:
        if self.reap():
            if not self._condemned and not self._overdue():
                self._read_phases()
            return
        if not self._condemned:
            self._read_phases()
            if self._supervisor_lives():
                self._overdue()
                return
        self._look_at_end()

    def _finish(self, content: dict[str, Any]) -> None:
        """The end as it was recorded. No time of it lies in the future."""
        self._read_phases()
        now = self._clock()
        times = {key: min(content[key], now) for key in ("started", "ended") if content.get(key) is not None}
        self._exit = Exit(**{**content, **times}, log=self._log.path)

    def _overdue(self) -> bool:
        """Whether the attempt was asked to end at once so long ago that it is given up."""
        if self._end_by is None or time.monotonic() < self._end_by:
            return False
        self.condemn("it did not end when it was asked to end at once")
        return True

    def condemn(self, reason: str) -> None:
        """Kill the supervisor, and with it the program; later looks find the attempt lost for the reason."""
        self._condemned = self._condemned or reason
        process.kill_supervisors(self._path)

    def _continue(self, supervisor: int) -> None:
        """Wake a supervisor that was stopped: it must enforce limits. One that is stopped over and over is
        given up.
        """
        self._stops += 1
        if self._stops > _MOST_STOPS:
            self.condemn("its supervisor was stopped (SIGSTOP) again and again")
        else:
            process.send(supervisor, signal.SIGCONT)

    def _supervisor_lives(self) -> bool:
        """Whether the process that marked the attempt runs and supervises it, as far as can be seen here."""
        supervisor = self._supervisor()
        if supervisor is None or not self._is_ours:
            return False
        if os.path.lexists(self.file(record.EXIT)) and not process.supervises(supervisor.pid, self._path):
            return False  # it is at another attempt by now
        state = supervisor.state()
        if state == "T":
            self._continue(supervisor.pid)
        return state is not None and state != "" and state not in ENDED

    def _look_at_end(self) -> None:
        """No supervisor of ours and none known to live: take the end as it was recorded, or else decide
        whether the attempt is lost.

        Holding the lock proves that no supervisor lives, not even in another container, and keeps any from
        starting until the verdict is recorded.
        """
        with self._lock() as free:
            if not free and not self._lock_is_stolen():
                return  # starting just now, or ending just now: the next poll decides
            self._locked_since = None
            try:
                content = None if self._condemned else checked.read_exit(self._path)
                marker = self._read_marker()
            except checked.DamagedRecordError as error:
                content, marker = None, None
                self._condemned = self._condemned or str(error)
            if content is not None:
                self._finish(content)
                return
            if self._decide(marker):
                return
        try:
            self.spawn()
        except ExecutorError as error:
            self._child_failure = str(error)  # lost at the next look

    def _decide(self, marker: dict[str, Any] | None) -> bool:
        """Lose the attempt, once nothing of it is left; False if it is to be started again."""
        if self._condemned or marker is not None:
            same_boot = marker is None or marker["boot_id"] == boot_id()
            if same_boot and self._kill_rest(marker):
                return True  # look again until nothing of it is left
            how = "its supervisor is gone" if same_boot else "the host was restarted"
            self._lose(self._condemned or f"{how} and left no record of the program's end")
        elif not os.path.exists(self.file(record.SPEC)):
            self._lose("nothing of this attempt is found; its directory was removed")
        elif self._child_failure or self._spawns >= _SPAWNS:
            why = self._child_failure or f"{_SPAWNS} supervisors ended before they could start the program"
            self._lose(f"the program was not started: {why}")
        else:
            return False
        return True

    def _kill_rest(self, marker: dict[str, Any] | None) -> bool:
        """Kill what is left of the attempt; returns whether there was anything to wait for."""
        marks = hosts.marks(self._path) if marker is None else [marker["token"]]
        self._removal = self._removal or ContainerRemoval(self._path)
        removing = (
            self._removal.go_on()
        )  # before its processes are killed: the engine knows what belongs to it
        if not removing and not process.kill_marked(*marks):
            return False
        self._killing_since = self._killing_since or time.monotonic()
        return time.monotonic() - self._killing_since < _END_PATIENCE

    def _lock_is_stolen(self) -> bool:
        """Whether something that is no supervisor has held the lock for long."""
        now = time.monotonic()
        self._locked_since = self._locked_since or now
        try:
            supervisor = self._supervisor()
        except checked.DamagedRecordError:
            supervisor = None
        seen = self._spawns > 0 or (supervisor is not None and supervisor.lives() is not None)
        return seen and now - self._locked_since > _LOCK_PATIENCE and not process.kill_supervisors(self._path)

    @contextmanager
    def _lock(self) -> Iterator[bool]:
        """Hold the attempt's lock; False if a supervisor has it."""
        try:
            fd = open_private(self.file(record.LOCK), os.O_RDWR | os.O_CREAT)
        except OSError:  # no directory, or no room for the lock: then there is no supervisor either
            yield True
            return
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(fd)

    def _lose(self, reason: str) -> None:
        stopped = any(os.path.exists(self.file(name)) for name in (record.STOP, record.STOP_NOW))
        try:
            spec = checked.read_spec(self._path)
        except checked.DamagedRecordError:
            spec = None
        base = training_directory(self._path)
        content: dict[str, Any] = {
            "outcome": record.LOST,
            "exit_code": None,
            "reason": reason,
            "stopped": stopped,
            "started": self._times.get("Training"),
            "ended": self._clock(),
            "checkpoint": None if spec is None else checkpoint.covered_offset(self._path, base, spec),
        }
        try:
            record.write_json(self.file(record.EXIT), {"version": record.VERSION, **content})
        except OSError:
            pass  # full disk or no directory: whoever looks next comes to the same verdict
        self._exit = Exit(**content, log=self._log.path)

    def _explain(self, code: int) -> str:
        """Why a supervisor that could not even mark the attempt gave up: its exit code is an errno."""
        if code < 255:
            return f"{os.strerror(code)} in {self._path}"
        try:
            said = Path(self.file("supervisor.log")).read_text(errors="replace").strip().splitlines()
        except OSError:
            said = []
        return said[-1] if said else "its supervisor failed"

    def _read_marker(self) -> dict[str, Any] | None:
        if self._marker is None:
            self._marker = checked.read_marker(self._path)
            if self._marker is not None:
                self._is_ours = process.supervises(self._marker["pid"], self._path)
        return self._marker

    def _supervisor(self) -> ProcessIdentity | None:
        """The process that marked the attempt as started, if any did."""
        marker = self._read_marker()
        return None if marker is None else ProcessIdentity.from_json(marker)

    def _read_phases(self) -> None:
        entries, self._phases_read = checked.read_phases(self._path, self._phases_read)
        now = self._clock()
        for phase, seconds in entries[-_KEPT_PHASES:]:
            if phase != "Ended":  # the end is reported with the last byte of the log
                self._phase = phase
            self._times[phase] = min(seconds, now)


def training_directory(attempt: str) -> str:
    """The training directory of an attempt, given its own: shared by all attempts of the training job."""
    return hosts.training_directories(attempt)[0]
