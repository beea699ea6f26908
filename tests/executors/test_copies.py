"""The copies that a training job works on: what is made, what is cleared away, what is never touched."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from hpt.executors import copies
from hpt.executors.copies import SnapshotError, clear, fill, left_behind


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    place = tmp_path / "origin"
    (place / "package").mkdir(parents=True)
    for name in ("train.py", "package/module.py", "empty"):
        (place / name).write_text("" if name == "empty" else f"# {name}\n")
        os.utime(place / name, ns=(1_700_000_000_123_456_789, 1_700_000_000_123_456_789))
    (place / "large.bin").write_bytes(os.urandom(200_000))
    return place


def manifest(origin: Path) -> dict[str, Any]:
    names = ["empty", "large.bin", "package/module.py", "train.py"]
    statuses = [(origin / name).stat() for name in names]
    return {
        "mode": 0o750,
        "folders": ["package"],
        "files": [
            [name, 0o755 if name == "train.py" else 0o644, status.st_size, status.st_mtime_ns, ""]
            for name, status in zip(names, statuses, strict=True)
        ],
        "links": [["package/up", "../train.py"]],
        "shared": [["data", str(origin), None, "it is large"]],
    }


def filled(origin: Path, code: Path) -> dict[str, Any]:
    code.mkdir()
    listed = manifest(origin)
    fill(str(code), listed, [str(origin / row[0]) for row in listed["files"]])
    return listed


def content(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


@pytest.mark.parametrize("refusal", [None, errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM])
def test_copies_equal_their_origins_on_any_file_system(
    origin: Path, tmp_path: Path, refusal: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if refusal is not None:

        def refuse(*_: object) -> int:
            raise OSError(refusal, os.strerror(refusal))

        monkeypatch.setattr(os, "copy_file_range", refuse)
    code = tmp_path / "code"
    listed = filled(origin, code)
    for name, mode, _, time, _ in listed["files"]:
        copy = code / name
        assert copy.read_bytes() == (origin / name).read_bytes()
        assert (copy.stat().st_mode & 0o777, copy.stat().st_mtime_ns) == (mode, time)
        assert copy.stat().st_ino != (origin / name).stat().st_ino
    assert code.stat().st_mode & 0o777 == 0o750
    assert (code / "package" / "up").readlink() == Path("../train.py")
    assert (code / "data").readlink() == origin


def test_other_errors_of_a_copy_are_raised(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "copy_file_range", fail)
    with pytest.raises(OSError, match="No space left"):
        filled(origin, tmp_path / "code")


@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_a_damaged_snapshot_is_an_error(origin: Path, tmp_path: Path, damage: str) -> None:
    listed = manifest(origin)
    if damage == "removed":
        (origin / "large.bin").unlink()
    else:
        os.truncate(origin / "large.bin", 100)
    (tmp_path / "code").mkdir()
    with pytest.raises(SnapshotError, match=r"large\.bin"):
        fill(str(tmp_path / "code"), listed, [str(origin / row[0]) for row in listed["files"]])


def test_files_that_change_as_they_are_read_are_no_error_without_a_snapshot(
    origin: Path, tmp_path: Path
) -> None:
    listed = manifest(origin)
    (origin / "empty").unlink()
    os.truncate(origin / "large.bin", 100)
    code = tmp_path / "code"
    code.mkdir()
    fill(str(code), listed, [str(origin / row[0]) for row in listed["files"]], exact=False)
    assert (code / "large.bin").stat().st_size == 100
    assert not (code / "empty").exists()


def test_unchanged_copies_are_cleared_away_with_what_python_compiled(origin: Path, tmp_path: Path) -> None:
    code = tmp_path / "code"
    listed = filled(origin, code)
    (code / "package" / "__pycache__").mkdir()
    (code / "package" / "__pycache__" / "module.cpython-311.pyc").write_bytes(b"")
    clear(str(code), listed)
    assert content(code) == []
    assert content(origin) == ["empty", "large.bin", "package", "package/module.py", "train.py"]


def test_what_the_program_left_or_changed_stays(origin: Path, tmp_path: Path) -> None:
    code = tmp_path / "code"
    listed = filled(origin, code)
    (code / "model.pkl").write_text("model")
    (code / "package" / "module.py").write_text("# changed by the program")
    (code / "empty").unlink()
    (code / "empty").symlink_to("model.pkl")
    (code / "runs").mkdir()
    (code / "runs" / "log").write_text("1")
    before = [("model.pkl", 5), ("package/module.py", 24), ("runs/log", 1)]
    assert left_behind(str(code), listed) == before
    clear(str(code), listed)
    assert content(code) == ["empty", "model.pkl", "package", "package/module.py", "runs", "runs/log"]
    assert left_behind(str(code), listed) == left_behind(str(code), None) == before
    assert left_behind(str(code), None, most=2) == before[:2]
    assert left_behind(str(tmp_path / "absent"), None) == []


def test_a_change_that_keeps_the_size_is_a_change(origin: Path, tmp_path: Path) -> None:
    code = tmp_path / "code"
    listed = filled(origin, code)
    with (code / "large.bin").open("r+b") as file:
        file.write(b"0123")
    clear(str(code), listed)
    assert content(code) == ["large.bin"]


def test_nothing_is_removed_through_a_link_in_the_place_of_a_folder(origin: Path, tmp_path: Path) -> None:
    """The originals have the very sizes and times of the copies."""
    code = tmp_path / "code"
    listed = filled(origin, code)
    shutil.rmtree(code / "package")
    (code / "package").symlink_to(origin / "package")
    (origin / "package" / "__pycache__").mkdir()
    (origin / "package" / "__pycache__" / "module.cpython-311.pyc").write_bytes(b"")
    before = content(origin)
    clear(str(code), listed)
    assert content(origin) == before
    shutil.rmtree(code)
    code.symlink_to(origin)
    clear(str(code), listed)
    assert content(origin) == before


def test_the_kernel_is_asked_to_share_the_blocks_of_large_files_only(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    true = os.copy_file_range

    def counting(reading: int, writing: int, count: int) -> int:
        sizes.append(count)
        return true(reading, writing, count)

    monkeypatch.setattr(copies.os, "copy_file_range", counting)
    filled(origin, tmp_path / "code")
    assert sizes == [200_000]
