"""The machine finds what `re` finds, on every pattern it takes."""

from __future__ import annotations

import gc
import random
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpt.metrics.fast import machine
from hpt.metrics.fast.plan import MACHINE, plan, plan_pattern
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


def matches(pattern: str, line: str, memo: bool) -> list[tuple[int, int, str | None]] | None:
    """What the machine finds: start, end and first group of each match; None if it gave up."""
    packed = plan([re.compile(pattern)])
    program, sets, first = (
        array.reshape(-1).tolist() for array in (packed.program, packed.sets, packed.first)
    )
    state, stack = [100_000, 0, 0, 0, 0, 0], [0] * machine.STACK
    text, end = line.encode(), len(line)
    found: list[tuple[int, int, str | None]] = []
    start, advance = 0, False
    while start <= end:
        failed = bytearray(len(packed.program) * (end + 1) // 8 + 1)
        table = program, sets, first, stack, failed, state
        outcome = machine.search(table, 0, 0, text, 0, end, start, end, advance, memo)
        if outcome == machine.GAVE_UP:
            return None
        if outcome != machine.MATCHED:
            break
        _, begin, start, group_start, group_end, _ = state
        group = line[group_start:group_end] if group_start >= 0 and group_end >= 0 else None
        found.append((begin, start, group))
        advance = begin == start
    return found


@given(PATTERNS, LINES, st.booleans())
@settings(max_examples=500, deadline=None)
def test_the_machine_finds_what_re_finds(pattern: str, line: str, memo: bool) -> None:
    try:
        if plan_pattern(pattern).program is None:
            return
        with patience():
            expected = [(match.start(), match.end(), match[1]) for match in re.finditer(pattern, line)]
    except (re.error, TimeoutError):
        return
    found = matches(pattern, line, memo)
    assert found is None or found == expected


@given(PATTERNS, LINES)
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
        assert any(
            all(
                raw[i + k] | fold == byte | fold
                for k, (byte, fold) in enumerate(zip(l.text, l.fold, strict=True))
            )
            for l in literals
            for i in range(len(raw) - len(l.text) + 1)
        ), literals


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("loss=(.*?);", {"loss="}),
        (r"auc:([0-9\.]+)", {"auc:"}),
        (r"\[[0-9]+\].*#011validation-auc:(\S+)", {"#011validation-auc:", "\tvalidation-auc:"}),
        (r"(?:loss|error): (\d+)", {"loss", "error"}),
        ("(?:loss=)?([0-9]+)", None),
        ("([0-9.]+)", None),
        (r"(?i)VAL_acc=(\d)", {"val_acc="}),
        (r"x1=(\d)", {"x1="}),
        (r"=1(\d*)$", {"=1"}),
        (r"1=(\d)", {"1=", "\t="}),
        (r"a#(.)", {"a#", "a\t"}),
        ("(0)", {"0", "\t"}),
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
        ("(?:a*)*(1)", "may be empty"),
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
        assert packed.definitions[0, 0] == MACHINE
        assert "matched by the compiled reader" in packed.patterns[0].describe()


def test_work_is_bounded_on_patterns_that_hang_re() -> None:
    rng = random.Random(0)
    for pattern in ("(a+)+$", "(a|a)*b(1)", r"(\w+\s?)+$", "((a|aa)+)+x", "(?:a?){30}(a{30})"):
        for line in ("a" * 26 + "!", "".join(rng.choice("aab ") for _ in range(60)) + "!"):
            assert plan_pattern(pattern).program is None or matches(pattern, line, memo=True) is not None
