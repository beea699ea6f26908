"""No pattern, however written, holds up the reader of logs."""

from __future__ import annotations

import re
import time
import warnings

import pytest

from hpt.job import MetricDefinition
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.engine import Loader
from hpt.metrics.hostile import effort
from hpt.metrics.isolated import IsolatedMatcher, TooSlowError
from hpt.metrics.line import values_on_line
from hpt.metrics.plan import plan_pattern
from hpt.metrics.scanner import MetricScanner

HOSTILE = [
    "(a+)+$",
    "(a|a)*b(1)",
    "((a*)*)*c",
    r"(\w+\s?)+$",
    "(.*)*x",
    "(" + "|".join("a" * k + "x" for k in range(1, 30)) + ")+$",
    "(?:" + "|".join(f"a{{{k}}}" for k in range(1, 80)) + ")*(1)b",
]
LINES = [b"a" * 26 + b"!", b"a" * 1000 + b"!", b"aaaa aaaa " * 8 + b"!"]


@pytest.mark.parametrize("with_kernel", [False, True])
@pytest.mark.parametrize("pattern", HOSTILE)
def test_a_hostile_pattern_does_not_stall(pattern: str, with_kernel: bool) -> None:
    loader = Loader(10**18)
    loader.kernel = Loader().wait() if with_kernel else None
    definitions = CompiledDefinitions([MetricDefinition("bad", pattern)], loader)
    definitions.lines.values(0, b"a")  # what is made at the first use is not the point
    for line in LINES:
        scanner = MetricScanner(definitions)
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scanner.feed(line + b"\n")
        assert time.process_time() - start < 0.1


def test_forty_at_once_do_not_stall() -> None:
    loader = Loader(10**18)
    loader.kernel = Loader().wait()
    patterns = [f"({'a' * (i % 5 + 1)}+)+{'b' * (i // 5)}$" for i in range(40)]
    definitions = CompiledDefinitions([MetricDefinition(f"m{i}", p) for i, p in enumerate(patterns)], loader)
    assert len(definitions.lines.efforts) == 40
    scanner = MetricScanner(definitions)
    start = time.process_time()
    scanner.feed(b"a" * 26 + b"!\n" + b"a" * 60 + b"!\n")
    assert time.process_time() - start < 0.1


def test_what_only_a_process_can_stop_fails_the_metric_and_no_other() -> None:
    patterns = [r"(a+)+\1\1b$", "loss=([0-9.]+)"]
    definitions = CompiledDefinitions(
        [MetricDefinition(f"m{i}", p) for i, p in enumerate(patterns)], Loader(10**18)
    )
    scanner = MetricScanner(definitions)
    assert scanner.feed(b"aaaa loss=1\n") == [(1, 1.0, 12)]
    with pytest.warns(UserWarning, match=r"'m0'.*nested repeats"):
        matches = scanner.feed(b"b" + b"a" * 40 + b" loss=2\nloss=3\n")
    assert [(index, value) for index, value, _ in matches] == [(1, 2.0), (1, 3.0)]
    assert set(definitions.lines.failed) == {0}
    assert [value for _, value, _ in scanner.feed(b"b" + b"a" * 40 + b" loss=4\n")] == [4.0]


def test_the_isolated_matcher_answers_is_killed_and_comes_back() -> None:
    matcher = IsolatedMatcher()
    try:
        assert matcher.values(r"(\d+)", "1 22 nan é\udcff") == [1.0, 22.0]
        assert str(matcher.values(r"v=(\S+)", "v=nan v=inf")) == "[nan, inf]"
        assert matcher.values(r"#011(\d)", "\t7") == [7.0]
        start = time.monotonic()
        with pytest.raises(TooSlowError, match="no end within"):
            matcher.values(r"(a+)+\1$", "a" * 60 + "!")
        assert time.monotonic() - start < 1.0
        assert matcher.values(r"(\d)", "3") == [3.0]
    finally:
        matcher.close()


def test_efforts() -> None:
    bounded = ["loss=(.*?);", r"auc:([0-9\.]+)", "Loss = (.*?);", r"^(\d+) .* x$", "(?:ab){3}(c)"]
    unbounded = ["(a+)+$", "(?:ab|b)*(1)", r"(\w+\s?)+$", "(?=(a+)+$)(1)", "(?:a|ab){1,20}(x)"]
    assert [p for p in bounded if effort(plan_pattern(p)).unbounded] == []
    assert [p for p in unbounded if not effort(plan_pattern(p)).unbounded] == []
    assert effort(plan_pattern("loss=(.*?);")).harmless(1_000_000)
    assert not effort(plan_pattern("(.*)x(.*)y")).harmless(1_000_000)


@pytest.mark.filterwarnings("ignore:Possible nested set")
def test_where_re2_means_something_else_it_is_not_asked() -> None:
    for pattern, line in (
        ("((?:a*|.)*)", b"#011"),
        ("(?:[[:alpha:]]+)*(1)", b"a]1"),
        ("(?:b{,3}c)+(1)", b"bbc1"),
        (r"(?:\w+)+=(\d)", "é=1 ٣=٤".encode()),
    ):
        definitions = CompiledDefinitions([MetricDefinition("m", pattern)], Loader(10**18))
        assert effort(plan_pattern(pattern)).unbounded
        assert definitions.lines.values(0, line) == values_on_line(re.compile(pattern), line.decode())
