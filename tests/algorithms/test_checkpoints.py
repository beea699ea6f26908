from __future__ import annotations

from pathlib import Path

import pytest

from hpt.algorithms.checkpoints import Checkpoints, write_atomically


def test_keeps_the_newest_five_and_counts_numerically(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", "model")
    for number in range(12):
        checkpoints.save(number, str(number).encode())
    assert checkpoints.numbers() == [11, 10, 9, 8, 7]
    assert next(checkpoints.newest_first()) == (11, b"11")
    assert len(list((tmp_path / "checkpoints").iterdir())) == 5


def test_upload_markers_and_strangers_are_not_checkpoints(tmp_path: Path) -> None:
    for name in (
        "model.3.sagemaker-uploading",
        "model.3.sagemaker-uploaded",
        "model.x",
        "other.4",
        ".model.9.partial",
    ):
        (tmp_path / name).write_bytes(b"")
    checkpoints = Checkpoints(tmp_path, "model")
    checkpoints.save(2, b"two")
    assert list(checkpoints.newest_first()) == [(2, b"two")]


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "extended", "unsealed", "folder"])
def test_damage_is_noticed(tmp_path: Path, damage: str) -> None:
    checkpoints = Checkpoints(tmp_path, "model")
    for number in (3, 4):
        checkpoints.save(number, b"content")
    path = tmp_path / "model.4"
    whole = path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        changed = {
            "empty": b"",
            "cut": whole[:-1],
            "flipped": b"C" + whole[1:],
            "extended": whole + b"0",
            "unsealed": b"content",
        }
        path.write_bytes(changed[damage])
    assert list(checkpoints.newest_first()) == [(4, None), (3, b"content")]


def test_a_missing_folder_holds_no_checkpoints(tmp_path: Path) -> None:
    assert list(Checkpoints(tmp_path / "none", "model").newest_first()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "file", b"old")

    def full_disk(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
