"""Random patterns on random logs in random chunks: the scanner against the obvious reading.

    python -m tests.metrics.fuzz --seconds 3600

Runs for as long as asked and prints the first difference; `test_fuzz.py` runs it for a moment.
"""

from __future__ import annotations

import argparse
import itertools
import re
import struct
import time
import warnings

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from hpt.job.config import MetricDefinition
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.fast.loader import Loader
from hpt.metrics.scanner import MetricScanner
from tests.metrics.fast.test_machine import COMMON, PATTERNS, patience
from tests.metrics.test_scanner import FRAGMENTS
from tests.metrics.test_scanner import PATTERNS as PUBLISHED
from tests.reference import metrics as reference

LOGS = st.lists(
    st.sampled_from(FRAGMENTS)
    | st.text("ab01#=x. \tloSsK\n", max_size=12).map(str.encode)
    | st.binary(max_size=4),
    max_size=60,
).map(b"".join)
CUTS = st.lists(st.integers(0, 600), max_size=5).map(sorted)
CHOICES = st.lists(PATTERNS | COMMON | st.sampled_from(PUBLISHED), min_size=1, max_size=5)


def usable(pattern: str) -> bool:
    try:
        return re.compile(pattern).groups > 0
    except re.error:
        return False


def check(loader: Loader, patterns: list[str], log: bytes, cuts: list[int], seconds: float = 0.5) -> bool:
    """Whether the reference came to an end in time. Raises AssertionError where the scanner differs from
    it.
    """
    patterns = [pattern for pattern in patterns if usable(pattern)]
    try:
        with patience(seconds):
            expected = reference.scan(patterns, log)
    except TimeoutError:
        return False
    definitions = CompiledDefinitions([MetricDefinition(f"m{i}", p) for i, p in enumerate(patterns)], loader)
    scanner = MetricScanner(definitions)
    found = []
    for begin, end in itertools.pairwise([0, *(min(cut, len(log)) for cut in cuts), len(log)]):
        found += scanner.feed(log[begin:end])
    found += scanner.finish()
    failed = definitions.lines.failed

    def bits(matches: list[tuple[int, float, int]]) -> list[tuple[int, bytes, int]]:
        return [(i, struct.pack("d", value), end) for i, value, end in matches if i not in failed]

    assert bits(found) == bits(expected), (patterns, log, cuts)
    return True


def run(seconds: float, examples: int, loader: Loader) -> int:
    """Check for so long, in rounds of so many examples; how many rounds there were."""

    @given(CHOICES, LOGS, CUTS)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def differ(patterns: list[str], log: bytes, cuts: list[int]) -> None:
        check(loader, patterns, log, cuts)

    end = time.monotonic() + seconds
    rounds = 0
    while rounds == 0 or time.monotonic() < end:
        seed(rounds)(differ)()
        rounds += 1
    return rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--reader", choices=["compiled", "plain"], default="compiled")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    loader = Loader(10**18)
    if arguments.reader == "compiled":
        loader.reader = Loader().wait()
    rounds = run(arguments.seconds, 1000, loader)
    print(f"no difference in {rounds} rounds of 1,000 examples")


if __name__ == "__main__":
    main()
