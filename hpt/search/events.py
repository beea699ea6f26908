"""What can happen to a tuning job. The state of a job is the fold of its events, in their recorded order.

Events are frozen records of plain data. `time` is seconds since the epoch, given by whoever records the event
(0.0 where there is no clock, as in the ask/tell library). `to_json` and `from_json` are exact inverses:
floats travel as Python's shortest repr, NaN and infinity as the JSON extensions `NaN` and `Infinity`.

Logs of earlier versions stay readable. A new field goes to the end of its kind and has a default, which
holds for events written without it. Where a kind's fields come to mean something else, or may have values
that they could not have before, its version grows: by a step in `_STEPS` that reads the former one. A version
that meets what it does not know refuses it (`stored.newer`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from hpt.search.stored import MOST_SECONDS, Step, build, damaged, newer, upgraded
from hpt.search.trial import Config, TrialStatus, Verdict


class StopReason(StrEnum):
    """Why a running trial is stopped."""

    RULE = "EarlyStopped"
    MAX_RESOURCE = "MaxResourceReached"
    """It has made as many reports as Hyperband lets it: it was not given up, it is done."""
    USER = "StoppedByUser"
    DEADLINE = "MaxRuntimeExceeded"
    WAIT = "MaxWaitTimeExceeded"
    JOB = "TuningJobEnded"
    INTERRUPTED = "Interrupted"
    """The tuner is to pause; the trial goes on later."""


BY_RULE = (StopReason.RULE, StopReason.MAX_RESOURCE)
"""What a stopping rule stops for."""


class AttemptOutcome(StrEnum):
    """How an attempt ended."""

    EXITED = "Exited"
    """The program ran and ended, whatever its exit code."""
    LOST = "Lost"
    """The infrastructure failed under it."""
    PREEMPTED = "Preempted"
    """Its Spot capacity was withdrawn."""
    INTERRUPTED = "Interrupted"
    """The tuner paused and interrupted it."""


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""

    time: float


@dataclass(frozen=True, slots=True)
class ObservationAdded(Event):
    """A configuration and its objective, measured elsewhere; it has no trial number.

    source: the search of a related objective that it is from, None if this same objective was measured.
    """

    config: Config
    value: float
    definition: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class ParentResult(Event):
    """A training job of a parent, with its final objective: what a warm start begins with.

    parent: the tuning job. name: the training job, which had these strings for `hyperparameters`, tuned ones
    only, and these times. config: its configuration in this job's space, None if it has no place there.
    same: the objective of this same job was measured; otherwise a related one. definition: which
    definition of a multi-algorithm job it belongs to.
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
    """Attempt `attempt` (from 1) of a trial is to be submitted; recorded first, so that it can be submitted
    again.
    """

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
    """A running trial is to be stopped.

    rule: the stopping rule that decided so, "" if none did or in logs of earlier versions. report, value,
    threshold: as those of its `Verdict`.
    """

    number: int
    reason: StopReason
    rule: str = ""
    report: int | None = None
    value: float | None = None
    threshold: float | None = None

    @property
    def verdict(self) -> Verdict | None:
        """Why a rule stopped the trial; None if none did."""
        if not self.rule or self.report is None:
            return None
        return Verdict(self.rule, self.report, self.value, self.threshold)


@dataclass(frozen=True, slots=True)
class AttemptEnded(Event):
    """An attempt is over, its trial is not.

    reports: how many reports its trial's checkpoint holds, from which another attempt counts on; 0 where
    there is none. None in logs of earlier versions, which counted on from what was read.
    charged: seconds that a service charges for each of its hosts, None where none does.
    """

    number: int
    attempt: int
    outcome: AttemptOutcome
    exit_code: int | None = None
    message: str = ""
    reports: int | None = None
    charged: int | None = None


@dataclass(frozen=True, slots=True)
class TrialEnded(Event):
    """A trial reached a terminal status.

    value: the final objective, None where none is usable. model: where its model lies, "" if it left none.
    charged: as in `AttemptEnded`, for its last attempt.
    """

    number: int
    status: TrialStatus
    value: float | None = None
    secondary: str = ""
    failure_reason: str = ""
    retryable: bool = False
    model: str = ""
    charged: int | None = None


