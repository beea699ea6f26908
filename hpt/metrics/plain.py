"""How logs are read without the compiled reader: with `bytes.find` and `re`, over many lines at once.

The literals that a pattern requires are looked for in a block of lines. Where one stands, the pattern runs
over the whole block if that finds the same as line by line; else the lines with a literal are read singly.
"""

from __future__ import annotations

import operator
import re
import warnings
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from hpt.metrics.batch import Batch, LineToRead, Match
from hpt.metrics.fast import machine
from hpt.metrics.fast.plan import PatternPlan
from hpt.metrics.line import TAB_AS_TEXT, number, piece_end
from hpt.metrics.literals import rarity
from hpt.metrics.safe.cost import HARMLESS, SearchCost

BLOCK = 2**13
"""Bytes looked through at a time: some hundred lines."""

ENOUGH_BYTES, ENOUGH_FOUND = 2**19, 256
"""So many bytes, or so much that was found, make a batch."""

WORTH_SHARING = 4.0
"""How rare a beginning that several literals share must be to be looked for in their place."""

_LINE_END = re.compile(rb"[\r\n]")
_END_OF_STRING = re.compile(r"\\[AZ]")

_Group = tuple[bytes, list[tuple[bytes, int]]]
"""What several literals begin with, and each of them with the index of its definition."""

_Found = tuple[int, int, float | bytes]
"""Offset after a line, index of a definition, and a value on that line or, if it is to be read, the line."""


class _Text(NamedTuple):
    """Lines of ASCII. lines: all together. width: of the longest. size: of the block they are from.

    ends: places of the ends of lines, and places_after: those after the same lines in the block, if others.
    """

    lines: str
    width: int
    size: int
    ends: list[int]
    places_after: list[int]

    @classmethod
    def of(cls, block: bytes, lines: list[bytes]) -> _Text:
        return cls(block.decode(), max(map(len, lines)), len(block), [], [])

    @classmethod
    def of_tabs(cls, block: bytes, lines: list[bytes]) -> _Text | None:
        """The lines with TABs, which stand in them as text; None if there are none."""
        if b"\t" not in block:
            return None
        texts, ends, places_after = [], [], []
        place, end = 0, -1
        for line in lines:
            place += len(line) + 1
            if b"\t" in line:
                texts.append(line.decode().replace("\t", TAB_AS_TEXT))
                end += len(texts[-1]) + 1
                ends.append(end)
                places_after.append(min(place, len(block)))
        return cls("\n".join(texts), max(map(len, texts)), len(block), ends, places_after)


