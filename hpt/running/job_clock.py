"""The clock of a tuning job, kept with the job: the same one for every process that runs it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hpt.host.clock import LATEST, SteadyClock, since_start
from hpt.host.files import fsync_directory, read_file
from hpt.host.private import open_private

FILE = "clock.json"

STEP = 60.0
"""Seconds by which the wall clock must have moved against ours for that to be recorded."""


class JobClock(SteadyClock):
    """A steady clock that continues where the one of the job's last process was.

    While the host is up it counts on, whatever the wall clock is set to. After a restart of the host the wall
    clock bridges the time in between, as it was ahead of ours when last looked at.
    """

    __slots__ = ("_ahead", "_path", "_wall")

    def __init__(
        self,
        directory: Path,
        latest: float,
        *,
        wall: Callable[[], float] = time.time,
        since_start: Callable[[], float] = since_start,
        epoch_name: str = "",
    ) -> None:
        """Read the job's clock, or begin it.

        Parameters
        ----------
        directory
            The job's.
        latest
            A time of the job that has passed; the clock is never before it.
        wall, since_start
            The two clocks of the host.
        epoch_name
            Names the start of the host, "" for the last one.
        """
        super().__init__(0.0, epoch_name, since_start)
        self._path, self._wall = directory / FILE, wall
        offset, self._ahead = self._stored()
        begin = wall() - self._ahead if offset is None else since_start() + offset
        self.offset = max(begin, latest) - since_start()
        if offset is None:
            self._store()

    def __call__(self) -> float:
        now = super().__call__()
        ahead = self._wall() - now
        if abs(ahead - self._ahead) > STEP:
            self._ahead = ahead
            self._store()
        return now

    def _stored(self) -> tuple[float | None, float]:
        """The offset, None if of another start of the host, and by how much the wall clock was ahead."""
        try:
            content = json.loads(read_file(str(self._path), 1 << 16))
            offset, ahead = float(content["offset"]), float(content["ahead"])
            if not abs(offset) + abs(ahead) <= 2 * LATEST:
                return None, 0.0
            return (offset if content["epoch"] == self.epoch else None), ahead
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None, 0.0

    def _store(self) -> None:
        """Record the clock. Where that fails, the next process begins one at the job's last event."""
        temporary = self._path.with_name(f"{FILE}.{os.getpid()}.tmp")
        content = {**self.to_json(), "ahead": self._ahead}
        with suppress(OSError):
            with open(temporary, "w", encoding="utf-8", opener=open_private) as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._path)
            fsync_directory(self._path.parent)
