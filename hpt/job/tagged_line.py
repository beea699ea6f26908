"""The tagged line of metrics that need no pattern: `[hpt] metrics: loss=0.25 accuracy=0.9`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from hpt.errors import InputError
from hpt.search.numbers import real_number

TAG = "[hpt] metrics:"


def tagged_line(metrics: Mapping[str, object]) -> str:
    """The line with the values of metrics by name, without a line break.

    Raises:
        InputError: a name or a value cannot be written on the line.
    """
    return " ".join([TAG, *(f"{checked(name)}={_number(name, value)}" for name, value in metrics.items())])


def tagged_pattern(name: str) -> str:
    """The pattern that reads a metric from tagged lines.

    Raises:
        InputError: the name cannot be written on the line.
    """
    return rf"^{re.escape(TAG)}.* {re.escape(checked(name))}=(\S+)"


def checked(name: str) -> str:
    """The name. Raises InputError if it cannot be written on a tagged line."""
    if not name or not name.isprintable() or any(c.isspace() or c == "=" for c in name):
        raise InputError(
            f"metric name {name!r} cannot be reported; use a name without blanks and equals signs"
        )
    return name


def _number(name: str, value: object) -> str:
    number = real_number(value, f"metric {name!r}:", "report a number")
    return repr(number) if math.isfinite(number) else str(number)
