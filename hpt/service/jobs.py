"""Finds stored jobs by name and caches them, so that reading a job again costs only its new events.

The times of a job's files show whether it changed, see `hpt.storage.stamp`. They do not show whether the
process that runs it has died, so that is checked each time.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from hpt.errors import JobNotFoundError, StorageError
from hpt.host.identity import ProcessIdentity
from hpt.job.config import JobConfig
from hpt.job.document import request_of
from hpt.job.extension import extended
from hpt.job.notes import check_notes, stop_requested
from hpt.job.recorded import apply_events, read_config, read_state
from hpt.job.state import JobState, TrainingJob
from hpt.job.summary import read_summary
from hpt.running.session import Session
from hpt.sagemaker.reply.response import LOCAL_ACCOUNT, Account, last_modified, training_job_entry
from hpt.search.events import Event
from hpt.storage.base import JobRecord, Note
from hpt.storage.removal import DELETED
from hpt.storage.sqlite import SQLiteStorage
from hpt.storage.stamp import Stamp

MOST_EVENTS = 1_000_000
"""The maximum number of events behind all cached states, at about 200 bytes each."""

_TRAINING_JOB = re.compile(r"(?P<job>.+)-\d{3,}-[0-9a-f]{8}")


class Entry(NamedTuple):
    """A training job in a list: what it is sorted and filtered by, and what is shown."""

    name: str
    created: float
    modified: float
    status: str
    value: float | None
    shown: dict[str, Any]


@dataclass(slots=True)
class Job:
    """A cached tuning job. storage: its storage; key: its name there.

    lock: hold it while reading `state`, which other threads update.
    """

    config: JobConfig
    record: JobRecord
    state: JobState
    storage: SQLiteStorage
    key: str
    last: Event | None = None
    stamp: Stamp | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    held: int = 0
    _notes: Sequence[Note] | None = None
    _entries: dict[int, Entry] = field(default_factory=dict)
    _shown: list[Entry] | None = None

    @property
    def request(self) -> Mapping[str, Any]:
        """The request that created it; empty if there was none."""
        return request_of(self.record.document)

    @property
    def deleted(self) -> bool:
        return self.key != self.record.name.lower()

    @property
    def notes(self) -> Sequence[Note]:
        """The notes on the job."""
        notes = self._notes  # which another thread may reset
        if notes is None:
            notes = self._notes = _checked_notes(self.storage, self.key)
        return notes

    def training_job(self, name: str) -> TrainingJob | None:
        return next((job for job in self.state.jobs.values() if job.name.lower() == name.lower()), None)

    def entries(self, account: Account) -> list[Entry]:
        """Its training jobs in lists. All lists of one `Jobs` are for one account."""
        with self.lock:
            if self._shown is None:
                for number, job in self.state.jobs.items():
                    if number not in self._entries:
                        self._entries[number] = _entry(job, account)
                self._shown = list(self._entries.values())
            return self._shown

    def forget(self) -> None:
        """Drop the derived data that more events can change."""
        self._notes = self._shown = None
        for number in self.state.running:
            self._entries.pop(number, None)


def _checked_notes(storage: SQLiteStorage, key: str) -> Sequence[Note]:
    """The notes on a job. Raises StorageError where one is damaged or of a newer version."""
    notes = storage.notes(key)
    check_notes(notes)
    return notes


def _entry(job: TrainingJob, account: Account) -> Entry:
    shown = training_job_entry(job, account=account)
    return Entry(job.name, job.created, last_modified(job), str(job.status), job.value, shown)


@dataclass(slots=True)
class Listed:
    """A tuning job in a list, without its events. stopping: whether a stop is requested."""

    record: JobRecord
    stopping: bool
    config: JobConfig
    stamp: Stamp | None


class Jobs:
    """The jobs of a session; deleted ones only for their training jobs. Safe to use from many threads."""

    def __init__(self, session: Session, account: Account = LOCAL_ACCOUNT) -> None:
        self.session, self.account = session, account
        self._archive = SQLiteStorage(session.root / DELETED)
        self._held: OrderedDict[tuple[bool, str], Job] = OrderedDict()
        self._listed: dict[str, Listed] = {}
        self._size = 0  # events behind the states in `_held`
        self._lock = threading.Lock()  # of the three above, never held while anything is read

    def close(self) -> None:
        self._archive.close()

    def find(self, name: str) -> Job:
        """The job, up to date. Raises JobNotFoundError."""
        return self._load(self.session.storage, name)

    def listed(self) -> list[Listed]:
        """Every readable tuning job."""
        listed = {}
        for key in self.session.storage.names():
            try:
                listed[key] = self._look(key)
            except (JobNotFoundError, StorageError):
                continue
        with self._lock:
            self._listed = listed
        return list(listed.values())

    def _look(self, key: str) -> Listed:
        storage = self.session.storage
        stamp = storage.stamp(key)
        known = self._listed.get(key)
        if known is not None and _holds(known.stamp, stamp):
            record = _current(known.record)
            if record is not None:
                return replace(known, record=record)
        record = storage.record(key)
        if record.summary:
            record = replace(record, summary=read_summary(record.summary, record.created))
        stopping = stop_requested(_checked_notes(storage, key))
        if known is not None and known.record.document == record.document:
            return replace(known, record=record, stopping=stopping, stamp=stamp)
        return Listed(record, stopping, read_config(record.name, record.document), stamp)

    def all(self, *, deleted: bool = False) -> Iterator[Job]:
        """Every readable tuning job with its state; with `deleted`, also deleted ones, for their training
        jobs.
        """
        storages = [self.session.storage, self._archive] if deleted else [self.session.storage]
        for storage in storages:
            for key in storage.names():
                try:
                    yield self._load(storage, key)
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
            (self._archive, key) for key in self._archive.names() if key.rpartition(".")[0] == owner
        ]
        unreadable: StorageError | None = None
        for storage, key in candidates:
            try:
                job = self._load(storage, key)
            except JobNotFoundError:
                continue
            except StorageError as error:  # another job of that name may have it
                unreadable = error
                continue
            with job.lock:
                found = job.training_job(name)
            if found is not None:
                return job, found
        if unreadable is not None:
            raise unreadable
        return None

    def _load(self, storage: SQLiteStorage, name: str) -> Job:
        place = (storage is self._archive, name.lower())
        with self._lock:
            job = self._held.get(place)
        if job is not None:
            try:
                with job.lock:
                    current = self._renew(job)
            except JobNotFoundError:
                with self._lock:
                    self._drop(place)
                raise
            if current:
                self._keep(place, job)
                return job
        stamp = storage.stamp(name)
        record, events = storage.read(name)
        read_summary(record.summary, record.created)
        config = extended(read_config(record.name, record.document), events)
        state = read_state(config, record.created, events)
        last = events[-1] if events else None
        notes = _checked_notes(storage, name)  # before any list needs them
        job = Job(config, record, state, storage, name.lower(), last, stamp, _notes=notes)
        self._keep(place, job)
        return job

    def _drop(self, place: tuple[bool, str]) -> None:
        """Drop a job from the cache. The lock is held."""
        former = self._held.pop(place, None)
        if former is not None:
            self._size -= former.held

    def _keep(self, place: tuple[bool, str], job: Job) -> None:
        """Cache a job; drop the least recently used ones if the cache is too large."""
        with self._lock:
            self._drop(place)
            job.held = job.state.events
            self._held[place] = job
            self._size += job.held
            while self._size > MOST_EVENTS and len(self._held) > 1:
                self._size -= self._held.popitem(last=False)[1].held

    def _renew(self, job: Job) -> bool:
        """Update a cached job; False if it must be read from the start.

        Its last event is read again. If it differs, the log is another one: the job was deleted and created
        again, or an append that was reported as failed was rolled back.
        """
        stamp = job.storage.stamp(job.key)
        if _holds(job.stamp, stamp):
            record = _current(job.record)
            if record is not None:
                job.record = record
                return True
        known = job.state.events
        record, events = job.storage.read(job.key, max(0, known - 1))
        read_summary(record.summary, record.created)
        if record.created != job.record.created or (known and (not events or events[0] != job.last)):
            return False
        job.forget()
        fresh = events[1 if known else 0 :]
        apply_events(job.config, job.state, fresh)
        job.last = fresh[-1] if fresh else job.last
        job.config = extended(job.config, fresh)
        job._notes = _checked_notes(job.storage, job.key)
        job.record, job.stamp = record, stamp
        return True


def _holds(former: Stamp | None, now: Stamp | None) -> bool:
    return former is not None and now is not None and former.holds(now)


def _current(record: JobRecord) -> JobRecord | None:
    """The record, updated if its owner is known to have died; None if that is unknown."""
    if record.owner is None:
        return record
    lives = ProcessIdentity.parse(record.owner).lives()
    if lives is None:
        return None
    return record if lives else replace(record, owner_pid=None, owner=None)
