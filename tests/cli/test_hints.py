"""Commands that messages name: they do what they are named for when they are typed as they stand."""

from __future__ import annotations

import ast
import os
import re
import shlex
import signal
from pathlib import Path

import pytest

import hpt as hpt_package
from hpt import errors
from hpt.cli.hints import command, explain
from hpt.errors import HptError, StorageError, StorageProblem, Violation
from tests.cli.test_cli import Command, wait_until

HINT = re.compile(r"(?:: |`)hpt ([^`,\n]+)")


@pytest.fixture
def hpt(tmp_path: Path) -> Command:
    return Command(tmp_path)


def hint(text: str) -> list[str]:
    """The words after `hpt` of the one command that a message names."""
    [words] = HINT.findall(text)
    return shlex.split(words)


@pytest.mark.slow
def test_hints_find_a_job_in_another_state_directory(hpt: Command) -> None:
    path = str(hpt.slow(hpt.job(), 0.5))
    process = hpt.start("tune", path, "--state", "my jobs")
    wait_until(lambda: hpt.runs.exists())
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    resume = ["resume", "job", "--state", str(hpt.root / "my jobs")]
    assert hint(err.splitlines()[-1]) == resume
    assert hint(hpt("describe", "job", "--state", "my jobs")[0]) == resume
    assert hint(hpt("tune", path, "--state", "my jobs", code=2)[1]) == resume
    listing = hint(hpt("describe", "jab", "--state", "my jobs", code=2)[1])
    assert "Interrupted" in hpt(*listing)[0] and "InProgress" not in hpt(*listing)[0]
    assert "Completed" in hpt(*resume)[0]
    assert hint(hpt("list", "--state", "nowhere")[0])[-2:] == ["--state", str(hpt.root / "nowhere")]


def test_the_owner_s_end_is_hinted_at_with_its_state_directory(hpt: Command) -> None:
    process = hpt.start("tune", str(hpt.slow(hpt.job(), 20.0)), "--state", "jobs")
    wait_until(lambda: hpt.runs.exists())
    stop = hint(hpt("resume", "job", "--state", "jobs", code=2)[1])
    assert "Stopped" in hpt(*stop)[0]
    assert process.wait(timeout=60) == 3


def test_the_usual_state_directory_needs_no_naming(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HPT_HOME", str(tmp_path))
    assert command("resume a", tmp_path) == "hpt resume a"
    assert command("resume a", tmp_path / "b c") == f"hpt resume a --state '{tmp_path}/b c'"
    monkeypatch.delenv("HPT_HOME")
    assert command("list", Path(os.path.expanduser("~/.hpt"))) == "hpt list"  # noqa: PTH111


ROOT = "/some/state"
EXPLAINED: list[tuple[HptError, str]] = [
    (
        errors.StateDirectoryError("/f", "is a file"),
        "the state directory /f is a file; name another with --state or",
    ),
    (errors.JobNotFoundError("no job", name="a", root=ROOT), f"no job; `hpt list --state {ROOT}` shows"),
    (errors.JobNotFoundError("no job in memory", name="a"), "no job in memory"),
    (
        errors.JobOwnedError("run by 7; wait", 7, name="a", root=ROOT, reachable=True),
        f"`hpt stop a --state {ROOT}`",
    ),
    (
        errors.JobOwnedError("run by 7 elsewhere; stop it there", 7, name="a", root=ROOT),
        "elsewhere; stop it there",
    ),
    (
        errors.JobExistsError("taken", name="a", root=ROOT, unfinished=True),
        f"go on with it by `hpt resume a --state {ROOT}`, choose another name with --name, or use --again",
    ),
    (
        errors.JobExistsError("taken", name="a", root=ROOT),
        f"exists in {ROOT}; choose another name with --name",
    ),
    (
        errors.JobExistsError(
            "taken", name="a", root=ROOT, unfinished=True, differences=["x is 1", "y is 2"]
        ),
        "has another description: x is 1; y is 2. Go on",
    ),
    (
        StorageError("no write", fix="free space", problem=StorageProblem.FULL, name="a", root=ROOT),
        f"no write; free space, then `hpt resume a --state {ROOT}`",
    ),
    (
        StorageError("no job", fix="free space", problem=StorageProblem.FULL, root=ROOT),
        "free space, then try again",
    ),
    (
        StorageError("no trial", fix="make room", problem=StorageProblem.FULL),
        "make room, then `hpt resume` the job",
    ),
    (
        StorageError("no read", fix="make it readable", problem=StorageProblem.FORBIDDEN),
        "make it readable, or choose another state directory with --state",
    ),
    (
        StorageError("no journal", fix="keep it in a local directory", problem=StorageProblem.UNSAFE),
        "directory with --state",
    ),
    (errors.DependencyError("too old", library="boto3", path="/lib"), "too old (/lib): "),
    (
        errors.ValidationError(
            [
                Violation("code", "Image", "program", "no program is at t.py", {"tried": "/job/t.py"}),
                Violation("code", "Image", "program", "'xgboost' is not installed", {"extra": "xgboost"}),
            ]
        ),
        "no program is at t.py; looked at /job/t.py\n  Image: 'xgboost' is not installed; run: ",
    ),
]


@pytest.mark.parametrize(("error", "words"), EXPLAINED)
def test_facts_become_words_to_type(error: HptError, words: str) -> None:
    assert words in explain(error)


def test_a_program_that_may_not_run_comes_with_what_allows_it(tmp_path: Path) -> None:
    program = tmp_path / "my train"
    program.write_text("#!/bin/sh")
    said = explain(
        errors.ValidationError([Violation("c", "p", "program", "not executable", {"tried": str(program)})])
    )
    assert said.endswith(f"not executable; looked at {program}; run: chmod +x '{program}'")
    said = explain(
        errors.ValidationError([Violation("c", "p", "program", "no archive", {"tried": str(program)})])
    )
    assert said.endswith(f"no archive; looked at {program}")


PACKAGE = Path(hpt_package.__file__).parent
WORDS = re.compile(
    r"\bhpt (tune|resume|list|describe|trials|stop|check-metric|simulate)\b|(?<!\S)--[a-z]|HPT_HOME"
)


def test_layers_below_the_command_do_not_know_its_words() -> None:
    """Strings but for docstrings; built-in algorithms are programs, with words of their own, and so are a
    container engine and the units of a fleet's machines, which run the command besides.
    """
    units = {Path("fleet", "ec2", f"{name}.py") for name in ("head", "head_jobs", "node")}
    found = []
    for path in PACKAGE.rglob("*.py"):
        below = path.relative_to(PACKAGE)
        if below.parts[0] in ("cli", "algorithms") or below.name in ("container.py", "container_engine.py"):
            continue
        if below in units:
            continue
        nodes = list(ast.walk(ast.parse(path.read_text())))
        documents = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        strings = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in documents]
        found += [
            (path.name, node.value)
            for node in strings
            if isinstance(node.value, str) and WORDS.search(node.value) and node.value != "HPT_HOME"
        ]
    assert found == []
