"""The state directory: where tuning jobs live on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from hpt.errors import InputError, StateDirectoryError
from hpt.host.private import close_to_others, is_shared_directory


def state_directory(state: str | os.PathLike[str] | None = None) -> Path:
    """`state` if given, else `$HPT_HOME`, else `~/.hpt`; absolute.

    Raises:
        InputError: `state` is empty, or starts at a folder that is gone. StateDirectoryError: it is in no
            user's home.
    """
    directory = state if state is not None else os.environ.get("HPT_HOME") or "~/.hpt"
    if not os.fspath(directory):
        raise InputError("the state directory is given as ''; name one, or leave it out for the default")
    try:
        return Path(directory).expanduser().absolute()
    except RuntimeError as error:
        raise StateDirectoryError(str(directory), "is in the home of a user who has none here") from error
    except FileNotFoundError as error:
        raise InputError(
            f"the state directory {directory} starts at the working directory, which was deleted; "
            "go to another folder, or name an absolute path"
        ) from error


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
        entries = [entry for entry in os.scandir(root) if entry.name not in (".deleted", ".removed")]
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
