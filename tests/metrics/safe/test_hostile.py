"""No pattern, however written, holds up the reader of logs."""

from __future__ import annotations

import gc
import random
import re
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, wait

import pytest

from hpt.job.catalog import ALGORITHMS
from hpt.job.config import MetricDefinition
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.fast.loader import Loader
from hpt.metrics.fast.plan import plan_pattern
from hpt.metrics.line import values_on_line
from hpt.metrics.pace import Pace
from hpt.metrics.safe.cost import HARMLESS, search_cost
from hpt.metrics.safe.isolated import IsolatedMatcher, TooSlowError
from hpt.metrics.scanner import MetricScanner
from tests.metrics.test_scanner import PATTERNS as PUBLISHED
from tests.reference import metrics as reference


@pytest.fixture(autouse=True)
def apart_from_other_tests() -> Iterator[None]:
    """What is measured here is not the collection of what thousands of other tests left in this process."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def values_of(definitions: CompiledDefinitions, line: bytes) -> list[float]:
    """The values of the first definition on a line, waited for."""
    reading = definitions.lines.read(0, line)
    while True:
        try:
            if isinstance(waiting := next(reading), Future):
                wait([waiting])
        except StopIteration as end:
            found: list[float] = end.value
            return found


def values(matcher: IsolatedMatcher, pattern: str, line: bytes) -> list[float]:
    return matcher.ask(pattern, line).result()


HOSTILE = [
    "(a+)+$",
    "(a|a)*b(1)",
    "((a*)*)*c",
    r"(\w+\s?)+$",
    "(.*)*x",
    "(" + "|".join("a" * k + "x" for k in range(1, 30)) + ")+$",
    "(?:" + "|".join(f"a{{{k}}}" for k in range(1, 80)) + ")*(1)b",
    # Repeats with bounds, whose choices multiply:
    "(?:[a-z]{0,7}){12} loss=([0-9.]+)",
    "(a?){30}a{30}",
    "(?:a{1,30}){1,30}b(1)",
    "((a?){10}){3}b",
    "(?:a|aa){1,20}x(1)",
    "(?:a?b?){15}c(1)",
    r"(\w+\s?){8}:(1)",
    "(?:.?){20}x(1)",
    "(?:a{0,3}){4}(?:a{0,3}){4}(?:a{0,3}){4}b(1)",
    "(.{0,9}){9}x(1)",
    "(?:a?){20}(?:a?){20}b(1)",
    "([a-z]?[a-z]?[a-z]?){10}!!(1)",
    r"(?:\s*\w+\s*){6}=(1)",
    # Optional groups in each other, and choices that a character does not decide:
    "((?:ab?)?(?:ab?)?(?:ab?)?(?:ab?)?){5}c",
    "(?:(?:ab?){1,4}){1,5}c(1)",
    "(?:(?:(?:a?){2}){3}){4}b(1)",
    "(?:a?|b?)" * 20 + "c(1)",
    "(?:a|b|ab){12}c(1)",
    # What stands in lookarounds, atomic groups and back references:
    "(?=(?:a?){25}b)(1)",
    "(?!(?:a|aa){15}b)(1)",
    "(?>(?:a?){20}a{0,30}){9}c(1)",
    r"(a+)\1*\1*\1*x",
    r"(?:(a)|(b))+(?(1)a*a*a*x|(1))",
    # Characters beyond ASCII that only some sets share:
    "(?:[aé]+[bé]?)+$(1)",
    "(?i:(?:k+[\u212a]?)+)$(1)",
    r"(?:[\w]+[^\s!]?)+x(1)",
]
LINES = [
    b"a" * 26 + b"!",
    b"a" * 1000 + b"!",
    b"aaaa aaaa " * 8 + b"!",
    "éaéa".encode() * 30 + b"!",
    "k\u212a".encode() * 30 + b"!",
    b"ab" * 40 + b" loss=n/a",
    b"a" * 1_000_000 + b"!",
]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("pattern", HOSTILE)
def test_a_hostile_pattern_does_not_stall(pattern: str, compiled: bool) -> None:
    loader = Loader(10**18)
    loader.reader = Loader().wait() if compiled else None
    definitions = CompiledDefinitions([MetricDefinition("bad", pattern)], loader)
    values_of(definitions, b"a")  # what is made at the first use is not the point
    for line in LINES:
        scanner = MetricScanner(definitions)
        start = time.thread_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scanner.feed(line + b"\n")
        assert time.thread_time() - start < 0.1, line[:20]


def test_what_is_taken_for_harmless_is() -> None:
    rng = random.Random(1)
    for _ in range(300):
        pattern = "".join(random_part(rng, 3) for _ in range(3)) + rng.choice(["(1)$", "x(1)", r"(\d)y"])
        try:
            compiled = re.compile(pattern)
        except re.error:
            continue
        cost = search_cost(pattern)
        for line in [*LINES[:6], b"ab " * 300, b"1" * 80]:
            if cost.steps(line) <= HARMLESS:
                start = time.thread_time()
                compiled.findall(line.decode())
                assert time.thread_time() - start < 0.1, (pattern, line)


def random_part(rng: random.Random, depth: int) -> str:
    kind = rng.random()
    if depth == 0 or kind < 0.3:
        return rng.choice(["a", "b", "[ab]", r"\w", r"\s", ".", r"\d", "[^a]", "é", " ", "[a-z]"])
    if kind < 0.6:
        count = rng.choice(["*", "+", "?", "{0,3}", "{2}", "{1,4}", "{5,}", "{0,40}", "{3,9}", "{12}"])
        return f"(?:{random_part(rng, depth - 1)}){count}{rng.choice(['', '', '?'])}"
    parts = [random_part(rng, depth - 1) for _ in range(rng.randint(2, 4))]
    return f"(?:{'|'.join(parts)})" if kind < 0.75 else "".join(parts)


@pytest.mark.parametrize(
    "pattern",
    [
        *PUBLISHED,
        r".*\[[0-9]+\].*#011validation-error:(\S+)",
        r"Train Epoch: \d+ \[\d+/\d+ \(\d+%\)\]\s+Loss: ([-+]?\d*\.?\d+)",
        r"'eval_loss': ([0-9]+(.|e\-)[0-9]+),?",
        *(metric.regex for algorithm in ALGORITHMS for metric in algorithm.metric_definitions[:1]),
    ],
)
def test_published_patterns_read_ordinary_lines_at_once(pattern: str) -> None:
    cost = search_cost(pattern)
    for line in (
        b"[7]\ttrain-auc:0.91\ttrain-error:0.2\tvalidation-auc:0.8\tvalidation-error:0.1",
        b"Train Epoch: 3 [12800/60000 (21%)]\tLoss: 0.123456 'eval_loss': 3.2e-05, epoch 3 acc 0.5",
        b"#quality_metric: host=algo-1, epoch=3, validation binary_f_1.0 <score>=0.7",
    ):
        assert cost.is_instant(line)


def test_forty_at_once_do_not_stall() -> None:
    loader = Loader(10**18)
    loader.reader = Loader().wait()
    patterns = [f"({'a' * (i % 5 + 1)}+)+{'b' * (i // 5)}$" for i in range(40)]
    definitions = CompiledDefinitions([MetricDefinition(f"m{i}", p) for i, p in enumerate(patterns)], loader)
    assert len(definitions.lines.costs) == 40
    scanner = MetricScanner(definitions)
    start = time.thread_time()
    scanner.feed(b"a" * 26 + b"!\n" + b"a" * 60 + b"!\n")
    assert time.thread_time() - start < 0.1


ALTERNATIVES = "|".join(f"{x}{y}" for x in "abcdefghijkl" for y in "abcdefghijklmn")[:490]
KINDS = [
    "({0}+)+{1}$",
    r"(a+)+\1b{0}$",
    r"(\w+\s?)+{1}$",
    f"({ALTERNATIVES}|{{0}})+$",
    "((a*)*)*c{0}",
    "(?:(a|ab|abc)+d?)*(?!{0}x)c",
    "(.*)(.*)(.*)(.*)(.*)x{0}",
    "(?:(?:a?|b?)(?:a?|b?)(?:a?|b?)(?:a?|b?)(?:a?|b?))+{0}x()",
]
FORTY = [
    KINDS[i % len(KINDS)].format("a" * (i // len(KINDS) + 1), "b" * (i // len(KINDS))) for i in range(40)
]


@pytest.mark.parametrize("compiled", [False, True])
def test_forty_of_every_kind_leave_the_loop_its_turns(compiled: bool) -> None:
    """No turn takes longer than 0.1 s, and in the end all is read, that which can be read rightly."""
    loader = Loader(10**18)
    loader.reader = Loader().wait() if compiled else None
    patterns = [*FORTY, "loss=([0-9.]+)"]
    definitions = CompiledDefinitions([MetricDefinition(f"m{i}", p) for i, p in enumerate(patterns)], loader)
    pieces = [
        b"a" * 26 + b"!",
        b"aaaa aaaa " * 20 + b"!",
        b"abcab" * 100,
        "é".encode() + b"ab" * 50,
        b"a" * 50_000,
    ]
    log = b"".join(piece + b" loss=0.5\n" for piece in pieces)
    scanner, pace = MetricScanner(definitions), Pace(0.04)
    longest, matches = 0.0, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while scanner.cursor < len(log):
            pace.begin()
            start = time.thread_time()
            matches += scanner.go_on(pace) if scanner.behind else scanner.feed(log, pace)
            longest = max(longest, time.thread_time() - start)
            time.sleep(0.001)
    assert longest < 0.1
    assert [value for index, value, _ in matches if index == 40] == [0.5] * len(pieces)


class Spent(Pace):
    """One piece of work at a time."""

    @property
    def spent(self) -> bool:
        return True


@pytest.mark.parametrize("compiled", [False, True])
def test_reading_in_pieces_finds_the_same_and_may_be_taken_over_anywhere(compiled: bool) -> None:
    loader = Loader(10**18)
    loader.reader = Loader().wait() if compiled else None
    patterns = [r"(\w)\1x=(\d)", r"x=(\d)", r"(?:a|(\d)\b|.?a)+\1", "y=([0-9.]+)", r"(?=.*y)(\d)"]
    definitions = CompiledDefinitions([MetricDefinition(f"m{i}", p) for i, p in enumerate(patterns)], loader)
    log = b"x=1 y=2\n" + "é x=3 y=4 44x=5\n".encode() + b"\nbbx=6 11 y=7\r\nx=8 a22" * 3
    whole = MetricScanner(definitions)
    expected = whole.feed(log) + whole.finish()
    assert expected == reference.scan(patterns, log)
    scanner, pace = MetricScanner(definitions), Spent(0)
    seen = scanner.feed(log, pace)
    turns = 0
    while scanner.behind:
        assert all(end <= scanner.cursor for _, _, end in seen)
        other = MetricScanner(definitions, scanner.cursor)
        assert seen + other.feed(log[scanner.cursor :]) + other.finish() == expected
        seen += scanner.go_on(pace)
        turns += 1
    assert turns > (1 if compiled else 5)
    scanner.feed(log, pace)
    with pytest.raises(ValueError, match="go on with that first"):
        scanner.feed(b"x=1\n")


def test_an_answer_nobody_waits_for_holds_up_no_other() -> None:
    matcher = IsolatedMatcher()
    slow, dropped, last = (matcher.ask(p, b"a" * 60 + b"!1") for p in (r"(a+)+\1$", r"(\w)", r"(\d)"))
    assert dropped.cancel()
    assert last.result(5.0) == [1.0]
    assert str(slow.exception()).startswith("no end within")
    first, second = matcher.ask(r"(a+)+\1$", b"a" * 60 + b"!"), matcher.ask(r"(\d)", b"2")
    first.cancel()
    assert second.result(5.0) == [2.0]
    assert values(matcher, r"x=(\d)", b"y" * 5_000_000 + b"x=7") == [7.0]


def test_what_surely_ends_may_take_long_in_the_other_process() -> None:
    definitions = CompiledDefinitions([MetricDefinition("m", r"bb(.*?)!")], Loader(10**18))
    line = b"xbb" + b" " * 5_000_000 + b"3!"
    assert not definitions.lines.costs[0].steps(line) <= HARMLESS
    assert values_of(definitions, line) == [3.0]


def test_a_pattern_whose_beginnings_are_countless_is_planned_at_once() -> None:
    start = time.thread_time()  # not of the threads that other tests have left compiling
    plan_pattern("(?:a?|b?)" * 50 + "(1)")
    assert time.thread_time() - start < 0.5


def test_a_line_that_only_a_process_can_stop_is_lost_and_no_other() -> None:
    patterns = [r"(a+)+\1\1b$", "loss=([0-9.]+)"]
    definitions = CompiledDefinitions(
        [MetricDefinition(f"m{i}", p) for i, p in enumerate(patterns)], Loader(10**18)
    )
    scanner = MetricScanner(definitions)
    assert scanner.feed(b"aaaa loss=1\n") == [(1, 1.0, 12)]
    slow = b"b" + b"a" * 40 + b" loss=2\n"
    with pytest.warns(UserWarning, match=r"'m0'.*that line gives no value.*nested repeats"):
        matches = scanner.feed(slow + b"loss=3\naaaaaab")
    assert [(index, value) for index, value, _ in matches] == [(1, 2.0), (1, 3.0)]
    assert not definitions.lines.failed
    with pytest.warns(UserWarning, match=r"'m0'.*read no further in this run, after 10 such lines"):
        matches = scanner.feed(b"\n" + slow * 11)
    assert [value for _, value, _ in matches] == [2.0] * 11
    assert set(definitions.lines.failed) == {0}


def test_in_a_hurry_nobody_waits_for_another_process() -> None:
    definitions = CompiledDefinitions(
        [MetricDefinition("bad", r"(a+)+\1$"), MetricDefinition("loss", r"loss=(\S+)")], Loader(10**18)
    )
    scanner, pace = MetricScanner(definitions), Pace(1.0)
    assert scanner.feed((b"a" * 60 + b"! loss=0.5\n") * 100, pace) == []
    assert scanner.behind
    definitions.lines.hurried = True
    matches = scanner.go_on(Pace(10.0))
    assert [value for _, value, _ in matches] == [0.5] * 100
    assert not scanner.behind


def test_the_isolated_matcher_answers_is_killed_and_comes_back() -> None:
    matcher = IsolatedMatcher()
    assert values(matcher, r"(\d+)", "1 22 nan é".encode() + b"\xff") == [1.0, 22.0]
    assert str(values(matcher, r"v=(\S+)", b"v=nan v=inf")) == "[nan, inf]"
    assert values(matcher, r"#011(\d)", b"\t7") == [7.0]
    start = time.monotonic()
    with pytest.raises(TooSlowError, match="no end within"):
        values(matcher, r"(a+)+\1$", b"a" * 60 + b"!")
    assert time.monotonic() - start < 1.0
    assert values(matcher, r"(\d)", b"3") == [3.0]


def test_costs() -> None:
    bounded = ["loss=(.*?);", r"auc:([0-9\.]+)", "Loss = (.*?);", r"^(\d+) .* x$", "(?:ab){3}(c)"]
    unbounded = ["(a+)+$", "(?:ab|a|b)*(1)", r"(\w+\s?)+$", "(?=(a+)+$)(1)", "(?:[aé]+[bé]?)+(1)"]
    assert [p for p in bounded if search_cost(p).unbounded] == []
    assert [p for p in unbounded if not search_cost(p).unbounded] == []
    line = b"loss=" + b" " * 500_000
    assert search_cost("loss=(.*?);").steps(line) <= 2 * HARMLESS
    assert search_cost("loss=(.*?);").steps(b"loss=" * 200_000) > HARMLESS
    assert search_cost("(.*)x(.*)y").steps(line) > HARMLESS


@pytest.mark.filterwarnings("ignore:Possible nested set")
def test_where_re2_means_something_else_it_is_not_asked() -> None:
    for pattern, line in (
        ("((?:a*|.)*)$", b"#011"),
        ("(?:[[:alpha:]]+|.)*(1)", b"a]1"),
        ("(?:b{,3}c?)+(1)", b"bbc1"),
        (r"(?:\w+)+=(\d)", "é=1 ٣=٤".encode()),
    ):
        definitions = CompiledDefinitions([MetricDefinition("m", pattern)], Loader(10**18))
        assert search_cost(pattern).unbounded
        assert values_of(definitions, line) == values_on_line(re.compile(pattern), line.decode())
