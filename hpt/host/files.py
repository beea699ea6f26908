"""Files that outlive a power cut and that nobody else may read. Standard library only: a supervisor imports
this once a trial.

What a tuning job keeps may hold secrets: keys in the environment of programs, their logs, pickled functions.
So its directories have mode 0700 and its files 0600 whatever the umask. A user shares a state directory with
a group by making it set-group-ID and closing it to all others (`chmod 2770`): what is made below it then has
the group's permissions too.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

_OTHERS = 0o077
"""The permissions of everybody but the owner."""

_SHARED = 0o2000
"""The set-group-ID bit."""


def fsync_directory(path: str | PathLike[str]) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: str | PathLike[str]) -> None:
    """Make a private directory, which may exist already. Its parent must exist.

    Raises:
        FileExistsError: something else is at `path`.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
        return
    group = _group(os.path.dirname(os.path.abspath(path)))
    wanted = _SHARED | 0o700 | group if group else 0o700
    if os.stat(path).st_mode & 0o2777 != wanted:  # by the umask, or by the set-group-ID bit of the parent
        os.chmod(path, wanted)


def make_directories(path: str | PathLike[str]) -> None:
    """Make a private directory and whatever is missing above it, private too."""
    path = os.path.abspath(path)
    if not os.path.isdir(path):
        make_directories(os.path.dirname(path))
        make_directory(path)


def open_private(path: str | PathLike[str], flags: int) -> int:
    """Open a file as `os.open` does; with O_CREAT it is made private. Fit for the `opener` of `open`."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    if flags & os.O_CREAT:
        found = os.fstat(descriptor)
        wanted = 0o600 | _group(os.path.dirname(os.path.abspath(path))) & 0o060
        if found.st_mode & 0o777 != wanted and found.st_uid == os.geteuid():
            os.fchmod(descriptor, wanted)
    return descriptor


def is_shared_directory(mode: int) -> bool:
    """Whether a directory of that mode is one that its owner shares with a group, and with nobody else."""
    return bool(mode & _SHARED) and not mode & 0o007


def close_to_others(path: str) -> bool:
    """Take all permissions of other users from a file or directory, unless it is a shared directory.

    False if others have permissions and this user may not take them away.
    """
    try:
        found = os.lstat(path)
        if (found.st_mode & 0o170000) == 0o120000:  # a symbolic link, which has no permissions of its own
            return True
        if not found.st_mode & _OTHERS or is_shared_directory(found.st_mode):
            return True
        os.chmod(path, found.st_mode & 0o7777 & ~_OTHERS)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _group(directory: str) -> int:
    """The group's permissions for what is made in a directory: none unless it is shared."""
    mode = os.stat(directory).st_mode
    return mode & 0o070 if is_shared_directory(mode) else 0
