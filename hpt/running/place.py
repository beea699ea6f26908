"""Whether a job that runs still lies where it was taken up."""

from __future__ import annotations

import os
from pathlib import Path

from hpt.errors import StorageError
from hpt.storage.database import DATABASE


class Place:
    """A job's directory and database as they are now, to be looked for again later."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory, self._name = str(directory), name
        self._known = self._look()

    def check(self) -> None:
        """Look whether they are still there.

        Raises:
            StorageError: they were moved, removed or replaced; nothing must be recorded or started.
        """
        found = self._look()
        if found == self._known:
            return
        what = "was moved or removed" if None in found else "was replaced by another"
        raise StorageError(
            "the job cannot be recorded any more",
            path=self._directory,
            reason=f"its state {what} while it ran",
            fix="nothing further was started; put it back where it was, then resume the job",
        )

    def _look(self) -> tuple[tuple[int, int] | None, ...]:
        """Device and inode of each, None where nothing is."""
        return tuple(map(_identity, (self._directory, f"{self._directory}/{DATABASE}")))


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 (asked at every step: a Path costs more than the look)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino
