"""What the files of a job show of its contents."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt.job.notes import STOP
from hpt.search.events import StatusChanged
from hpt.storage.base import Lease
from hpt.storage.sqlite import SQLiteStorage
from hpt.storage.stamp import Stamp

EVENT = StatusChanged(1.0, 1, "Training")


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SQLiteStorage:
    monkeypatch.setattr("hpt.storage.stamp.SETTLED_SECONDS", -1e9)
    storage = SQLiteStorage(tmp_path / "state")
    storage.create("job", {}, 1.0)
    return storage


def stamp(storage: SQLiteStorage) -> Stamp:
    found = storage.stamp("JOB")
    assert found is not None
    return found


def test_looking_changes_nothing(storage: SQLiteStorage) -> None:
    before = stamp(storage)
    storage.read("job")
    storage.jobs()
    storage.notes("job")
    assert before.holds(stamp(storage))


def test_every_change_shows(storage: SQLiteStorage) -> None:
    lease = Lease("job", 1)
    for change in (
        lambda: storage.add_note("job", {}),
        lambda: storage.add_note("job", STOP),
        lambda: storage.acquire("job"),
        lambda: storage.append(lease, [EVENT], {}),
        lambda: storage.add_note("job", {}),
        lambda: storage.append(lease, [EVENT], {}),
        lambda: storage.release(lease),
        lambda: storage.delete("job"),
        lambda: storage.create("job", {}, 1.0),
    ):
        before = stamp(storage)
        change()
        assert not before.holds(stamp(storage))


def test_what_was_written_just_now_is_read_again(
    storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one tick of the clock, a second change leaves no trace."""
    monkeypatch.setattr("hpt.storage.stamp.SETTLED_SECONDS", 2.0)
    before = stamp(storage)
    assert not before.settled and not before.holds(stamp(storage))


def test_a_job_that_is_not_there(storage: SQLiteStorage) -> None:
    for name in ("none", "a\0b", "../state/none"):
        found = storage.stamp(name)
        assert found is not None and found.files == (None, None)


def test_a_shared_file_system_has_no_stamp(storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpt.storage.sqlite.filesystem_kind", lambda path: "nfs4")
    assert storage.stamp("job") is None


def test_names_and_records(storage: SQLiteStorage, tmp_path: Path) -> None:
    (tmp_path / "state" / "empty").mkdir()
    (tmp_path / "state" / "file").write_text("")
    storage.create("Other", {"a": 1}, 2.0)
    assert storage.names() == ["job", "other"]
    record = storage.record("OTHER")
    assert (record.name, record.created, record.document, record.owner) == ("Other", 2.0, {"a": 1}, None)
    lease = storage.acquire("other")
    record = storage.record("other")
    assert record.owner is not None and str(record.owner_pid) in record.owner
    storage.release(lease)
    assert SQLiteStorage(tmp_path / "nowhere").names() == []
