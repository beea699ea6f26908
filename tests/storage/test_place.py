"""Where a state directory can be, and what is said of places where it cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hpt.errors import InputError, StateDirectoryError, StorageError
from hpt.running.session import Session
from hpt.storage.place import LONGEST, check_writable, state_directory
from hpt.storage.removal import DELETED
from hpt.storage.sqlite import SQLiteStorage
from hpt.testing.storage import events


def long(folder: Path, length: int) -> Path:
    """A path below a folder with so many bytes."""
    while length - len(str(folder)) > 201:
        folder /= "d" * 100
    return folder / ("e" * (length - len(str(folder)) - 1))


def test_the_longest_path_holds_the_longest_name(tmp_path: Path) -> None:
    root = long(tmp_path, LONGEST)
    session = Session(root)
    name = "n" * 32
    for _ in range(2):
        session.storage.create(name, {}, 1.0)
        lease = session.storage.acquire(name)
        session.storage.append(lease, events(1, 1), {})
        session.storage.release(lease)
        session.storage.delete(name)
    assert len(SQLiteStorage(root / DELETED).jobs()) == 2


@pytest.mark.parametrize("more", [1, 50, 200, 3000])
def test_a_longer_path_is_refused_before_anything_is_made(tmp_path: Path, more: int) -> None:
    root = long(tmp_path, LONGEST + more)
    with pytest.raises(StateDirectoryError, match=r"a path of|File name too long"):
        Session(root)
    assert list(tmp_path.iterdir()) == []


def test_bytes_count(tmp_path: Path) -> None:
    root = long(tmp_path, LONGEST - 60)
    with pytest.raises(StateDirectoryError, match="bytes"):
        Session(root / ("ü" * 40))


@pytest.mark.parametrize("name", ["x" * 256, "d/" * 3000])
def test_a_name_that_no_file_system_takes(tmp_path: Path, name: str) -> None:
    with pytest.raises(StateDirectoryError, match="File name too long"):
        Session(tmp_path / name)


def test_a_nul_character() -> None:
    with pytest.raises(InputError, match="NUL"):
        state_directory("a\0b")


def test_a_file_in_its_place_or_above_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateDirectoryError, match="is a file"):
        Session(tmp_path / "file")
    with pytest.raises(StateDirectoryError, match="file is no directory"):
        Session(tmp_path / "file" / "below").check_writable()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StateDirectoryError, match="dangling is no directory"):
        Session(tmp_path / "dangling" / "below").check_writable()


def test_a_read_only_file_system() -> None:
    if not os.statvfs("/sys").f_flag & os.ST_RDONLY and os.access("/sys", os.W_OK):
        pytest.skip("there is no read-only file system here")
    with pytest.raises(StorageError, match=r"/sys: (Read-only file system|Permission denied)"):
        check_writable(Path("/sys/state"))


def test_a_place_that_can_be_made(tmp_path: Path) -> None:
    Session(tmp_path / "a" / "b").check_writable()
    assert list(tmp_path.iterdir()) == []
