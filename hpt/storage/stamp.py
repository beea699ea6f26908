"""Whether a job's database was written since it was last read, at the cost of two `stat` calls."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

SETTLED_SECONDS = 2.0
"""A file that was last written so long ago shows by its time that nothing was written since.

A later write within one tick of the file system's clock has the same time, and a commit is seen by readers
only some time after its last write, when the disk has confirmed it.
"""

_File = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Stamp:
    """How the files of a database look from outside.

    files: inode, size and time of change in nanoseconds, of the database and of its log. settled: whether
    they had been at rest for long enough when they were looked at: an equal stamp then means equal contents.
    """

    files: tuple[_File, _File]
    settled: bool

    def holds(self, now: Stamp) -> bool:
        """Whether what was read after this stamp was taken is still what there is at the stamp `now`."""
        return self.settled and self.files == now.files


def take_stamp(path: str) -> Stamp:
    """The stamp of the database file `path`, which may be missing."""
    files = _look(path), _look(f"{path}-wal")
    latest = max((file[2] for file in files if file is not None), default=0)
    return Stamp(files, time.time() - latest / 1e9 > SETTLED_SECONDS)


def _look(path: str) -> _File:
    try:
        found = os.stat(path)  # noqa: PTH116 (asked of every job: a Path costs more than the look)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # no file has a name with a zero byte
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
