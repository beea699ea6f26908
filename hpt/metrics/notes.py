"""What a person should know about how a pattern reads a log: numbers it cuts, lines it misses, what it takes
for its metric and is another's.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hpt.metrics.cut_numbers import CutNumber, cut_number
from hpt.metrics.line import TAB_AS_TEXT, decode, number
from hpt.metrics.literals import Literal, required_literals
from hpt.metrics.pace import Pace
from hpt.metrics.safe.alarm import within
from hpt.metrics.safe.cost import SearchCost, search_cost

SLOW = 0.05
"""Seconds that a pattern may take over a line, or a beginning of it over some lines."""

TEMPLATES = 200
"""Lines that differ in more than digits, among which the nearest miss is searched."""

T = TypeVar("T")

_WORD_BEFORE = re.compile(r"[\w./-]*[A-Za-z_][\w./-]*\Z", re.ASCII)
_DIGITS = re.compile(r"\d+")


@dataclass
class Notes:
    """What was found, each with the line it was found on, the last one first.

    cuts: numbers read in part, at most one of those cut at the front, at the end and by separators each.
    missed: how many lines after the first with a value match up to the group and give none. beginning: the
    pattern as far as they match. several: the values of a line that gives more than one. other: what is
    read beside the metric, which belongs to a longer name. last: the last line with a value.
    """

    cuts: list[tuple[CutNumber, str]]
    missed: int = 0
    beginning: str = ""
    missed_line: str = ""
    several: tuple[list[float], str] | None = None
    other: tuple[str, str] | None = None
    last: str = ""


@dataclass(frozen=True)
class NearestMiss:
    """The longest beginning of a pattern that matches some line, that line, and what the group reads of it
    where all of the pattern matches.
    """

    pattern: str
    line: str
    read: str | None


class NoteTaker:
    """Examines lines with one pattern; pace: how long it may take."""

    def __init__(self, regex: str, pace: Pace) -> None:
        self._regex, self._pace = regex, pace
        self._pattern = _compiled(regex)
        self._cost = search_cost(regex)
        self._literals = required_literals(regex)
        self._beginning = _before_group(regex)

    def examine(self, lines: Sequence[bytes]) -> Notes:
        """What there is to note on the lines, from the last one on."""
        notes = Notes([])
        names: dict[str, str] = {}
        missed, missed_line = 0, ""
        wanted = self._literals if self._beginning is None else self._beginning[1]
        for line in reversed(lines):
            if self._pace.spent:
                break
            if not _holds(line, wanted):
                continue
            matches = self._matches(line)
            if matches is None:
                continue
            values = [value for match in matches if (value := number(match[1])) is not None]
            if values:
                text = decode(line)
                notes.last = notes.last or text
                self._note_values(notes, names, matches, values, text)
                if missed and not notes.missed:
                    notes.missed_line = missed_line
                notes.missed += missed
                missed = 0
            elif self._is_missed(line):
                missed_line = missed_line or decode(line)
                missed += 1
        if notes.missed and self._beginning is not None:
            notes.beginning = self._beginning[0]
        if len(names) > 1:
            name = max(names, key=len)
            notes.other = name, names[name]
        return notes

    def _note_values(
        self,
        notes: Notes,
        names: dict[str, str],
        matches: list[re.Match[str]],
        values: list[float],
        text: str,
    ) -> None:
        """Note what the values of a line tell."""
        if len(values) > 1 and notes.several is None:
            notes.several = values, text
        for match in matches:
            string = match.string
            cut = cut_number(string, match)
            if cut is not None and all(_kind(cut) != _kind(other) for other, _ in notes.cuts):
                notes.cuts.append((cut, text))
            if match.start() > 0 and number(match[1]) is not None:
                word = _WORD_BEFORE.search(string, max(0, match.start() - 60), match.start())
                begin = word.start() if word else match.start()
                if len(names) < 2:
                    names.setdefault(string[begin : match.start()], string[begin : match.end()][:100])
            elif number(match[1]) is not None:
                names.setdefault("", string[: match.end()][:100])

    def _matches(self, line: bytes) -> list[re.Match[str]] | None:
        """The matches that give the values of a line, if any; None where that takes too long."""
        text = decode(line)
        found = _in_time(self._cost, line, lambda: list(self._pattern.finditer(text)))
        if "\t" not in text or found is None or any(number(match[1]) is not None for match in found):
            return found
        text = text.replace("\t", TAB_AS_TEXT)
        return _in_time(self._cost, line, lambda: list(self._pattern.finditer(text)))

    def _is_missed(self, line: bytes) -> bool:
        if self._beginning is None or not _holds(line, self._beginning[1]):
            return False
        pattern, text = _compiled(self._beginning[0]), decode(line)
        found = within(SLOW, lambda: pattern.search(text) or pattern.search(_with_tabs(text)))
        return found is not None

    def nearest_miss(self, lines: Sequence[bytes]) -> NearestMiss | None:
        """The longest beginning of the pattern that matches some line of the log, and the last such line.

        None if not even its first character matches, or that was not found out in time. Where the whole
        pattern matches but yields no number, it is the whole pattern.
        """
        texts = _templates(lines)
        regex = self._regex
        for end in range(len(regex), 0, -1):
            if self._pace.spent:
                return None
            try:
                beginning = _compiled(regex[:end])
            except (re.error, OverflowError, RecursionError):
                continue
            if beginning.match("") is not None and end < len(regex):
                return None  # from here on it matches anything
            found = within(SLOW, lambda beginning=beginning: _first_match(beginning, texts))  # type: ignore[misc]
            if found is not None:
                line, match = found
                read = match[1] if end == len(regex) else None
                return NearestMiss(regex[:end], line, read)
        return None


def _first_match(pattern: re.Pattern[str], texts: Sequence[str]) -> tuple[str, re.Match[str]] | None:
    for text in texts:
        match = pattern.search(text) or ("\t" in text and pattern.search(_with_tabs(text)))
        if match:
            return text, match
    return None


def _in_time(cost: SearchCost, line: bytes, match: Callable[[], T]) -> T | None:
    """What a search of a line gives; None where that takes too long."""
    return match() if cost.is_instant(line) else within(SLOW, match)


def _with_tabs(text: str) -> str:
    return text.replace("\t", TAB_AS_TEXT)


def _kind(cut: CutNumber) -> tuple[bool, bool]:
    return cut.separated, cut.at_front


def _compiled(regex: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(regex)


def _holds(line: bytes, literals: list[Literal] | None) -> bool:
    """Whether one of the literals stands on the line."""
    return literals is None or any(
        literal.text in (line.lower() if literal.folded else line) for literal in literals
    )


def _templates(lines: Sequence[bytes]) -> list[str]:
    """The last lines that differ in more than their digits."""
    seen: dict[str, str] = {}
    for line in reversed(lines):
        text = decode(line)
        seen.setdefault(_DIGITS.sub("0", text[:1000]), text)
        if len(seen) == TEMPLATES:
            break
    return list(seen.values())


def _before_group(regex: str) -> tuple[str, list[Literal]] | None:
    """The pattern up to its first group, and the literals that lines must hold to match that; None where any
    line might.
    """
    place = _first_group(regex)
    if place is None:
        return None
    beginning, opened = place
    beginning += ")" * opened
    try:
        literals = required_literals(beginning)
        _compiled(beginning)
    except (re.error, OverflowError, RecursionError):
        return None
    return None if literals is None or min(len(each.text) for each in literals) < 2 else (beginning, literals)


def _first_group(regex: str) -> tuple[str, int] | None:
    """The text before the first group that captures, and how many parentheses are open there."""
    opened = i = 0
    while i < len(regex):
        character = regex[i]
        if character == "\\":
            i += 1
        elif character == "[":
            i += 2 if regex[i + 1 : i + 2] != "^" else 3  # a bracket in the first place is a member
            while i < len(regex) and regex[i] != "]":
                i += 2 if regex[i] == "\\" else 1
        elif character == "(":
            if regex[i + 1 : i + 2] != "?" or regex[i + 1 : i + 4] == "?P<":
                return regex[:i], opened
            opened += 1
        elif character == ")":
            opened -= 1
        i += 1
    return None
