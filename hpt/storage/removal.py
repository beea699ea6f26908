"""Where a deleted job goes, and how its directory is removed: a crash leaves the whole job or no job."""

from __future__ import annotations

import itertools
import os
import shutil
import stat
from pathlib import Path

from hpt.errors import StorageError
from hpt.host.files import fsync_directory
from hpt.host.private import make_directory

DELETED = ".deleted"
"""The folder of deleted jobs: itself the state directory of a storage."""

REMOVED = ".removed"
"""The folder of what is being removed. What a crash leaves there is removed with the next job."""


def archive_folder(state: Path, key: str) -> Path:
    """A new folder for a deleted job of that name.

    Raises:
        OSError: it could not be made.
    """
    for ordinal in itertools.count(1):
        folder = state / DELETED / f"{key}.{ordinal}"
        try:
            make_directory(folder.parent)
            if folder.exists():
                continue
            make_directory(folder)
        except FileExistsError:
            continue
        return folder
    raise AssertionError("unreachable")


def set_aside(state: Path, key: str) -> None:
    """Take the directory of a job out of the state directory in one step, durably.

    Raises:
        OSError: it could not be moved; the job is as it was.
    """
    folder = state / REMOVED
    make_directory(folder)
    for ordinal in itertools.count(1):
        target = folder / f"{key}.{ordinal}"
        if not os.path.lexists(target):
            break
    (state / key).rename(target)
    fsync_directory(folder)
    fsync_directory(state)


def sweep(state: Path) -> None:
    """Remove everything that was set aside.

    Raises:
        StorageError: some files could not be removed.
    """
    folder = state / REMOVED
    try:
        for entry in folder.iterdir() if folder.is_dir() else ():
            if entry.is_symlink() or not entry.is_dir():
                entry.unlink(missing_ok=True)
            else:
                _remove_tree(entry)
    except OSError as error:
        raise StorageError(
            "the job was deleted, but some of its files could not be removed",
            path=str(error.filename or folder),
            reason=error.strerror or str(error),
            fix=f"remove {folder} by hand",
        ) from error


def _remove_tree(directory: Path) -> None:
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return  # another process removes it
    except OSError:  # a program may have left directories that do not let go of their files
        for above, names, _ in os.walk(directory):
            for path in [above, *(f"{above}/{name}" for name in names)]:
                if not os.path.islink(path):  # noqa: PTH114 (of every directory: a Path costs more)
                    os.chmod(path, stat.S_IRWXU)  # noqa: PTH101
        shutil.rmtree(directory)
