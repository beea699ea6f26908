"""How logs are read without the compiled reader: the literals that patterns require are looked for in a block
of lines, and `re` has to read the lines that hold one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

from hpt.metrics.line import Batch, Found, line_end
from hpt.metrics.literals import Literal, rarity

BLOCK = 2**12
"""Bytes looked through at a time: some dozens of lines."""

ENOUGH_BYTES, ENOUGH_FOUND = 2**19, 256
"""So many bytes, or so much that was found, make a batch."""

WORTH_SHARING = 4.0
"""How rare a beginning that several literals share must be to be looked for in their place."""

_Sought = tuple[int, bool, bytes]
"""A literal that a definition requires: its index, whether case does not matter, and the bytes."""

_Group = tuple[bytes, list[_Sought]]
"""What several literals begin with, and these."""


class PlainReader:
    """Finds the lines of a log that may say something; literals: those that each definition requires."""

    def __init__(self, literals: Sequence[list[Literal] | None]) -> None:
        pairs = [(i, literal) for i, some in enumerate(literals) for literal in some or ()]
        self._exact = _grouped([(i, False, literal.text) for i, literal in pairs if not literal.folded])
        self._folded = _grouped([(i, True, literal.text) for i, literal in pairs if literal.folded])
        self._always: list[_Sought] = [(i, False, b"") for i, some in enumerate(literals) if some is None]

    def scan(self, data: bytes, begin: int, stop: int, base: int) -> Iterator[Batch]:
        """What data[begin:stop], whole lines, says, a moment's work at a time; offsets are counted from
        `base`.
        """
        found: list[Found] = []
        given = begin
        while begin < stop:
            end = stop
            if begin + BLOCK < stop:
                end = data.rfind(b"\n", begin, begin + BLOCK) + 1 or line_end(data, begin + BLOCK, stop)
            self._search(data[begin:end], base + begin, found)
            begin = end
            if len(found) >= ENOUGH_FOUND or begin - given >= ENOUGH_BYTES or begin == stop:
                yield Batch(base + begin, found, bool(found))
                found = []
                given = begin

    def _search(self, block: bytes, offset: int, found: list[Found]) -> None:
        """Add the lines to be read of a block, which begins at an offset of the log."""
        folded = _standing(self._folded, block.lower()) if self._folded else []
        sought = sorted(self._always + folded + _standing(self._exact, block))
        if not sought:
            return
        stop = offset + len(block)
        for line in block.replace(b"\r", b"\n").split(b"\n"):
            offset += len(line) + 1
            lowered = line.lower() if folded else line
            last = -1
            for index, fold, text in sought:
                if text in (lowered if fold else line) and index != last and line:
                    last = index
                    found.append((index, line, offset if offset < stop else stop))


def _standing(groups: list[_Group], block: bytes) -> list[_Sought]:
    """The literals that stand in the block."""
    return [
        each
        for common, members in groups
        if common in block
        for each in members
        if len(members) == 1 or each[2] in block
    ]


def _common_beginning(first: bytes, second: bytes) -> bytes:
    """What both begin with; `os.path.commonprefix` is deprecated from Python 3.15 on."""
    pairs = enumerate(zip(first, second, strict=False))
    return first[: next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))]


def _grouped(sought: list[_Sought]) -> list[_Group]:
    """Literals with a beginning in common that is worth looking for, together."""
    groups: list[_Group] = []
    for each in sorted(sought, key=itemgetter(2)):
        common = b""
        if groups:
            common = _common_beginning(groups[-1][0], each[2])
        if rarity(common) >= WORTH_SHARING:
            groups[-1] = common, [*groups[-1][1], each]
        else:
            groups.append((each[2], [each]))
    return groups
