"""Another way to say a metric than to print it in one's own words: one tagged line that needs no pattern.

    import hpt
    hpt.report(loss=0.25, accuracy=0.9)          # prints: [hpt] metrics: loss=0.25 accuracy=0.9

The line goes to standard output like any other, so every executor carries it, and a program run by hand
merely prints it.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from typing import SupportsFloat

from hpt.errors import InputError
from hpt.job import MetricDefinition

TAG = "[hpt] metrics:"


def report(**metrics: SupportsFloat) -> None:
    """Print the values of metrics, by name, as one tagged line.

    A name that is no identifier goes in as `report(**{"validation:auc": 0.9})`.

    Raises:
        InputError: a name or a value cannot be printed so that it is read again; nothing was printed.
    """
    if metrics:
        # The line begins anew whatever stands before it, a progress bar say, and is written at one go.
        sys.stdout.write(f"\n{tagged_line(metrics)}\n")
        sys.stdout.flush()


def tagged_line(metrics: Mapping[str, SupportsFloat]) -> str:
    """The line `report` prints, without its end."""
    return " ".join([TAG, *(f"{_checked(name)}={_number(name, value)}" for name, value in metrics.items())])


def reported(name: str) -> MetricDefinition:
    """The definition of a metric that is reported, not printed: its pattern reads it from the tagged line."""
    return MetricDefinition(name, rf"^{re.escape(TAG)}.* {re.escape(_checked(name))}=(\S+)")


def _checked(name: str) -> str:
    if not name or not name.isprintable() or any(c.isspace() or c == "=" for c in name):
        raise InputError(
            f"metric name {name!r} cannot be reported; use a name without blanks and equals signs"
        )
    return name


def _number(name: str, value: SupportsFloat) -> str:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"metric {name!r} is {value!r}; report a number") from None
    if isinstance(value, str):
        raise InputError(f"metric {name!r} is the text {value!r}; report a number")
    return repr(number) if math.isfinite(number) else str(number)
