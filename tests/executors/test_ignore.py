"""Patterns of an ignore file: those of gitignore(5), as far as they go."""

from __future__ import annotations

import pytest

from hpt.executors.ignore import Ignore


@pytest.mark.parametrize(
    ("lines", "path", "out"),
    [
        (["*.log"], "a/b.log", True),
        (["*.log"], "b.log.txt", False),
        (["/b.log"], "a/b.log", False),
        (["/b.log"], "b.log", True),
        (["a/*.log"], "a/b.log", True),
        (["a/*.log"], "a/c/b.log", False),
        (["a/**/b"], "a/b", True),
        (["a/**/b"], "a/x/y/b", True),
        (["**/b"], "x/y/b", True),
        (["a/**"], "a/x/y", True),
        (["a/**"], "a", False),
        (["file?"], "file1", True),
        (["file?"], "file", False),
        (["[ab].txt"], "b.txt", True),
        (["[!ab].txt"], "b.txt", False),
        (["[!ab].txt"], "c.txt", True),
        (["[a-c]x"], "bx", True),
        (["[c-a]x"], "bx", False),  # no range; taken as it stands
        (["[c-a]x"], "[c-a]x", True),
        (["[open"], "[open", True),
        ([r"\#name"], "#name", True),
        (["# name"], "# name", False),
        ([r"\!name"], "!name", True),
        (["name   "], "name", True),
        (["", "   ", "/"], "name", False),
        (["*.txt", "!keep.txt"], "keep.txt", False),
        (["!keep.txt", "*.txt"], "keep.txt", True),
        (["a.b"], "axb", False),
        (["runs/"], "runs", False),  # a file of that name
        ([], ".env", True),
        ([], "x/.env", True),
        (["!.env"], ".env", False),
        ([], "m.pyc", True),
        ([], "m.py", False),
    ],
)
def test_a_file_is_left_out(lines: list[str], path: str, out: bool) -> None:
    assert (Ignore(lines).reason(path, folder=False) is not None) is out


def test_folders_are_told_from_files() -> None:
    ignore = Ignore(["runs/", "!.config/"])
    assert ignore.reason("runs", folder=True) == "runs/"
    assert ignore.reason("a/runs", folder=True) == "runs/"
    assert ignore.reason("__pycache__", folder=True) == "__pycache__/"
    assert ignore.reason(".git", folder=True) == ".*"
    assert ignore.reason(".config", folder=True) is None
