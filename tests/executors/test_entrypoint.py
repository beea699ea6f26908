"""The entry point and arguments of a training job in place of its program's."""

from __future__ import annotations

from typing import Any

import pytest

from hpt.executors import entrypoint


def spec(**more: Any) -> dict[str, Any]:
    return {"environment": {}, **more}


def test_without_any_nothing_changes() -> None:
    assert not entrypoint.is_given(spec())  # of an earlier version
    assert not entrypoint.is_given(spec(entrypoint=[], arguments=[]))


def test_arguments_follow_the_program() -> None:
    assert entrypoint.command(spec(arguments=["--fast"]), ["python", "/code/train.py"]) == [
        "python",
        "/code/train.py",
        "--fast",
    ]


@pytest.mark.parametrize(
    ("word", "found"),
    [("sh", "/bin/sh"), ("./run.sh", "./run.sh"), ("/opt/run", "/opt/run"), ("no-such", "no-such")],
)
def test_the_entry_point_is_found_as_a_shell_finds_it(word: str, found: str) -> None:
    given = {"environment": {"PATH": "/nowhere:/bin"}, "entrypoint": [word, "-x"], "arguments": ["1"]}
    assert entrypoint.command(given, ["program"]) == [found, "-x", "1"]
