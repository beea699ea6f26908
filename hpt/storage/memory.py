"""Jobs in this process's memory: a SQLiteStorage for tests, simulations and jobs that are not resumed."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpt.errors import InputError, JobExistsError, JobNotFoundError, JobOwnedError, LeaseLostError
from hpt.search.events import Event, from_json, to_json
from hpt.storage.base import JobRecord, Lease, Note, job_key


@dataclass(slots=True)
class _Job:
    name: str
    created: float
    document: str
    summary: str = "{}"
    events: list[tuple[str, str]] = field(default_factory=list)
    token: int = 0
    owned: bool = False
    notes: list[tuple[int, str]] = field(default_factory=list)


class MemoryStorage:
    """Everything is held as JSON strings, as in a durable storage: callers share no mutable object."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()

    def _job(self, name: str) -> _Job:
        try:
            return self._jobs[job_key(name)]
        except (KeyError, InputError):
            raise JobNotFoundError(f"no tuning job named {name!r} in memory", name=name) from None

    def create(
        self, name: str, document: Mapping[str, Any], created: float, events: Sequence[Event] = ()
    ) -> None:
        job = _Job(name, created, json.dumps(document), events=[to_json(event) for event in events])
        with self._lock:
            taken = self._jobs.setdefault(job_key(name), job)
        if taken is not job:
            message = f"a tuning job named {taken.name!r} exists in memory; choose another name"
            raise JobExistsError(message, name=taken.name)

    def acquire(self, name: str) -> Lease:
        with self._lock:
            job = self._job(name)
            if job.owned:
                pid = os.getpid()
                message = f"tuning job {name!r} is run by this very process (pid {pid}); release it first"
                raise JobOwnedError(message, pid, name=name)
            job.owned = True
            job.token += 1
            return Lease(name, job.token)

    def release(self, lease: Lease) -> None:
        with self._lock:
            job = self._job(lease.name)
            if job.token == lease.token:
                job.owned = False

    def append(self, lease: Lease, events: Sequence[Event], summary: Mapping[str, Any]) -> None:
        rows, body = [to_json(event) for event in events], json.dumps(summary)
        with self._lock:
            job = self._job(lease.name)
            if not job.owned or job.token != lease.token:
                raise LeaseLostError(
                    f"tuning job {lease.name!r} was taken over (token {job.token}, ours {lease.token}); "
                    "its former owner must not run it any further",
                    name=lease.name,
                )
            job.events.extend(rows)
            job.summary = body

    def read(self, name: str, after: int = 0) -> tuple[JobRecord, list[Event]]:
        with self._lock:
            job = self._job(name)
            record, rows = _record(job), job.events[after:]
        return record, [from_json(kind, body) for kind, body in rows]

    def jobs(self) -> list[JobRecord]:
        with self._lock:
            return [_record(job) for _, job in sorted(self._jobs.items())]

    def add_note(self, name: str, body: Mapping[str, Any]) -> None:
        encoded = json.dumps(body)
        with self._lock:
            job = self._job(name)
            if not job.notes or job.notes[-1][1] != encoded:
                job.notes.append((len(job.events), encoded))

    def notes(self, name: str) -> Sequence[Note]:
        with self._lock:
            return [Note(after, json.loads(body)) for after, body in self._job(name).notes]

    def delete(self, name: str, *, files: bool = False) -> None:
        with self._lock:
            if self._job(name).owned:
                pid = os.getpid()
                message = f"tuning job {name!r} is run by this very process (pid {pid})"
                raise JobOwnedError(message, pid, name=name)
            del self._jobs[job_key(name)]


def _record(job: _Job) -> JobRecord:
    pid = os.getpid() if job.owned else None
    return JobRecord(job.name, job.created, json.loads(job.document), json.loads(job.summary), pid)
