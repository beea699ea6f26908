"""The billable time of a training job (behaviour 11.4)."""

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
    """The length of all running segments. Each lasts from `Training` to the end of its attempt, so waiting
    for capacity does not count. A segment that has not ended does not count yet.
    """
    return _running(transitions, frozenset({"Training"}))


def machine_seconds(transitions: Iterable[Transition]) -> float:
    """The same with the time that downloading took before: what a service bills, at the price of a second."""
    return _running(transitions, frozenset({"Downloading", "Training"}))


def _running(transitions: Iterable[Transition], begins: frozenset[str]) -> float:
    total, since = 0.0, None
    for transition in transitions:
        if transition.secondary in begins and since is None:
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
