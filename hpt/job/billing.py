"""What a training job's time on machines comes to (behaviour 11.4)."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

from hpt.job.state import Transition

_AWAY = frozenset(
    {
        *("Interrupted", "Restarting"),
        *("Completed", "Failed", "Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"),
    }
)


def training_seconds(transitions: Iterable[Transition]) -> float:
    """The running segments together: each goes from `Training` to the end of its attempt, so that what was
    waited for capacity, between attempts included, is not in it. A segment that goes on does not count yet.
    """
    total, since = 0.0, None
    for transition in transitions:
        if transition.secondary == "Training" and since is None:
            since = transition.start
        elif transition.secondary in _AWAY and since is not None:
            total += transition.start - since
            since = None
    return total


def billable_seconds(seconds: float, price: float = 1.0) -> int:
    """What is charged for `seconds` of training at `price`, a share of the full one in (0, 1]; at least 1."""
    return max(1, ceil(round(price * seconds, 6)))


def savings_percent(billable: float, training: float) -> float:
    """(1 - billable / training) x 100."""
    return (1.0 - billable / training) * 100.0
