"""SQLiteStorage keeps the contract of storages, and what only a durable one can keep."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hpt.errors import JobExistsError, JobNotFoundError, JobOwnedError, LeaseLostError, StorageError
from hpt.host.identity import ProcessIdentity
from hpt.job.notes import STOP, stop_requested
from hpt.search.events import Reported
from hpt.storage.filesystem import filesystem_kind, is_shared
from hpt.storage.sqlite import SQLiteStorage
from hpt.testing.storage import StorageSuite, events


class TestSQLiteStorage(StorageSuite):
    def open(self, directory: Path) -> SQLiteStorage:
        return SQLiteStorage(directory / "state")


@pytest.fixture
def storage(tmp_path: Path) -> SQLiteStorage:
    return SQLiteStorage(tmp_path, busy_seconds=0.3)


def pragma(directory: Path, name: str) -> object:
    connection = sqlite3.connect(directory / "job.sqlite")
    [value] = connection.execute(f"PRAGMA {name}").fetchone()
    connection.close()
    return value


def tamper(directory: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(directory / "job.sqlite", isolation_level=None)
    connection.execute(statement, values)
    connection.close()


def test_the_layout_and_durability_on_disk(storage: SQLiteStorage, tmp_path: Path) -> None:
    storage.create("My-Job", {}, 1.0)
    lease = storage.acquire("My-Job")
    assert storage.path("My-Job") == tmp_path / "my-job"
    assert pragma(tmp_path / "my-job", "journal_mode") == "wal"
    connection = storage._open["my-job"].connection
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
    storage.append(lease, events(0, 1), {})
    assert (tmp_path / "my-job" / "job.sqlite-wal").stat().st_size > 0


def test_a_network_file_system_gets_the_rollback_journal(
    storage: SQLiteStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpt.storage.sqlite.filesystem_kind", lambda path: "nfs4")
    storage.create("job", {}, 1.0)
    lease = storage.acquire("job")
    storage.append(lease, events(0, 3), {})
    assert pragma(tmp_path / "job", "journal_mode") == "delete"
    assert storage._open["job"].connection.execute("PRAGMA synchronous").fetchone()[0] == 3  # EXTRA
    assert SQLiteStorage(tmp_path).read("job")[1] == events(0, 3)
    SQLiteStorage(tmp_path).add_note("job", STOP)
    assert stop_requested(storage.notes("job"))


def test_a_job_moved_to_a_network_file_system_changes_its_journal(
    storage: SQLiteStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.create("job", {}, 1.0)
    lease = storage.acquire("job")
    storage.append(lease, events(0, 3), {})
    storage.release(lease)
    assert pragma(tmp_path / "job", "journal_mode") == "wal"
    monkeypatch.setattr("hpt.storage.sqlite.filesystem_kind", lambda path: "fuse.sshfs")
    reader = sqlite3.connect(tmp_path / "job" / "job.sqlite")
    reader.execute("SELECT * FROM job").fetchone()
    with pytest.raises(StorageError, match="network file system"):
        storage.acquire("job")
    reader.close()
    lease = storage.acquire("job")
    storage.append(lease, events(3, 1), {})
    assert pragma(tmp_path / "job", "journal_mode") == "delete"


def test_the_kind_of_a_file_system_is_that_of_the_longest_mount_point() -> None:
    mountinfo = (
        "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        "30 22 0:30 / /home rw shared:1 - nfs4 server:/home rw\n"
        "31 30 0:31 / /home/ann/my\\040disk rw - fuse.sshfs host: rw\n"
        "32 30 0:32 / /home/ann/my\\040disk rw - tmpfs none rw\n"
        "garbage\n"
    )
    assert filesystem_kind(Path("/"), mountinfo) == "ext4"
    assert filesystem_kind(Path("/homes/x"), mountinfo) == "ext4"
    assert filesystem_kind(Path("/home/x"), mountinfo) == "nfs4"
    assert filesystem_kind(Path("/home"), mountinfo) == "nfs4"
    assert filesystem_kind(Path("/home/ann/my disk/state"), mountinfo) == "tmpfs"
    assert filesystem_kind(Path("/x"), "") == ""
    assert filesystem_kind(Path("/proc")) == "proc"
    shared = ["nfs", "NFS4", "cifs", "smb3", "fuse", "fuse.sshfs", "9p", "lustre"]
    assert [kind for kind in shared if not is_shared(kind)] == []
    local = ["ext4", "xfs", "tmpfs", "overlay", "btrfs", "fusectl", ""]
    assert [kind for kind in local if is_shared(kind)] == []


@pytest.mark.parametrize("leftover", ["nothing", "empty file", "half a schema", "only a journal mode"])
def test_what_a_killed_create_leaves_behind_is_no_job(
    storage: SQLiteStorage, tmp_path: Path, leftover: str
) -> None:
    directory = tmp_path / "job"
    directory.mkdir()
    if leftover == "empty file":
        (directory / "job.sqlite").touch()
    elif leftover == "half a schema":
        other = sqlite3.connect(directory / "job.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE job (x)")
        os.fsync(os.open(directory, os.O_RDONLY))
        other.close()
    elif leftover == "only a journal mode":
        assert pragma(directory, "journal_mode = WAL") == "wal"
    assert storage.jobs() == []
    with pytest.raises(JobNotFoundError, match="'job'"):
        storage.read("job")
    storage.create("JOB", {"x": 1}, 2.0)
    assert [job.name for job in storage.jobs()] == ["JOB"]


def test_of_many_creators_one_wins(tmp_path: Path) -> None:
    outcomes: list[str] = []
    barrier = threading.Barrier(8)

    def create(i: int) -> None:
        mine = SQLiteStorage(tmp_path)
        barrier.wait()
        try:
            mine.create("job", {"by": i}, 1.0)
            outcomes.append(f"won {i}")
        except JobExistsError:
            outcomes.append("lost")

    threads = [threading.Thread(target=create, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("lost") == 7
    [winner] = [outcome for outcome in outcomes if outcome != "lost"]
    assert SQLiteStorage(tmp_path).read("job")[0].document == {"by": int(winner.split()[1])}


def test_an_owner_of_another_boot_is_dead_unless_locked(storage: SQLiteStorage, tmp_path: Path) -> None:
    storage.create("job", {}, 1.0)
    elsewhere = ProcessIdentity("another-boot", 7, 4711, 99)
    update = "UPDATE owner SET token = 5, pid = 4711, identity = ?"
    tamper(tmp_path / "job", update, str(elsewhere))
    assert elsewhere.lives() is None
    with (tmp_path / "job" / "owner.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert storage.read("job")[0].owner_pid == 4711
        with pytest.raises(JobOwnedError, match="4711 of another host"):
            storage.acquire("job")
    assert storage.read("job")[0].owner_pid is None
    assert storage.acquire("job").token == 6


def test_a_taken_over_lease_fails_within_the_append(storage: SQLiteStorage, tmp_path: Path) -> None:
    storage.create("job", {}, 1.0)
    lease = storage.acquire("job")
    storage.append(lease, events(0, 1), {"n": 1})
    tamper(tmp_path / "job", "UPDATE owner SET token = token + 1")
    with pytest.raises(LeaseLostError, match="taken over"):
        storage.append(lease, events(1, 1), {"n": 2})
    record, recorded = storage.read("job")
    assert (recorded, record.summary) == (events(0, 1), {"n": 1})


def test_a_failed_append_that_comes_to_light_is_forgotten(storage: SQLiteStorage, tmp_path: Path) -> None:
    storage.create("job", {}, 1.0)
    lease = storage.acquire("job")
    storage.append(lease, events(0, 2), {})
    ghost = "INSERT INTO event VALUES (3, 1.0, 'Reported', '{}')"
    tamper(tmp_path / "job", ghost)
    storage.append(lease, events(2, 2), {})
    assert storage.read("job")[1] == events(0, 4)


def test_a_locked_database_is_an_error_with_a_fix_and_passes(storage: SQLiteStorage, tmp_path: Path) -> None:
    storage.create("job", {}, 1.0)
    lease = storage.acquire("job")
    other = sqlite3.connect(tmp_path / "job" / "job.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match=r"job\.sqlite: database is locked.*try again"):
        storage.append(lease, events(0, 1), {})
    assert storage.read("job")[1] == []  # readers are not held up
    other.execute("ROLLBACK")
    storage.append(lease, events(0, 1), {})
    assert storage.read("job")[1] == events(0, 1)


def test_a_broken_job_is_listed_with_its_problem(storage: SQLiteStorage, tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        storage.create(name, {}, 1.0)
    (tmp_path / "b" / "job.sqlite").write_bytes(b"not a database" * 1000)
    tamper(tmp_path / "c", "PRAGMA user_version = 99")
    (tmp_path / "notes.txt").write_text("a stray file")
    listed = storage.jobs()
    assert [job.name for job in listed] == ["a", "b", "c", "d"]
    assert [job.problem is None for job in listed] == [True, False, False, True]
    assert "damaged" in str(listed[1].problem)
    assert "has schema 99, and 2 is the latest known here: written by a newer hpt, upgrade" in str(
        listed[2].problem
    )
    for name in ("b", "c"):
        with pytest.raises(StorageError):
            storage.read(name)
        with pytest.raises(StorageError):
            storage.acquire(name)
    with pytest.raises(StorageError, match="damaged"):
        storage.create("b", {}, 1.0)


def test_a_state_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    storage = SQLiteStorage(tmp_path / "file" / "state")
    assert storage.jobs() == []
    with pytest.raises(StorageError, match=r"file.*make it readable"):
        storage.create("job", {}, 1.0)


def test_reading_what_one_may_not_write(tmp_path: Path, as_nobody: object) -> None:
    storage = SQLiteStorage(tmp_path / "state")
    storage.create("job", {"x": 1}, 1.0)
    lease = storage.acquire("job")
    storage.append(lease, events(0, 2), {})
    storage.release(lease)
    storage.close()
    directory = tmp_path / "state" / "job"
    (tmp_path / "state").chmod(0o755)  # its owner lets others look
    for path in (directory / "job.sqlite", directory):
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) | 0o044 | 0o111)

    def look() -> list[object]:
        reader = SQLiteStorage(tmp_path / "state")
        seen: list[object] = [len(reader.read("job")[1]), [job.problem for job in reader.jobs()]]
        try:
            reader.add_note("job", STOP)
        except StorageError as error:
            seen.append("writable" in str(error))
        return seen

    assert as_nobody(look) == [2, [None], True]  # type: ignore[operator]
    directory.chmod(0o755)


@pytest.fixture
def as_nobody(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Runs a function in a forked child without a superuser's rights; its result must be JSON."""

    def run(function):  # type: ignore[no-untyped-def]
        for level in (tmp_path, *tmp_path.parents):
            if os.getuid() == 0 and level != Path("/"):
                level.chmod(level.stat().st_mode | 0o011)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                if os.getuid() == 0:
                    os.setgroups([])
                    os.setgid(65534)
                    os.setuid(65534)
                os.write(write, json.dumps(function()).encode())
            except BaseException as error:
                os.write(write, json.dumps(repr(error)).encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as stream:
            content = stream.read()
        os.waitpid(pid, 0)
        return json.loads(content)

    return run


def test_a_forked_child_starts_afresh_and_may_not_write(storage: SQLiteStorage, tmp_path: Path) -> None:
    storage.create("job", {}, 1.0)
    lease = storage.acquire("job")
    storage.append(lease, events(0, 2), {})
    parents = storage._open["job"].connection
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        seen: list[object] = []
        try:
            seen.append(len(storage.read("job")[1]))
            seen.append(all(database.connection is not parents for database in storage._open.values()))
            for action in (lambda: storage.append(lease, events(9, 1), {}), lambda: storage.acquire("job")):
                try:
                    action()
                    seen.append("allowed")
                except (LeaseLostError, JobOwnedError) as error:
                    seen.append(type(error).__name__)
            storage.add_note("job", STOP)
            storage.close()
        except BaseException as error:
            seen.append(repr(error))
        os.write(write, json.dumps(seen).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as stream:
        assert json.load(stream) == [2, True, "LeaseLostError", "JobOwnedError"]
    os.waitpid(pid, 0)
    assert stop_requested(storage.notes("job"))
    storage.append(lease, events(2, 1), {})
    assert storage.read("job")[1] == events(0, 3)
    assert storage._open["job"].connection is parents


FORKS = """
import os, sys
from pathlib import Path
from hpt.storage.sqlite import SQLiteStorage
from hpt.testing.storage import events
storage = SQLiteStorage(Path(sys.argv[1]))
storage.create("job", {}, 1.0)
lease = storage.acquire("job")
storage.append(lease, events(0, 2), {})
if (pid := os.fork()) == 0:
    sys.exit(0)
os.waitpid(pid, 0)
log = Path(sys.argv[1], "job", "job.sqlite-wal")
assert log.stat().st_size > 0, "the child folded the log back"
storage.append(lease, events(2, 1), {})
assert SQLiteStorage(Path(sys.argv[1])).read("job")[1] == events(0, 3)
"""


def test_a_child_that_exits_in_the_ordinary_way_harms_nothing(tmp_path: Path) -> None:
    """Its interpreter frees all objects at exit; an inherited connection must not be closed among them."""
    subprocess.run([sys.executable, "-c", FORKS, tmp_path / "state"], check=True, timeout=60)


def test_a_forked_child_does_not_prolong_the_lock(storage: SQLiteStorage, tmp_path: Path) -> None:
    storage.create("job", {}, 1.0)
    lease = storage.acquire("job")
    assert storage._open["job"].is_locked()
    pid = os.fork()
    if pid == 0:
        time.sleep(30)
        os._exit(0)
    storage.release(lease)
    lock = tmp_path / "job" / "owner.lock"
    with lock.open() as other:
        deadline = time.monotonic() + 5
        while True:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                assert time.monotonic() < deadline
                time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)


def test_the_cost_of_an_append_does_not_grow(storage: SQLiteStorage) -> None:
    """CPU a call over 20,000 events; benchmarks/bench_storage.py measures 100,000 and the wall clock."""
    storage.create("job", {}, 1.0)
    lease = storage.acquire("job")

    def cost(count: int) -> float:
        times = []
        for _ in range(count):
            start = time.process_time()
            storage.append(lease, [Reported(1.0, 1, 0.5, 1.0)] * 3, {"n": 1})
            times.append(time.process_time() - start)
        return sorted(times)[count // 2]

    early = cost(100)
    for _ in range(20):
        storage.append(lease, [Reported(1.0, 1, 0.5, 1.0)] * 1000, {"n": 1})
    assert cost(100) < 2 * early + 1e-4


def test_a_deleted_job_can_still_be_read_in_the_archive(storage: SQLiteStorage, tmp_path: Path) -> None:
    for created in (1.0, 2.0):
        storage.create("Job", {"n": created}, created)
        lease = storage.acquire("job")
        storage.append(lease, events(0, 3), {})
        storage.release(lease)
        (tmp_path / "job" / "trials").mkdir(exist_ok=True)
        storage.delete("job")
    archive = SQLiteStorage(tmp_path / ".deleted")
    assert [(record.name, record.document["n"]) for record in archive.jobs()] == [("Job", 1.0), ("Job", 2.0)]
    assert archive.read("job.2")[1] == events(0, 3)
    assert (tmp_path / "job" / "trials").is_dir()
