"""What can happen to a tuning job. The state of a job is the fold of its events, in their recorded order.

Events are frozen records of plain data. `time` is seconds since the epoch, given by whoever records the event
(0.0 where there is no clock, as in the ask/tell library). `to_json` and `from_json` are exact inverses:
floats travel as Python's shortest repr, NaN and infinity as the JSON extensions `NaN` and `Infinity`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hpt.errors import StorageError
from hpt.search.trial import Config, TrialStatus


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""

    time: float


@dataclass(frozen=True, slots=True)
class ObservationAdded(Event):
    """A configuration and its objective, measured elsewhere; it has no trial number.

    source: the search of a related objective that it is from, None if this very objective was measured.
    """

    config: Config
    value: float
    definition: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class ParentResult(Event):
    """A training job of a parent, with its final objective: what a warm start begins with.

    parent: the tuning job. name: the training job, which had these texts for `hyperparameters`, tuned ones
    alone, and these times. config: its configuration in this job's space, None if it has no place there.
    same: the very objective of this job was measured; otherwise a related one. definition: which of several
    definitions of this job it belongs to.
    """

    parent: str
    name: str
    value: float
    config: Config | None
    same: bool
    hyperparameters: Mapping[str, str]
    status: TrialStatus
    created: float
    training_start: float | None = None
    training_end: float | None = None
    definition: str | None = None


@dataclass(frozen=True, slots=True)
class TrialCreated(Event):
    """A configuration was suggested. `number` counts from 1 in launch order; `name` is its training job's."""

    number: int
    config: Config
    name: str = ""
    definition: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptCreated(Event):
    """Attempt `attempt` (from 1) of a trial is to be submitted; recorded first, so that it can be again."""

    number: int
    attempt: int


@dataclass(frozen=True, slots=True)
class StatusChanged(Event):
    """A running trial entered another secondary status (`Downloading`, `Training`, `Uploading`, ...)."""

    number: int
    secondary: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class MetricLogged(Event):
    """A metric definition matched in the log; `cursor` is the offset after the line it stood in."""

    number: int
    attempt: int
    metric: str
    value: float
    cursor: int


@dataclass(frozen=True, slots=True)
class Reported(Event):
    """One interim value of the objective.

    resource: units of progress, counted from 1, that the model has been trained for: it goes back where
    another attempt begins at an earlier checkpoint, or anew.
    """

    number: int
    value: float
    resource: float


@dataclass(frozen=True, slots=True)
class StopDecided(Event):
    """A running trial is to be stopped. `reason` is one of the constants below."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class AttemptEnded(Event):
    """An attempt is over, its trial is not. `outcome`: `Interrupted` (the tuner was to pause), `Lost` (its
    infrastructure failed) or `Preempted` (its Spot capacity was withdrawn).

    reports: how many reports its trial's checkpoint holds, from which another attempt counts on; 0 where
    there is none. None in logs of earlier versions, which counted on from what was read.
    """

    number: int
    attempt: int
    outcome: str
    exit_code: int | None = None
    message: str = ""
    reports: int | None = None


@dataclass(frozen=True, slots=True)
class TrialEnded(Event):
    """A trial reached a terminal status.

    value: the final objective, None where none is usable. model: where its model lies, "" if it left none.
    """

    number: int
    status: TrialStatus
    value: float | None = None
    secondary: str = ""
    failure_reason: str = ""
    retryable: bool = False
    model: str = ""


@dataclass(frozen=True, slots=True)
class ConvergenceDetected(Event):
    """The search was judged to have little left to gain."""


@dataclass(frozen=True, slots=True)
class JobStopRequested(Event):
    """No further launches; running trials are being stopped. `criterion` names what asked for it."""

    criterion: str


@dataclass(frozen=True, slots=True)
class JobEnded(Event):
    """The tuning job reached a terminal status; `criterion` says which condition ended it."""

    status: str
    criterion: str
    failure_reason: str = ""


STOPPED_BY_RULE = "EarlyStopped"
STOPPED_BY_USER = "StoppedByUser"
STOPPED_BY_DEADLINE = "MaxRuntimeExceeded"
STOPPED_BY_WAIT = "MaxWaitTimeExceeded"
STOPPED_BY_JOB = "TuningJobEnded"
INTERRUPTED = "Interrupted"
PREEMPTED = "Preempted"

_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        ObservationAdded,
        ParentResult,
        TrialCreated,
        AttemptCreated,
        StatusChanged,
        MetricLogged,
        Reported,
        StopDecided,
        AttemptEnded,
        TrialEnded,
        ConvergenceDetected,
        JobStopRequested,
        JobEnded,
    )
}


def to_json(event: Event) -> tuple[str, str]:
    """The event's kind and its body as JSON text."""
    body = {name: getattr(event, name) for name in event.__dataclass_fields__}
    for name, value in body.items():
        if type(value).__name__ == "mappingproxy":
            body[name] = dict(value)
    return type(event).__name__, json.dumps(body, separators=(",", ":"))


def from_json(kind: str, body: str) -> Event:
    """The event that `to_json` wrote.

    Raises:
        StorageError: the kind is unknown (written by a newer version).
    """
    if kind not in _KINDS:
        raise StorageError(
            f"event kind {kind!r} is not known; it was written by a newer version of hpt: upgrade hpt"
        )
    fields: dict[str, Any] = json.loads(body)
    if kind in ("TrialEnded", "ParentResult"):
        fields["status"] = TrialStatus(fields["status"])
    return _KINDS[kind](**fields)
