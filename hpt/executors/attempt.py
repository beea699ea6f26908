"""The tuner's view of one attempt: it reads what the supervisor writes to the directory and never blocks."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hpt.errors import ExecutorError
from hpt.executors import checkpoint, process, record
from hpt.executors.base import AttemptKey, Exit, LogChunk, Update
from hpt.host.identity import ProcessIdentity, boot_id

_SPAWNS = 3  # supervisors to try while none gets as far as its marker
_START = str(Path(__file__).with_name("start.py"))
_BLOCKED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGHUP)
_DEFAULT = (signal.SIGCHLD, signal.SIGPIPE)
_KEPT_PHASES = 64


class Attempt:
    """One attempt and, where this process started it, its supervisor."""

    def __init__(self, key: AttemptKey, directory: Path, clock: Callable[[], float], offset: int = 0) -> None:
        """Nothing is started or read yet.

        Parameters
        ----------
        key
            The training job's name and the attempt's number.
        directory
            The attempt's own directory.
        clock
            Seconds since the epoch.
        offset
            How many bytes of its log were handed out before.
        """
        self.key = key
        self._path = str(directory)
        self._clock = clock
        self._offset = offset
        self._child: int | None = None
        self._child_failure = ""
        self._spawns = 0
        self._marker: dict[str, Any] | None = None
        self._exit: Exit | None = None
        self._phase = "Starting"
        self._times: dict[str, float] = {}
        self._phases_read = 0
        self._phases_reported = 0  # both in bytes of the file of phases
        self._stream: str | None = None  # the file that is followed, once known
        self._index_hint = (0, 0)  # (offset in the log, line of the index that first reaches it)

    def file(self, name: str) -> str:
        return f"{self._path}/{name}"

    @property
    def was_started(self) -> bool:
        return os.path.exists(self.file(record.STARTED)) or os.path.exists(self.file(record.EXIT))

    # -- starting and stopping ------------------------------------------------------------------------------

    def spawn(self) -> None:
        """Start a supervisor; the lock and the marker ensure that only one ever runs the program."""
        if self._child is not None:
            return
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (
                os.POSIX_SPAWN_OPEN,
                1,
                self.file("supervisor.log"),
                os.O_WRONLY | os.O_CREAT | os.O_APPEND,
                0o644,
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
                os.environ,
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
        if not os.path.isdir(self._path) or os.path.exists(self.file(record.EXIT)):
            return
        failure = None
        try:
            os.close(os.open(self.file(name), os.O_WRONLY | os.O_CREAT, 0o644))
        except OSError as error:
            failure = error
        if not self._wake(number) and failure is not None:
            raise ExecutorError(
                f"{self.key.name} cannot be asked to stop: {failure.strerror} ({self.file(name)})"
            )

    def _wake(self, number: signal.Signals) -> bool:
        if self._child is not None:
            os.kill(self._child, number)  # not reaped yet, so the pid is still its own
            return True
        supervisor = self._supervisor()
        if supervisor is None or not supervisor.lives():
            return False
        try:
            fd = os.pidfd_open(supervisor.pid)
        except OSError:
            return False
        try:
            if supervisor.lives():  # asked again, now that it cannot change
                signal.pidfd_send_signal(fd, number)
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
            self._look()
        chunk, whole = self._read_log(self._offset, limit)
        ended = self._exit if whole else None
        if whole and not chunk.data and ended is None and self._phases_reported == self._phases_read:
            return None
        self._offset += len(chunk.data)
        self._phases_reported = self._phases_read
        phase = "Ended" if ended else self._phase
        return Update(self.key, phase, chunk, ended, dict(self._times), more=not whole)

    def reap(self) -> bool:
        """Collect the exit code of our own supervisor if it has ended; returns whether it still runs."""
        if self._child is None:
            return False
        try:
            pid, status = os.waitpid(self._child, os.WNOHANG)
        except ChildProcessError:  # somebody else in this process waited for it
            pid, status = self._child, 0
        if pid == 0:
            return True
        self._child = None
        code = os.waitstatus_to_exitcode(status)
        if code > 0:
            self._child_failure = self._explain(code)
        return False

    def _look(self) -> None:
        running = self.reap()
        self._read_phases()
        if running:
            return
        content = record.read_json(self.file(record.EXIT))
        if content is None:
            supervisor = self._supervisor()
            if supervisor is not None and supervisor.lives():
                return
            self._look_after_orphan()
            return
        self._read_phases()
        self._exit = Exit(**content, log=self.file(record.LOG))

    def _look_after_orphan(self) -> None:
        """No supervisor of ours, none known to live and no exit record: decide whether the attempt is lost.

        Holding the lock proves that no supervisor lives, not even in another container, and keeps any from
        starting until the verdict is recorded.
        """
        with self._lock() as free:
            if not free or os.path.exists(self.file(record.EXIT)):
                return  # starting just now, or ended just now: the next poll decides
            marker = self._read_marker()
            if marker is not None:
                same_boot = marker["boot_id"] == boot_id()
                if same_boot and process.kill_marked(str(marker["token"])):
                    return  # look again until nothing of it is left
                how = "its supervisor is gone" if same_boot else "the host was restarted"
                self._lose(f"{how} and left no record of the program's end")
                return
            if not os.path.exists(self.file(record.SPEC)):
                self._lose("nothing of this attempt is found; its directory was removed")
                return
            if self._child_failure or self._spawns >= _SPAWNS:
                why = (
                    self._child_failure or f"{_SPAWNS} supervisors ended before they could start the program"
                )
                self._lose(f"the program was not started: {why}")
                return
        try:
            self.spawn()
        except ExecutorError as error:
            self._child_failure = str(error)  # lost at the next look

    @contextmanager
    def _lock(self) -> Iterator[bool]:
        """Hold the attempt's lock; False if a supervisor has it."""
        try:
            fd = os.open(self.file(record.LOCK), os.O_RDWR | os.O_CREAT, 0o644)
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
        spec, base = record.read_json(self.file(record.SPEC)), training_directory(self._path)
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
            record.write_json(self.file(record.EXIT), content)
        except OSError:
            pass  # full disk or no directory: whoever looks next comes to the same verdict
        self._exit = Exit(**content, log=self.file(record.LOG))

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
            self._marker = record.read_json(self.file(record.STARTED))
        return self._marker

    def _supervisor(self) -> ProcessIdentity | None:
        """The process that marked the attempt as started, if any did."""
        marker = self._read_marker()
        return None if marker is None else ProcessIdentity.from_json(marker)

    def _read_phases(self) -> None:
        path = self.file(record.PHASES)
        try:
            if os.stat(path).st_size <= self._phases_read:
                return
            with open(path, "rb") as file:
                file.seek(self._phases_read)
                content = file.read()
        except FileNotFoundError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        self._phases_read += len(whole)
        for line in whole.decode().splitlines()[-_KEPT_PHASES:]:
            phase, _, seconds = line.partition(" ")
            if phase != "Ended":  # the end is reported with the last byte of the log
                self._phase = phase
            self._times[phase] = float(seconds)

    def _read_log(self, offset: int, limit: int) -> tuple[LogChunk, bool]:
        """Bytes from `offset` on, and whether they are the last there are.

        A log that was removed or cut off below `offset` has no further bytes until it grows past it.
        """
        nothing = LogChunk(offset, b"")
        try:
            path = self._followed()
            size = os.stat(path).st_size
            if size <= offset or limit <= 0:
                return nothing, size <= offset
            fd = os.open(path, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return nothing, True
        try:
            data = os.pread(fd, limit, offset)
            written = os.fstat(fd).st_mtime
        except IsADirectoryError:
            return nothing, True
        finally:
            os.close(fd)
        end = offset + len(data)
        return LogChunk(offset, data, self._dates(offset, end, written)), end >= size

    def _followed(self) -> str:
        """The file whose bytes are handed out: of a function its values, else the log."""
        if self._stream is None:
            spec = record.read_json(self.file(record.SPEC)) or {}
            self._stream = record.RESULTS if spec.get("function") else record.LOG
        return self.file(self._stream)

    def _dates(self, start: int, end: int, written: float) -> list[tuple[int, float]]:
        """The index's entries for bytes `start` to `end`; `written`: when the log was last written."""
        dates: list[tuple[int, float]] = []
        try:
            with open(self.file(record.INDEX), "rb") as file:
                lines = os.fstat(file.fileno()).st_size // record.INDEX_LINE
                line = self._first_line(file.fileno(), start, lines)
                file.seek(line * record.INDEX_LINE)
                while line < lines and (not dates or dates[-1][0] < end):
                    offset, seconds = file.read(record.INDEX_LINE).split()
                    dates.append((int(offset), float(seconds)))
                    line += 1
        except (OSError, ValueError):
            pass
        if dates and dates[-1][0] >= end:
            dates[-1] = (end, dates[-1][1])
            self._index_hint = (end, line - 1)
        else:
            dates.append((end, max(written, dates[-1][1]) if dates else written))
        return dates

    def _first_line(self, fd: int, start: int, lines: int) -> int:
        """The first line of the index whose offset is past `start`."""
        known, low = self._index_hint
        low = low if known <= start else 0
        high = lines
        while low < high:
            middle = (low + high) // 2
            offset = int(os.pread(fd, 15, middle * record.INDEX_LINE))
            if offset <= start:
                low = middle + 1
            else:
                high = middle
        return low


def training_directory(attempt: str) -> str:
    """The training directory of an attempt, given its own: shared by all attempts of the training job."""
    return os.path.join(os.path.dirname(os.path.dirname(attempt)), "ml")
