"""The search's view of a training job: a configuration, its reports and how it ended."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias, TypeVar

Value: TypeAlias = float | int | str | bool | tuple[Any, ...] | None
"""A typed hyperparameter value: float (continuous), int (integer), or a categorical's own value, of which the
items of tuples are such values too.
"""

Config = Mapping[str, Value]
"""One complete assignment of the tunable hyperparameters, by name."""

E = TypeVar("E", bound=StrEnum)


def parse_enum(kind: type[E], string: str, what: str) -> E:
    """The member of `kind` spelt `string` in any case.

    Raises:
        InputError: there is no such member; the message lists them.
    """
    for member in kind:
        if isinstance(string, str) and member.value.lower() == string.lower():
            return member
    from hpt.errors import InputError

    raise InputError(
        f"{what} {string!r} is not known; use one of {', '.join(member.value for member in kind)}"
    )


class ObjectiveType(StrEnum):
    """Direction of the objective metric."""

    MAXIMIZE = "Maximize"
    MINIMIZE = "Minimize"


class TrialStatus(StrEnum):
    """Primary status of a training job."""

    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"

    @property
    def ended(self) -> bool:
        return self in (TrialStatus.COMPLETED, TrialStatus.FAILED, TrialStatus.STOPPED)


class ObjectiveStatus(StrEnum):
    """Whether a training job yielded a usable final objective."""

    SUCCEEDED = "Succeeded"
    PENDING = "Pending"
    FAILED = "Failed"


class Decision(StrEnum):
    """What a stopping rule says of a running trial."""

    CONTINUE = "Continue"
    STOP = "Stop"


@dataclass(frozen=True, slots=True)
class Report:
    """One interim value of the objective. `resource` counts units of progress from 1 (an epoch, usually)."""

    resource: float
    value: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a rule stopped a trial.

    rule: its name. report: after which report of the trial, counted from 1. value: what the trial reported
    there. threshold: what that was compared with, worse than which it was, in the objective's own sign; None
    where it was compared with nothing, as at the maximum resource.
    """

    rule: str
    report: int
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Trial:
    """A snapshot of one trial.

    number: counts from 1 in launch order. config: typed values. value: the final objective in the user's own
    sign, None while running or where none is usable. reports: interim values in the order they were reported.
    stopped_after: how many of them were there when it was decided to stop it, None if it never was.
    stopped_by: why a stopping rule decided so, None if none did.
    id: what the host that embeds the search calls it, None if it gave no name.
    failure_reason: in the result of a tuning job, why it failed or has no value, else "".
    """

    number: int
    config: Config
    status: TrialStatus = TrialStatus.IN_PROGRESS
    value: float | None = None
    reports: Sequence[Report] = ()
    definition: str | None = None
    stopped_after: int | None = None
    failure_reason: str = ""
    stopped_by: Verdict | None = None
    id: Hashable | None = None

    def __repr__(self) -> str:
        """On a line, without the reports."""
        value = "no value" if self.value is None else f"{self.value:.6g}"
        config = ", ".join(f"{name}={_short(each)}" for name, each in self.config.items())
        config = config if len(config) <= 100 else f"{config[:99]}…"
        return f"<trial {self.number}: {self.status}, {value}, {config}>"

    @property
    def objective_status(self) -> ObjectiveStatus:
        if not self.status.ended:
            return ObjectiveStatus.PENDING
        usable = self.value is not None and self.status is not TrialStatus.FAILED
        return ObjectiveStatus.SUCCEEDED if usable else ObjectiveStatus.FAILED


def _short(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


@dataclass(frozen=True, slots=True)
class Observation:
    """A configuration whose objective is known.

    value: in the user's own sign. noise: its standard error, None if that is not known. reports: interim
    values. status: `Completed`, or `Stopped` where the value is not what complete training would have given.
    number, id: of the trial that measured it, None where none did. believed, deviation: what a search
    believes of the configuration, where it was asked to: the mean of the objective without noise, and its
    standard deviation.
    """

    config: Config
    value: float
    noise: float | None = None
    reports: Sequence[Report] = ()
    status: TrialStatus = TrialStatus.COMPLETED
    number: int | None = None
    id: Hashable | None = None
    believed: float | None = None
    deviation: float | None = None


class Addition(NamedTuple):
    """An observation from elsewhere, as a history took it, and the version after."""

    version: int
    config: Config
    value: float
    definition: str | None
    source: str | None
    noise: float | None = None
