"""The machine finds what `re` finds, on every pattern it takes."""

from __future__ import annotations

import gc
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpt.metrics.fast import machine
from hpt.metrics.fast.plan import plan, plan_pattern
from hpt.metrics.literals import required_literals

ATOMS = st.sampled_from([
    "a", "b", "0", "1", "#", r"\t", "=", "x", ".", "[ab]", "[^a]", r"\d", r"\S", r"\w", r"\s", r"\.", "loss",
])  # fmt: skip
COUNTS = st.sampled_from(["", "", "", "*", "+", "?", "*?", "+?", "??", "{1,2}", "{2}", "{0,3}?", "{2,}"])
PARTS = st.recursive(
    st.tuples(ATOMS, COUNTS).map("".join),
    lambda inner: st.one_of(
        st.tuples(st.lists(inner, min_size=1, max_size=3).map("".join), COUNTS).map(
            lambda t: f"(?:{t[0]}){t[1]}"
        ),
        st.tuples(st.lists(inner, min_size=2, max_size=3).map("|".join), COUNTS).map(
            lambda t: f"(?:{t[0]}){t[1]}"
        ),
        st.tuples(inner, COUNTS).map(lambda t: f"({t[0]}){t[1]}"),
    ),
    max_leaves=6,
)
PATTERNS = st.tuples(
    st.sampled_from(["", "", "(?i)", "(?s)", "(?a)"]),
    st.sampled_from(["", "^", r"\b"]),
    st.lists(PARTS, max_size=2).map("".join),
    PARTS.map(lambda part: f"({part})"),
    st.lists(PARTS, max_size=2).map("".join),
    st.sampled_from(["", "", "$", r"\b", r"\B", r"\Z"]),
).map("".join)
COMMON_PARTS = st.lists(
    st.one_of(
        st.tuples(ATOMS, COUNTS).map("".join),
        st.tuples(ATOMS, ATOMS, COUNTS, st.sampled_from(["", "?", "??", "{1,2}"])).map(
            lambda t: f"(?:{t[0]}{t[1]}{t[2]}){t[3]}"
        ),
        st.tuples(ATOMS, COUNTS, ATOMS).map(lambda t: f"(?:{t[0]}{t[1]}|{t[2]})"),
    ),
    max_size=3,
).map("".join)
COMMON = st.tuples(
    st.sampled_from(["", "", "(?i)", "(?s)"]),
    st.sampled_from(["", "", "^"]),
    COMMON_PARTS,
    ATOMS,
    COMMON_PARTS.map(lambda parts: f"({parts})"),
    COMMON_PARTS,
    st.sampled_from(["", "", "$"]),
).map("".join)
"""Patterns that the machine takes, all but a few."""

LINES = st.text("ab01#=x. \tloSsK", min_size=1, max_size=16)


@contextmanager
def patience(seconds: float = 0.5) -> Iterator[None]:
    """`re` itself may not come to an end on a random pattern; it lets signals through."""

    def give_up(*_: object) -> None:
        raise TimeoutError

    former = signal.signal(signal.SIGALRM, give_up)
    gc.disable()  # what is raised in a callback of the collector's gets lost
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        gc.enable()
        signal.signal(signal.SIGALRM, former)


def matches(pattern: str, line: str) -> list[tuple[int, str]] | None:
    """What the machine finds: end and first group of each match; None if it gave up."""
    packed = plan([re.compile(pattern)])
    program, sets = (array.reshape(-1).tolist() for array in (packed.program, packed.sets))
    state = [100_000, 0, 0, 0]
    table = program, sets, [0] * machine.STACK, state
    text, end, first = line.encode(), len(line), int(packed.definitions[0, 1])
    found: list[tuple[int, str]] = []
    start = 0
    while (start := machine.search(table, 0, first, text, 0, end, start, end)) >= 0:
        found.append((start, line[state[machine.GROUP_START] : state[machine.GROUP_END]]))
    return None if start == machine.GAVE_UP else found


@given(PATTERNS | COMMON, LINES)
@settings(max_examples=1000, deadline=None)
def test_the_machine_finds_what_re_finds(pattern: str, line: str) -> None:
    try:
        if plan_pattern(pattern).program is None:
            return
        with patience():
            expected = [(match.end(), match[1]) for match in re.finditer(pattern, line)]
    except (re.error, TimeoutError):
        return
    found = matches(pattern, line)
    assert found is None or found == expected


@given(PATTERNS | COMMON, LINES)
@settings(max_examples=500, deadline=None)
def test_a_line_that_matches_holds_a_literal(pattern: str, line: str) -> None:
    """As printed, and with its TABs written as text."""
    try:
        literals = required_literals(pattern)
        with patience():
            hit = re.search(pattern, line) or re.search(pattern, line.replace("\t", "#011"))
    except (re.error, TimeoutError):
        return
    if hit and literals is not None:
        raw = line.encode()
        assert any(l.text in (raw.lower() if l.folded else raw) for l in literals), literals


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("loss=(.*?);", {"loss="}),
        (r"auc:([0-9\.]+)", {"auc:"}),
        (r"\[[0-9]+\].*#011validation-auc:(\S+)", {"validation-auc:"}),
        (r"(?:loss|error): (\d+)", {"loss", "error"}),
        ("(?:loss=)?([0-9]+)", None),
        ("([0-9.]+)", None),
        (r"(?i)VAL_acc=(\d)", {"val_acc="}),
        (r"(?i)loss=(\d)", {"lo"}),
        (r"x1=(\d)", {"x1="}),
        (r"=1(\d*)$", {"=1"}),
        (r"1=(\d)", {"="}),
        (r"a#(.)", {"a"}),
        ("(0)", None),
        (r"metric_01=(\d)", {"metric_01="}),
        (r"x#011yz(\d)#0", {"yz"}),
        ("\udcff\ud800ü=(1)", {"ü=1"}),
    ],
)
def test_literals_of_known_patterns(pattern: str, literals: set[str] | None) -> None:
    found = required_literals(pattern)
    assert (None if found is None else {l.text.decode() for l in found}) == literals


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(a)\1", "groupref"),
        ("(?<=x)(1)", "assert"),
        ("(?:a*){2}(1)", "may be empty"),
        ("(?:ab)*(1)", "without end"),
        ("(?:(a)|b)1", "no part"),
        ("(a*)", "match nothing"),
        (r"\b(a)", "boundary"),
        ("(?>a+)(1)", "atomic"),
    ],
)
def test_what_the_machine_cannot_run_is_said(pattern: str, reason: str) -> None:
    one = plan_pattern(pattern)
    assert one.program is None
    assert reason in one.describe()
    assert "read with re" in one.describe()


def test_the_published_patterns_run_in_the_machine_alone() -> None:
    for pattern in (
        "loss=(.*?);",
        r"auc:([0-9\.]+)",
        r"\[[0-9]+\].*#011validation-auc:(\S+)",
        "Loss = (.*?);",
    ):
        packed = plan([re.compile(pattern)])
        assert packed.definitions[0, 0] == 0
        assert "matched by the compiled reader" in packed.patterns[0].describe()
