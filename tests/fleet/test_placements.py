"""An attempt is given to one node only, whoever asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt.errors import StorageError
from hpt.executors.base import AttemptKey
from hpt.fleet.placements import Placement, Placements

KEY = AttemptKey("job-001", 1)
HERE, THERE = Placement("a" * 56, True, "10.0.0.1"), Placement("b" * 56, False, "10.0.0.2")


def test_the_first_choice_holds_for_every_process(tmp_path: Path) -> None:
    first, second = Placements(tmp_path), Placements(tmp_path)
    assert first.of(KEY) is None
    assert first.place(KEY, lambda: None) is None
    assert first.place(KEY, lambda: HERE) == HERE
    assert second.place(KEY, lambda: THERE) == HERE
    assert second.place(AttemptKey("job-001", 2), lambda: THERE) == THERE
    assert first.of(AttemptKey("job-001", 2)) == Placements(tmp_path).of(AttemptKey("job-001", 2)) == THERE


def test_a_line_that_was_cut_short_costs_nothing_but_itself(tmp_path: Path) -> None:
    Placements(tmp_path).place(KEY, lambda: HERE)
    with (tmp_path / "nodes.log").open("ab") as file:
        file.write(b'["job-002", 1, "c')
    after = Placements(tmp_path)
    assert after.of(KEY) == HERE
    assert after.place(AttemptKey("job-003", 1), lambda: THERE) == THERE
    again = Placements(tmp_path)
    assert [again.of(AttemptKey(name, 1)) for name in ("job-001", "job-002", "job-003")] == [
        HERE,
        None,
        THERE,
    ]


def test_what_was_withdrawn_may_go_elsewhere(tmp_path: Path) -> None:
    first, second = Placements(tmp_path), Placements(tmp_path)
    first.place(KEY, lambda: HERE)
    assert second.of(KEY) == HERE
    first.withdraw(KEY)
    assert second.of(KEY) is None
    assert second.place(KEY, lambda: THERE) == THERE
    assert first.of(KEY) == THERE


def test_nothing_is_started_that_cannot_be_recorded(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="where a training job runs cannot be recorded"):
        Placements(tmp_path / "file" / "deep").place(KEY, lambda: HERE)
