"""The state directory: where tuning jobs live on this machine, and the commands that find them there."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from hpt.errors import InputError


def state_directory(state: str | os.PathLike[str] | None = None) -> Path:
    """`state` if given, else `$HPT_HOME`, else `~/.hpt`; absolute.

    Raises:
        InputError: `state` is empty, or cannot be made absolute.
    """
    chosen = state if state is not None else os.environ.get("HPT_HOME") or "~/.hpt"
    if not os.fspath(chosen):
        raise InputError("the state directory is given as ''; name one, or leave it out for the default")
    try:
        return Path(chosen).expanduser().absolute()
    except RuntimeError as error:
        raise InputError(
            f"the state directory {chosen} is in the home of a user who has none here; "
            "name another with --state or $HPT_HOME"
        ) from error
    except FileNotFoundError as error:
        raise InputError(
            f"the state directory {chosen} starts at the working directory, which was deleted; "
            "go to another folder, or name an absolute path"
        ) from error


def command(words: str, root: Path) -> str:
    """`hpt WORDS`, to be typed by a person; with `--state` where the command would otherwise look elsewhere
    than in `root`.
    """
    try:
        found = state_directory() == root
    except InputError:
        found = False
    return f"hpt {words}" if found else f"hpt {words} --state {shlex.quote(str(root))}"
