"""A state directory that is moved, removed or replaced while its job runs: one error, nothing is started."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hpt.errors import StorageError
from hpt.running.session import Session
from tests.faults.jobs import FaultJob

WAYS: dict[str, tuple[Callable[[Path], object], str]] = {
    "moved": (lambda state: state.rename(f"{state}-moved"), "was moved or removed"),
    "removed": (lambda state: _remove(state), "was moved or removed"),
    "its job moved": (lambda state: (state / "faults").rename(state / "other"), "was moved or removed"),
    "its database removed": (lambda state: (state / "faults/job.sqlite").unlink(), "was moved or removed"),
    "replaced": (lambda state: _replace(state), "was replaced by another"),
    "its database replaced": (lambda state: _replace(state / "faults/job.sqlite"), "was replaced by another"),
}


def _remove(state: Path) -> None:
    while state.exists():  # programs that run put new files into it
        shutil.rmtree(state, ignore_errors=True)


def _replace(path: Path) -> None:
    other = path.with_name(f"{path.name}-before")
    path.rename(other)
    shutil.copytree(other, path) if other.is_dir() else shutil.copy(other, path)


@pytest.mark.parametrize(("change", "what"), WAYS.values(), ids=WAYS)
def test_the_tuner_ends_with_one_error(tmp_path: Path, change: Callable[[Path], object], what: str) -> None:
    state = tmp_path / "state"
    job = FaultJob(state, parallel=2, trials=4, pause=1.0)
    session = Session(state)
    with session.take(job.name) as runner:
        while not job.runs_by_name():
            runner.step()
        change(state)
        begun = _trials(tmp_path)
        with pytest.raises(StorageError) as caught:
            runner.run()
    message = str(caught.value)
    assert f"its state {what} while it ran; nothing further was started" in message
    assert "\n" not in message
    assert _trials(tmp_path) <= begun
    session.close()


def _trials(root: Path) -> set[str]:
    return {path.name for path in root.glob("**/trials/*")}
