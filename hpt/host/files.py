"""Files that outlive a power cut, and files that something else may have made. Standard library only: a
supervisor imports this once a trial.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

NO_FILE = frozenset(
    (
        errno.EACCES,
        errno.EFBIG,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENODEV,
        errno.ENXIO,
        errno.EPERM,
    )
)
"""Errors that say what lies at a path (a directory, a socket, nothing that may be read), not that the disk
fails."""


def fsync_directory(path: str | PathLike[str]) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_file(path: str) -> int:
    """Open a file that a program may have made, to be read; never waits.

    Raises:
        OSError: it is missing, or is no file (EISDIR for a directory, ENXIO for a FIFO, socket or device).
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.ENXIO, "is no ordinary file", path)


def read_file(path: str, limit: int) -> bytes:
    """The first `limit` bytes of a file that a program may have made; never waits.

    Raises:
        OSError: as `open_file`.
    """
    descriptor = open_file(path)
    try:
        data = b""
        while len(data) < limit and (part := os.read(descriptor, limit - len(data))):
            data += part
        return data
    finally:
        os.close(descriptor)
