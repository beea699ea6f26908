"""A warm worker: calls a function for one trial after another, each as if it had the process to itself.

Every trial gets its own environment variables, working directory, standard streams and log; what the one
before changed of these, of signal handlers and of the import path is put back. Modules that were imported and
whatever the function keeps in memory stay. The worker exits after a trial, and a fresh one takes its place,
where that is not enough: a child process or a thread goes on, or memory or open files have grown.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import locale
import os
import resource
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from hpt.executors.process import living_descendants
from hpt.functions.worker import FUNCTIONS, Trial

GROWTH = 512 * 2**20
"""Bytes of resident memory that may come on top of what a worker had after its first trial."""

MORE_FILES = 256
"""Open files that may come on top of those."""

MORE_THREADS = 16
"""Daemon threads that may."""

WAKE_SECONDS = 0.005
"""At most once in so many seconds the tuner is woken because of a report."""

_PR_SET_CHILD_SUBREAPER = 36


def serve(descriptor: int) -> int:
    """Call the function whenever the supervisor says so; the exit code of the process."""
    with contextlib.suppress(Exception):  # to be met again, and reported, by the first trial
        FUNCTIONS.prepare(os.environ["HPT_FUNCTION"])
    _adopt_orphans()
    supervisor = socket.socket(fileno=descriptor)
    supervisor.set_inheritable(False)
    surroundings = Surroundings()
    usage: Usage | None = None
    lines = supervisor.makefile("rb")
    while line := lines.readline():
        call: dict[str, Any] = json.loads(line)
        if usage is None:
            with contextlib.suppress(OSError):
                supervisor.send(b"b")
        surroundings.enter(call["variables"], call["directory"], call["log"])
        threads = set(threading.enumerate())
        trial = Trial(call["hyperparameters"], _Waker(supervisor))
        code = trial.run()
        surroundings.leave()
        now = Usage.now()
        usage = usage or now
        if _goes_on(threads) or now.exceeds(usage):
            return code
        trial.close()
        try:
            supervisor.sendall(b"%d\n" % code)
        except OSError:
            return code
    return 0


class _Waker:
    """Tells the supervisor that something was reported, now and then."""

    def __init__(self, supervisor: socket.socket) -> None:
        self._supervisor = supervisor
        self._last = 0.0

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._last >= WAKE_SECONDS:
            self._last = now
            with contextlib.suppress(OSError):
                self._supervisor.send(b"r", socket.MSG_DONTWAIT)


class Surroundings:
    """What a trial finds around it."""

    def __init__(self) -> None:
        self._streams: tuple[TextIO, ...] = (sys.stdin, sys.stdout, sys.stderr)
        self._limit = sys.getrecursionlimit()
        self._umask = os.umask(0o77)
        os.umask(self._umask)
        self._handlers: dict[int, Any] = {}
        for number in signal.valid_signals():
            with contextlib.suppress(ValueError, OSError):
                self._handlers[number] = signal.getsignal(number)

    def enter(self, variables: dict[str, str], directory: str, log: str) -> None:
        """Give a trial its own."""
        if os.environ != variables:
            for name in os.environ.keys() - variables.keys():
                del os.environ[name]
            os.environ.update(variables)
        os.chdir(directory)
        empty = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        for source, target in ((empty, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
            os.set_inheritable(target, True)  # it may be the very descriptor, where a trial closed that
        for fd in {empty, output} - {0, 1, 2}:
            os.close(fd)
        stdin, stdout, stderr = self._streams
        self._streams = (
            stdin if _usable(stdin, 0) else io.TextIOWrapper(io.FileIO(0, closefd=False)),
            stdout if _usable(stdout, 1) else _output(1),
            stderr if _usable(stderr, 2) else _output(2),
        )
        self._restore_streams()

    def _restore_streams(self) -> None:
        for name, stream in zip(("stdin", "stdout", "stderr"), self._streams, strict=True):
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)

    def leave(self) -> None:
        """Put back what a trial changed for this process."""
        for stream in (sys.stdout, sys.stderr, *self._streams[1:]):
            with contextlib.suppress(Exception):
                stream.flush()
        self._restore_streams()  # what the trial put there may close its descriptor now
        sys.argv[:] = FUNCTIONS.arguments or sys.argv
        sys.setrecursionlimit(self._limit)
        sys.settrace(None)
        sys.setprofile(None)
        os.umask(self._umask)
        sys.path[:] = FUNCTIONS.path or sys.path
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                with contextlib.suppress(OSError, ValueError):
                    signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _limits() -> tuple[object, ...]:
    """What the kernel and the C library hold of a process that cannot always be put back."""
    names = (name for name in dir(resource) if name.startswith("RLIMIT_"))
    return (
        [resource.getrlimit(getattr(resource, name)) for name in names],
        os.getpriority(os.PRIO_PROCESS, 0),
        os.sched_getaffinity(0),
        locale.setlocale(locale.LC_ALL),
    )


def _usable(stream: Any, fd: int) -> bool:
    try:
        return not stream.closed and stream.fileno() == fd
    except (AttributeError, ValueError, OSError):
        return False


def _output(fd: int) -> io.TextIOWrapper:
    errors = "backslashreplace" if fd == 2 else "surrogateescape"
    return io.TextIOWrapper(io.FileIO(fd, "w", closefd=False), errors=errors, write_through=True)


class Usage:
    """What a process holds: bytes of resident memory, open files, threads, and its limits."""

    def __init__(self, memory: int, files: int, threads: int, limits: tuple[object, ...]) -> None:
        self.memory, self.files, self.threads, self.limits = memory, files, threads, limits

    @classmethod
    def now(cls) -> Usage:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
        files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208, names will do
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), files, threading.active_count(), _limits())

    def exceeds(self, first: Usage) -> bool:
        """Whether it has grown too much since the first trial, or its limits are others."""
        if self.memory > first.memory + GROWTH:
            gc.collect()
            self.memory = Usage.now().memory
        return (
            self.memory > first.memory + GROWTH
            or self.files > first.files + MORE_FILES
            or self.threads > first.threads + MORE_THREADS
            or self.limits != first.limits
        )


def _goes_on(before: set[threading.Thread]) -> bool:
    """Whether a thread that an interpreter would wait for, or a child process, outlived the trial."""
    kept = _end_helpers()
    if any(not thread.daemon for thread in set(threading.enumerate()) - before):
        return True
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return bool(living_descendants(os.getpid()) - kept)


def _end_helpers() -> set[int]:
    """End the processes that joblib keeps for later: it starts them again when needed.

    Returns those that may stay. They only clean up when this process ends, and run nothing of the function's.
    """
    loky = sys.modules.get("joblib.externals.loky.reusable_executor")
    with contextlib.suppress(Exception):
        if loky is not None and loky._executor is not None:
            loky._executor.shutdown(wait=True, kill_workers=True)
    names = ("joblib.externals.loky.backend.resource_tracker", "multiprocessing.resource_tracker")
    trackers = (getattr(sys.modules.get(name), "_resource_tracker", None) for name in names)
    return {pid for tracker in trackers if (pid := getattr(tracker, "_pid", None)) is not None}


def _adopt_orphans() -> None:
    """Make processes whose parents ended children of this one, so that it knows whether any are left."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0)
