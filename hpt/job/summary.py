"""The summary of a tuning job that lists show without reading its events, as it is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from hpt.job.state import JobState, job_status
from hpt.search.stored import MOST_SECONDS, damaged, refuse_unknown
from hpt.search.trial import ObjectiveType

SUMMARY: Mapping[str, Any] = JobState(ObjectiveType.MAXIMIZE, 0.0).summary()
"""The summary of a new job: all members with their defaults."""


def read_summary(summary: Mapping[str, Any], created: float) -> dict[str, Any]:
    """A stored summary, of this version or an earlier one, with every member.

    Raises:
        StorageError: it was written by a newer version.
    """
    what = "the summary of the tuning job"
    refuse_unknown(summary, _SUMMARY_MEMBERS, what)
    complete = {**SUMMARY, "modified": created, **summary}
    complete["status"] = str(job_status(complete["status"]))
    for name, is_right in _SUMMARY_CHECKS.items():
        if not is_right(complete[name]):
            raise damaged(f"{what} has the {name} {complete[name]!r:.60}")
    return complete


def _is_time(value: object) -> bool:
    return type(value) in (int, float) and abs(value) <= MOST_SECONDS  # type: ignore[arg-type]


def _are_counts(value: object) -> bool:
    return type(value) is dict and all(type(count) is int and abs(count) < 2**53 for count in value.values())


def _is_best(value: object) -> bool:
    return (
        type(value) is dict
        and isinstance(value.get("name"), str)
        and type(value.get("value")) in (int, float)
        and abs(value["value"]) < inf
    )


_SUMMARY_CHECKS: Mapping[str, Callable[[object], bool]] = {
    "modified": _is_time,
    "ended": lambda value: value is None or _is_time(value),
    "criterion": lambda value: isinstance(value, str),
    "training_counters": _are_counts,
    "objective_counters": _are_counts,
    "best": lambda value: value is None or _is_best(value),
}


_SUMMARY_MEMBERS = frozenset(SUMMARY)