@dataclass(frozen=True, slots=True)
class TrialIdentified(Event):
    """A host that embeds the search calls this running trial by an id of its own."""

    number: int
    id: Hashable


@dataclass(frozen=True, slots=True)
class NoiseKnown(Event):
    """The standard error of the final objective that a running trial is about to end with."""

    number: int
    noise: float


@dataclass(frozen=True, slots=True)
class TrialForgotten(Event):
    """A running trial was withdrawn: it is neither pending nor failed, and may be proposed again."""

    number: int


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


@dataclass(frozen=True, slots=True)
class JobExtended(Event):
    """The tuning job was given a larger budget and goes on: its limits from here on, and those before. None:
    no such limit.
    """

    max_jobs: int | None
    max_parallel_jobs: int
    max_runtime_seconds: float | None
    former_max_jobs: int | None
    former_max_parallel_jobs: int
    former_max_runtime_seconds: float | None


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
        TrialIdentified,
        NoiseKnown,
        TrialForgotten,
        ConvergenceDetected,
        JobStopRequested,
        JobEnded,
        JobExtended,
    )
}

_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in _KINDS.values()}

_ENUMS: dict[str, tuple[str, type[StrEnum]]] = {
    "ParentResult": ("status", TrialStatus),
    "StopDecided": ("reason", StopReason),
    "AttemptEnded": ("outcome", AttemptOutcome),
    "TrialEnded": ("status", TrialStatus),
}
"""The field of a kind that travels as the value of an enumeration."""

_MOST = 2**53
"""Numbers and offsets beyond it are not exact in every reader of JSON, and no version can have counted so
far.
"""


def _is_time(value: object) -> bool:
    return type(value) in (float, int) and -MOST_SECONDS <= value <= MOST_SECONDS  # type: ignore[operator]


def _is_real(value: object) -> bool:
    return type(value) is float or (type(value) is int and -(2**1023) < value < 2**1023)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MOST


def _is_amount(value: object) -> bool:
    return _is_real(value) and math.isfinite(value) and value >= 0  # type: ignore[arg-type, operator]


def _is_integer(value: object) -> bool:
    return type(value) is int and -_MOST <= value <= _MOST


def _is_string(value: object) -> bool:
    return isinstance(value, str)  # an enumeration's value is one too


def _is_anything(value: object) -> bool:
    return True  # a field of another kind, whose values nobody computes with


def _is_boolean(value: object) -> bool:
    return type(value) is bool


def _is_config(value: object) -> bool:
    return type(value) is dict and all(map(_is_value, value.values()))


def _is_value(value: object) -> bool:
    if type(value) is list:  # a tuple
        return all(map(_is_value, value))
    return type(value) in (str, bool) or value is None or _is_real(value)


def _is_strings(value: object) -> bool:
    return type(value) is dict and all(type(each) is str for each in value.values())


_TIMES = frozenset(("time", "created", "training_start", "training_end"))
_COUNTS = frozenset(("number", "attempt", "cursor", "report", "reports"))
_AMOUNTS = frozenset(("resource", "noise"))


def _check_of(name: str, annotation: str) -> Callable[[object], bool]:
    """Whether a value may be that of a field, for its annotation without `| None`."""
    if name in _TIMES:
        return _is_time
    if name in _COUNTS:
        return _is_count
    if name in _AMOUNTS:
        return _is_amount
    return {
        "float": _is_real,
        "int": _is_integer,
        "bool": _is_boolean,
        "Config": _is_config,
        "Mapping[str, str]": _is_strings,
        "str": _is_string,
        **dict.fromkeys(("TrialStatus", "StopReason", "AttemptOutcome"), _is_string),
    }.get(annotation, _is_anything)


_CHECKS: dict[str, tuple[tuple[str, Callable[[object], bool], bool], ...]] = {
    kind.__name__: tuple(
        (
            field.name,
            _check_of(field.name, str(field.type).removesuffix(" | None")),
            str(field.type).endswith(" | None"),
        )
        for field in fields(kind)
    )
    for kind in _KINDS.values()
}
"""Name, check of the value and whether it may be None, of each field."""

