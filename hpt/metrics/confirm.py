"""Reads one line with `re`, where that is safe, and safely where it is not."""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Generator, Sequence
from typing import Any

from hpt.metrics import machine
from hpt.metrics.hostile import Effort, effort
from hpt.metrics.isolated import LIMIT, IsolatedMatcher
from hpt.metrics.line import TAB_AS_TEXT, decode, number, values_on_line
from hpt.metrics.plan import MACHINE, Plan

PATIENCE = 20_000
"""Steps of the machine, run by the interpreter: some tens of milliseconds."""

MEMORY = 2**20
"""Bytes for what the machine remembers."""

RE2_WORK = 2e6
"""Length of a line times that of its pattern up to which RE2 takes some tens of milliseconds at most."""

SECONDS_A_STEP = 2e-8
LONGEST = 2.0
"""Seconds that a pattern which surely ends may take in the other process."""

Reading = Generator[bool, None, list[float]]
"""Gives the values in the end. In between it lets others have a turn; True: it waits for another process."""


class LineReader:
    """The values of each definition on a line, in bounded time.

    A pattern that may take `re` too long on a line of that length is run by the machine, whose work is
    bounded, if the machine can; else by RE2 where that is installed and means the same; else in a process
    that is killed when it takes too long, whereupon the definition has failed: it gives no further values,
    and a warning says so.

    failed: why, for each definition that failed.
    """

    def __init__(self, names: Sequence[str], patterns: Sequence[re.Pattern[str]], plan: Plan) -> None:
        self._names = names
        self._patterns = patterns
        self._plan = plan
        self.efforts: list[Effort] = [effort(one) for one in plan.patterns]
        self._re2 = [
            # What the machine refuses has corners in which RE2 is not of one mind with `re` either.
            _re2(pattern) if one.unbounded and planned.program is not None else None
            for pattern, one, planned in zip(patterns, self.efforts, plan.patterns, strict=True)
        ]
        # The machine's arrays as Python's own, which the interpreter reads fastest.
        self._program: list[int] = plan.program.reshape(-1).tolist()
        self._sets, self._first = plan.sets.tobytes(), plan.first.tobytes()
        self._isolated = IsolatedMatcher()
        self.failed: dict[int, str] = {}

    def at_once(self, index: int, line: bytes) -> list[float] | None:
        """The values of definition `index` on a line without its end; None if that may take a moment."""
        if self.efforts[index].instant(len(line) * (4 if b"\t" in line else 1)):
            return values_on_line(self._patterns[index], decode(line))
        return None

    def read(self, index: int, line: bytes) -> Reading:
        """The values of definition `index` on a line without its end, in pieces of work of some tens of
        milliseconds.
        """
        pattern = self._patterns[index]
        length = len(line) * (4 if b"\t" in line else 1)
        yield False
        if self.efforts[index].harmless(length):
            return values_on_line(pattern, decode(line))
        if index in self.failed:
            return []
        if line.isascii() and self._plan.definitions[index, 0] == MACHINE:
            values = self._with_machine(index, line)
            if values is not None:
                return values
            yield False
        re2 = self._re2[index]
        short = length * len(pattern.pattern) <= RE2_WORK
        if re2 is not None and short and (line.isascii() or not _asks_about_letters(pattern.pattern)):
            try:
                return values_on_line(re2, decode(line))
            except UnicodeEncodeError:
                pass  # RE2 wants UTF-8
        return (yield from self._apart(index, line, self.efforts[index].steps(length)))

    def values(self, index: int, line: bytes) -> list[float]:
        """The same without pause."""
        values = self.at_once(index, line)
        reading = self.read(index, line)
        while values is None:
            try:
                if next(reading):
                    self.wait()
            except StopIteration as end:
                values = end.value
        return values

    def wait(self) -> None:
        """Wait a moment for the other process."""
        self._isolated.work(0.05)

    def _apart(self, index: int, line: bytes, steps: float) -> Reading:
        """In a process that can be killed."""
        pattern = self._patterns[index].pattern
        seconds = steps * SECONDS_A_STEP
        limit = LIMIT + (
            seconds if seconds <= LONGEST else 0.0
        )  # what surely ends may take as long as it takes
        question = self._isolated.ask(pattern, line, limit)
        while not question.ended:
            yield True
            if index in self.failed:
                self._isolated.drop(question)
                return []
            self._isolated.work(0.0)
        if question.values is None and index not in self.failed:
            self.failed[index] = question.error
            warnings.warn(
                f"metric {self._names[index]!r}: {pattern!r} can match in endlessly many ways: "
                f"{question.error}; it is read no further in this run: write it without nested repeats",
                stacklevel=2,
            )
        return question.values or []

    def _with_machine(self, index: int, line: bytes) -> list[float] | None:
        values = self._machine_values(index, line)
        if values == [] and b"\t" in line:
            return self._machine_values(index, line.replace(b"\t", TAB_AS_TEXT.encode()))
        return values

    def _machine_values(self, index: int, line: bytes) -> list[float] | None:
        """The values on an ASCII line as it stands; None if there was not patience enough."""
        plan = self._plan
        base, after = (int(row) for row in plan.definitions[index, 1:3])
        end = len(line)
        if (after - base) * (end + 1) >> 3 >= MEMORY:
            return None
        failed = bytearray(((after - base) * (end + 1) >> 3) + 1)
        state = [PATIENCE, 0, 0, 0, 0]
        stack = [0] * machine.STACK
        values: list[float] = []
        start, advance = 0, False
        while start <= end:
            outcome = machine.search(
                self._program, base, self._sets, self._first, index, line, 0, end, start, end, advance, stack,
                failed, True, state,
            )  # fmt: skip
            if outcome == machine.GAVE_UP:
                return None
            if outcome != machine.MATCHED:
                break
            failed = bytearray(len(failed))
            _, match_start, start, group_start, group_end = state
            advance = match_start == start
            if 0 <= group_start < group_end:
                value = number(line[group_start:group_end].decode())
                if value is not None:
                    values.append(value)
        return values


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
