"""How logs are read without the compiled reader: the literals that patterns require are looked for in a block
of lines, and `re` has to read the lines that hold one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os.path import commonprefix

from hpt.metrics.line import Batch, Found, line_end
from hpt.metrics.literals import Literal, rarity

BLOCK = 2**12
"""Bytes looked through at a time: some dozens of lines."""

ENOUGH_BYTES, ENOUGH_FOUND = 2**19, 256
"""So many bytes, or so much that was found, make a batch."""

WORTH_SHARING = 4.0
"""How rare a beginning that several literals share must be to be looked for in their place."""

_Group = tuple[bytes, list[tuple[bytes, int]]]
"""What several literals begin with, and each of them with the index of its definition."""


class PlainReader:
    """Finds the lines of a log that may say something; literals: those that each definition requires."""

    def __init__(self, literals: Sequence[list[Literal] | None]) -> None:
        pairs = [(literal, i) for i, some in enumerate(literals) for literal in some or ()]
        self._exact = _grouped([(literal.text, i) for literal, i in pairs if not literal.folded])
        self._folded = _grouped([(literal.text, i) for literal, i in pairs if literal.folded])
        self._always = {i for i, some in enumerate(literals) if some is None}

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
        exact = _standing(self._exact, block)
        folded = _standing(self._folded, block.lower()) if self._folded else []
        if not (exact or folded or self._always):
            return
        stop = offset + len(block)
        for line in block.replace(b"\r", b"\n").split(b"\n"):
            offset += len(line) + 1
            definitions = {index for text, index in exact if text in line}
            if folded:
                lowered = line.lower()
                definitions.update(index for text, index in folded if text in lowered)
            if (definitions or self._always) and line:
                found += [(i, line, min(offset, stop)) for i in sorted(definitions | self._always)]


def _standing(groups: list[_Group], block: bytes) -> list[tuple[bytes, int]]:
    """The literals that stand in the block."""
    return [
        (text, index)
        for common, members in groups
        if common in block
        for text, index in members
        if text == common or text in block
    ]


def _grouped(literals: list[tuple[bytes, int]]) -> list[_Group]:
    """Literals with a beginning in common that is worth looking for, together."""
    groups: list[_Group] = []
    for text, index in sorted(literals):
        common = commonprefix([groups[-1][0], text]) or b"" if groups else b""  # noqa: RUF071, no paths
        if rarity(common) >= WORTH_SHARING:
            groups[-1] = common, [*groups[-1][1], (text, index)]
        else:
            groups.append((text, [(text, index)]))
    return groups
