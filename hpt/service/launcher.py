"""Starts the process that runs a tuning job: detached, so that it outlives the client.

The job's directory holds the output of its runners (`runner.log`) and the identity of the last one
(`runner.json`). A job that a service created, or that has a `runner.json`, gets another runner if its last
one dies, or if the service died before it started the first.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from hpt.errors import ExecutorError, HptError
from hpt.host.identity import ProcessIdentity
from hpt.host.private import open_private
from hpt.running import detached
from hpt.search.stored import MOST_SECONDS

LOG = "runner.log"
RUNNER = "runner.json"
LOCK = "runner.lock"

FREE_RESTARTS = 3
"""This many runners in a row that changed nothing are replaced at once, the next ones after a growing pause.
"""
LONGEST_PAUSE = 60.0

MOST_BYTES = 1 << 16
"""A larger `runner.json` is not one."""


@dataclass(frozen=True, slots=True)
class Runner:
    """The last process that was started to run a job.

    created: the job's time of creation, since a directory may serve another job of that name later. identity:
    of the process, "" until known. started: seconds since the epoch. modified: when the job had last changed
    by then. idle: how many runners in a row, before it, died without having changed anything.
    """

    created: float
    identity: str
    started: float
    modified: float
    idle: int = 0

    @property
    def lives(self) -> bool:
        return bool(self.identity) and ProcessIdentity.parse(self.identity).lives() is True

    @property
    def pause(self) -> float:
        """Seconds between the start of this runner and the next, if this one changes nothing either."""
        return (
            0.0 if self.idle < FREE_RESTARTS else min(LONGEST_PAUSE, 2.0 ** min(9, self.idle - FREE_RESTARTS))
        )


class Launcher:
    """Starts runners for the jobs of one state directory, from any thread. Each start also reaps ended
    runners.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._started: list[subprocess.Popen[bytes]] = []
        self._unwritten: dict[Path, Runner] = {}  # for directories that cannot be written
        self._lock = threading.Lock()  # of the two above

    def manages(self, directory: Path, created: float) -> bool:
        """Whether a service once started a runner for the job in `directory`, created at that time."""
        runner = self._last(directory)
        return runner is not None and runner.created == created

    def start(
        self, name: str, directory: Path, created: float, modified: float, needed: Callable[[], bool]
    ) -> None:
        """Start a process that runs a job, unless one is starting or running.

        Parameters
        ----------
        name
            The name of the job.
        directory
            Its directory.
        created
            When it was created, in seconds since the epoch.
        modified
            When it last changed, in seconds since the epoch.
        needed
            Whether no process runs the job; called while no other service or thread can start a runner.

        Raises
        ------
        ExecutorError
            No process could be started.
        """
        with _try_lock(directory / LOCK) as locked:
            if not locked:
                return  # the holder of the lock starts one
            last = self._last(directory)
            if last is not None and last.created != created:
                last = None
            if last is not None and last.lives:
                return
            idle = last.idle + 1 if last is not None and last.modified == modified else 0
            now = time.time()
            if last is not None and idle and 0.0 <= now - last.started < last.pause:
                return
            if not needed():
                return
            runner = Runner(created, "", now, modified, idle)
            self._write(
                directory, runner
            )  # from here on, whoever finds the job starts a runner if this one dies
            identity = ProcessIdentity.of(self._spawn(name, directory))
            self._write(
                directory, Runner(created, "" if identity is None else str(identity), now, modified, idle)
            )

    def _spawn(self, name: str, directory: Path) -> int:
        command = [sys.executable, "-P", str(detached.__file__), str(self._root), name]
        try:
            with open(directory / LOG, "ab", opener=open_private) as output:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self._root,
                    start_new_session=True,
                )
        except OSError as error:
            raise ExecutorError(
                f"no process could be started to run job {name!r}: {error.strerror}"
            ) from error
        with self._lock:
            self._started = [each for each in self._started if each.poll() is None]
            self._started.append(process)
        return process.pid

    def _last(self, directory: Path) -> Runner | None:
        """The runner that was started last, if it is known."""
        with self._lock:
            unwritten = self._unwritten.get(directory)
        if unwritten is not None:
            return unwritten
        try:
            document = json.loads(_read_regular(directory / RUNNER, MOST_BYTES))
            runner = Runner(**{field.name: document[field.name] for field in fields(Runner)})
            _check(runner)
        except (HptError, OSError, ValueError, LookupError, TypeError, RecursionError):
            return None  # damaged: as if no runner was started
        return runner

    def _write(self, directory: Path, runner: Runner) -> None:
        temporary = directory / f"{RUNNER}.new"
        try:
            with open(temporary, "w", encoding="utf-8", opener=open_private) as file:
                file.write(json.dumps(asdict(runner)))
            temporary.replace(directory / RUNNER)
        except OSError:  # a full disk must not keep a job from being ended
            with self._lock:
                self._unwritten[directory] = runner
        else:
            with self._lock:
                self._unwritten.pop(directory, None)


def _check(runner: Runner) -> None:
    """Raises ValueError or an error of the identity where a member has a value that no service wrote."""
    times = runner.created, runner.started, runner.modified
    if not all(type(each) in (int, float) and abs(each) <= MOST_SECONDS for each in times):
        raise ValueError("a time is not one")
    if type(runner.idle) is not int or not 0 <= runner.idle < 2**53:
        raise ValueError("idle is not a count")
    if runner.identity:
        ProcessIdentity.parse(runner.identity)


def _read_regular(path: Path, most: int) -> bytes:
    """The content of a regular file of at most so many bytes; never waits, as opening a FIFO would.

    Raises:
        OSError: it cannot be read, is no regular file or is larger.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if found.st_mode & 0o170000 != 0o100000:
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if found.st_size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return os.read(descriptor, most)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _try_lock(path: Path) -> Iterator[bool]:
    """Hold an exclusive lock across threads and processes; yields False if it is taken, never waits."""
    try:
        descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    except OSError:  # a directory that cannot be written: the lease decides between two runners
        yield True
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # a file system without locks
            yield True
            return
        try:
            yield True
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for copies of the descriptor in forked children
    finally:
        os.close(descriptor)
