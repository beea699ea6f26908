"""Tests stand where what they test stands: `tests/` mirrors `hpt/`."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OTHERS = {"behaviour", "faults", "packaging", "programs", "reference", "stored"}
"""What is about more than one room: what the service does, kills at every moment, installations, programs to
train, slow twins, jobs that earlier versions stored.
"""
WITHOUT = {"testing"}
"""Rooms that are tests themselves."""


def folders(top: Path) -> set[str]:
    """The folders below one that hold Python, without what is generated."""
    return {str(path.parent.relative_to(top)) for path in top.rglob("*.py")} - {"."}


def test_every_folder_of_tests_has_its_room() -> None:
    mirrored = {folder for folder in folders(ROOT / "tests") if folder.split("/")[0] not in OTHERS}
    assert mirrored - folders(ROOT / "hpt") - {"search/core", "fleet/double"} == set()  # a module; AWS


def test_every_room_has_its_tests() -> None:
    rooms = {folder for folder in folders(ROOT / "hpt") if "/" not in folder}
    assert rooms - WITHOUT - folders(ROOT / "tests") == set()
