"""The table from rule to test is whole: every numbered rule has its tests, and every test it names exists."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from tests.behaviour.rules import RULES, STATEMENTS

ROOT = Path(__file__).parent.parent.parent
NUMBERED = {
    *(f"V{number:02}" for number in range(1, 35)),
    *(f"W{number}" for number in range(1, 12) if number not in (7, 9)),  # they ask nothing of a request
}
NAMED = {
    *chain.from_iterable((*held.rejects, *held.accepts, *held.without) for held in RULES.values()),
    *chain.from_iterable(STATEMENTS.values()),
}


@pytest.fixture(scope="module")
def nodes() -> list[str]:
    """Every test of the files that the table names."""
    files = sorted({name.partition("::")[0] for name in NAMED})
    command = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-m",
        "",
        "-p",
        "no:cacheprovider",
    ]
    run = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return [line for line in run.stdout.splitlines() if "::" in line]


def missing(names: set[str], nodes: list[str]) -> list[str]:
    """The names that find no test."""
    known = set(nodes)
    return sorted(
        name
        for name in names
        if not (any(node.startswith(name[:-1]) for node in nodes) if name.endswith("*") else name in known)
    )


def test_every_numbered_rule_has_tests_on_every_side() -> None:
    assert set(RULES) == NUMBERED
    assert [
        rule for rule, held in RULES.items() if not (held.rejects and held.accepts and held.without)
    ] == []


def test_every_section_that_is_named_is_in_the_documents() -> None:
    sections = set(re.findall(r'^#+ <a id="([0-9.]+)">', (ROOT / "docs/behaviour.md").read_text(), re.M))
    assert {statement.split()[0] for statement in STATEMENTS} - sections == set()


def test_every_statement_has_tests() -> None:
    assert [statement for statement, tests in STATEMENTS.items() if not tests] == []


def test_every_test_that_is_named_exists(nodes: list[str]) -> None:
    assert missing(NAMED, nodes) == []


def test_a_name_that_finds_no_test_is_noticed(nodes: list[str]) -> None:
    gone = {"tests/behaviour/test_table.py::test_gone", "tests/sagemaker/request/test_rules.py::test_gone*"}
    assert missing(gone | NAMED, nodes) == sorted(gone)
