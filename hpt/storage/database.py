"""One job's SQLite database, open: transactions, failures put into words, the lock file of its owner."""

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

from hpt.errors import StorageError
from hpt.storage.base import Note
from hpt.storage.place import command

DATABASE = "job.sqlite"
LOCK = "owner.lock"
SCHEMA_VERSION = 1
NOTE = "CREATE TABLE IF NOT EXISTS note (seq INTEGER PRIMARY KEY, after INTEGER NOT NULL, body TEXT NOT NULL)"
"""Made when the first note is left: jobs of earlier versions lack the table."""
SCHEMA = (
    "CREATE TABLE job (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL, created REAL NOT NULL,"
    " document TEXT NOT NULL)",
    "CREATE TABLE summary (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL)",
    "CREATE TABLE event (seq INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL,"
    " body TEXT NOT NULL)",
    "CREATE TABLE owner (id INTEGER PRIMARY KEY CHECK (id = 1), token INTEGER NOT NULL, pid INTEGER,"
    " identity TEXT)",
    "CREATE TABLE control (id INTEGER PRIMARY KEY CHECK (id = 1), stop INTEGER NOT NULL)",
    "INSERT INTO summary VALUES (1, '{}')",
    "INSERT INTO owner VALUES (1, 0, NULL, NULL)",
    "INSERT INTO control VALUES (1, 0)",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

Execute = Callable[..., sqlite3.Cursor]

_FIXES = {
    sqlite3.SQLITE_FULL: "free space on its file system, then {again}",
    sqlite3.SQLITE_IOERR: "check its disk, quota and file-size limit, then {again}",
    sqlite3.SQLITE_BUSY: "another process is writing it; try again when that one is done",
    sqlite3.SQLITE_READONLY: "make it writable, or choose another state directory with --state",
    sqlite3.SQLITE_PERM: "make it writable, or choose another state directory with --state",
    sqlite3.SQLITE_CANTOPEN: "make it readable and writable, or choose another state directory with --state",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore it from a copy, or delete its directory",
    sqlite3.SQLITE_NOTADB: "the file is damaged: restore it from a copy, or delete its directory",
}
_NO_WRITING = frozenset((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM))
_KEEP_CONNECTION = frozenset((sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY))


def storage_error(error: Exception, path: Path, what: str, again: str = "try again") -> StorageError:
    """The failure with its path, cause and fix. again: what to do once the surroundings are mended."""
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        fix = _FIXES[sqlite3.SQLITE_FULL if full else sqlite3.SQLITE_CANTOPEN]
        return StorageError(f"{what}: {path}: {error.strerror or error}; {fix.format(again=again)}")
    fix = _FIXES.get(_primary_code(error), "check the file and its file system")
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return StorageError(f"{what}: {path}: {error} ({name}); {fix.format(again=again)}")


def _primary_code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


class Database:
    """An open job database. As a context manager it is closed on leaving, unless `kept`.

    usable: False once a failure made the connection doubtful; open another. last: the number of the last
    event known to be recorded, None where not yet known. control: whether a stop was requested, and the
    notes, as last looked at; None to look again.
    """

    def __init__(self, directory: Path, mode: str, busy_seconds: float) -> None:
        self.directory = directory
        self.path = directory / DATABASE
        self.kept = False
        self.usable = True
        self.last: int | None = None
        self.control: tuple[bool, tuple[Note, ...]] | None = None
        self._version = -1
        self._lock: int | None = None
        self._new = mode == "rwc"  # there is no job to resume yet
        try:
            self.connection = self._connect(mode, busy_seconds)
        except sqlite3.Error as error:
            raise self._failure(error, "the job's state could not be opened") from error

    def _failure(self, error: Exception, what: str) -> StorageError:
        job = f"resume {self.directory.name}"
        again = "try again" if self._new else f"`{command(job, self.directory.parent)}`"
        return storage_error(error, self.path, what, again)

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
                journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
                # In the rollback journal only EXTRA makes the removal of the journal, which is the commit,
                # durable.
                connection.execute(f"PRAGMA synchronous = {'FULL' if journal == 'wal' else 'EXTRA'}")
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except sqlite3.Error as error:
                connection.close()
                if position + 1 == len(attempts) or _primary_code(error) not in _NO_WRITING:
                    raise
                continue
            return connection
        raise AssertionError("unreachable")

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
        """Take over what is known from a connection that failed."""
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

    def schema_version(self) -> int:
        """The version of the stored schema; 0 where no job was ever committed."""
        try:
            return int(self.connection.execute("PRAGMA user_version").fetchone()[0])
        except sqlite3.Error as error:
            raise self._failure(error, "the job could not be read") from error

    def set_journal(self, mode: str) -> None:
        """Switch the file between `WAL` and `DELETE` (the rollback journal), which takes a moment without
        readers.

        Raises StorageError where DELETE is needed and not to be had; without WAL, work is only slower.
        """
        try:
            current = str(self.connection.execute("PRAGMA journal_mode").fetchone()[0])
            deadline = time.monotonic() + 0.5
            while current.upper() != mode and time.monotonic() < deadline:
                current = self._try_journal(mode) or current
            if current.upper() != mode == "DELETE":
                raise StorageError(
                    f"{self.path} is in use and lies on a network file system, where SQLite's log "
                    "is not safe; end the processes that use it, or choose a local directory with --state"
                )
            self.connection.execute(f"PRAGMA synchronous = {'FULL' if current == 'wal' else 'EXTRA'}")
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

    def words(self) -> tuple[bool, tuple[Note, ...]]:
        """Whether a stop was requested, and every note, at the cost of a glance while nothing was written."""
        execute = self.connection.execute
        try:
            version = execute("PRAGMA data_version").fetchone()[0]
            if self.control is None or version != self._version:
                stop = bool(execute("SELECT stop FROM control").fetchone()[0])
                rows: list[tuple[int, str]] = []
                if execute("SELECT 1 FROM sqlite_master WHERE name = 'note'").fetchone():
                    rows = execute("SELECT after, body FROM note ORDER BY seq").fetchall()
                self.control = stop, tuple(Note(after, json.loads(body)) for after, body in rows)
                self._version = version
            return self.control
        except sqlite3.Error as error:
            self.usable = False
            raise self._failure(error, "what was said to the job could not be read") from error

    def take_lock(self, patience: float = 0.0) -> bool:
        """Lock the owner's file for as long as it is held; False where another holds it. The kernel lets
        go at death.
        """
        if self._lock is not None:
            return True
        deadline = time.monotonic() + patience
        try:
            descriptor = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError:
            return False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno == errno.EWOULDBLOCK and time.monotonic() < deadline:
                    time.sleep(0.01)  # perhaps only somebody's look at `is_locked`
                    continue
                os.close(descriptor)
                return False
            self._lock = descriptor
            return True

    def is_locked(self) -> bool:
        """Whether a process, wherever it runs, holds the owner's file."""
        try:
            descriptor = os.open(self.directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
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
