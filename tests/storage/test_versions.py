"""Databases that an earlier version of hpt wrote, and such as a later one might."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hpt.errors import JobOwnedError, StorageError
from hpt.host.identity import ProcessIdentity
from hpt.job.notes import STOP, stop_requested
from hpt.search.events import to_json
from hpt.storage.sqlite import SQLiteStorage
from hpt.testing.storage import events

NEWER = "written by a newer hpt, upgrade"

SCHEMA_1 = """
CREATE TABLE job (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL, created REAL NOT NULL,
    document TEXT NOT NULL);
CREATE TABLE summary (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL);
CREATE TABLE event (seq INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE owner (id INTEGER PRIMARY KEY CHECK (id = 1), token INTEGER NOT NULL, pid INTEGER,
    identity TEXT);
CREATE TABLE control (id INTEGER PRIMARY KEY CHECK (id = 1), stop INTEGER NOT NULL);
INSERT INTO job VALUES (1, 'job', 1.0, '{"x": 1}');
INSERT INTO summary VALUES (1, '{"n": 2}');
INSERT INTO owner VALUES (1, 3, NULL, NULL);
INSERT INTO control VALUES (1, 0);
PRAGMA user_version = 1;
"""
"""What version 0.1.0 made of a job, before anybody left a note."""


def run(directory: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(directory / "job.sqlite", isolation_level=None)
    rows = connection.execute(statement, values).fetchall()
    connection.close()
    return rows


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The directory of a job of schema 1 with two events."""
    directory = tmp_path / "job"
    directory.mkdir()
    connection = sqlite3.connect(directory / "job.sqlite", isolation_level=None)
    connection.executescript(SCHEMA_1)
    for seq, event in enumerate(events(0, 2), 1):
        connection.execute("INSERT INTO event VALUES (?, ?, ?, ?)", (seq, event.time, *to_json(event)))
    connection.close()
    return directory


@pytest.fixture
def storage(tmp_path: Path) -> SQLiteStorage:
    return SQLiteStorage(tmp_path, busy_seconds=0.3)


def schema(directory: Path) -> object:
    return run(directory, "PRAGMA user_version")[0][0]


def test_a_job_of_schema_1_is_read_and_left_as_it_is(storage: SQLiteStorage, old: Path) -> None:
    record, recorded = storage.read("job")
    assert (record.name, record.document, record.summary, recorded) == (
        "job",
        {"x": 1},
        {"n": 2},
        events(0, 2),
    )
    assert [job.name for job in storage.jobs()] == ["job"]
    assert list(storage.notes("job")) == []
    assert schema(old) == 1


def test_a_job_of_schema_1_takes_notes(storage: SQLiteStorage, old: Path) -> None:
    storage.add_note("job", {"a": 1})
    assert [(note.after, note.body) for note in storage.notes("job")] == [(2, {"a": 1})]
    assert (schema(old), run(old, "SELECT stop FROM control")) == (1, [(0,)])


def test_a_stop_reaches_an_owner_of_the_earlier_version(storage: SQLiteStorage, old: Path) -> None:
    """Its owner looks at the flag, and only its successor at the notes."""
    for _ in range(2):
        storage.add_note("job", STOP)
    assert (schema(old), run(old, "SELECT stop FROM control")) == (1, [(1,)])
    assert [note.body for note in storage.notes("job")] == [STOP]
    storage.acquire("job")
    assert [note.body for note in storage.notes("job")] == [STOP]


def test_the_flag_of_the_earlier_version_is_a_note(storage: SQLiteStorage, old: Path) -> None:
    run(old, "UPDATE control SET stop = 1")
    assert stop_requested(storage.notes("job"))
    storage.add_note("job", {"a": 1})
    assert sorted(map(str, (note.body for note in storage.notes("job")))) == [
        "{'StopTuningJob': True}",
        "{'a': 1}",
    ]
    lease = storage.acquire("job")
    assert [note.body for note in storage.notes("job")] == [{"a": 1}, STOP]
    storage.append(lease, events(2, 1), {})
    assert stop_requested(SQLiteStorage(old.parent).notes("job"))


def test_a_new_owner_brings_the_schema_up_to_date(storage: SQLiteStorage, old: Path) -> None:
    lease = storage.acquire("job")
    assert (lease.token, schema(old)) == (4, 2)
    storage.append(lease, events(2, 2), {"n": 4})
    storage.release(lease)
    fresh = SQLiteStorage(old.parent)
    record, recorded = fresh.read("job")
    assert (record.document, record.summary, recorded) == ({"x": 1}, {"n": 4}, events(0, 4))
    assert {name for (name,) in run(old, "SELECT name FROM sqlite_master")} == {
        *("job", "summary", "event", "owner", "note")
    }
    fresh.delete("job")
    assert SQLiteStorage(old.parent / ".deleted").read("job.1")[1] == events(0, 4)


def test_an_owner_of_the_earlier_version_keeps_its_schema(storage: SQLiteStorage, old: Path) -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        start = int(Path(f"/proc/{child}/stat").read_text().rsplit(") ", 1)[1].split()[19])
        me = ProcessIdentity.current()
        owner = ProcessIdentity(me.boot, me.namespace, child, start)
        run(old, "UPDATE owner SET pid = ?, identity = ?", child, str(owner))
        with pytest.raises(JobOwnedError):
            storage.acquire("job")
        storage.add_note("job", STOP)
        assert (schema(old), run(old, "SELECT stop FROM control")) == (1, [(1,)])
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    storage.acquire("job")
    assert schema(old) == 2
    assert stop_requested(storage.notes("job"))


KILLED_IN_TAKING_OVER = """
import os, signal, sys
from pathlib import Path
import hpt.storage.sqlite
from hpt.storage.sqlite import SQLiteStorage
upgrade = hpt.storage.sqlite.upgrade_schema
def then_die(execute):
    upgrade(execute)
    execute("PRAGMA cache_spill = 1")
    os.kill(os.getpid(), signal.SIGKILL)
hpt.storage.sqlite.upgrade_schema = then_die
SQLiteStorage(Path(sys.argv[1])).acquire("job")
"""


def test_killed_while_taking_over_the_schema_is_whole(storage: SQLiteStorage, old: Path) -> None:
    run(old, "UPDATE control SET stop = 1")
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_TAKING_OVER, old.parent], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert schema(old) == 1
    assert stop_requested(storage.notes("job"))
    storage.acquire("job")
    assert [note.body for note in storage.notes("job")] == [STOP]


