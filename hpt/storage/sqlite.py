"""Jobs in SQLite, one database a job: `<state>/<job name in lower case>/job.sqlite`.

    job      one row: name, created, document                       written once
    summary  one row: the small document of the last append
    event    seq (from 1, no gaps), time, kind, body                only ever grows
    owner    one row: token, pid, identity                          who may append
    control  one row: stop                                          any process may write it
    note     seq, after, body                                       any process may add to it

A job exists when its row is committed; a directory without one is what a killed `create` left behind. A
deleted job's database lies in `<state>/.deleted/<name>.<n>/`, where its training jobs can still be read.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hpt.errors import (
    InputError,
    JobExistsError,
    JobNotFoundError,
    JobOwnedError,
    LeaseLostError,
    StorageError,
)
from hpt.host.files import fsync_directory
from hpt.host.identity import ProcessIdentity
from hpt.search.events import Event, from_json, to_json
from hpt.storage.base import JobRecord, Lease, Note, job_key
from hpt.storage.database import (
    DATABASE,
    NOTE,
    SCHEMA,
    SCHEMA_VERSION,
    Database,
    Execute,
    storage_error,
)
from hpt.storage.filesystem import filesystem_kind, is_shared
from hpt.storage.place import command

DELETED = ".deleted"
"""The folder of deleted jobs: itself the state directory of a storage."""


class SQLiteStorage:
    """Durable storage for any number of processes; each job has one writer at a time.

    Appends are fenced: taking a job over gives a greater token, and an append checks its token and its
    process within its own transaction. No connection is used by a forked child. Safe to call from several
    threads.

    state_dir: holds a directory a job; made when the first job is. busy_seconds: how long to wait for another
    process that is writing before giving up with StorageError.
    """

    def __init__(self, state_dir: Path, *, busy_seconds: float = 30.0) -> None:
        self._state = Path(state_dir).absolute()
        self._busy = busy_seconds
        self._open: dict[str, Database] = {}  # jobs this process owns or polls
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
        self._lock = threading.RLock()
        self._identity = ProcessIdentity.current()

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        if self._identity.pid != os.getpid():  # forked without Python's knowledge
            self._start_process()
        with self._lock:
            yield

    def path(self, name: str) -> Path:
        """The directory of the job of that name, whether it exists or not."""
        return self._state / job_key(name)

    def create(
        self, name: str, document: Mapping[str, Any], created: float, events: Sequence[Event] = ()
    ) -> None:
        directory = self.path(name)
        text, rows = _encodable(json.dumps(document)), _rows(events)
        try:
            for level in reversed([directory, *directory.parents]):
                if not level.is_dir():
                    level.mkdir(exist_ok=True)
                    fsync_directory(level.parent)
        except OSError as error:
            raise storage_error(error, directory, "the job's directory could not be made") from error
        with self._exclusive(), Database(directory, "rwc", self._busy) as database:
            # The rollback journal needs no preparation that could be left half done; `acquire` chooses the
            # mode.
            with database.transaction("the job could not be stored") as execute:
                if database.schema_version() != 0:
                    taken = execute("SELECT name FROM job").fetchone()[0]
                    raise JobExistsError(
                        f"a tuning job named {taken!r} exists in {self._state}; choose another name"
                    )
                for statement in SCHEMA:
                    execute(statement)
                execute("INSERT INTO job VALUES (1, ?, ?, ?)", (name, created, text))
                _insert(execute, 0, rows)
            fsync_directory(directory)

    def acquire(self, name: str) -> Lease:
        with self._exclusive():
            key = job_key(name)
            fresh = key not in self._open
            database = self._keep(name)
            try:
                return self._take_over(name, database)
            except BaseException:
                if fresh:
                    self._forget(key)
                raise

    def _take_over(self, name: str, database: Database) -> Lease:
        what = "the job could not be taken over"
        with database.snapshot(what) as execute:
            self._refuse_living_owner(name, database, execute("SELECT identity FROM owner").fetchone()[0])
        database.set_journal("DELETE" if is_shared(filesystem_kind(database.directory)) else "WAL")
        with database.transaction(what) as execute:
            token, text = execute("SELECT token, identity FROM owner").fetchone()
            self._refuse_living_owner(name, database, text)
            identity = self._identity
            update = "UPDATE owner SET token = ?, pid = ?, identity = ?"
            execute(update, (token + 1, identity.pid, str(identity)))
            last = execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()[0]
        database.take_lock()
        database.last = last
        return Lease(name, token + 1)

    def _refuse_living_owner(self, name: str, database: Database, identity: str | None) -> None:
        if identity is None:
            return
        owner = ProcessIdentity.parse(identity)
        lives = owner.lives()
        if owner == self._identity:
            who, fix = f"this very process (pid {owner.pid})", "release it first"
        elif lives:
            who, fix = (
                f"process {owner.pid}",
                f"wait for it, or end it with `{command(f'stop {name}', self._state)}`",
            )
        elif lives is None and not database.take_lock(patience=0.2):
            who, fix = f"process {owner.pid} of another host or container", "stop it there"
        else:
            return
        raise JobOwnedError(f"tuning job {name!r} is run by {who}; {fix}", owner.pid)

    def release(self, lease: Lease) -> None:
        with self._exclusive():
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
        rows = _rows(events)
        text = _encodable(json.dumps(summary, separators=(",", ":")))
        with self._exclusive():
            database = self._keep(lease.name)
            with database.transaction("events could not be appended") as execute:
                token, identity = execute("SELECT token, identity FROM owner").fetchone()
                if token != lease.token or identity != str(self._identity):
                    raise LeaseLostError(
                        f"tuning job {lease.name!r} was taken over (token {token}, ours {lease.token}); "
                        "this process must not run it any further"
                    )
                if database.last is None:
                    database.last = execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()[0]
                # An append that failed while it was being made durable may come to light when the log is next
                # opened. Its caller was told that it did not happen.
                execute("DELETE FROM event WHERE seq > ?", (database.last,))
                _insert(execute, database.last, rows)
                execute("UPDATE summary SET body = ?", (text,))
            database.last += len(rows)

    def read(self, name: str, after: int = 0) -> tuple[JobRecord, list[Event]]:
        with self._exclusive(), self._existing(name) as database:
            with database.snapshot("the job could not be read") as execute:
                record = self._record(database, execute)
                rows = execute("SELECT kind, body FROM event WHERE seq > ? ORDER BY seq", (after,)).fetchall()
            return record, [from_json(kind, body) for kind, body in rows]

    def jobs(self) -> list[JobRecord]:
        try:
            names = sorted(entry.name for entry in self._state.iterdir() if (entry / DATABASE).exists())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise storage_error(error, self._state, "the jobs could not be listed") from error
        records = []
        for name in names:
            try:
                with (
                    self._exclusive(),
                    self._existing(name) as database,
                    database.snapshot("the job could not be read") as execute,
                ):
                    records.append(self._record(database, execute))
            except JobNotFoundError:
                continue
            except (StorageError, InputError) as error:
                records.append(JobRecord(name, 0.0, {}, {}, problem=str(error)))
        return records

    def request_stop(self, name: str) -> None:
        with self._exclusive(), self._existing(name) as database:
            with database.transaction("the request to stop could not be stored") as execute:
                execute("UPDATE control SET stop = 1")
            database.control = None

    def stop_requested(self, name: str) -> bool:
        with self._exclusive(), self._existing(name) as database:
            return database.words()[0]

    def leave(self, name: str, body: Mapping[str, Any]) -> None:
        text = _encodable(json.dumps(body))
        with self._exclusive(), self._existing(name) as database:
            with database.transaction("the note could not be stored") as execute:
                execute(NOTE)
                last = execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()[0]
                execute("INSERT INTO note (after, body) VALUES (?, ?)", (last, text))
            database.control = None

    def notes(self, name: str) -> Sequence[Note]:
        with self._exclusive(), self._existing(name) as database:
            return database.words()[1]

    def delete(self, name: str) -> None:
        """Move the job's database to `.deleted`; nothing else in its directory is touched."""
        with self._exclusive():
            with self._existing(name):
                self.release(self.acquire(name))  # nobody runs it
            with self._existing(name) as database:
                database.set_journal("DELETE")  # everything is in the one file that is moved
                source = database.path
            if (key := job_key(name)) in self._open:
                self._forget(key)
            try:
                target = self._free_archive(key)
                source.rename(target / DATABASE)
                for directory in (target, target.parent, source.parent):
                    fsync_directory(directory)
            except OSError as error:
                raise storage_error(error, source, "the job could not be deleted") from error

    def _free_archive(self, key: str) -> Path:
        """A new folder for a deleted job of that name."""
        for ordinal in itertools.count(1):
            folder = self._state / DELETED / f"{key}.{ordinal}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            return folder
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close every file; leases stay recorded until released or until this process ends."""
        with self._exclusive():
            for key in list(self._open):
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
        missing = JobNotFoundError(
            f"no tuning job named {name!r} in {self._state}; "
            f"`{command('list', self._state)}` shows those there are"
        )
        try:
            key = job_key(name)
        except InputError:
            raise missing from None
        if key in self._open and self._open[key].usable:
            yield self._open[key]
            return
        directory = self._state / key
        try:
            if not (directory / DATABASE).exists():
                raise missing
        except OSError as error:
            raise storage_error(error, directory, "the job could not be read") from error
        with Database(directory, "rw", self._busy) as database:
            version = database.schema_version()
            if version == 0:
                raise missing
            if version > SCHEMA_VERSION:
                raise StorageError(
                    f"{directory / DATABASE} has schema {version}, written by a newer version of hpt "
                    f"(this one knows {SCHEMA_VERSION}); upgrade hpt"
                )
            yield database

    def _record(self, database: Database, execute: Execute) -> JobRecord:
        name, created, document, summary, pid, identity = execute(
            "SELECT name, created, document, summary.body, pid, identity FROM job, summary, owner"
        ).fetchone()
        lives = None
        if identity is not None:
            lives = ProcessIdentity.parse(identity).lives()
            if lives is None:
                lives = database.is_locked()
        return JobRecord(name, created, json.loads(document), json.loads(summary), pid if lives else None)


def _rows(events: Sequence[Event]) -> list[tuple[float, str, str]]:
    """Time, kind and body of each event."""
    return [(event.time, kind, _encodable(body)) for event in events for kind, body in [to_json(event)]]


def _insert(execute: Execute, last: int, rows: list[tuple[float, str, str]]) -> None:
    """Record events after the one numbered `last`."""
    for seq, row in enumerate(rows, last + 1):
        execute("INSERT INTO event VALUES (?, ?, ?, ?)", (seq, *row))


def _encodable(text: str) -> str:
    """JSON text that UTF-8 can hold: surrogates (undecodable bytes of a log or a path) become JSON's own
    escapes.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text
