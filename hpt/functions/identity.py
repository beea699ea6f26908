"""The function of a stored job: it goes on with a function of the name that it was begun with."""

from __future__ import annotations

import errno
import json
import warnings
from pathlib import Path

from hpt.errors import JobExistsError, StorageError, StorageProblem
from hpt.functions import payload

FILE = "function.json"
"""In the job's directory: the function's name, and a digest of its code."""


class Function:
    """A function as `hpt.tune` was called with it. content: what workers read."""

    def __init__(self, train: object, content: bytes) -> None:
        self._name, self._code, self._content = payload.name_of(train), payload.code_digest(train), content

    def store(self, directory: Path) -> None:
        """Make it the function of the job in `directory`, which this process runs.

        A job goes on with a function of the same name. Where its own code is another, a warning says so: it
        may have been corrected. What ran before keeps its results.

        Raises:
            JobExistsError: the job was begun with a function of another name; nothing was changed.
            StorageError: it cannot be written there.
        """
        begun = self._begun(directory)
        name = begun.get("name", self._name)
        if name != self._name:
            raise JobExistsError(
                f"tuning job {directory.name!r} in {directory.parent} was begun with the function {name!r}"
                f" and not {self._name!r}. Give that function, or choose another name for the job",
                name=directory.name,
                root=str(directory.parent),
                differences=[f"train is {name!r} there and {self._name!r} here"],
            )
        if begun.get("code", self._code) != self._code:
            warnings.warn(
                f"the function {name!r} has changed since tuning job {directory.name!r} began; trials that"
                " have ended keep their results. Choose another name for the job to begin anew",
                stacklevel=_depth(),
            )
        description = json.dumps({"name": self._name, "code": self._code}).encode()
        try:
            _replace(directory / payload.FILE, self._content)
            _replace(directory / FILE, description)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise StorageError(
                "the function could not be stored",
                path=str(directory),
                reason=str(error.strerror),
                fix="make room there" if full else "set permissions there",
                problem=StorageProblem.FULL if full else StorageProblem.OTHER,
            ) from error

    @staticmethod
    def _begun(directory: Path) -> dict[str, object]:
        """What the job was begun with; nothing if it is new, or of a version that did not say."""
        try:
            content = json.loads((directory / FILE).read_bytes())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step: whoever reads it now sees the old content or the new."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)


def _depth() -> int:
    """How many frames the caller of `hpt` is away."""
    import sys

    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith("hpt."):
        frame, depth = frame.f_back, depth + 1
    return depth
