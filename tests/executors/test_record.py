"""What is written about an attempt."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt.executors import record


@pytest.mark.parametrize(
    ("left", "seconds"),
    [
        (None, 120.0),
        ("100\n", 100.0),
        ("300\n", 120.0),
        ("100\n100\n", 100.0),
        ("-5", 0.0),
        ("", 120.0),
        ("soon", 120.0),
    ],
)
def test_a_machine_that_goes_away_leaves_less_than_the_grace_period(
    tmp_path: Path, left: str | None, seconds: float
) -> None:
    if left is not None:
        (tmp_path / "grace").write_text(left)
    assert record.granted(str(tmp_path), 120.0) == seconds
