"""Claims on devices of this machine: GPUs and cores, each given to one training job at a time.

A claim is a lock of an open file (`fcntl(2)`, open file description locks) on a file named after the device.
The tuner opens it and hands the open file down to the supervisor and the program, so the kernel keeps the
claim exactly as long as any process of the training job lives, whoever of them is killed, and nothing is ever
left over to be cleaned up. Every tuner of this user sees it, of whatever state directory.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct

from hpt.errors import ExecutorError
from hpt.host.private import make_directory, open_private

UNITS = 60
"""Parts that a device can be claimed in; it divides by 2 to 6."""

RUNTIME_VARIABLE = "HPT_RUNTIME_DIR"
"""The environment variable with the directory of the files; tuners in several containers may share one."""

_LOCK = struct.Struct("hhqqi4x")  # struct flock, with offsets of 64 bits


def runtime_directory() -> str:
    """Where the files are: a directory of this user's own, which all of its tuners find.

    Raises:
        ExecutorError: it cannot be made, or belongs to somebody else.
    """
    user = os.geteuid()
    chosen = os.environ.get(RUNTIME_VARIABLE)
    if chosen is None:
        login = f"/run/user/{user}"
        chosen = f"{login}/hpt" if os.access(login, os.W_OK | os.X_OK) else f"/tmp/hpt-{user}"
    try:
        make_directory(chosen)
        found = os.lstat(chosen)
    except OSError as error:
        raise ExecutorError(
            f"the directory {chosen} for locks of GPUs and cores cannot be made: {error.strerror}; set"
            f" {RUNTIME_VARIABLE} to another"
        ) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user:
        raise ExecutorError(
            f"the directory {chosen} for locks of GPUs and cores belongs to another user; set"
            f" {RUNTIME_VARIABLE} to another"
        )
    return chosen


def claim(directory: str, device: str, units: int = UNITS, start: int = 0) -> int | None:
    """An open file that holds a claim on so many parts of a device, from part `start` on; None if they are
    not free.

    Raises:
        ExecutorError: its file cannot be locked.
    """
    path = os.path.join(directory, "".join(c if c.isalnum() or c in "-." else "_" for c in device)[:200])
    try:
        fd = open_private(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise ExecutorError(f"{device} cannot be claimed: {error.strerror} ({path})") from None
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, units, 0))
    except OSError as error:
        os.close(fd)
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return None
        raise ExecutorError(
            f"{device} cannot be claimed: {error.strerror} ({path}); set {RUNTIME_VARIABLE} to a directory on"
            " a local disk"
        ) from None
    return fd
