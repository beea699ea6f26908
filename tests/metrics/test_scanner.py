"""What a log says, read in any chunks, equals the obvious reading of the whole (behaviour 6.1)."""

from __future__ import annotations

import functools
import itertools
import math
import os
import random
import struct
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpt.job.config import MetricDefinition
from hpt.metrics import scanner as scanner_module
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.fast.loader import Loader
from hpt.metrics.line import Match
from hpt.metrics.scanner import MAX_LINE, MetricScanner
from tests.reference import metrics as reference

PATTERNS = (
    "loss=(.*?);",
    r"auc:([0-9\.]+)",
    r"\[[0-9]+\].*#011validation-auc:(\S+)",
    "Loss = (.*?);",
    r"epoch [0-9]+ .* acc ([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)",
    r"([0-9]+)$",
    r"(x)?y=(\d)",
)


@pytest.fixture(params=["plain", "compiled"], autouse=True, scope="module")
def loader(request: pytest.FixtureRequest) -> Iterator[Loader]:
    """Every test runs with each way of reading."""
    global LOADER
    LOADER = Loader(10**18)
    if request.param == "compiled":
        LOADER.reader = Loader().wait()
        assert LOADER.reader is not None
    yield LOADER
    LOADER = Loader(10**18)


LOADER = Loader(10**18)


@functools.cache
def definitions(patterns: tuple[str, ...], loader: Loader) -> CompiledDefinitions:
    return CompiledDefinitions([MetricDefinition(f"m{i}", p) for i, p in enumerate(patterns)], loader)


def compiled(*patterns: str) -> CompiledDefinitions:
    return definitions(patterns, LOADER)


def scan(patterns: tuple[str, ...], log: bytes, cuts: list[int] | None = None) -> list[Match]:
    scanner = MetricScanner(compiled(*patterns))
    matches: list[Match] = []
    places = [0, *sorted(cuts or []), len(log)]
    for begin, end in itertools.pairwise(places):
        matches += scanner.feed(log[begin:end])
    matches += scanner.finish()
    assert scanner.cursor == len(log)
    return matches


def bits(matches: list[Match]) -> list[tuple[int, bytes, int]]:
    """Matches that compare to the last bit, NaN included."""
    return [(index, struct.pack("d", value), end) for index, value, end in matches]


def values(pattern: str, log: bytes) -> list[float]:
    return [value for _, value, _ in scan((pattern,), log)]


