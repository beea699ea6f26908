"""Reads one line with `re`, where that is safe, and safely where it is not."""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Generator, Sequence
from concurrent.futures import Future, wait
from typing import Any

from hpt.metrics.batch import Batch, Match
from hpt.metrics.fast.plan import PatternPlan
from hpt.metrics.line import decode, values_on_line
from hpt.metrics.safe.cost import HARMLESS, SearchCost, search_cost
from hpt.metrics.safe.isolated import LIMIT, IsolatedMatcher, TooSlowError

RE2_WORK = 2e6
"""Length of a line times that of its pattern up to which RE2 takes some tens of milliseconds at most."""

SECONDS_A_STEP = 2e-8
LONGEST = 2.0
"""Seconds that a pattern which surely ends may take in the other process."""

Reading = Generator[Future[list[float]] | None, None, list[float]]
"""Gives the values in the end. In between it lets others have a turn; a future: it waits for that."""


class LineReader:
    """The values of each definition on a line, in bounded time.

    A pattern that may take `re` too long on a line of that length is run by RE2 where that is installed and
    means the same; else in a process that is killed when it takes too long, whereupon the definition has
    failed: it gives no further values, and a warning says so.

    costs: of each definition's pattern. failed: why, for each definition that failed.
    """

    def __init__(
        self, names: Sequence[str], patterns: Sequence[re.Pattern[str]], plans: Sequence[PatternPlan]
    ) -> None:
        self._names = names
        self._patterns = patterns
        self.costs: list[SearchCost] = [search_cost(plan) for plan in plans]
        self._re2 = [
            # What the machine refuses has corners in which RE2 is not of one mind with `re` either.
            _re2(pattern) if cost.unbounded and plan.program is not None else None
            for pattern, cost, plan in zip(patterns, self.costs, plans, strict=True)
        ]
        self._instant = [(cost.instant, cost.instant_once, cost.beginning) for cost in self.costs]
        self._matcher = IsolatedMatcher()
        self.failed: dict[int, str] = {}

    def read_at_once(self, batch: Batch, begin: int, end: int, matches: list[Match]) -> int:
        """Append to `matches` those of the batch up to its lines from number `begin` to `end`, but stop at a
        line that may take a moment; its number.
        """
        former = batch.lines[begin - 1][0] if begin else 0
        for number in range(begin, end):
            place, index, line, after = batch.lines[number]
            if place > former:
                matches += batch.matches[former:place]
                former = place
            limit, limit_once, beginning = self._instant[index]
            length = 4 * len(line) if b"\t" in line else len(line)
            if length > limit and (length > limit_once or line.count(beginning) > 1):
                return number
            for value in values_on_line(self._patterns[index], str(line, "utf-8", "surrogateescape")):
                matches.append((index, value, after))
        return end

    def read(self, index: int, line: bytes) -> Reading:
        """The values of definition `index` on a line without its end, in pieces of work of some tens of
        milliseconds.
        """
        pattern, cost = self._patterns[index], self.costs[index]
        steps = cost.steps(line)
        yield None
        if steps <= HARMLESS:
            return values_on_line(pattern, decode(line))
        if index in self.failed:
            return []
        re2 = self._re2[index]
        short = 4 * len(line) * len(pattern.pattern) <= RE2_WORK
        if re2 is not None and short and (line.isascii() or not _asks_about_letters(pattern.pattern)):
            try:
                return values_on_line(re2, decode(line))
            except UnicodeEncodeError:
                pass  # RE2 wants UTF-8
        return (yield from self._isolated(index, line, steps))

    def values(self, index: int, line: bytes) -> list[float]:
        """The same without pause."""
        reading = self.read(index, line)
        while True:
            try:
                if (waiting := next(reading)) is not None:
                    wait([waiting])
            except StopIteration as end:
                values: list[float] = end.value
                return values

    def _isolated(self, index: int, line: bytes, steps: float) -> Reading:
        """In a process that can be killed."""
        pattern = self._patterns[index].pattern
        seconds = steps * SECONDS_A_STEP
        # What surely ends may take as long as it takes.
        answer = self._matcher.ask(pattern, line, LIMIT + (seconds if seconds <= LONGEST else 0.0))
        while not answer.done():
            yield answer
            if index in self.failed:
                answer.cancel()
                return []
        try:
            return answer.result()
        except TooSlowError as error:
            if index not in self.failed:
                self.failed[index] = str(error)
                warnings.warn(
                    f"metric {self._names[index]!r}: {pattern!r} can match in endlessly many ways: {error}; "
                    "it is read no further in this run: write it without nested repeats",
                    stacklevel=2,
                )
            return []


def _re2(pattern: re.Pattern[str]) -> Any:
    """The pattern compiled by google-re2, where that is installed and can express it."""
    text = pattern.pattern
    if "(?" in text.replace("(?:", "") or "[:" in text or "{," in text:
        return None  # flags, names, classes and counts that the two read differently
    try:
        re2 = importlib.import_module("re2")
    except ImportError:
        return None
    try:
        options = re2.Options()
        options.log_errors = False
        return re2.compile(pattern.pattern, options=options)
    except re2.error:
        return None


def _asks_about_letters(pattern: str) -> bool:
    """Whether it uses classes that mean more to `re` than to RE2 once a line is not ASCII."""
    return re.search(r"\\[wWdDsSbB]", pattern) is not None