_NUMBER = r"-?\d{1,300}(?:\.\d+)?(?:e[-+]\d+)?"
_STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
_PATTERNS: dict[Callable[[object], bool], str] = {
    _is_time: r"-?\d{1,11}(?:\.\d+)?(?:e-\d+)?",
    _is_real: f"(?:{_NUMBER}|NaN|-?Infinity)",
    _is_count: r"\d{1,15}",
    _is_amount: r"\d{1,15}(?:\.\d+)?(?:e-\d+)?",
    _is_integer: r"-?\d{1,15}",
    _is_string: _STRING,
    _is_boolean: "(?:true|false)",
}
"""What a check lets pass of a value that stands in JSON, or less."""

_USUAL = {
    kind: re.compile(
        "{"
        + ",".join(
            f'"{name}":{f"(?:{_PATTERNS[check]}|null)" if optional else _PATTERNS[check]}'
            for name, check, optional in checks
        )
        + "}"
    )
    for kind, checks in _CHECKS.items()
    if kind not in _ENUMS and all(check in _PATTERNS for _, check, _ in checks)
}
"""Bodies with the fields of this version and no others, where all their values are plain."""

_STEPS: dict[str, Sequence[Step]] = {}
"""The steps from version to version of the kinds that have more than one; see `stored`."""

_VERSION = "v"
"""The member of a body that names the version of its kind, where that is not 1."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


def to_json(event: Event) -> tuple[str, str]:
    """The event's kind and its body as a JSON string."""
    kind = type(event)
    body = {name: getattr(event, name) for name in _NAMES[kind]}
    for name, value in body.items():
        if type(value).__name__ == "mappingproxy":
            body[name] = dict(value)
    if kind.__name__ in _STEPS:
        body[_VERSION] = 1 + len(_STEPS[kind.__name__])
    return kind.__name__, _encode(body)


def from_json(kind: str, body: str) -> Event:
    """The event that `to_json` wrote, of this version or of an earlier one.

    Raises:
        StorageError: the kind, a field, a value or the version is not known (written by a newer version), or
            the body is damaged.
    """
    if not isinstance(kind, str) or not isinstance(body, str):  # a database can hold anything
        raise damaged(f"an event is of kind {kind!r:.60} with a body of type {type(body).__name__}")
    if kind not in _KINDS:
        raise newer(f"the event kind {kind!r:.60} is not known here")
    try:
        known: dict[str, Any] = json.loads(body)
        version = known.pop(_VERSION, 1)
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise damaged(f"an event of kind {kind} is {body!r:.60}") from error
    if version != 1 or kind in _STEPS:
        known = upgraded(known, version, _STEPS.get(kind, ()), f"an event of kind {kind}")
    if kind in _ENUMS:
        name, values = _ENUMS[kind]
        try:
            known[name] = values(known[name])
        except ValueError as error:
            raise newer(f"an event of kind {kind} has the unknown {name} {known[name]!r:.60}") from error
        except KeyError as error:
            raise damaged(f"an event of kind {kind} lacks its {name}") from error
    try:
        event = _KINDS[kind](**known)
    except TypeError:
        event = build(_KINDS[kind], known, f"an event of kind {kind}")  # which says what is wrong
    for name, is_right, optional in _CHECKS[kind]:
        value = getattr(event, name)
        if not (is_right(value) or (optional and value is None)):
            raise damaged(f"an event of kind {kind} has the {name} {_shown(value)}")
    return event


def _shown(value: object) -> str:
    try:
        return f"{value!r:.60}"
    except ValueError:  # Python does not print integers of thousands of digits
        return "of thousands of digits"


def check_json(kind: str, body: str) -> None:
    """Raises StorageError where `from_json` would, in a fraction of its time for the bulk of a log."""
    usual = _USUAL.get(kind) if isinstance(kind, str) and isinstance(body, str) else None
    if usual is None or usual.fullmatch(body) is None:
        from_json(kind, body)
