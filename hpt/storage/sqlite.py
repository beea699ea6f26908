"""Jobs in SQLite, one database a job: `<state>/<job name in lower case>/job.sqlite`.

    job      one row: name, created, document                       written once
    summary  one row: the small document of the last append
    event    seq (from 1, no gaps), time, kind, body                only ever grows
    owner    one row: token, pid, identity                          who may append
    note     seq, after, body                                       any process may add to it

A job exists when its row is committed; a directory without one is what a killed `create` left behind. A
deleted job's database lies in `<state>/.deleted/<name>.<n>/`, where its training jobs can still be read.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hpt.errors import (
    InputError,
    JobExistsError,
    JobNotFoundError,
    JobOwnedError,
    LeaseLostError,
    StorageError,
    StorageProblem,
)
from hpt.host.files import fsync_directory
from hpt.host.identity import ProcessIdentity
from hpt.host.private import make_directory
from hpt.host.state_parts import is_of_training_jobs
from hpt.search.events import Event, check_json, from_json
from hpt.storage.base import JobRecord, Lease, Note, job_key
from hpt.storage.database import (
    DATABASE,
    SCHEMA,
    Database,
    Execute,
    add_note,
    lock_owner,
    storage_error,
    upgrade_schema,
)
from hpt.storage.filesystem import filesystem_kind, is_shared, is_there, may_exist
from hpt.storage.removal import DELETED, archive_folder, set_aside, sweep
from hpt.storage.rows import events_of, last_event, owner_of, record_of, token_of
from hpt.storage.stamp import Stamp, take_stamp
from hpt.storage.writing import encodable, event_rows, insert_events

_OWNER = "SELECT token, pid, identity FROM owner"
_EXTENT = "SELECT count(*), min(seq), max(seq) FROM event"


class SQLiteStorage:
    """Durable storage for any number of processes; each job has one writer at a time.

    Appends are fenced: taking a job over gives a greater token, and an append checks its token and its
    process within its own transaction. No connection is used by a forked child. Safe to call from several
    threads: those that write to one job wait for each other, all others do not wait.

    state_dir: holds a directory a job; made when the first job is. busy_seconds: how long to wait for another
    process that is writing before giving up with StorageError. durable: False where nobody reads the jobs
    once this process is gone; appends then survive a crash of the process, and not one of the machine.
    """

    def __init__(self, state_dir: Path, *, busy_seconds: float = 30.0, durable: bool = True) -> None:
        self._state = Path(state_dir).absolute()
        self._kind = "training job" if is_of_training_jobs(self._state) else "tuning job"
        self._durable = durable
        self._busy = busy_seconds
        self._open: dict[str, Database] = {}  # jobs this process owns or polls
        self._shared: bool | None = None  # whether it lies on a shared file system, once asked
        self._start_process()
        storage = weakref.ref(self)

        def after_fork() -> None:
            if (forked := storage()) is not None:
                forked._start_process()

        os.register_at_fork(after_in_child=after_fork)

    def _start_process(self) -> None:
        """Begin in this process, with nothing of the parent's.

        An inherited connection must neither be used nor closed (sqlite.org/howtocorrupt.html, 2.6): it is
        leaked.
        """
        for database in self._open.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(database.connection))
            database.drop_lock()
        self._open = {}
        self._locks: weakref.WeakValueDictionary[str, _Lock] = weakref.WeakValueDictionary()
        self._guard = threading.Lock()  # of the locks themselves
        self._identity = ProcessIdentity.current()

    def _lock_of(self, name: str) -> _Lock:
        """The lock of the job's writers, which exists as long as a thread holds it."""
        if self._identity.pid != os.getpid():  # forked without Python's knowledge
            self._start_process()
        with self._guard:
            return self._locks.setdefault(name.lower(), _Lock())

    @contextlib.contextmanager
    def _exclusive(self, name: str) -> Iterator[None]:
        lock = self._lock_of(name)
        with lock.held:
            yield

    @contextlib.contextmanager
    def _looking(self, name: str) -> Iterator[Database]:
        """The job's database to read from: the one kept open, unless another thread uses it."""
        lock = self._lock_of(name)
        if not lock.held.acquire(blocking=False):
            with self._opened(name) as database:
                yield database
            return
        try:
            with self._existing(name) as database:
                yield database
        finally:
            lock.held.release()

    def path(self, name: str) -> Path:
        """The directory of the job of that name, whether it exists or not."""
        return self._state / job_key(name)

    def make_directory(self, name: str) -> Path:
        """Make the directory of a job of that name, durably, with the state directory: both are private."""
        directory = self.path(name)
        private = [directory, self._state]
        if is_of_training_jobs(self._state):
            private.append(self._state.parent)
        try:
            for level in reversed([directory, *directory.parents]):
                if not level.is_dir():
                    if level in private:
                        make_directory(level)
                    else:  # no part of the state directory, so that it is the user's umask that counts
                        level.mkdir(exist_ok=True)
                    fsync_directory(level.parent)
        except OSError as error:
            raise storage_error(error, directory, "the job's directory could not be made") from error
        return directory

    def create(
        self, name: str, document: Mapping[str, Any], created: float, events: Sequence[Event] = ()
    ) -> None:
        encoded, rows = encodable(json.dumps(document)), event_rows(events)
        directory = self.make_directory(name)
        with self._exclusive(name), Database(directory, "rwc", self._busy, durable=self._durable) as database:
            # The rollback journal needs no preparation that could be left half done; `acquire` chooses the
            # mode.
            with database.transaction("the job could not be stored") as execute:
                if database.holds_job():
                    row = execute("SELECT name FROM job").fetchone()
                    taken = row[0] if row is not None and isinstance(row[0], str) else name
                    raise JobExistsError(
                        f"a {self._kind} named {taken!r} exists in {self._state}; choose another name",
                        name=taken,
                        root=str(self._state),
                    )
                for statement in SCHEMA:
                    execute(statement)
                execute("INSERT INTO job VALUES (1, ?, ?, ?)", (name, created, encoded))
                insert_events(execute, 0, rows)
            fsync_directory(directory)

    def acquire(self, name: str) -> Lease:
        self._present(name)
        with self._exclusive(name):
            key = job_key(name)
            fresh = key not in self._open
            database = self._keep(name)
            try:
                with self._located(name):
                    return self._take_over(name, database)
            except BaseException:
                if fresh:
                    self._forget(key)
                raise

    def _take_over(self, name: str, database: Database) -> Lease:
        what = "the job could not be taken over"
        with database.snapshot(what) as execute:
            self._refuse_living_owner(name, database, execute(_OWNER).fetchone())
        database.set_journal("DELETE" if is_shared(filesystem_kind(database.directory)) else "WAL")
        with database.transaction(what) as execute:
            row = execute(_OWNER).fetchone()
            self._refuse_living_owner(name, database, row)
            token, identity = token_of(row), self._identity
            update = "UPDATE owner SET token = ?, pid = ?, identity = ?"
            execute(update, (token + 1, identity.pid, str(identity)))
            upgrade_schema(execute)
            last = last_event(execute(_EXTENT).fetchone())
        database.take_lock()
        database.last, database.known_notes = last, None
        return Lease(name, token + 1)

    def _refuse_living_owner(self, name: str, database: Database, row: Sequence[object] | None) -> None:
        token_of(row)
        owner = owner_of(*row[1:]) if row is not None else None
        if owner is None:
            return
        lives = owner.lives()
        if owner == self._identity:
            who, fix = f"this very process (pid {owner.pid})", "release it first"
        elif lives:
            who, fix = f"process {owner.pid}", "wait for it"
        elif lives is None and not database.take_lock(patience=0.2):
            who, fix = f"process {owner.pid} of another host or container", "stop it there"
        else:
            return
        raise JobOwnedError(
            f"{self._kind} {name!r} is run by {who}; {fix}",
            owner.pid,
            name=name,
            root=str(self._state),
            reachable=bool(lives) and owner != self._identity,
        )

    def release(self, lease: Lease) -> None:
        with self._exclusive(lease.name):
            key = job_key(lease.name)
            if key not in self._open:
                return
            database = self._open[key]
            with database.transaction("the job could not be released") as execute:
                clear = "UPDATE owner SET pid = NULL, identity = NULL WHERE token = ? AND identity = ?"
                released = execute(clear, (lease.token, str(self._identity))).rowcount
            if released:
                self._forget(key)

    def append(self, lease: Lease, events: Sequence[Event], summary: Mapping[str, Any]) -> None:
        rows = event_rows(events)
        encoded = encodable(json.dumps(summary, separators=(",", ":")))
        with self._exclusive(lease.name):
            database = self._keep(lease.name)
            with database.transaction("events could not be appended") as execute:
                row = execute(_OWNER).fetchone()
                token, identity = (None, None) if row is None else (row[0], row[2])
                if token != lease.token or identity != str(self._identity):
                    raise LeaseLostError(
                        f"{self._kind} {lease.name!r} was taken over (token {token}, ours {lease.token}); "
                        "this process must not run it any further",
                        name=lease.name,
                    )
                if database.last is None:
                    database.last = last_event(execute(_EXTENT).fetchone())
                # An append that failed while it was being made durable may come to light when the log is next
                # opened. Its caller got an error.
                execute("DELETE FROM event WHERE seq > ?", (database.last,))
                insert_events(execute, database.last, rows)
                execute("UPDATE summary SET body = ?", (encoded,))
            database.last += len(rows)

    def read(self, name: str, after: int = 0) -> tuple[JobRecord, list[Event]]:
        record, rows = self._read(name, after)
        with self._located(name):
            return record, [from_json(kind, body) for kind, body in rows]

    def check(self, name: str) -> None:
        """Raises StorageError if `read` would, which takes several times as long."""
        _, rows = self._read(name, 0)
        with self._located(name):
            for kind, body in rows:
                check_json(kind, body)

    def _read(self, name: str, after: int) -> tuple[JobRecord, list[tuple[str, str]]]:
        where = f"WHERE seq > {after:d}" if after else ""  # else with numbers that none can have
        select = f"SELECT seq, kind, body FROM event {where} ORDER BY seq"
        with (
            self._located(name),
            self._looking(name) as database,
            database.snapshot("the job could not be read") as execute,
        ):
            return self._record(database, execute), events_of(execute(select).fetchall(), after)

    @contextlib.contextmanager
    def _located(self, name: str) -> Iterator[None]:
        """Adds the path of the job's database to a refusal of what is in it."""
        try:
            yield
        except StorageError as error:
            if error.path:
                raise
            raise error.at(str(self.path(name) / DATABASE)) from error

    def names(self) -> list[str]:
        """The names of every stored job, in lower case and in order, and of some directories without one."""
        return [name for name in self._directories() if name == name.lower()]

    def _directories(self) -> list[str]:
        """The names of the directories that may hold a job, in order."""
        try:
            names = sorted(entry.name for entry in self._state.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise storage_error(error, self._state, "the jobs could not be listed") from error
        return [name for name in names if may_exist(f"{self._state}/{name}/{DATABASE}")]

    def stamp(self, name: str) -> Stamp | None:
        """How the job's files look from outside; None where that says nothing about their contents."""
        if self._shared is None:
            self._shared = is_shared(filesystem_kind(self._state))
        path = f"{self._state}/{name.lower()}/{DATABASE}"
        try:
            return None if self._shared else take_stamp(path)
        except OSError as error:
            raise storage_error(error, Path(path), "the job could not be read") from error

    def record(self, name: str) -> JobRecord:
        """The job without its events. Raises JobNotFoundError."""
        with (
            self._located(name),
            self._looking(name) as database,
            database.snapshot("the job could not be read") as execute,
        ):
            return self._record(database, execute)

    def jobs(self) -> list[JobRecord]:
        records = []
        for name in self._directories():
            if name != name.lower():
                problem = f"no job is found in the directory {name!r}; rename it to {name.lower()!r}"
                records.append(JobRecord(name, 0.0, {}, {}, problem=problem))
                continue
            try:
                records.append(self.record(name))
            except JobNotFoundError:
                continue
            except (StorageError, InputError) as error:
                records.append(JobRecord(name, 0.0, {}, {}, problem=str(error)))
        return records

    def add_note(self, name: str, body: Mapping[str, Any]) -> None:
        encoded = encodable(json.dumps(body))
        with self._located(name), self._exclusive(name), self._existing(name) as database:
            with database.transaction("the note could not be stored") as execute:
                add_note(execute, encoded)
            database.known_notes = None

    def notes(self, name: str) -> Sequence[Note]:
        with self._located(name), self._looking(name) as database:
            return database.notes()

    def delete(self, name: str, *, files: bool = False) -> None:
        """Move the job's database to `.deleted`, and touch nothing else in its directory; with `files`,
        remove the directory, also that of a job that cannot be read.
        """
        if files:
            with self._exclusive(name):
                self._delete_directory(name)
            sweep(self._state)
            return
        with self._exclusive(name):
            with self._existing(name):
                self.release(self.acquire(name))  # refused if a process runs it
            with self._existing(name) as database:
                database.set_journal("DELETE")  # everything is in the one file that is moved
                source = database.path
            if (key := job_key(name)) in self._open:
                self._forget(key)
            try:
                target = archive_folder(self._state, key)
                source.rename(target / DATABASE)
                for directory in (target, target.parent, source.parent):
                    fsync_directory(directory)
            except OSError as error:
                raise storage_error(error, source, "the job could not be deleted") from error

    def _delete_directory(self, name: str) -> None:
        self._present(name)
        lease, lock = None, None
        try:
            lease = self.acquire(name)
            self._open[job_key(name)].set_journal("DELETE")  # no process has its log open, and none gets it
        except StorageError as error:
            if lease is not None:
                self.release(lease)
                raise
            if error.problem not in (StorageProblem.DAMAGED, StorageProblem.NEWER):
                raise
            if (lock := lock_owner(self.path(name), 0.2)) is None:
                raise JobOwnedError(
                    f"{self._kind} {name!r} is run by another process; end it first",
                    0,
                    name=name,
                    root=str(self._state),
                ) from error
        key = job_key(name)
        try:
            if lease is not None:
                self._forget(key)  # the job still has an owner, this process, so that nobody takes it over
            set_aside(self._state, key)
        except OSError as error:
            if lease is not None:
                self._keep(name)
                self.release(lease)
            raise storage_error(error, self.path(name), "the job could not be deleted") from error
        finally:
            if lock is not None:
                os.close(lock)

    def close(self) -> None:
        """Close every file; leases stay recorded until released or until this process ends."""
        for key in list(self._open):
            with self._exclusive(key):
                if key in self._open:
                    self._forget(key)

    def _keep(self, name: str) -> Database:
        """The job's database, opened and kept open until released."""
        key = job_key(name)
        if key not in self._open or not self._open[key].usable:
            with self._existing(name) as database:
                if key in self._open:
                    database.inherit(self._open[key])
                self._open[key] = database
                database.kept = True
        return self._open[key]

    def _forget(self, key: str) -> None:
        database = self._open.pop(key)
        database.kept = False
        database.close()

    @contextlib.contextmanager
    def _existing(self, name: str) -> Iterator[Database]:
        """The job's database: the one kept open, or else one for the moment. Raises JobNotFoundError."""
        kept = self._open.get(name.lower())
        if kept is not None and kept.usable:
            yield kept
            return
        with self._opened(name) as database:
            yield database

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[Database]:
        """The job's database, opened anew. Raises JobNotFoundError."""
        directory, missing = self._present(name)
        with Database(directory, "rw", self._busy, durable=self._durable) as database:
            if not database.holds_job():
                raise missing
            yield database

    def _present(self, name: str) -> tuple[Path, JobNotFoundError]:
        """The directory of the job, which has a database, and the error if that holds no job. Raises the same
        JobNotFoundError.
        """
        missing = JobNotFoundError(
            f"no {self._kind} named {name!r} in {self._state}", name=name, root=str(self._state)
        )
        try:
            directory = self._state / job_key(name)
        except InputError:
            raise missing from None
        try:
            if not is_there(directory / DATABASE):
                raise missing
        except OSError as error:
            raise storage_error(error, directory, "the job could not be read") from error
        return directory, missing

    def _record(self, database: Database, execute: Execute) -> JobRecord:
        row = execute(
            "SELECT name, created, document, summary.body, pid, identity FROM job, summary, owner"
        ).fetchone()
        archived = self._state.name == DELETED  # there it is named NAME.2
        record = record_of(row, None if archived else database.directory.name)
        pid, identity = row[4:]
        owner = owner_of(pid, identity)
        if owner is None:
            return record
        lives = owner.lives()
        if lives is None:
            lives = database.is_locked()
        return replace(record, owner_pid=pid, owner=identity) if lives else record


class _Lock:
    """A lock that may be held weakly."""

    def __init__(self) -> None:
        self.held = threading.RLock()
