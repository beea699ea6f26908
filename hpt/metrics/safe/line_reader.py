"""Reads one line with `re`, where that is safe, and safely where it is not."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from typing import Any

from hpt.metrics.line import Match, decode, values_on_line
from hpt.metrics.safe.cost import HARMLESS, search_cost
from hpt.metrics.safe.isolated import LIMIT, IsolatedMatcher, TooSlowError
from hpt.metrics.syntax import parse, repeats_what_may_be_empty

RE2_WORK = 2e6
"""Length of a line times that of its pattern up to which RE2 takes some tens of milliseconds at most."""

_ASCII_IN_RE2 = re.compile(r"\\[wWdDsSbB]")  # classes that mean more to `re` once a line is not ASCII

SECONDS_A_STEP = 2e-8
LONGEST = 2.0
"""Seconds that a pattern which surely ends may take in the other process."""

MOST_SLOW_LINES = 10
"""So many lines may be too slow for a definition until it is read no further."""

Work = Generator[list[Match] | Future[list[float]], None, None]
"""Matches, a moment's work at a time; a future: it waits for another process."""

Reading = Generator[list[Match] | Future[list[float]], None, list[float]]
"""Values in the end; until then no matches, or a future."""


class LineReader:
    """The values of each definition on a line, in bounded time.

    A pattern that may take `re` too long on a line of that length is run by RE2 where that is installed and
    means the same; else in another process, for a limited time. A line that takes longer gives no value, and
    a warning says so; after MOST_SLOW_LINES of them the definition has failed: it gives no further values.

    warn: called with the warning. costs: of each definition's pattern. slow: how many lines were too slow,
    for each definition that had any. failed: why, for each definition that failed.
    """

    def __init__(
        self, names: Sequence[str], patterns: Sequence[re.Pattern[str]], warn: Callable[[str], None]
    ) -> None:
        self._names, self._warn = names, warn
        self._patterns = patterns
        self.costs = [search_cost(pattern.pattern) for pattern in patterns]
        self._re2 = [
            _re2(pattern) if cost.unbounded else None
            for pattern, cost in zip(patterns, self.costs, strict=True)
        ]
        self._matcher = IsolatedMatcher()
        self.slow: dict[int, int] = {}
        self.failed: dict[int, str] = {}
        self.hurried = False
        """Set it to wait for no other process any more: what only one can read gives no value."""

    def read(self, index: int, line: bytes) -> Reading:
        """The values of definition `index` on a line without its end, in pieces of work of some tens of
        milliseconds.
        """
        pattern, cost = self._patterns[index], self.costs[index]
        steps = cost.steps(line)
        yield []
        if steps <= HARMLESS:
            return values_on_line(pattern, decode(line))
        if index in self.failed or self.hurried:
            return []
        re2 = self._re2[index]
        short = 4 * len(line) * len(pattern.pattern) <= RE2_WORK
        if re2 is not None and short and (line.isascii() or not _ASCII_IN_RE2.search(pattern.pattern)):
            try:
                return values_on_line(re2, decode(line))
            except UnicodeEncodeError:
                pass  # RE2 wants UTF-8
        return (yield from self._isolated(index, line, steps))

    def _isolated(self, index: int, line: bytes, steps: float) -> Reading:
        """In a process that can be killed."""
        pattern = self._patterns[index].pattern
        seconds = steps * SECONDS_A_STEP
        # What surely ends may take as long as it takes.
        answer = self._matcher.ask(pattern, line, LIMIT + (seconds if seconds <= LONGEST else 0.0))
        while not answer.done():
            yield answer
            if index in self.failed or self.hurried:
                answer.cancel()
                return []
        try:
            return answer.result()
        except TooSlowError as error:
            self._note_slow(index, pattern, str(error))
            return []

    def _note_slow(self, index: int, pattern: str, error: str) -> None:
        """Count a line that was too slow; warn of the first, and of the one that is too many."""
        slow = self.slow[index] = self.slow.get(index, 0) + 1
        if slow == 1:
            consequence = "that line gives no value"
        elif slow == MOST_SLOW_LINES:
            consequence = f"it is read no further in this run, after {slow} such lines"
            self.failed[index] = error
        else:
            return
        self._warn(
            f"metric {self._names[index]!r}: {pattern!r} matches in countless ways: {error}; {consequence}; "
            "write the pattern without nested repeats"
        )


def _re2(pattern: re.Pattern[str]) -> Any:
    """The pattern compiled by google-re2, where that is installed and can express it."""
    text = pattern.pattern
    if "(?" in text.replace("(?:", "") or "[:" in text or "{," in text:
        return None  # flags, names, classes and counts that the two read differently
    if repeats_what_may_be_empty(parse(text)[0]):
        return None  # where each has corners of its own
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
