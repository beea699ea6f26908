from __future__ import annotations

from pathlib import Path

import pytest

from hpt.algorithms.checkpoints import Checkpoints, write_atomically
from hpt.algorithms.container import StopRequest
from hpt.algorithms.loop import Loop, Steps, UnsuitableError


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


def make_loop(folder: Path) -> tuple[Loop, list[str]]:
    printed: list[str] = []
    return Loop(Checkpoints(folder, "model"), StopRequest(), printed.append, "round", "num_round"), printed


def test_a_loop_goes_on_from_the_newest_checkpoint_that_fits(tmp_path: Path) -> None:
    loop, printed = make_loop(tmp_path)
    for number in range(5):
        loop.checkpoints.save(number, str(number).encode())
    (tmp_path / "model.3").write_bytes(b"damaged")

    def load(number: int, content: bytes) -> bytes:
        if number == 2:
            raise UnsuitableError("is of another model")
        return content

    assert loop.resume(4, load) == b"1"
    assert printed == [
        "hpt: checkpoint 4 is beyond num_round 4, passed over",
        "hpt: checkpoint 3 is damaged, passed over",
        "hpt: checkpoint 2 is of another model, passed over",
        "hpt: resuming after round 1 from model.1",
    ]
    assert loop.resume(0, load) is None


def test_steps_are_saved_once_they_are_done(tmp_path: Path) -> None:
    loop, _ = make_loop(tmp_path)
    steps = Steps(loop, 2, 9, lambda: b"", lambda done: done == 6)
    assert [(number, loop.checkpoints.numbers()) for number in steps] == [
        (2, []),
        (3, [2]),
        (4, [3, 2]),
        (5, [4, 3, 2]),
    ]
    assert (steps.done, loop.checkpoints.numbers()) == (6, [5, 4, 3, 2])
    for _number in Steps(loop, 6, 9, lambda: b""):
        break  # in the middle of a unit
    assert loop.checkpoints.numbers() == [5, 4, 3, 2]
    loop.stop.received = True
    assert list(Steps(loop, 6, 9, lambda: b"")) == []


def test_slow_checkpoints_are_written_less_often_and_the_last_one_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    loop, _ = make_loop(tmp_path)

    def slow() -> bytes:
        now[0] += 2
        return b""

    for _number in Steps(loop, 0, 12, slow):
        now[0] += 1
    assert loop.checkpoints.numbers() == [11, 7, 0]  # 2 s are a fifth of the time after 10 s
