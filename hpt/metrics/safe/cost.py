"""How long `re` may take over a pattern, at worst.

`re` tries one way after another. A repeat of something that can itself match in several ways doubles them
with each character; several repeats in a row that can share out the same characters take a power of the
line's length.
"""

from __future__ import annotations

import functools
import itertools
from math import inf
from re import IGNORECASE, _constants  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from hpt.metrics.line import TAB_AS_TEXT
from hpt.metrics.syntax import CHARACTERS, END_OF_LINE, REPEATS, START_OF_LINE, members, parse

INSTANT = 1e5
"""So many steps take no time to speak of."""

HARMLESS = 4e6
"""So many steps are a matter of some tens of milliseconds."""

_TAB_AS_TEXT = TAB_AS_TEXT.encode()

MANY = 8  # a repeat with so much freedom counts


class SearchCost:
    """A bound on the steps of one search: starts * weight * length ** degree, or no bound at all.

    beginning: what every match begins with; a search starts where it stands. short: lines up to this length
    take an instant, whatever they hold.
    """

    def __init__(self, degree: float, weight: float, beginning: bytes) -> None:
        self.degree, self.weight, self.beginning = degree, weight, beginning
        self.unbounded = degree == inf
        # Lines up to these lengths take an instant, the second ones if a match can begin in one place alone.
        most = INSTANT / weight
        self._instant = -1.0 if self.unbounded else most ** (1 / (degree + 1)) - 1
        self.short = self._instant / 4
        self._once = -1.0 if self.unbounded or not beginning else most ** (1 / max(1.0, degree)) - 1

    def is_instant(self, line: bytes) -> bool:
        """Whether that line, and what it is with its TABs as text, is certainly done with at once."""
        length = 4 * len(line) if b"\t" in line else len(line)
        return length <= self._instant or (length <= self._once and line.count(self.beginning) < 2)

    def steps(self, line: bytes) -> float:
        """For that line, and for what it is with its TABs as text."""
        if self.unbounded:
            return inf
        line = line.replace(b"\t", _TAB_AS_TEXT)
        starts = line.count(self.beginning) if self.beginning else len(line) + 1
        return float(len(line) + starts * self.weight * (len(line) + 1) ** self.degree)


class _Next(NamedTuple):
    """What may follow a place of the pattern. first: the ASCII characters that can come there, 128 bytes of 0
    or 1, None if anything may. always: there is a way to match from there on that nothing in a line can end.
    """

    first: bytes | None
    always: bool

    def or_else(self, other: _Next) -> _Next:
        if self.first is None or other.first is None:
            return _Next(None, self.always or other.always)
        first = bytes(one | two for one, two in zip(self.first, other.first, strict=True))
        return _Next(first, self.always or other.always)


_ANYTHING = _Next(None, False)


def search_cost(pattern: str) -> SearchCost:
    """What `re` may need for the pattern."""
    tree, flags = parse(pattern)
    degree, weight, _ = _walk(tree, flags, _Next(None, True))
    beginning = ""
    if not flags & IGNORECASE:
        literals = itertools.takewhile(lambda node: node[0] is _constants.LITERAL, tree)
        beginning = "".join(chr(code) for _, code in literals)
    raw = beginning.encode("utf-8", "replace")
    return SearchCost(degree, weight, b"" if set(raw) & set(_TAB_AS_TEXT + b"?\t") else raw)


def _walk(nodes: Any, flags: int, after: _Next) -> tuple[float, float, _Next]:
    """Degree and weight of a sequence, and what may come at its start, `after` coming after its end."""
    degree, weight = 0.0, 1.0
    for op, argument in list(nodes)[::-1]:
        if op in CHARACTERS:
            after = _Next(_members((op, argument), flags), False)
        elif op in REPEATS:
            more, heavier, after = _repeat(argument, flags, after)
            degree, weight = degree + more, weight + heavier
        elif op is _constants.BRANCH:
            parts = [_walk(part, flags, after) for part in argument[1]]
            degree += max(part[0] for part in parts)
            weight *= sum(part[1] for part in parts)
            after = functools.reduce(_Next.or_else, (part[2] for part in parts))
        elif op is _constants.SUBPATTERN:
            _, added, removed, body = argument
            more, heavier, after = _walk(body, (flags | added) & ~removed, after)
            degree, weight = degree + more, weight + heavier - 1
        elif op in (_constants.ATOMIC_GROUP, _constants.ASSERT, _constants.ASSERT_NOT):
            body = argument if op is _constants.ATOMIC_GROUP else argument[1]
            more, heavier, _ = _walk(body, flags, _ANYTHING)
            degree, weight, after = degree + more, weight + heavier, _ANYTHING
        elif op is _constants.AT and argument in START_OF_LINE | END_OF_LINE:
            after = _Next(after.first if argument in START_OF_LINE else bytes(128), False)
        else:
            degree += inf if op is _constants.GROUPREF_EXISTS else op is _constants.GROUPREF
            after = _ANYTHING
    return degree, weight, after


def _repeat(argument: tuple[Any, Any, Any], flags: int, after: _Next) -> tuple[float, float, _Next]:
    """Degree and weight that a repeat adds, and what may come at its start."""
    least, most, body = argument
    endless = most is _constants.MAXREPEAT
    free = endless or most - least >= MANY
    times = 1 if endless else max(1, most)
    if len(body) == 1 and body[0][0] in CHARACTERS:
        first = _members(body[0], flags)
        closed = first is not None and after.first is not None and not any(map(min, first, after.first))
        return free and not closed and not after.always, times, _start(least, _Next(first, False), after)
    inner, weight, start = _walk(body, flags, after if most == 1 else _ANYTHING)
    least_width, most_width = body.getwidth()
    if free and (inner > 0 or weight > 1 or least_width != most_width):
        return inf, weight * times, _ANYTHING
    return inner * times + free, weight * times, _start(least, start, after)


def _start(least: int, repeated: _Next, after: _Next) -> _Next:
    return repeated if least else repeated.or_else(after)


def _members(node: tuple[Any, Any], flags: int) -> bytes | None:
    """As `members`; None of what is no ASCII character."""
    table = members(node, flags)
    return table if any(table) else None
