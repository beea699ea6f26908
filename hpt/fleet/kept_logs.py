"""What attempts elsewhere print, kept on the tuner's machine as it is read, which outlives their nodes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpt.executors import record
from hpt.executors.base import AttemptKey, LogChunk
from hpt.executors.log_place import EVERY
from hpt.fleet.left_there import PIECE, PRINTED, Wanted
from hpt.host.private import make_directories, open_private


class KeptLogs:
    """They lie where the logs of local attempts would be. root: the directory of the training jobs."""

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self._root, self._say = root, say

    def keep(self, key: AttemptKey, chunk: LogChunk, name: str = record.LOG) -> str:
        """Keep what was printed; returns where. What a full disk has no room for is missing; that is said.

        name: of the file.
        """
        place = self._root / key.name / "attempts" / str(key.attempt)
        if chunk.data:
            try:
                make_directories(place)
                fd = open_private(place / name, os.O_WRONLY | os.O_CREAT)
                try:
                    os.lseek(fd, chunk.start, os.SEEK_SET)
                    record.write_all(fd, chunk.data)
                finally:
                    os.close(fd)
            except OSError as error:
                self._say(f"the log of {key.name} cannot be kept here: {error.strerror}")
        return str(place / name)


@dataclass
class _Read:
    """offset: of what comes next. due: when it is asked for. again: what is on its way may be older than the
    end. then: called once all has come.
    """

    offset: int = 0
    due: float = 0.0
    asking: bool = False
    again: bool = False
    then: Callable[[], None] | None = None


class PrintedLogs:
    """What functions print, which is read now and then and at their end: their values are followed in place
    of it. call: makes a call of an agent.
    """

    def __init__(self, logs: KeptLogs, call: Callable[..., None]) -> None:
        self._logs, self._call = logs, call
        self._reads: dict[AttemptKey, _Read] = {}

    def look(self, node: str, key: AttemptKey) -> None:
        """Read what is new of one that runs, if it is time."""
        read = self._reads.setdefault(key, _Read(due=time.monotonic() + EVERY))
        if not read.asking and time.monotonic() >= read.due:
            self._ask(node, key, read)

    def finish(self, node: str, key: AttemptKey, then: Callable[[], None]) -> None:
        """Read the rest of one that has ended, as far as that can be had."""
        read = self._reads.setdefault(key, _Read())
        read.then, read.again = then, read.asking
        if not read.asking:
            self._ask(node, key, read)

    def _ask(self, node: str, key: AttemptKey, read: _Read) -> None:
        read.asking = True
        answer = lambda *came: self._came(node, key, read, *came)  # noqa: E731, it is given at once
        self._call(node, answer, "read", tuple(key), [Wanted(PRINTED, "", read.offset)])

    def _came(self, node: str, key: AttemptKey, read: _Read, how: str, result: Any) -> None:
        read.asking, read.due = False, time.monotonic() + EVERY
        piece = result[0] if how == "done" and result else b""
        self._logs.keep(key, LogChunk(read.offset, piece))
        read.offset += len(piece)
        again, read.again = read.again, False
        if again or len(piece) == PIECE:
            self._ask(node, key, read)
        elif read.then is not None:
            self.forget(key)
            read.then()

    def forget(self, key: AttemptKey) -> None:
        """It was lost."""
        self._reads.pop(key, None)
