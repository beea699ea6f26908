"""One job's SQLite database, open: transactions, messages for failures, the lock file of its owner."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self
from urllib.parse import quote

from hpt.errors import StorageError, StorageProblem
from hpt.host.private import open_private
from hpt.job.notes import STOP, stop_requested
from hpt.search.stored import damaged, newer
from hpt.storage.base import Note
from hpt.storage.rows import note_of

DATABASE = "job.sqlite"
LOCK = "owner.lock"
SCHEMA_VERSION = 2
_NOTE = (
    "CREATE TABLE IF NOT EXISTS note (seq INTEGER PRIMARY KEY, after INTEGER NOT NULL, body TEXT NOT NULL)"
)
SCHEMA = (
    "CREATE TABLE job (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL, created REAL NOT NULL,"
    " document TEXT NOT NULL)",
    "CREATE TABLE summary (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL)",
    "CREATE TABLE event (seq INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL,"
    " body TEXT NOT NULL)",
    "CREATE TABLE owner (id INTEGER PRIMARY KEY CHECK (id = 1), token INTEGER NOT NULL, pid INTEGER,"
    " identity TEXT)",
    _NOTE,
    "INSERT INTO summary VALUES (1, '{}')",
    "INSERT INTO owner VALUES (1, 0, NULL, NULL)",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
"""Schema 2. In schema 1 a request to stop was a flag, `stop` in the one row of a table `control`, and the
table of notes was made with the first of them. Such a database is read and written as it is until the job is
next taken over: its owner may be of an earlier version, which looks for the flag.
"""

Execute = Callable[..., sqlite3.Cursor]

_PROBLEMS = {
    sqlite3.SQLITE_FULL: (StorageProblem.FULL, "free space on its file system"),
    sqlite3.SQLITE_IOERR: (StorageProblem.WRITING, "check its disk, quota and file-size limit"),
    sqlite3.SQLITE_BUSY: (
        StorageProblem.BUSY,
        "another process is writing it; try again when that one is done",
    ),
    sqlite3.SQLITE_READONLY: (StorageProblem.FORBIDDEN, "make it writable"),
    sqlite3.SQLITE_PERM: (StorageProblem.FORBIDDEN, "make it writable"),
    sqlite3.SQLITE_CANTOPEN: (StorageProblem.FORBIDDEN, "make it readable and writable"),
}
_DAMAGED = frozenset(
    (
        *(sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT),
        # The statements are right: a table or a column is missing, or has other rules.
        *(sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_CONSTRAINT),
        0,  # raised by Python: a string that is not UTF-8
    )
)
_NO_WRITING = frozenset((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM))
_NO_INDEX = frozenset(("SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMOPEN"))
"""There is no room for the file in which processes share the index of the log. A process that has the
database for itself can do without, so that what is stored can be shown on a full disk.
"""
_KEEP_CONNECTION = frozenset((sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY))


def storage_error(error: Exception, path: Path, what: str, name: str = "", root: str = "") -> StorageError:
    """The failure with its path, cause and fix.

    Parameters
    ----------
    error
        What SQLite or the operating system raised.
    path
        The file or directory.
    what
        Opens the message.
    name, root
        The stored job that it interrupted and its state directory, if any.

    Returns
    -------
    StorageError
        To be raised.
    """
    if isinstance(error, OSError):
        code = sqlite3.SQLITE_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else sqlite3.SQLITE_CANTOPEN
        reason = error.strerror or str(error)
    else:
        code = _primary_code(error)
        reason = f"{error} ({getattr(error, 'sqlite_errorname', type(error).__name__)})"
    problem, fix = _PROBLEMS.get(code, (StorageProblem.OTHER, "check the file and its file system"))
    if code in _DAMAGED and isinstance(error, sqlite3.Error):
        problem = StorageProblem.DAMAGED
        fix = "the file is damaged: restore it from a copy, or delete its directory"
    facts = {"path": str(path), "name": name, "root": root or str(path.parent)}
    return StorageError(what, reason=reason, fix=fix, problem=problem, **facts)


def _primary_code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def add_note(execute: Execute, body: str) -> None:
    """Add a note, given as a JSON string, within a transaction; a duplicate of the last note is ignored."""
    if _has_flag(execute):
        execute(_NOTE)
        if json.loads(body) == STOP:
            execute("UPDATE control SET stop = 1")
    if execute("SELECT body FROM note ORDER BY seq DESC LIMIT 1").fetchone() != (body,):
        execute("INSERT INTO note (after, body) SELECT coalesce(max(seq), 0), ? FROM event", (body,))


def upgrade_schema(execute: Execute) -> None:
    """Bring a database of an earlier schema to the present one, within the transaction of a new owner."""
    if not _has_flag(execute):
        return
    if execute("SELECT stop FROM control").fetchone()[0]:
        add_note(execute, json.dumps(STOP))
    execute(_NOTE)
    execute("DROP TABLE control")
    execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _has_flag(execute: Execute) -> bool:
    """Whether the database is of schema 1, where a flag requests a stop."""
    return int(execute("PRAGMA user_version").fetchone()[0]) == 1


def lock_owner(directory: Path, patience: float = 0.0) -> int | None:
    """A descriptor that holds the lock on the owner's file of a job; None where another process holds it."""
    deadline = time.monotonic() + patience
    try:
        descriptor = open_private(directory / LOCK, os.O_RDWR | os.O_CREAT)
    except OSError:
        return None
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK and time.monotonic() < deadline:
                time.sleep(0.01)  # perhaps only a call of `is_locked`
                continue
            os.close(descriptor)
            return None
        return descriptor


