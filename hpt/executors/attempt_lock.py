"""The lock of an attempt: whoever holds it is its supervisor. Standard library only."""

from __future__ import annotations

import fcntl
import os
import time

from hpt.executors import record
from hpt.host.private import open_private


def take_lock(directory: str) -> int | None:
    """A descriptor that holds the attempt's lock while it is open; None if another supervisor has the lock.

    A tuner that checks whether it is free holds it for microseconds: hence the further attempts.
    """
    fd = open_private(os.path.join(directory, record.LOCK), os.O_RDWR | os.O_CREAT)
    for _ in range(4):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return fd
    os.close(fd)
    return None


def was_started(directory: str) -> bool:
    """Whether a supervisor has begun, or ended."""
    return any(os.path.exists(os.path.join(directory, name)) for name in (record.STARTED, record.EXIT))
