"""What the readers of job files share: the spelling of scalars, and limits on what a file may unfold to.

The limits are far above what a request can hold and far below what exhausts a machine: a small file can ask a
parser for gigabytes or minutes (one key of many thousand parts, aliases of aliases, a million values).
"""

from __future__ import annotations

from collections.abc import Iterable

from hpt.errors import InputError
from hpt.sagemaker.request.shapes import SourceText

MAX_BYTES = 4 * 2**20
MAX_VALUES = 100_000
"""Values in a job file: keys do not count, aliases do at each use."""
MAX_DEPTH = 100
"""Objects and lists within each other, and parts of a dotted key."""


class Budget:
    """Counts the values of one file. how: how they are counted, for the message."""

    def __init__(self, file: str, how: str = "") -> None:
        self.file, self._how = file, how
        self._left = MAX_VALUES

    def take(self, count: int = 1, place: str = "") -> None:
        """Raises InputError when the file has too many values.

        place: of the value, as `:line:column`, "" if it is not known.
        """
        self._left -= count
        if self._left < 0:
            raise InputError(f"{self.file}{place}: more than {MAX_VALUES} values{self._how}; write fewer")


def check_marks(text: str, marks: Iterable[str], file: str) -> None:
    """Raises InputError if one of these characters is there too often: each costs a reader a step."""
    for mark in marks:
        if (count := text.count(mark)) > MAX_VALUES:
            raise InputError(
                f"{file}: {count} characters {mark!r} are more than {MAX_VALUES}; write fewer values"
            )


def too_deep(file: str) -> InputError:
    """The error for a file that is nested too deeply."""
    return InputError(f"{file} is nested too deeply to be a tuning job request; flatten it")


def integer(file: str, text: str, digits: str, base: int = 10) -> SourceText:
    """An integer with its spelling. Raises InputError where Python does not convert so many digits."""
    if len(digits) <= 4300:
        try:
            return SourceText(text, int(digits, base))
        except ValueError:
            pass  # some Pythons convert fewer
    raise InputError(f"{file}: a number of {len(text)} digits ({text[:20]}...) is too long; shorten it")