class Database:
    """An open job database. As a context manager it is closed on leaving, unless `kept`.

    usable: False once a failure made the connection doubtful; open another. last: the number of the last
    event known to be recorded, None where not yet known. known_notes: the notes as last looked at; None to
    look again. durable: False for a job of which nothing is read once its process is gone; a commit then does
    not wait for the disk.
    """

    def __init__(self, directory: Path, mode: str, busy_seconds: float, *, durable: bool = True) -> None:
        self.directory = directory
        self._durable = durable
        self.path = directory / DATABASE
        self.kept = False
        self.usable = True
        self.last: int | None = None
        self.known_notes: tuple[Note, ...] | None = None
        self._version = -1
        self._lock: int | None = None
        self._new = mode == "rwc"  # there is no job to resume yet
        try:
            if self._new:  # SQLite gives its log and journal the permissions of the database
                os.close(open_private(self.path, os.O_RDWR | os.O_CREAT))
            self.connection = self._connect(mode, busy_seconds)
        except (sqlite3.Error, OSError) as error:
            raise self._failure(error, "the job's state could not be opened") from error

    def _failure(self, error: Exception, what: str) -> StorageError:
        name = "" if self._new else self.directory.name
        return storage_error(error, self.path, what, name, str(self.directory.parent))

    def _connect(self, mode: str, busy_seconds: float) -> sqlite3.Connection:
        attempts = [f"mode={mode}", "mode=ro"] if mode == "rw" else [f"mode={mode}"]
        log = self.path.with_name(self.path.name + "-wal")
        if mode == "rw" and not log.exists():
            attempts.append("mode=ro&immutable=1")  # a read-only directory cannot hold the log's index
        for position, attempt in enumerate(attempts):
            connection = sqlite3.connect(
                f"file:{quote(str(self.path))}?{attempt}",
                uri=True,
                isolation_level=None,  # transactions are begun explicitly
                timeout=busy_seconds,
                check_same_thread=False,
            )
            try:
                if not self.usable:
                    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
                # In the rollback journal only EXTRA makes the removal of the journal, which is the commit,
                # durable.
                connection.execute(f"PRAGMA synchronous = {self._synchronous(journal)}")
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except sqlite3.Error as error:
                connection.close()
                if self.usable and getattr(error, "sqlite_errorname", "") in _NO_INDEX:
                    self.usable = False  # for once; whoever needs it again opens another
                    attempts.insert(position + 1, attempt)
                elif position + 1 == len(attempts) or _primary_code(error) not in _NO_WRITING:
                    raise
                continue
            return connection
        raise AssertionError("unreachable")

    def _synchronous(self, journal: str) -> str:
        if not self._durable:
            return "OFF"
        return "FULL" if journal == "wal" else "EXTRA"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.kept:
            self.close()

    def close(self) -> None:
        self.usable = False
        self.drop_lock()
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()

    def inherit(self, former: Database) -> None:
        """Take over what a connection that failed knew."""
        self.last, former.last = former.last, None
        self._lock, former._lock = former._lock, None
        former.close()

    @contextlib.contextmanager
    def transaction(self, what: str) -> Iterator[Execute]:
        """A durable transaction; all or nothing. `what` opens the message of a failure."""
        with self._begun("BEGIN IMMEDIATE", what) as execute:
            yield execute

    @contextlib.contextmanager
    def snapshot(self, what: str) -> Iterator[Execute]:
        """Several reads of one point in time."""
        with self._begun("BEGIN", what) as execute:
            yield execute

    @contextlib.contextmanager
    def _begun(self, begin: str, what: str) -> Iterator[Execute]:
        execute = self.connection.execute
        try:
            try:
                execute(begin)
                yield execute
                execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:  # SQLite itself rolls back after some failures
                    execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            if _primary_code(error) not in _KEEP_CONNECTION:
                self.usable = False
            raise self._failure(error, what) from error
        except (OverflowError, TypeError) as error:  # a number beyond SQLite's, a row that is not there
            raise damaged(f"{what} ({error})").at(str(self.path)) from error

    def holds_job(self) -> bool:
        """Whether a job was ever committed.

        Raises:
            StorageError: the database has a schema that this version does not know.
        """
        try:
            version = int(self.connection.execute("PRAGMA user_version").fetchone()[0])
        except sqlite3.Error as error:
            raise self._failure(error, "the job could not be read") from error
        if version < 0:
            raise damaged(f"the job has schema {version}").at(str(self.path))
        if version > SCHEMA_VERSION:
            what = f"the job has schema {version}, and {SCHEMA_VERSION} is the latest known here"
            raise newer(what).at(str(self.path))
        return version > 0

    def set_journal(self, mode: str) -> None:
        """Switch the file between `WAL` and `DELETE` (the rollback journal), which takes a moment without
        readers.

        Raises StorageError where DELETE is needed and cannot be set; without WAL, work is only slower.
        """
        try:
            current = str(self.connection.execute("PRAGMA journal_mode").fetchone()[0])
            deadline = time.monotonic() + 0.5
            while current.upper() != mode and time.monotonic() < deadline:
                current = self._try_journal(mode) or current
            if current.upper() != mode == "DELETE":
                raise StorageError(
                    "the journal's mode could not be set",
                    path=str(self.path),
                    reason="it is in use and lies on a network file system, where SQLite's log is not safe",
                    fix="end the processes that use it, or keep it in a local directory",
                    problem=StorageProblem.UNSAFE,
                )
            self.connection.execute(f"PRAGMA synchronous = {self._synchronous(current)}")
        except sqlite3.Error as error:
            raise self._failure(error, "the journal's mode could not be set") from error

    def _try_journal(self, mode: str) -> str | None:
        patience = int(self.connection.execute("PRAGMA busy_timeout").fetchone()[0])
        self.connection.execute("PRAGMA busy_timeout = 20")
        try:
            return str(self.connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()[0])
        except sqlite3.OperationalError as error:
            if _primary_code(error) != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(0.01)
            return None
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {patience}")

    def notes(self) -> tuple[Note, ...]:
        """Every note, at little cost while nothing was written."""
        execute = self.connection.execute
        try:
            version = execute("PRAGMA data_version").fetchone()[0]
            if self.known_notes is None or version != self._version:
                with self.snapshot("the notes could not be read"):
                    self.known_notes = self._read_notes()
                self._version = version
            return self.known_notes
        except sqlite3.Error as error:
            self.usable = False
            raise self._failure(error, "the notes could not be read") from error

    def _read_notes(self) -> tuple[Note, ...]:
        execute = self.connection.execute
        rows: list[tuple[int, str]] = []
        if execute("SELECT 1 FROM sqlite_master WHERE name = 'note'").fetchone():
            rows = execute("SELECT after, body FROM note ORDER BY seq").fetchall()
        notes = tuple(note_of(after, body) for after, body in rows)
        flagged = _has_flag(execute) and execute("SELECT stop FROM control").fetchone()[0]
        return (*notes, Note(0, STOP)) if flagged and not stop_requested(notes) else notes

    def take_lock(self, patience: float = 0.0) -> bool:
        """Lock the owner's file for as long as it is held; False where another holds it. The kernel lets
        go at death.
        """
        if self._lock is not None:
            return True
        self._lock = lock_owner(self.directory, patience)
        return self._lock is not None

    def is_locked(self) -> bool:
        """Whether a process, wherever it runs, holds the owner's file."""
        try:
            descriptor = os.open(self.directory / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno == errno.EWOULDBLOCK
        finally:
            os.close(descriptor)
        return False

    def drop_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