@pytest.mark.parametrize(
    ("pattern", "log", "expected"),
    [
        ("Loss = (.*?);", b"step 1 Loss = 0.25; more\n", [0.25]),
        ("loss=([0-9.]+)", b"loss=1 loss=2\nloss=3\n", [1.0, 2.0, 3.0]),
        ("loss=([0-9.]+)", b"no newline loss=1", [1.0]),
        ("loss=([0-9.]+)", b"\r 10% loss=1\r 20% loss=2\r\ndone", [2.0]),
        ("loss=([0-9.]+)", b"\rloss=1\rloss=2 loss=3\r    \rloss=\nloss=4\r", [2.0, 3.0, 4.0]),
        ("loss=([0-9.]+)", b"loss=1\r\nloss=2\r\n", [1.0, 2.0]),
        ("loss=([0-9.]+)", b"loss=1\rloss=2\rloss=3", [3.0]),  # a program that never ends its line
        (r".*\[[0-9]+\].*#011error:(\S+)", b"[0]\tauc:0.9\terror:0.1\tlogloss:0.8\n", [0.1]),
        (r"#011error:(\S+)", b"[0]#011auc:0.9#011error:0.1#011valid_auc:0.8\n", [0.1]),
        (r"error:(.*)", b"[0]\terror:\t1\tauc:0.8\nerror:2\t_\n", [2.0]),
        ("loss=(.*)", b"loss= 3e-05 \n", [3e-05]),
        ("loss=(.*)", b"loss=1_000\nloss=abc\nloss=\nloss=0x10\n", []),
        ("loss=(.*)", b"loss=inf\nloss=-Infinity\nloss=+.5\nloss=5.\n", [math.inf, -math.inf, 0.5, 5.0]),
        ("loss=(?:(a)|b)1", b"loss=b1\n", []),
        (r"auc:([0-9\.]+)", b"auc:3.2e-05 auc:1.2.3\n", [3.2]),
        (r"#011validation-auc:(\S+)", b"[3]\ttrain-auc:0.9\tvalidation-auc:0.8\n", [0.8]),
        (r"#011validation-auc:(\S+)", b"[3]#011train-auc:0.9#011validation-auc:0.8\n", [0.8]),
        (r"\tvalidation-auc:(\S+)", b"[3]\ttrain-auc:0.9\tvalidation-auc:0.8\n", [0.8]),
        (r"#011auc:(\S+)", b"#011auc:1 \tauc:2\n", [1.0]),
        (r"#011auc:(\S+)", b"#011auc:x \tauc:2\n", [2.0]),
        ("(.)", b"\tnan\n\t_\t\n", [0.0, 1.0, 1.0] * 3),
        ("loss=(.*);", b"loss=\xff\xfe1;\nloss=\x001;\nloss=2;\n", [2.0]),
        ("ü=(.*);", "ü=7;\n".encode(), [7.0]),
        ("(.*)", "٣٤\n".encode(), [34.0]),
        (r"loss=(\d)$", b"loss=1\r\nloss=2\n", [1.0, 2.0]),
        ("^(1)$", b"1\n\n1\r\r\n1", [1.0, 1.0, 1.0]),
        ("^(1)$", b"1\r1\r\r\n1\r1", [1.0, 1.0]),
    ],
)
def test_worked_examples(pattern: str, log: bytes, expected: list[float]) -> None:
    assert values(pattern, log) == expected
    assert [value for _, value, _ in reference.scan([pattern], log)] == expected


def test_matches_come_by_line_then_definition_then_place() -> None:
    log = b"b=1 a=2 b=3\na=4\n"
    assert scan(("a=(.)", "b=(.)"), log) == [(0, 2.0, 12), (1, 1.0, 12), (1, 3.0, 12), (0, 4.0, 16)]


def test_offsets_and_the_cursor_do_not_depend_on_chunks() -> None:
    log = b"a=1\r\na=2\ra=3\n\n\r\na=4"
    expected = [(0, 1.0, 4), (0, 3.0, 13), (0, 4.0, 19)]
    assert scan(("a=(.)",), log) == expected
    assert scan(("a=(.)",), log, list(range(len(log)))) == expected
    scanner = MetricScanner(compiled("a=(.)"), 1000)
    assert scanner.feed(b"a=1\r") == []
    assert scanner.cursor == 1000
    assert scanner.feed(b"\na=") == [(0, 1.0, 1004)]
    assert scanner.cursor == 1005
    assert scanner.feed(b"2") == []
    assert scanner.finish() == [(0, 2.0, 1008)]
    assert scanner.cursor == 1008


def test_each_metric_has_one_report_of_a_line_that_is_rewritten() -> None:
    log = b"a=1 b=1\ra=2\rb=3\rnothing\n" + b"\ra=%d b=%d" * 30 % (*range(60),) + b"\n"
    assert scan(("a=(\\d+)", "b=(\\d+)"), log) == [
        *[(0, 2.0, 16), (1, 3.0, 16)],
        *[(0, 58.0, len(log)), (1, 59.0, len(log))],
    ]


def test_patterns_of_one_metric_have_one_report_of_a_line_that_is_rewritten() -> None:
    metrics = [MetricDefinition("step", f"- ([0-9.]+){unit}/step") for unit in ("s", "ms")]
    scanner = MetricScanner(CompiledDefinitions(metrics, LOADER))
    assert scanner.feed(b"\r- 9ms/step\r- 2s/step\n\r- 1s/step\r- 8ms/step\n") == [(0, 2.0, 22), (1, 8.0, 44)]