class PlainReader:
    """Finds what definitions match, or lines that may hold it, in the blocks of a log."""

    def __init__(
        self, patterns: Sequence[re.Pattern[str]], plans: Sequence[PatternPlan], costs: Sequence[SearchCost]
    ) -> None:
        pairs = [(literal, i) for i, plan in enumerate(plans) for literal in plan.literals or ()]
        self._exact = _grouped([(literal.text, i) for literal, i in pairs if not any(literal.fold)])
        self._folded = _grouped([(literal.text.lower(), i) for literal, i in pairs if any(literal.fold)])
        self._always = {i for i, plan in enumerate(plans) if plan.literals is None}
        self._costs = costs
        self._over_lines = [_over_lines(pattern, plan) for pattern, plan in zip(patterns, plans, strict=True)]

    def scan(self, data: bytes, begin: int, stop: int, base: int, longest: int) -> Iterator[Batch]:
        """What data[begin:stop], whole lines, says; offsets are counted from `base`.

        Each batch is a moment's work. Lines longer than `longest` are cut into pieces of that length.
        """
        found: list[_Found] = []
        given = begin
        while begin < stop:
            end = stop
            if begin + BLOCK < stop:
                end = data.rfind(b"\n", begin, begin + BLOCK) + 1 or piece_end(data, begin, stop, longest)
            self._search(data[begin:end], base + begin, longest, found)
            begin = end
            if len(found) >= ENOUGH_FOUND or begin - given >= ENOUGH_BYTES or begin == stop:
                yield _batch(base + begin, found)
                found = []
                given = begin

    def _search(self, block: bytes, offset: int, longest: int, found: list[_Found]) -> None:
        """Add what is found in a block, which begins at an offset of the log."""
        candidates = self._always | _definitions(self._exact, block)
        if self._folded:
            candidates |= _definitions(self._folded, block.lower())
        if not candidates:
            return
        block = block.replace(b"\r", b"\n")
        lines = block.split(b"\n")
        if block.isascii() and max(map(len, lines)) <= longest:
            text, with_tabs = _Text.of(block, lines), _Text.of_tabs(block, lines)
            for index in list(candidates):
                values = self._values(index, text, offset)
                if values is not None and with_tabs is not None:
                    have = {after - offset for after, _, _ in values}
                    if not have.issuperset(with_tabs.places_after):
                        more = self._values(index, with_tabs, offset, have)
                        values = None if more is None else values + more
                if values is not None:
                    candidates.discard(index)
                    found += values
        if candidates:
            self._add_lines(lines, candidates, offset, offset + len(block), longest, found)

    def _values(
        self, index: int, text: _Text, offset: int, have: AbstractSet[int] = frozenset()
    ) -> list[_Found] | None:
        """The values of a definition on the lines of a block, those aside that are before a place in `have`;
        None if the lines are to be read one by one.

        Where no match goes over the end of a line, matches are those on each line: the ways to match on a
        line are among those to match over all, and are tried in the same order.
        """
        over_lines = self._over_lines[index]
        if over_lines is None:
            return None
        pattern, crosses = over_lines
        lines = text.lines
        if self._costs[index].steps_at_most(lines, len(lines) if crosses else text.width) > HARMLESS:
            return None
        values: list[_Found] = []
        line_end, after = -1, 0
        for match in pattern.finditer(lines):
            if crosses and "\n" in match[0]:
                return None
            value = number(match[1])
            if value is None:
                continue
            end = match.end()
            if end > line_end:
                line_end = lines.find("\n", end)
                if line_end < 0:
                    line_end = len(lines)
                after = min(line_end + 1, text.size)
                if text.ends:
                    after = text.places_after[bisect_left(text.ends, line_end)]
            if after not in have:
                values.append((offset + after, index, value))
        return values

    def _add_lines(
        self, lines: list[bytes], candidates: set[int], offset: int, stop: int, longest: int,
        found: list[_Found],
    ) -> None:  # fmt: skip
        """Add the lines, or pieces of them, that may say something to a candidate."""
        exact, folded = (
            [(text, i) for _, members in groups for text, i in members if i in candidates]
            for groups in (self._exact, self._folded)
        )
        always = self._always & candidates
        for line in lines:
            after = min(offset + len(line) + 1, stop)
            for place in range(0, len(line), longest):
                piece = line[place : place + longest] if len(line) > longest else line
                indices = always | {index for text, index in exact if text in piece}
                if folded:
                    lowered = piece.lower()
                    indices |= {index for text, index in folded if text in lowered}
                end = after if place + longest >= len(line) else offset + place + longest
                found += [(end, index, piece) for index in indices]
            offset = after


def _batch(done: int, found: list[_Found]) -> Batch:
    """What was found in the order of lines, definitions and, as it is already, places."""
    matches: list[Match] = []
    lines: list[LineToRead] = []
    found.sort(key=_by_line_and_definition)
    for after, index, what in found:
        if isinstance(what, bytes):
            lines.append((len(matches), index, what, after))
        else:
            matches.append((index, what, after))
    return Batch(done, matches, lines)


_by_line_and_definition = operator.itemgetter(0, 1)


def _definitions(groups: list[_Group], block: bytes) -> set[int]:
    """Those of which a literal stands in the block."""
    return {
        index
        for common, members in groups
        if common in block
        for text, index in members
        if text == common or text in block
    }


def _over_lines(pattern: re.Pattern[str], plan: PatternPlan) -> tuple[re.Pattern[str], bool] | None:
    """The pattern to run over many lines at once to find what is found line by line, and whether it could
    take the end of a line for a part of a match; None where there is no such pattern.
    """
    if plan.program is None or _END_OF_STRING.search(plan.pattern):
        return None
    rows, sets = plan.program.rows, plan.program.sets
    crosses = any(
        (op == machine.CHAR and a == 10)
        or (op in (machine.SET, machine.GREEDY, machine.LAZY) and sets[a][10] != 0)
        for op, a, *_ in rows
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(pattern.pattern, re.MULTILINE), crosses


def _grouped(literals: list[tuple[bytes, int]]) -> list[_Group]:
    """Literals with a beginning in common that is worth looking for, together."""
    groups: list[_Group] = []
    for text, index in sorted(literals):
        common = _common_beginning(groups[-1][0], text) if groups else b""
        if rarity(common.decode("latin-1")) >= WORTH_SHARING:
            groups[-1] = common, [*groups[-1][1], (text, index)]
        else:
            groups.append((text, [(text, index)]))
    return groups


def _common_beginning(one: bytes, other: bytes) -> bytes:
    pairs = zip(one, other, strict=False)
    return one[: next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(one), len(other)))]
