"""The state directory: where tuning jobs live on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from hpt.errors import InputError, StateDirectoryError


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
