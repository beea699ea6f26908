"""A job deleted with its files is there as a whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpt.errors import JobNotFoundError, JobOwnedError, StorageError
from hpt.storage.sqlite import SQLiteStorage
from hpt.testing.storage import events


@pytest.fixture
def storage(tmp_path: Path) -> SQLiteStorage:
    return SQLiteStorage(tmp_path, busy_seconds=0.3)


def make(storage: SQLiteStorage, name: str = "job", files: int = 3) -> Path:
    storage.create(name, {}, 1.0)
    lease = storage.acquire(name)
    storage.append(lease, events(1, 3), {"a": 1})
    storage.release(lease)
    directory = storage.path(name)
    for number in range(files):
        (directory / "trials" / f"t{number}" / "ml" / "model").mkdir(parents=True)
        (directory / "trials" / f"t{number}" / "ml" / "model" / "weights").write_bytes(b"x" * 100)
    return directory


def test_nothing_of_it_stays_on_the_disk(storage: SQLiteStorage, tmp_path: Path) -> None:
    make(storage)
    other = make(storage, "other")
    before = sorted(other.rglob("*"))
    storage.delete("job", files=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and other not in path.parents] == []
    assert sorted(other.rglob("*")) == before
    assert storage.names() == ["other"]


def test_a_directory_without_permissions_and_links_out_of_it(storage: SQLiteStorage, tmp_path: Path) -> None:
    directory = make(storage)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "data").write_text("kept")
    (directory / "trials" / "link").symlink_to(outside)
    (directory / "trials" / "dangling").symlink_to(tmp_path / "nowhere")
    (directory / "trials" / "t0" / "ml" / "model").chmod(0)
    (directory / "trials" / "t1").chmod(0o500)
    storage.delete("job", files=True)
    assert (outside / "data").read_text() == "kept"
    assert not directory.exists()
    assert list((tmp_path / ".removed").iterdir()) == []


def test_an_archived_job_of_that_name_stays(storage: SQLiteStorage, tmp_path: Path) -> None:
    make(storage)
    storage.delete("job")
    make(storage, files=0)
    storage.delete("job", files=True)
    assert SQLiteStorage(tmp_path / ".deleted").names() == ["job.1"]


@pytest.mark.parametrize("damage", ["not a database", "no rows", "newer schema"])
def test_a_job_that_cannot_be_read_can_be_deleted(storage: SQLiteStorage, damage: str) -> None:
    import sqlite3

    directory = make(storage)
    if damage == "not a database":
        (directory / "job.sqlite").write_bytes(b"nothing" * 1000)
    else:
        connection = sqlite3.connect(directory / "job.sqlite", isolation_level=None)
        connection.execute("DELETE FROM owner" if damage == "no rows" else "PRAGMA user_version = 99")
        connection.close()
    with pytest.raises(StorageError):
        storage.acquire("job")
    storage.delete("job", files=True)
    assert not directory.exists()
    storage.create("job", {}, 2.0)


def test_a_job_that_cannot_be_read_but_is_run_stays(storage: SQLiteStorage, tmp_path: Path) -> None:
    directory = make(storage)
    other = SQLiteStorage(tmp_path)
    other.acquire("job")
    (directory / "job.sqlite").write_bytes(b"nothing" * 1000)
    with pytest.raises(JobOwnedError, match="another process"):
        storage.delete("job", files=True)
    assert (directory / "trials" / "t0" / "ml" / "model" / "weights").exists()


def test_where_it_cannot_be_moved_it_stays_and_can_be_resumed(storage: SQLiteStorage, tmp_path: Path) -> None:
    directory = make(storage)
    (tmp_path / ".removed").write_text("in the way")
    with pytest.raises(StorageError, match="could not be deleted"):
        storage.delete("job", files=True)
    assert storage.read("job")[1] == events(1, 3)
    storage.release(storage.acquire("job"))
    assert (directory / "trials" / "t0" / "ml" / "model" / "weights").exists()


DELETER = """
import sys
from pathlib import Path
from hpt.storage.sqlite import SQLiteStorage
storage = SQLiteStorage(Path(sys.argv[1]))
print("ready", flush=True)
storage.delete("job", files=True)
print("done", flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_leaves_the_whole_job_or_none(tmp_path: Path) -> None:
    outcomes = set()
    for turn in range(12):
        state = tmp_path / str(turn)
        storage = SQLiteStorage(state)
        directory = make(storage, files=300)
        weights = len(list(directory.rglob("weights")))
        child = subprocess.Popen([sys.executable, "-c", DELETER, str(state)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.004 * turn)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        try:
            assert storage.read("job")[1] == events(1, 3)
            assert len(list(directory.rglob("weights"))) == weights
            outcomes.add("kept")
        except JobNotFoundError:
            assert not directory.exists()
            outcomes.add("gone")
            make(storage, files=1)
        storage.delete("job", files=True)  # with what the killed one left
        assert [path for path in state.rglob("*") if path.is_file()] == []
    assert outcomes
