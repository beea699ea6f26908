"""The state directory: where tuning jobs live on this machine."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from stat import S_ISDIR

from hpt.errors import InputError, StateDirectoryError, StorageError, StorageProblem
from hpt.host.private import close_to_others, is_shared_directory
from hpt.host.state_parts import TRAINING_JOBS


def state_directory(state: str | os.PathLike[str] | None = None) -> Path:
    """`state` if given, else `$HPT_HOME`, else `~/.hpt`; absolute.

    Raises:
        InputError: `state` is empty, or starts at a folder that is gone. StateDirectoryError: it is in no
            user's home.
    """
    directory = state if state is not None else os.environ.get("HPT_HOME") or "~/.hpt"
    if not os.fspath(directory):
        raise InputError("the state directory is given as ''; name one, or leave it out for the default")
    if "\0" in str(directory):
        raise InputError(f"the state directory {str(directory)!r} has a NUL character; name another")
    try:
        return Path(directory).expanduser().absolute()
    except RuntimeError as error:
        raise StateDirectoryError(str(directory), "is in the home of a user who has none here") from error
    except FileNotFoundError as error:
        raise InputError(
            f"the state directory {directory} starts at the working directory, which was deleted; "
            "go to another folder, or name an absolute path"
        ) from error


LONGEST = 512 - len("/.deleted/.9999/job.sqlite-journal") - 32 - 1
"""Bytes in the path of a state directory: SQLite takes paths of fewer than 512, and a job's name has 32."""


def check_directory(root: Path) -> None:
    """Raises StateDirectoryError where no state directory can be: its path is too long, or is a file's."""
    try:
        is_file = not S_ISDIR(root.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_file = False
    except OSError as error:
        reason = f"cannot be looked at ({error.strerror})"
        raise StateDirectoryError(str(root), reason) from error
    if is_file:
        raise StateDirectoryError(str(root), "is a file")
    if (length := len(os.fsencode(root))) > LONGEST:
        reason = f"has a path of {length} bytes, more than the {LONGEST} that SQLite leaves for it"
        raise StateDirectoryError(str(root), reason)


def check_writable(root: Path) -> None:
    """Check that a state directory, or its first job, can be made.

    Raises:
        StateDirectoryError: what should be a directory above it is none. StorageError: no permission.
    """
    place = root
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise StateDirectoryError(str(root), f"cannot be made, as {place} is no directory")
    if not os.access(place, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        code = errno.EROFS if os.statvfs(place).f_flag & os.ST_RDONLY else errno.EACCES
        raise StorageError(
            "no job can be kept in the state directory",
            path=str(root),
            reason=f"{'' if place == root else f'{place}: '}{os.strerror(code)}",
            fix="make it readable and writable",
            problem=StorageProblem.FORBIDDEN,
            root=str(root),
        )


def close_state(root: Path) -> tuple[str, ...]:
    """Close an existing state directory and its jobs to other users; what could not be closed, in words.

    Earlier versions made them as the umask said. A directory that holds other things as well stays as it is,
    and its jobs are closed alone. One that is set-group-ID and closed to everybody outside its group is
    shared on purpose.
    """
    try:
        found = root.stat()
        if not found.st_mode & 0o077 or is_shared_directory(found.st_mode):
            return ()
        entries = [
            entry for entry in os.scandir(root) if entry.name not in (".deleted", ".removed", TRAINING_JOBS)
        ]
        jobs = [entry.path for entry in entries if os.path.lexists(f"{entry.path}/job.sqlite")]
        is_ours = found.st_uid == os.geteuid()
        closed = [_close_job(path) for path in jobs]
        if is_ours and len(jobs) == len(entries):
            closed.append(close_to_others(os.path.realpath(root)))
    except OSError:
        return ()  # whoever works with it says what is wrong
    if all(closed):
        return ()
    return (
        f"other users of this machine can read jobs in {root}, which belong to another user; that user can "
        "close them: chmod -R go-rwx",
    )


def _close_job(directory: str) -> bool:
    """Close a job's directory and the files right in it, if it is open."""
    if not os.stat(directory).st_mode & 0o077 or is_shared_directory(os.stat(directory).st_mode):  # noqa: PTH116
        return True
    files = [entry.path for entry in os.scandir(directory) if entry.is_file(follow_symlinks=False)]
    closed = [close_to_others(path) for path in [*files, directory]]  # each, whatever comes of the others
    return all(closed)
