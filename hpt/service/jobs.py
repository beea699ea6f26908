"""Finds stored jobs by name, and holds their folded states so that asking again costs only what is new."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hpt.errors import JobNotFoundError, StorageError
from hpt.job.config import JobConfig
from hpt.job.document import from_document, request_of
from hpt.job.state import JobState, TrainingJob, read_summary
from hpt.running.session import Session
from hpt.search.events import Event
from hpt.storage.base import JobRecord
from hpt.storage.sqlite import DELETED, SQLiteStorage

KEPT = 32
"""How many folded states are held."""

_TRAINING_JOB = re.compile(r"(?P<job>.+)-\d{3,}-[0-9a-f]{8}")


@dataclass(slots=True)
class Job:
    """A tuning job as it stands. storage: where it is; key: its name there."""

    config: JobConfig
    record: JobRecord
    state: JobState
    storage: SQLiteStorage
    key: str
    last: Event | None = None

    @property
    def request(self) -> Mapping[str, Any]:
        """The request of which it was made; empty where there was none."""
        return request_of(self.record.document)

    @property
    def deleted(self) -> bool:
        return self.key != self.record.name.lower()

    def training_job(self, name: str) -> TrainingJob | None:
        return next((job for job in self.state.jobs.values() if job.name.lower() == name.lower()), None)


class Jobs:
    """The jobs of a session, deleted ones included where their training jobs are asked for."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._archive = SQLiteStorage(session.root / DELETED)
        self._held: OrderedDict[tuple[bool, str], Job] = OrderedDict()

    def close(self) -> None:
        self._archive.close()

    def find(self, name: str) -> Job:
        """Raises JobNotFoundError."""
        return self._load(self.session.storage, name)

    def records(self) -> list[JobRecord]:
        """Every tuning job that can be read, as a listing needs it."""
        return [record for record in self.session.jobs() if record.problem is None]

    def all(self, *, deleted: bool = False) -> Iterator[Job]:
        """Every tuning job that can be read, folded; with `deleted`, also those of which only training jobs
        are left.
        """
        places = [(self.session.storage, record.name) for record in self.session.storage.jobs()]
        if deleted:
            places += [(self._archive, key) for key in self._deleted_keys()]
        for storage, name in places:
            try:
                yield self._load(storage, name)
            except (JobNotFoundError, StorageError):
                continue

    def find_training_job(self, name: str) -> tuple[Job, TrainingJob] | None:
        """The training job of that name and its tuning job, which may be deleted."""
        parts = _TRAINING_JOB.fullmatch(name)
        if parts is None:
            return None
        owner = parts["job"].lower()
        candidates = [(self.session.storage, owner)]
        candidates += [
            (self._archive, key) for key in self._deleted_keys() if key.rpartition(".")[0] == owner
        ]
        unreadable: StorageError | None = None
        for storage, key in candidates:
            try:
                job = self._load(storage, key)
            except JobNotFoundError:
                continue
            except StorageError as error:  # another of that name may hold it
                unreadable = error
                continue
            found = job.training_job(name)
            if found is not None:
                return job, found
        if unreadable is not None:
            raise unreadable
        return None

    def _deleted_keys(self) -> list[str]:
        root = self.session.root / DELETED
        return sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []

    def _load(self, storage: SQLiteStorage, name: str) -> Job:
        place = (storage is self._archive, name.lower())
        held = self._held.pop(place, None)
        job = None if held is None else self._renew(held)
        if job is None:
            record, events = storage.read(name)
            read_summary(record.summary, record.created)
            config = from_document(record.document)
            state = JobState.fold(config.objective_type, record.created, events)
            job = Job(config, record, state, storage, name.lower(), events[-1] if events else None)
        self._held[place] = job
        while len(self._held) > KEPT:
            self._held.popitem(last=False)
        return job

    def _renew(self, job: Job) -> Job | None:
        """The held job with what was appended since; None if it must be read from the start.

        Its last event is read once more: another in its place means that the log is not the one that was read
        (the job was deleted and made anew, or an append whose caller was told it failed was taken back).
        """
        known = job.state.events
        record, events = job.storage.read(job.key, max(0, known - 1))
        read_summary(record.summary, record.created)
        if record.created != job.record.created or (known and (not events or events[0] != job.last)):
            return None
        for event in events[1 if known else 0 :]:
            job.state.apply(event)
            job.last = event
        job.record = record
        return job
