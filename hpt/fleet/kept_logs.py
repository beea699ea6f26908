"""What attempts elsewhere print, kept on the tuner's machine as it is read, which outlives their nodes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hpt.executors import record
from hpt.executors.base import AttemptKey, LogChunk
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
