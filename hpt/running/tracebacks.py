"""The Python traceback with which a training program ended, found in what it wrote."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from hpt.executors import checked, hosts, record
from hpt.executors.attempt import training_directory

LONGEST = 20_000
"""Characters of a traceback that are kept, its last ones: the exception stands at the end."""

_READ = 1 << 18
_AFTER = 20
"""Lines after the exception that may belong to its message."""

_HEAD = re.compile(r"Traceback \(most recent call last\)")
_GROUP = re.compile(r"\s*\+ Exception Group Traceback \(most recent call last\)")
_CHAINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_FILE = re.compile(r'\s+File ".*", line \d+')
_ERROR = re.compile(r"(\w+\.)*\w*(Error|Exception|Exit|Interrupt|Warning)\b")


def last_traceback(trial: Path, attempt: int) -> str:
    """The last traceback of an attempt of a training job, "" if there is none: from its log, else from
    `output/failure`. Of several hosts it is that of the first that failed.

    trial: the directory of the training job, which may be gone.
    """
    attempt_directory = trial / "attempts" / str(attempt)
    host, log = _host(attempt_directory), record.LOG
    if hosts.logs(str(attempt_directory)):
        log = hosts.own_file(log, host)
    found = find_traceback(_tail(attempt_directory / log))
    if not found:
        base = hosts.training_directory(training_directory(str(attempt_directory)), host)
        found = find_traceback(_tail(Path(base) / "output" / "failure"))
    return found


def _host(attempt_directory: Path) -> int:
    """The number of the host that failed first: those that it left in the middle of things fail too."""
    try:
        exit_record = checked.read_exit(str(attempt_directory))
    except (checked.DamagedRecordError, OSError):
        exit_record = None
    return 1 if exit_record is None else hosts.host_of(str(attempt_directory), exit_record.get("reason", ""))


def find_traceback(log: str) -> str:
    """The last traceback in a log with the exceptions that led to it, shortened to `LONGEST`; "" for none."""
    lines = [line.rstrip("\r") for line in log.split("\n")]
    start = _start(lines)
    if start is None:
        return ""
    found = "\n".join(lines[_first(lines, start) : _end(lines, start)]).strip("\n")
    return found if len(found) <= LONGEST else "…" + found[-LONGEST:]


def _start(lines: list[str]) -> int | None:
    """The line at which the last traceback begins; a syntax error in a script has only its `File` line."""
    for i in range(len(lines) - 1, -1, -1):
        if not _HEAD.search(lines[i]):
            continue
        if lines[i].lstrip().startswith("|"):  # of one exception within a group
            return next((j for j in range(i, -1, -1) if _GROUP.match(lines[j])), i)
        return i
    for i in range(len(lines) - 1, -1, -1):
        if _FILE.match(lines[i]) and any(_ERROR.match(line) for line in lines[i + 1 : i + 6]):
            return i
    return None


def _first(lines: list[str], start: int) -> int:
    """The line at which the first of the chained exceptions begins that end in the one at `start`."""
    while True:
        if start >= 2 and lines[start - 1] == '"""':  # what another process raised
            start -= 2
        before = start - 1
        while before >= 0 and not lines[before].strip():
            before -= 1
        if before < 0 or lines[before].strip(" |+") not in _CHAINED:
            return start
        earlier = next((i for i in range(before, -1, -1) if _HEAD.search(lines[i])), None)
        if earlier is None:  # it begins before what was read
            return 0
        start = earlier


def _end(lines: list[str], start: int) -> int:
    """The line after the traceback that begins at `start`.

    It is the last thing that a program writes which fails with it, and its message may have several lines.
    Where much follows, it ends with the exception and what stands directly below it.
    """
    said = len(lines)
    while said and not lines[said - 1].strip():
        said -= 1
    end = start + 1
    while end < said and (not lines[end].strip() or lines[end][0] in " \t|+│╭╰"):
        end += 1
    if said - end > _AFTER:
        limit = end + _AFTER
        end += 1
        while end < limit and lines[end].strip():
            end += 1
        said = end
    return next((i for i in range(start, said) if lines[i].startswith("[hpt] ")), said)


def _tail(path: Path) -> str:
    """The last of a file, "" if there is none; whatever a program put in its place is not waited for."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return ""
        return os.pread(fd, _READ, max(0, status.st_size - _READ)).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(fd)
