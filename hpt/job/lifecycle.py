"""The statuses of tuning and training jobs and the allowed transitions (behaviour 12.1, 12.2).

The fold of a job's events checks each change here, so an impossible log is detected as damaged. A phase that
passed between two polls of a training job is not in its log, so the tables allow phases to be skipped. Going
back to an earlier phase is only allowed by another start.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hpt.errors import StorageError

Table = Mapping[str, frozenset[str]]


def _table(**rows: str) -> Table:
    return MappingProxyType({status: frozenset(following.split()) for status, following in rows.items()})


NOTHING = "(none)"
"""The status before a job is created and after it is deleted."""

TUNING_JOB: Table = MappingProxyType(
    {
        NOTHING: frozenset({"InProgress"}),
        **_table(
            InProgress="Completed Failed Stopping",
            Stopping="Stopped",
            Completed="Deleting InProgress",
            Failed="Deleting",
            Stopped="Deleting InProgress",
            DeleteFailed="Deleting",
        ),
        "Deleting": frozenset({NOTHING, "DeleteFailed"}),
    }
)
"""The statuses that may follow each status of a tuning job. One that has ended goes on when it is given a
larger budget. Deleting is a single step that is never shown."""

TRAINING_JOB: Table = _table(
    InProgress="Completed Failed Stopping",
    Stopping="Stopped Completed Failed",
    Completed="Deleting",
    Failed="Deleting",
    Stopped="Deleting",
    Deleting="",
)
"""The statuses that may follow each status of a training job. A job that ends before it receives
the stop keeps its own status."""

_ENDS = "Stopping Completed Failed"

SECONDARY: Table = _table(
    Starting=f"Pending Downloading Training Uploading Interrupted Restarting Updating {_ENDS}",
    Pending=f"Starting Downloading Training Uploading Interrupted Restarting Updating {_ENDS}",
    Downloading=f"Training Uploading Interrupted Restarting Updating {_ENDS}",
    Training=f"Uploading Interrupted Restarting Updating {_ENDS}",
    Updating=f"Training Uploading Interrupted Restarting {_ENDS}",
    Uploading=f"Interrupted Restarting {_ENDS}",
    Interrupted=f"Starting Downloading {_ENDS}",
    Restarting=f"Starting {_ENDS}",
    Stopping="Uploading Stopped MaxRuntimeExceeded MaxWaitTimeExceeded Completed Failed",
    Completed="",
    Failed="",
    Stopped="",
    MaxRuntimeExceeded="",
    MaxWaitTimeExceeded="",
)
"""The secondary statuses that may follow each one while the primary status allows it. `Uploading` after
`Stopping` is followed by what may follow `Stopping`."""

PRIMARY: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                *("Starting", "Pending", "Downloading", "Training", "Interrupted"),
                *("Restarting", "Updating", "Uploading"),
            ),
            "InProgress",
        ),
        **{status: status for status in ("Completed", "Failed", "Stopping", "Stopped")},
        "MaxRuntimeExceeded": "Stopped",
        "MaxWaitTimeExceeded": "Stopped",
    }
)
"""The primary status that a secondary one belongs to. `Uploading` is also seen while `Stopping`."""

PHASES = ("Downloading", "Training", "Stopping", "Uploading")
"""The secondary statuses that an attempt itself goes through, in order."""


def check_tuning_job(before: str, after: str) -> None:
    """Raises StorageError if a tuning job cannot go from `before` to `after`."""
    _check("tuning job", TUNING_JOB, before, after)


def check_training_job(before: tuple[str, str], after: tuple[str, str], name: str) -> None:
    """Raises StorageError if training job `name` cannot go from one (status, secondary status) to another."""
    what = f"training job {name}"
    if before[0] != after[0]:
        _check(what, TRAINING_JOB, before[0], after[0])
    stopping = before == ("Stopping", "Uploading")  # the model of a stopped program is being stored
    _check(what, SECONDARY, "Stopping" if stopping else before[1], after[1])
    if PRIMARY[after[1]] != after[0] and after != ("Stopping", "Uploading"):
        raise StorageError(
            f"the event log gives {what} the secondary status {after[1]} while it is {after[0]}, but that "
            f"belongs to {PRIMARY[after[1]]}; the log is damaged"
        )


def _check(what: str, table: Table, before: str, after: str) -> None:
    if after not in table.get(before, frozenset()):
        allowed = ", ".join(sorted(table.get(before, ()))) or "nothing"
        raise StorageError(
            f"the event log takes {what} from {before} to {after}, but {before} is followed by {allowed}; "
            "the log is damaged"
        )
