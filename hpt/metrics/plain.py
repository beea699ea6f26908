"""Finds the lines worth reading with `bytes.find`: how logs are read without the compiled reader.

The literals that a pattern requires are looked for in a block of the log at once, and only lines that hold
one are read with `re`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hpt.metrics.batch import Batch
from hpt.metrics.line import piece_end
from hpt.metrics.literals import Literal, rarity

BLOCK = 2**17
"""Bytes looked through at a time: a moment's work."""

WORTH_SHARING = 4.0
"""How rare a beginning that several literals share must be to be looked for in their place."""

_LINE = re.compile(rb"[^\r\n]+")
_LINE_END = re.compile(rb"[\r\n]")

_Group = tuple[bytes, list[tuple[bytes, int]]]
"""What several literals begin with, and each of them with the index of its definition."""


class PlainReader:
    """Finds the lines that hold what a pattern requires.

    literals: for each definition those of which a matching line holds one, as of `required_literals`.
    """

    def __init__(self, literals: Sequence[list[Literal] | None]) -> None:
        pairs = [(literal, index) for index, some in enumerate(literals) for literal in some or ()]
        self._groups = [
            *((False, group) for group in _grouped([(l.text, i) for l, i in pairs if not any(l.fold)])),
            *((True, group) for group in _grouped([(l.text.lower(), i) for l, i in pairs if any(l.fold)])),
        ]
        self._always = [index for index, some in enumerate(literals) if some is None]

    def scan(self, data: bytes, begin: int, stop: int, base: int, longest: int) -> Iterator[Batch]:
        """The lines of data[begin:stop], whole lines, that are to be read; offsets are counted from `base`.

        Each batch is a moment's work. Lines longer than `longest` are cut into pieces of that length.
        """
        while begin < stop:
            end = stop
            if begin + BLOCK < stop:
                end = data.rfind(b"\n", begin, begin + BLOCK) + 1 or piece_end(data, begin, stop, longest)
            block = data[begin:end]
            found: dict[tuple[int, int], int] = {}  # begin of a line and definition: end of the line
            for ignore_case, group in self._groups:
                _find(block.lower() if ignore_case else block, group, longest, found)
                if len(block) > BLOCK:
                    yield Batch(base + begin, [], [])  # others may have a turn
            if self._always:
                for first, last in _all_lines(block, longest):
                    found.update(((first, index), last) for index in self._always)
            offset = base + begin
            yield Batch(
                base + end,
                [],
                [
                    (0, index, block[first:last], offset + last + (block[last : last + 1] in _LINE_ENDS))
                    for (first, index), last in sorted(found.items())
                ],
            )
            begin = end


_LINE_ENDS = frozenset((b"\r", b"\n"))


def _find(block: bytes, group: _Group, longest: int, found: dict[tuple[int, int], int]) -> None:
    """Note in `found` the lines of whole lines that hold a literal of the group."""
    common, members = group
    carriage_returns = False
    floor = 0  # up to here lines were looked at
    place = block.find(common)
    if place >= 0:
        carriage_returns = b"\r" in block
    while place >= 0:
        first = block.rfind(b"\n", floor, place) + 1 or floor
        if carriage_returns:
            first = block.rfind(b"\r", first, place) + 1 or first
            ending = _LINE_END.search(block, place)
            last = ending.start() if ending else len(block)
        else:
            last = block.find(b"\n", place)
            if last < 0:
                last = len(block)
        if last - first > longest:
            first += (place - first) // longest * longest
            last = min(first + longest, last)
        for text, index in members:
            if block.find(text, first, last) >= 0:
                found[first, index] = last
        floor = last
        place = block.find(common, max(last, place + 1))


def _all_lines(block: bytes, longest: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each line, or piece of one, that is not empty."""
    for match in _LINE.finditer(block):
        for first in range(match.start(), match.end(), longest):
            yield first, min(first + longest, match.end())


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