def tampered(storage: SQLiteStorage, root: Path, statement: str, *values: object) -> str:
    """What `read` and `jobs` say of a job that was changed so; another job beside it stays usable."""
    for name in ("job", "other"):
        storage.create(name, {}, 1.0, events(0, 2))
    run(root / "job", statement, *values)
    with pytest.raises(StorageError) as refused:
        storage.read("job")
    assert "\n" not in str(refused.value)
    assert [record.name for record in storage.jobs()] == ["job", "other"]
    assert storage.read("other")[1] == events(0, 2)
    storage.append(storage.acquire("other"), events(2, 1), {})
    return str(refused.value)


INSERT = "INSERT INTO event VALUES (3, 1.0, ?, ?)"
SET = "UPDATE event SET body = json_set(body, ?, ?) WHERE seq = 1"


@pytest.mark.parametrize(
    ("statement", "values", "what"),
    [
        (INSERT, ("Teleported", "{}"), "the event kind 'Teleported' is not known here"),
        (SET, ("$.speed", 3), "an event of kind Reported has the unknown field 'speed'"),
        (SET, ("$.v", 2), "an event of kind Reported has version 2, and 1 is the latest known here"),
        (SET, ("$.v", "two"), "an event of kind Reported has version 'two', and 1 is the latest known here"),
        ("UPDATE owner SET identity = ?", ("a/1/2/3/new",), "'a/1/2/3/new'.*of an unknown form"),
        ("PRAGMA user_version = 3", (), "has schema 3, and 2 is the latest known here"),
    ],
)
def test_what_a_newer_version_wrote_is_refused_in_a_line(
    storage: SQLiteStorage, tmp_path: Path, statement: str, values: tuple[object, ...], what: str
) -> None:
    said = tampered(storage, tmp_path, statement, *values)
    assert said.endswith(NEWER)
    assert re.search(what, said), said


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (INSERT, ("Reported", "{}")),
        (INSERT, ("Reported", "[]")),
        (INSERT, ("Reported", '{"time": 1')),
        (INSERT, ("StopDecided", '{"time": 1, "number": 1}')),
        ("UPDATE job SET document = ?", ("{",)),
        ("UPDATE summary SET body = ?", ("",)),
    ],
)
def test_what_no_version_wrote_is_said_to_be_damaged(
    storage: SQLiteStorage, tmp_path: Path, statement: str, values: tuple[object, ...]
) -> None:
    assert "damaged" in tampered(storage, tmp_path, statement, *values)


def test_a_newer_schema_is_not_touched(storage: SQLiteStorage, tmp_path: Path) -> None:
    storage.create("job", {}, 1.0)
    run(tmp_path / "job", "PRAGMA user_version = 3")
    calls = (
        lambda: storage.acquire("job"),
        lambda: storage.add_note("job", STOP),
        lambda: storage.notes("job"),
        lambda: storage.delete("job"),
        lambda: storage.create("job", {}, 2.0),
    )
    for call in calls:
        with pytest.raises(StorageError, match=NEWER):
            call()
    assert (schema(tmp_path / "job"), run(tmp_path / "job", "SELECT count(*) FROM note")) == (3, [(0,)])
    assert json.loads(str(run(tmp_path / "job", "SELECT document FROM job")[0][0])) == {}