def test_a_line_rewritten_for_long_is_read_again_no_further_than_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scanner_module, "MAX_LINE", 50)
    log = b"".join(b"a=%02d\r" % i for i in range(40))
    expected = reference.scan(["a=(..)"], log, piece=50)
    assert [value for _, value, _ in expected] == [9.0, 19.0, 29.0, 39.0]
    for step in (1, 7, 10**6):
        assert scan(("a=(..)",), log, list(range(0, len(log), step))) == expected
    scanner = MetricScanner(compiled("a=(..)"))
    for i in range(0, len(log), 5):
        scanner.feed(log[i : i + 5])
        assert i + 5 - scanner.cursor <= 55


def test_a_long_line_is_cut_and_memory_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner_module, "MAX_LINE", 1000)
    log = b"x" * 997 + b"a=1a=2" + b"x" * 5000 + b"a=3\na=4\n"
    expected = reference.scan(["a=(.)"], log, piece=1000)
    assert [value for _, value, _ in expected] == [1.0, 2.0, 3.0, 4.0]
    for step in (1, 7, 999, 1000, 1001, 10**6):
        assert scan(("a=(.)",), log, list(range(0, len(log), step))) == expected


def test_a_line_of_exactly_the_longest_length_is_whole() -> None:
    log = b"a=1" + b" " * (MAX_LINE - 3) + b"\na=2\n"
    assert scan((r"a=(.)\s*$",), log) == [(0, 1.0, MAX_LINE + 1), (0, 2.0, MAX_LINE + 5)]


def test_an_endless_line_takes_bounded_memory() -> None:
    scanner = MetricScanner(compiled("a=(.);"))
    chunk = b"no end " * 150_000
    tracemalloc.start()
    try:
        for _ in range(100):
            assert scanner.feed(chunk) == []
        assert tracemalloc.get_traced_memory()[1] < 6 * MAX_LINE
    finally:
        tracemalloc.stop()
    assert scanner.feed(b"a=1;\n") == [(0, 1.0, 100 * len(chunk) + 5)]


@pytest.mark.filterwarnings("ignore:metric")
def test_a_line_full_of_what_every_pattern_looks_for_takes_bounded_memory() -> None:
    patterns = tuple(f"a+b(\\d){'c' * i}" for i in range(5))
    line = b"a" * 2_000_000 + b"b1\n"
    scan(patterns, b"ab1\n")
    tracemalloc.start()
    try:
        assert scan(patterns, line + b"ab2c\n") == [
            (0, 1.0, len(line)),
            (0, 2.0, len(line) + 5),
            (1, 2.0, len(line) + 5),
        ]
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


FRAGMENTS = [
    *b"loss=|Loss = |auc:|validation-auc:|#011|\t|[12]|;| |epoch 3 | acc |y=1|x|e5|.|+|-|_".split(b"|"),
    *b"0.5|-1e-3|1_0|nan|inf|12345678901234567890|\x1c|\xff|\xc3\xa9|\x00|\n|\r|\r\n".split(b"|"),
]
LOGS = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=3), max_size=40).map(b"".join)


@given(LOGS, st.lists(st.integers(0, 200), max_size=6))
@settings(max_examples=int(os.environ.get("HPT_TEST_EXAMPLES", "400")), deadline=None)
@example(b"loss=1;\r\nloss=2;", [8])
def test_any_log_in_any_chunks_is_read_like_the_whole(log: bytes, cuts: list[int]) -> None:
    cuts = [min(cut, len(log)) for cut in cuts]
    assert bits(scan(PATTERNS, log, cuts)) == bits(reference.scan(PATTERNS, log))


def test_a_scanner_resumed_at_any_cursor_goes_on() -> None:
    rng = random.Random(5)
    log = b"".join(rng.choice(FRAGMENTS) for _ in range(300))
    expected = bits(reference.scan(PATTERNS, log))
    for cut in range(0, len(log), 3):
        first = MetricScanner(compiled(*PATTERNS))
        seen = first.feed(log[:cut])
        second = MetricScanner(compiled(*PATTERNS), first.cursor)
        seen = seen + second.feed(log[first.cursor :]) + second.finish()
        assert bits(seen) == expected
