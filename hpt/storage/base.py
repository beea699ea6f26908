"""Where the events of tuning jobs are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hpt.errors import InputError
from hpt.search.events import Event


def job_key(name: str) -> str:
    """A job's name as names are compared, and the name of its directory.

    Raises:
        InputError: the name cannot be a directory's.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
        raise InputError(
            f"job name {name!r} cannot name a directory; use up to 63 letters, digits and hyphens"
        )
    return name.lower()


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One stored tuning job.

    name: as given. created: seconds since the epoch. document: the job's description as JSON data (whatever
    `create` was given). summary: the small JSON document of the last append, for listings. owner_pid: the
    living process that runs it, or None. problem: why the job cannot be read (`jobs` still lists it,
    with an empty document), or None. owner: who the process `owner_pid` is, as a `ProcessIdentity`
    is written.
    """

    name: str
    created: float
    document: Mapping[str, Any]
    summary: Mapping[str, Any]
    owner_pid: int | None = None
    problem: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to append to one job's events. `token` grows with every taking-over and fences off the
    former owner.
    """

    name: str
    token: int


@dataclass(frozen=True, slots=True)
class Note:
    """A message of any process to a job, whether it runs or not: plain JSON data.

    after: how many events the job had when the note was left, which shows what came later.
    """

    after: int
    body: Mapping[str, Any]


class Storage(Protocol):
    """All names are compared without regard to case. Every method may raise StorageError."""

    def create(
        self, name: str, document: Mapping[str, Any], created: float, events: Sequence[Event] = ()
    ) -> None:
        """Store a new job, durably and as a whole.

        Parameters
        ----------
        name
            The job's name.
        document
            Its description, as JSON data.
        created
            Seconds since the epoch.
        events
            The events that it begins with.

        Raises
        ------
        JobExistsError
            The name is taken.
        InputError
            The name cannot be a directory's.
        """
        ...

    def acquire(self, name: str) -> Lease:
        """Become the job's only writer. Raises JobNotFoundError, or JobOwnedError beside a living owner."""
        ...

    def release(self, lease: Lease) -> None: ...

    def append(self, lease: Lease, events: Sequence[Event], summary: Mapping[str, Any]) -> None:
        """All events and the summary in one durable transaction, or none. Raises LeaseLostError when
        fenced off.
        """
        ...

    def read(self, name: str, after: int = 0) -> tuple[JobRecord, list[Event]]:
        """The job and its events in recorded order, without the first `after`, at one consistent point.

        Raises JobNotFoundError.
        """
        ...

    def jobs(self) -> list[JobRecord]:
        """Every stored job, by name."""
        ...

    def add_note(self, name: str, body: Mapping[str, Any]) -> None:
        """Add a note for the processes that run or show the job; durable. Raises JobNotFoundError.

        `hpt.job.notes` lists what notes can say, a request to stop among them. A duplicate of the last note
        is ignored.
        """
        ...

    def notes(self, name: str) -> Sequence[Note]:
        """Every note, in the order in which they were added; cheap to ask again. Raises JobNotFoundError."""
        ...

    def delete(self, name: str, *, files: bool = False) -> None:
        """Delete the job; its name is free again. Raises JobNotFoundError, or JobOwnedError if it runs.

        files: also everything that a durable storage keeps beside it, logs and models included; a crash
        leaves all of it or no job. Otherwise the files stay.
        """
        ...
