"""How long `re` may take over a pattern, at worst.

`re` tries one way after another. Of a sequence it tries every way of the rest for every way of the first
part, so that ways multiply: a repeat of something that can itself match in several ways takes a power of
them, one without a bound doubles them with each character, and repeats in a row that can share out the same
characters take a power of the line's length. One way is all there is where the next character decides.

Notation: n is the length of a line. What a part of a pattern costs is bounded by two polynomials,

    ways  in which it can match from one place
    work  to try them all, what follows set aside, in steps of about 30 ns

A term is a weight and what it is multiplied by: a place anywhere in the line ("") or one where a certain
character stands. Places are chosen one after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from math import comb, inf
from re import ASCII, IGNORECASE, _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from hpt.metrics.line import TAB_AS_TEXT
from hpt.metrics.syntax import CHARACTERS, END_OF_LINE, REPEATS, members, parse

INSTANT = 5e4
"""So many steps take no time to speak of."""

HARMLESS = 1e6
"""So many steps are a matter of some tens of milliseconds at most."""

FEW = 32
"""A repeat with more freedom than this counts as one without a bound."""

SCAN, SCAN_SET = 0.1, 0.4
"""Steps that it takes to pass over a character in a run of one or any of them, and in one of a set."""

MOST_TERMS, MOST_PLACES, MOST_STEPS = 200, 12, 1e30
"""A pattern whose polynomial has more is taken to be endless."""

_TAB_AS_TEXT = TAB_AS_TEXT.encode()

_BEYOND_ASCII = "\u2003", "\u0663", "\u00e9", "\u20ac"
"""A blank, a digit, a letter and what is none of them: no class of `re` tells two alike of them apart."""

_END = 128 + len(_BEYOND_ASCII)
"""The place in a table of what can come next that stands for the end of the line."""

_NOTHING = bytes(_END + 1)


_Polynomial = dict[tuple[str, ...], float]
"""Weights by what they are multiplied by, sorted."""

_ONE: _Polynomial = {(): 1.0}


class SearchCost:
    """A bound on the steps of one search of a line, or no bound at all.

    beginning: what every match begins with; a search starts where it stands. short: lines up to this length
    take an instant, whatever they hold.
    """

    def __init__(self, work: _Polynomial | None, beginning: bytes) -> None:
        self._work, self.beginning = work, beginning
        self.unbounded = work is None
        self._instant = self._longest()
        self.short = self._instant / 4

    def _longest(self) -> int:
        """The length up to which any line takes an instant."""
        low, high = -1, 0 if self._work is None else int(INSTANT)
        while low + 1 < high:
            middle = (low + high) // 2
            terms = (self._work or {}).items()
            most = middle + sum(weight * _choices(middle, len(places) + 1) for places, weight in terms)
            low, high = (middle, high) if most <= INSTANT else (low, middle)
        return low

    def is_instant(self, line: bytes) -> bool:
        """Whether that line, and what it is with its TABs as text, is certainly done with at once."""
        length = 4 * len(line) if b"\t" in line else len(line)
        return length <= self._instant or self.steps(line) <= INSTANT

    def steps(self, line: bytes) -> float:
        """For that line, and for what it is with its TABs as text."""
        if self._work is None:
            return inf
        line = line.replace(b"\t", _TAB_AS_TEXT)
        total = float(len(line))
        starts = line.count(self.beginning) if self.beginning else 1
        counts: dict[str, int] = {}
        for places, weight in self._work.items():
            anywhere = places.count("")
            steps = starts * weight * _choices(len(line), anywhere + (not self.beginning))
            for character in places[anywhere:]:
                if character not in counts:
                    counts[character] = line.count(character.encode("utf-8", "surrogateescape"))
                steps *= counts[character]
            total += steps
        return total


def _choices(length: int, places: int) -> float:
    """In how many ways so many places can be chosen in a line, one after the other."""
    try:
        return float(comb(length + places, places))
    except OverflowError:
        return inf


def _sum(one: _Polynomial, other: _Polynomial) -> _Polynomial:
    return {key: one.get(key, 0.0) + other.get(key, 0.0) for key in one.keys() | other.keys()}


def _product(one: _Polynomial, other: _Polynomial) -> _Polynomial:
    if len(one) * len(other) > MOST_TERMS:
        raise _EndlessError
    result: _Polynomial = {}
    for places, weight in one.items():
        for others, heavier in other.items():
            key = tuple(sorted(places + others))
            result[key] = result.get(key, 0.0) + weight * heavier
            if len(key) > MOST_PLACES or not result[key] < MOST_STEPS:
                raise _EndlessError
    return result


class _EndlessError(Exception):
    """There is no bound, or one that is of no use."""


class _Next(NamedTuple):
    """What may follow a place of the pattern.

    first: what can come there, one byte of 0 or 1 each for the ASCII characters, those of _BEYOND_ASCII and
    the end of the line; None if anything may. always: there is a way to match from there on that nothing in a
    line can end. ends: with it the whole search ends. blind: steps until it is clear that nothing of `first`
    stands there. character: the only one that can come there, "" if there are several. at_once: `re` looks
    for it as it goes back.
    """

    first: bytes | None
    always: bool
    ends: bool = False
    blind: float = 1.0
    character: str = ""
    at_once: bool = False


class _Start(NamedTuple):
    """How a part of a pattern can begin. first: as of _Next. empty: in how many ways it matches nothing.
    blind: steps until it is clear that nothing of `first` stands there.
    """

    first: bytes | None
    empty: float
    blind: float

    def then(self, after: _Next, always: bool) -> _Next:
        """What may follow the place before it."""
        first = _either(self.first, after.first) if self.empty else self.first
        return _Next(first, always, always and after.ends, self.blind + self.empty * after.blind)


class _Cost(NamedTuple):
    """The polynomials in the head of this module. paid: with one way, its work is no more than a constant for
    each character it passes over and one.
    """

    ways: _Polynomial
    work: _Polynomial
    paid: bool = True

    @property
    def one_way(self) -> bool:
        return sum(self.ways.values()) <= 1 and () in self.ways

    def times(self, count: float) -> _Cost:
        """Of so many in a row, none of which is the end."""
        ways, work = _ONE, self.work
        for _ in range(int(count) - 1):
            ways = _product(ways, self.ways)
            work = _sum(work, _product(ways, self.work))
        return _Cost(_product(ways, self.ways), work, self.paid)

    def then(self, rest: _Cost) -> _Cost:
        """Of a sequence."""
        paid = self.paid and rest.paid and self.one_way and rest.one_way
        return _Cost(_product(self.ways, rest.ways), _sum(self.work, _product(self.ways, rest.work)), paid)

    def beside(self, other: _Cost, decided: bool) -> _Cost:
        """Of a choice, which the next character may decide."""
        ways = _sum(self.ways, other.ways)
        if decided:
            ways = {key: max(self.ways.get(key, 0.0), other.ways.get(key, 0.0)) for key in ways}
        return _Cost(ways, _sum(self.work, other.work), self.paid and other.paid and decided)


_STEP = _Cost(_ONE, _ONE)
_ANYTHING = _Next(None, False)
_SUCCESS = _Next(None, True)


def search_cost(pattern: str) -> SearchCost:
    """What `re` may need for the pattern."""
    tree, flags = parse(pattern)
    beginning = "" if flags & IGNORECASE else "".join(_literals(tree))
    raw = beginning.encode("utf-8", "surrogateescape")
    try:
        cost, _ = _walk(tree, flags, _SUCCESS._replace(ends=True))
    except _EndlessError:
        return SearchCost(None, raw)
    return SearchCost(cost.work, raw)


def _literals(nodes: Any) -> Iterator[str]:
    """The characters that every match of a sequence begins with."""
    for op, argument in nodes:
        if op is _constants.LITERAL and not 0xD800 <= argument < 0xDC80:
            yield chr(argument)
        elif op is _constants.SUBPATTERN and not argument[1] and not argument[2]:
            yield from _literals(argument[3])
            return
        elif op is not _constants.AT:
            return


def _walk(nodes: Any, flags: int, after: _Next) -> tuple[_Cost, _Next]:
    """What a sequence costs, and what may come at its start, `after` coming after its end."""
    total = _STEP
    for node in list(nodes)[::-1]:
        cost, after = _node(node, flags, after)
        total = cost.then(total)
    return total, after


def _node(node: tuple[Any, Any], flags: int, after: _Next) -> tuple[_Cost, _Next]:
    """The same of one node."""
    op, argument = node
    start = _start(node, flags)
    if op in CHARACTERS or op is _constants.AT:
        before = start.then(after, False)
        if op is _constants.LITERAL and not flags & IGNORECASE and not 0xD800 <= argument < 0xDC80:
            before = before._replace(character=chr(argument), at_once=True)
        return _STEP, before
    if op in REPEATS:
        cost = _repeat(op, argument, flags, after)
        return cost, start.then(after, argument[0] == 0 and after.always)
    if op is _constants.SUBPATTERN:
        _, added, removed, body = argument
        cost, following = _walk(body, (flags | added) & ~removed, after)
        return cost.then(_STEP), following._replace(at_once=False)
    if op is _constants.BRANCH:
        return _branch([_walk(part, flags, after) for part in argument[1]])
    if op is _constants.ATOMIC_GROUP:
        cost, _ = _walk(argument, flags, _SUCCESS)
        return cost._replace(ways=_ONE), start.then(after, False)
    if op in (_constants.ASSERT, _constants.ASSERT_NOT):
        cost, _ = _walk(argument[1], flags, _SUCCESS)
        return cost._replace(ways=_ONE, paid=False), _ANYTHING
    if op is _constants.GROUPREF:
        return _Cost(_ONE, {("",): SCAN, (): 1.0}, False), _ANYTHING
    raise _EndlessError  # a group that decides


def _branch(parts: list[tuple[_Cost, _Next]]) -> tuple[_Cost, _Next]:
    firsts = [following.first for _, following in parts]
    decided = all(_apart(one, other) for one, other in itertools.combinations(firsts, 2))
    total, _ = parts[0]
    first = firsts[0]
    for (cost, _), other in zip(parts[1:], firsts[1:], strict=True):
        total, first = total.beside(cost, decided), _either(first, other)
    blind = 1 + sum(following.blind for _, following in parts)
    always = any(following.always for _, following in parts)
    return total.then(_STEP), _Next(first, always, any(following.ends for _, following in parts), blind)


def _repeat(op: Any, argument: tuple[Any, Any, Any], flags: int, after: _Next) -> _Cost:
    """What a repeat costs."""
    least, most, body = argument
    endless = most is _constants.MAXREPEAT
    if op is _constants.POSSESSIVE_REPEAT:  # nothing in it is tried again
        after = after._replace(always=True)
    if len(body) == 1 and body[0][0] in CHARACTERS:
        return _run(op, body[0], flags, least, inf if endless else most, after)
    count = inf if endless else max(1.0, float(most))
    start = _start_of(body, flags)
    between = after
    if count > 1:  # it comes once more, or what is after it
        blind = 1 + start.blind + after.blind
        between = _Next(_either(start.first, after.first), after.always, False, blind)
    cost, first = _walk(body, flags, between)
    leaves = 1.0 if after.always or (start.empty == 0 and _apart(first.first, after.first)) else 2.0
    if least == most or count == 1:
        inner = cost if count == 1 else cost.times(count)
        return inner.then(_STEP) if least else inner.beside(_STEP, leaves == 1)
    if after.always:  # an iteration that has matched is not tried again
        cost = cost._replace(ways=_ONE)
    if cost.one_way and cost.paid:
        steps = 2 * sum(cost.work.values()) + 1 + after.blind
        total = _Cost(_ONE, {("",): steps, (): steps})
    elif cost.one_way and count > FEW:
        total = _Cost(_ONE, _product({("",): 1.0}, _sum(cost.work, {(): after.blind})), False)
    elif count == inf:
        raise _EndlessError
    else:
        total = cost.times(count)
    if leaves > 1:  # after each iteration
        free = count - least
        ways: _Polynomial = {("",): 1.0} if free > FEW else {(): free + 1}
        total = total._replace(ways=_product(total.ways, ways), paid=False)
    return total


def _run(op: Any, node: tuple[Any, Any], flags: int, least: int, most: float, after: _Next) -> _Cost:
    """What a repeat of one character costs."""
    if after.always and after.ends:  # what it passes over is never looked at again
        return _STEP
    greedy_and_known = op is _constants.MAX_REPEAT and after.at_once
    exits: _Polynomial = {("",): 1.0, (): 1.0} if most > FEW else {(): most - least + 1}
    if after.always or least == most:
        ways, trying = _ONE, 0.0
    elif _apart(_table(node, flags), after.first):
        ways, trying = _ONE, SCAN if greedy_and_known else after.blind
    else:
        trying = SCAN if greedy_and_known else 1.0
        ways = {(after.character,): 1.0} if after.character and most > FEW else exits
        ways = exits if most - least < FEW else ways
    trying += SCAN if node[0] in (_constants.LITERAL, _constants.ANY) else SCAN_SET
    length: _Polynomial = {("",): trying, (): 1.0} if most > FEW else {(): 1.0 + trying * most}
    return _Cost(ways, length)


def _start_of(nodes: Any, flags: int) -> _Start:
    """How a sequence can begin."""
    total = _Start(_NOTHING, 1.0, 1.0)
    for node in list(nodes)[::-1]:
        start = _start(node, flags)
        first = _either(start.first, total.first) if start.empty else start.first
        total = _Start(first, start.empty * total.empty, start.blind + start.empty * total.blind)
    return total


def _start(node: tuple[Any, Any], flags: int) -> _Start:
    """How a node can begin."""
    op, argument = node
    if op in CHARACTERS:
        return _Start(_table(node, flags), 0, 1)
    if op is _constants.AT:
        at_end = argument in END_OF_LINE
        return _Start(bytes(_END) + b"\1" if at_end else _NOTHING, float(not at_end), 1)
    if op in REPEATS:
        least, most, body = argument
        inner = _start_of(body, flags)
        times = 1 if inner.empty == 0 else min(float(most), least + 1.0)
        empty = _power(1 + inner.empty, times)
        blind = (1 + inner.blind) * times * empty
        return _Start(inner.first, 0.0 if least and not inner.empty else empty, blind)
    if op is _constants.SUBPATTERN:
        _, added, removed, body = argument
        return _start_of(body, (flags | added) & ~removed)
    if op is _constants.ATOMIC_GROUP:
        return _start_of(argument, flags)
    if op is _constants.BRANCH:
        first: bytes | None = _NOTHING
        empty, blind = 0.0, 1.0
        for part in argument[1]:
            start = _start_of(part, flags)
            first = _either(first, start.first)
            empty, blind = empty + start.empty, blind + start.blind
        return _Start(first, empty, blind)
    return _Start(None, 1, 1)


def _either(one: bytes | None, other: bytes | None) -> bytes | None:
    """The table of what is in one of two."""
    if one is None or other is None:
        return None
    return (int.from_bytes(one, "big") | int.from_bytes(other, "big")).to_bytes(len(one), "big")


def _apart(one: bytes | None, other: bytes | None) -> bool:
    """Whether two tables have nothing in common."""
    if one is None or other is None:
        return False
    return not int.from_bytes(one, "big") & int.from_bytes(other, "big")


def _table(node: tuple[Any, Any], flags: int) -> bytes:
    """What a node of one character matches, as of _Next."""
    return members(node, flags) + _beyond_ascii(node, flags) + b"\0"


def _beyond_ascii(node: tuple[Any, Any], flags: int) -> bytes:
    """The part of a table that is not ASCII. Of a single character or range there, all are taken to match."""
    op, argument = node
    items = argument if op is _constants.IN else [node]
    for kind, value in items:
        highest = value[1] if kind is _constants.RANGE else value
        if kind in (_constants.LITERAL, _constants.NOT_LITERAL, _constants.RANGE) and highest > 127:
            return b"\1" * len(_BEYOND_ASCII)
    state = _parser.State()
    state.flags = flags
    compiled = _compiler.compile(_parser.SubPattern(state, [node]), flags)
    table = bytes(compiled.match(character) is not None for character in _BEYOND_ASCII)
    if flags & IGNORECASE and not flags & ASCII:
        table = table[:2] + b"\1" + table[3:]  # letters that are the same as ASCII ones in another case
    return table


def _power(base: float, exponent: float) -> float:
    try:
        return float(base**exponent)
    except OverflowError:
        raise _EndlessError from None
