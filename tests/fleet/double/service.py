"""What the double of SageMaker knows: training jobs, log streams, and how the service behaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class Refusal(Exception):
    """An error of the service."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass
class Stream:
    """A log stream. Events become readable `lag` seconds after they were printed."""

    created: float
    events: list[tuple[float, str]] = field(default_factory=list)


@dataclass
class Job:
    """A training job. wanted: "", "stop" or "interrupt"."""

    request: dict[str, Any]
    created: float
    status: str = "InProgress"
    secondary: str = "Starting"
    transitions: list[dict[str, Any]] = field(default_factory=list)
    modified: float = 0.0
    reason: str = ""
    wanted: str = ""
    trained: float = 0.0
    model: str = ""
    ended: float | None = None

    @property
    def name(self) -> str:
        return str(self.request["TrainingJobName"])


@dataclass
class Behaviour:
    """What the service is like. starting, downloading, uploading: seconds of each status. grace: of a stop.
    lag: seconds until what was printed can be read. quota: training jobs at a time. capacity: types of
    instances that are not to be had. spot: an instance is taken away after so many seconds on average, with
    SIGTERM for half of the times; None: never.
    """

    starting: float = 0.05
    downloading: float = 0.02
    uploading: float = 0.02
    grace: float = 2.0
    lag: float = 0.0
    quota: int | None = None
    no_capacity: set[str] = field(default_factory=set)
    spot: float | None = None
    seed: int = 1
