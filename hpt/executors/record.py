"""The files of an attempt, and how they are written so that a crash leaves the old content or the new.

    <root>/<training job name>/ml/            the training directory, SAGEMAKER_BASE_DIR
    <root>/<training job name>/ml-algo-2/     that of the second host of several, and so on
    <root>/<training job name>/attempts/<n>/
        spec.json     what to run, written by the tuner
        lock          held by the attempt's supervisor as long as it lives
        started.json  durable before the program starts: this attempt must never be started again
        phases        one line `<phase> <seconds since the epoch>` for each phase entered
        log           standard output and error of the program
        results       the values of a function (`hpt.functions.channel`): what is followed in place of the log
        metrics       what the program wrote to $HPT_METRICS_FILE, carried over into the log
        log-algo-2, metrics-algo-2    what one host of several printed, and its metrics
        hosts         the names of several hosts, as lies over /etc/hosts for them
        log.index     fixed-width lines `<offset> <seconds>`: what is followed was that long at that time
        log.leads     lines `<offset> <seconds>`: from that length on the wall clock was ahead by so much
        stop, stop-now    written by a process that requests the end of the attempt
        grace         how many seconds are left to end, once it is asked to, on a machine that is taken away
        copy-now      written whenever its checkpoints are to be copied at once
        exit.json     how it ended; the very last thing a supervisor writes

Times are those of the clock in spec.json (`hpt.host.clock`). `checked.py` reads what was written.

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import _thread
import errno
import json
import os
import time

from hpt.host.files import fsync_directory, read_file
from hpt.host.private import open_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from hpt.host.clock import SteadyClock

VERSION = 1
"""Of the specification and the exit record."""

SPEC = "spec.json"
LOCK = "lock"
STARTED = "started.json"
PHASES = "phases"
LOG = "log"
INDEX = "log.index"
LEADS = "log.leads"
METRICS = "metrics"
RESULTS = "results"
STOP = "stop"
STOP_NOW = "stop-now"
COPY_NOW = "copy-now"
GRACE = "grace"
EXIT = "exit.json"

CUT_SHORT = f"its record {PHASES} was cut short"

PROGRAM_ENDED = "Exited"
LOST = "Lost"

INDEX_LINE = 32

LEAD_STEP = 0.05
"""Seconds by which the wall clock must have moved to be noted."""

INDEX_SPARE = 20000
"""Lines of an index beyond two a second: what is printed now and then is dated to the moment for ever, what
is printed all the time as long as these last.
"""

INDEX_GAP = 0.02
"""Seconds between two such lines."""

EXIT_ROOM = (
    16384  # bytes set aside for the exit record, so that a full disk cannot keep it from being written
)


FULL = 1 << 18
"""A disk with fewer free bytes is full, even if attempts that just ended released reserved space."""


def is_full(directory: str) -> bool:
    """Whether its disk has no room, or no names, left for a process of this user."""
    disk = os.statvfs(directory)
    blocks, names = (disk.f_bfree, disk.f_ffree) if os.geteuid() == 0 else (disk.f_bavail, disk.f_favail)
    return blocks * disk.f_frsize < FULL or (disk.f_files > 0 and names == 0)


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_json(path: str, content: Mapping[str, Any], *, durable: bool = True) -> None:
    """Replace a file in one step; `durable`: it and its name outlive a power cut."""
    temporary = f"{path}.{os.getpid()}.tmp"
    fd = open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_all(fd, json.dumps(content).encode())
        if durable:
            os.fsync(fd)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(fd)
    os.rename(temporary, path)
    if durable:
        fsync_directory(os.path.dirname(path))


def append_line(path: str, line: str) -> tuple[int, int] | None:
    """Append to an informational file; on a full disk the line is lost, not the trial. Never waits.

    Returns the file's size before and after it, in bytes; None where the file cannot be opened.
    """
    try:
        fd = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK)
    except OSError:
        return None
    size = os.fstat(fd).st_size
    try:
        return size, size + os.write(fd, line.encode())
    except OSError:
        return size, size
    finally:
        os.close(fd)


def granted(directory: str, grace: float) -> float:
    """Seconds in which a program is to end: its grace period, or what a machine that goes away leaves."""
    try:
        return min(grace, max(0.0, float(read_file(os.path.join(directory, GRACE), 64).split()[0])))
    except (OSError, ValueError, IndexError):
        return grace


class PhaseRecord:
    """The record of the phases of an attempt, as the supervisor writes it.

    cut_short: what was written is gone again, by the program's doing. A reader that looks now and then is
    not sure to see it.
    """

    def __init__(self, path: str, clock: SteadyClock) -> None:
        self._path = path
        self._clock = clock
        self._size = 0
        self.cut_short = False

    def enter(self, phase: str) -> None:
        seconds = int(self._clock() * 1000) / 1000  # never after an end that is told to the microsecond
        sizes = append_line(self._path, f"{phase} {seconds:.3f}\n")
        if sizes is not None:
            self.cut_short = self.cut_short or sizes[0] < self._size
            self._size = sizes[1]


class LogIndex:
    """Dates the log: `<offset> <seconds>`, `INDEX_LINE` bytes, whenever it has grown since the last line.

    Files are dated by the kernel, with the wall clock. So is the log wherever that can be had: then it makes
    no difference how late a line is noted. How far the wall clock is ahead of ours is noted when that
    changes; the seconds of a line and that lead make the date as the kernel gave it, to compare with files.
    """

    def __init__(
        self,
        log: int,
        directory: str,
        clock: SteadyClock,
        name: str = INDEX,
        *,
        by_program: bool = False,
    ) -> None:
        """name: of the index; that of the attempt's log also has the leads noted. by_program: the program
        itself writes to the log, whose date is then that of what was written last.
        """
        self._log = log
        self._by_program = by_program
        self._wrote = (0, 0.0)  # the log's length and the date of what was written last, as far as was told
        self._untold = 0  # a length of which that was not told when it was seen
        self._clock = clock
        self._leads = os.path.join(directory, LEADS) if name == INDEX else None
        self._fd = open_private(os.path.join(directory, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._lock = _thread.allocate_lock()
        self._size = 0
        self._lines = 0
        self._lead = 0.0
        self._began = self._last = time.monotonic()

    def close(self) -> None:
        os.close(self._fd)

    def wrote(self, size: int, written: float | None) -> None:
        """`note` for whoever has just written to the log, unless that would make too many lines.

        size: of the log. written: when the program wrote the last of it, by the wall clock, if that is known.
        """
        if not self._by_program:
            written = time.time() if written is None else written
            noted, before = self._wrote
            if noted > self._size and abs(written - before) >= INDEX_GAP:
                self._note_at_once()  # or it would get the date of what follows
            if size > noted:
                self._wrote = size, written
        self._note_at_once()

    def _note_at_once(self) -> None:
        now = time.monotonic()
        spare = INDEX_SPARE + 2 * (now - self._began)
        if now - self._last >= INDEX_GAP and self._lines < spare:
            self._last = now
            self.note()

    def note(self) -> None:
        with self._lock:
            self._note()

    def _note(self) -> None:
        state = os.fstat(self._log)
        size, now = state.st_size, time.time()
        if size == self._size:
            return
        told, written = self._wrote
        if self._by_program:
            now = state.st_mtime
        elif self._size < told <= size:
            size, now = told, written
        elif told and size != self._untold:
            self._untold = size  # its date is about to be told; if not, it is that of the next look
            return
        self._size = size
        lead = max(self._clock.lead(), self._clock.lead())  # less where it had to wait between two clocks
        if self._leads is not None and abs(lead - self._lead) > LEAD_STEP:
            self._lead = round(lead, 3)
            append_line(self._leads, f"{size} {lead:.3f}\n")
        seconds = self._clock() if self._leads is None else now - self._lead
        seconds = int(seconds * 1000) / 1000  # never after what was saved next
        line = f"{size:>15d} {seconds:>15.3f}\n".encode()
        try:
            if os.pwrite(self._fd, line, self._lines * INDEX_LINE) == INDEX_LINE:
                self._lines += 1  # what a full disk cut short is written over by the next line
        except OSError:
            pass


class ExitRecord:
    """The exit record of an attempt, with its room on the disk taken before the program can fill it.

    durable: it outlives a power cut once it is written.
    """

    def __init__(self, directory: str, *, durable: bool = True) -> None:
        self._directory = directory
        self._durable = durable
        self._temporary = os.path.join(directory, f"{EXIT}.tmp")
        self._fd = open_private(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            os.posix_fallocate(self._fd, 0, EXIT_ROOM)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # some file systems cannot reserve room
                raise

    def write(self, content: Mapping[str, Any]) -> None:
        data = json.dumps({"version": VERSION, **content}).encode()
        os.pwrite(self._fd, data, 0)
        os.ftruncate(self._fd, len(data))
        if self._durable:
            os.fsync(self._fd)
        os.rename(self._temporary, os.path.join(self._directory, EXIT))
        if self._durable:
            fsync_directory(self._directory)

    def close(self) -> None:
        os.close(self._fd)
