"""Compiles a regular expression into a program for `hpt.metrics.fast.machine`.

The machine runs on ASCII lines only, where a character is a byte. It understands literals, sets, repeats,
groups, alternatives and anchors; what else a pattern may hold (references, looking around, atomic groups) it
refuses, and so it does a repeat of what may be empty: there the corners of `re` are its own.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from re import _constants  # type: ignore[attr-defined]
from typing import Any

from hpt.metrics.fast import machine as m
from hpt.metrics.syntax import members, parse

MAX_PROGRAM = 1000  # instructions; a pattern has at most 500 characters, but repeats multiply
UNBOUNDED = -1

_CHARACTERS = (_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN)
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)
_ANCHORS = {
    _constants.AT_BEGINNING: m.BEGIN,
    _constants.AT_BEGINNING_STRING: m.BEGIN,
    _constants.AT_BEGINNING_LINE: m.BEGIN,
    _constants.AT_END: m.END,  # no line holds a newline, so all ends are one
    _constants.AT_END_STRING: m.END,
    _constants.AT_END_LINE: m.END,
    _constants.AT_BOUNDARY: m.BOUNDARY,
    _constants.AT_NON_BOUNDARY: m.NOT_BOUNDARY,
}


class NotExpressibleError(Exception):
    """The machine cannot run this pattern; the text says what of it."""


@dataclass(slots=True)
class Program:
    """rows: (n, 6) instructions as in `hpt.metrics.fast.machine`. sets: ASCII members of each character set,
    128 bytes of 0 or 1. first: bytes a match can begin with, or None where it may begin with anything.
    """

    rows: list[list[int]] = field(default_factory=list)
    sets: list[bytes] = field(default_factory=list)
    first: bytes | None = None

    def beginning(self) -> bytes:
        """The characters that every match begins with."""
        rows = itertools.takewhile(lambda row: row[0] in (m.CHAR, m.SAVE), self.rows)
        return bytes(a for op, a, *_ in rows if op == m.CHAR)

    def always_matches(self, pc: int) -> bool:
        """Whether from that instruction on there is a way that nothing in the line can end."""
        seen: set[int] = set()
        waiting = [pc]
        while waiting:
            pc = waiting.pop()
            if pc in seen:
                continue
            seen.add(pc)
            op, a, b, *_ = self.rows[pc]
            if op == m.MATCH:
                return True
            if op in (m.SPLIT, m.JUMP):
                waiting += [a, b] if op == m.SPLIT else [a]
            elif op == m.SAVE or (op in (m.GREEDY, m.LAZY) and b == 0):
                waiting.append(pc + 1)
        return False


def compile_program(pattern: str) -> Program:
    """The machine's program.

    Raises:
        NotExpressibleError: the machine cannot run it exactly as `re` would.
    """
    tree, flags = parse(pattern)
    assembler = _Assembler()
    assembler.sequence(tree, flags, certain=True)
    assembler.emit(m.MATCH)
    program = assembler.program
    for pc in range(len(program.rows)):
        _look_ahead(program, pc)
    first, certain = _first(program, 0)
    program.first = first if certain else None
    return program


class _Assembler:
    def __init__(self) -> None:
        self.program = Program()
        self._sets: dict[bytes, int] = {}

    def emit(self, op: int, a: int = 0, b: int = 0, c: int = 0) -> int:
        rows = self.program.rows
        if len(rows) >= MAX_PROGRAM:
            raise NotExpressibleError(f"it takes more than {MAX_PROGRAM} instructions")
        rows.append([op, a, b, c, -1, 0])
        return len(rows) - 1

    def sequence(self, nodes: Any, flags: int, *, certain: bool) -> None:
        """`certain`: whether every match runs through these nodes exactly once."""
        for node in nodes:
            self.node(node, flags, certain)

    def node(self, node: tuple[Any, Any], flags: int, certain: bool) -> None:
        op, argument = node
        if op in _CHARACTERS:
            self.character(node, flags)
        elif op is _constants.AT:
            self.emit(_ANCHORS[argument])
        elif op is _constants.SUBPATTERN:
            group, added, removed, body = argument
            flags = (flags | added) & ~removed
            if group == 1:
                self.emit(m.SAVE, 0, not certain)
            self.sequence(body, flags, certain=certain)
            if group == 1:
                self.emit(m.SAVE, 1, not certain)
        elif op is _constants.BRANCH:
            self.branch(argument[1], flags)
        elif op in _REPEATS:
            least, most, body = argument
            self.repeat(op is _constants.MAX_REPEAT, least, most, body, flags)
        else:
            raise NotExpressibleError(f"it uses {str(op).lower().replace('_', ' ')}")

    def set_index(self, node: tuple[Any, Any], flags: int) -> int:
        table = members(node, flags)
        if table not in self._sets:
            self._sets[table] = len(self._sets)
            self.program.sets.append(table)
        return self._sets[table]

    def character(self, node: tuple[Any, Any], flags: int) -> None:
        index = self.set_index(node, flags)
        table = self.program.sets[index]
        if sum(table) == 1:
            self.emit(m.CHAR, table.index(1))
        else:
            self.emit(m.SET, index)

    def branch(self, alternatives: list[Any], flags: int) -> None:
        jumps = []
        for alternative in alternatives[:-1]:
            split = self.emit(m.SPLIT)
            self.program.rows[split][1] = split + 1
            self.sequence(alternative, flags, certain=False)
            jumps.append(self.emit(m.JUMP))
            self.program.rows[split][2] = len(self.program.rows)
        self.sequence(alternatives[-1], flags, certain=False)
        for jump in jumps:
            self.program.rows[jump][1] = len(self.program.rows)

    def repeat(self, greedy: bool, least: int, most: int, body: Any, flags: int) -> None:
        bound = UNBOUNDED if most is _constants.MAXREPEAT else int(most)
        if len(body) == 1 and body[0][0] in _CHARACTERS:
            self.emit(m.GREEDY if greedy else m.LAZY, self.set_index(body[0], flags), least, bound)
            return
        if body.getwidth()[0] == 0:
            raise NotExpressibleError("it repeats what may be empty")
        for _ in range(least):
            self.sequence(body, flags, certain=False)
        splits = []
        if bound == UNBOUNDED:
            split = self.emit(m.SPLIT)
            self.sequence(body, flags, certain=False)
            self.emit(m.JUMP, split)
            splits.append(split)
        else:
            for _ in range(bound - least):
                splits.append(self.emit(m.SPLIT))
                self.sequence(body, flags, certain=False)
        after = len(self.program.rows)
        for split in splits:
            into = split + 1
            self.program.rows[split][1:3] = [into, after] if greedy else [after, into]


def _first(program: Program, start: int) -> tuple[bytes, bool]:
    """The bytes that may come next from `start` on as a table of 128, and whether nothing else is possible.

    The end of the line counts as nothing. Uncertain where the match may be complete or a boundary is looked
    at.
    """
    table, certain = bytes(128), True
    seen, waiting = {start}, [start]
    while waiting:
        pc = waiting.pop()
        op, a, b, *_ = program.rows[pc]
        following = []
        if op in (m.MATCH, m.BOUNDARY, m.NOT_BOUNDARY):
            certain = False
        elif op == m.CHAR:
            table = _either(table, bytes(c == a for c in range(128)))
        elif op == m.JUMP:
            following = [a]
        elif op == m.SPLIT:
            following = [a, b]
        elif op in (m.SET, m.GREEDY, m.LAZY):
            table = _either(table, program.sets[a])
            following = [pc + 1] if op != m.SET and b == 0 else []
        elif op != m.END:  # SAVE, BEGIN
            following = [pc + 1]
        waiting += [one for one in following if one not in seen]
        seen.update(following)
    return table, certain


def _either(one: bytes, other: bytes) -> bytes:
    return bytes(x | y for x, y in zip(one, other, strict=True))


def _look_ahead(program: Program, pc: int) -> None:
    """What must follow a repeat of one character: a single byte (column 4), or nothing of the set (column
    5).
    """
    row = program.rows[pc]
    if row[0] not in (m.GREEDY, m.LAZY):
        return
    follow, certain = _first(program, pc + 1)
    if not certain:
        return
    after = pc + 1
    while program.rows[after][0] == m.SAVE:
        after += 1
    if program.rows[after][0] == m.CHAR:
        row[4] = program.rows[after][1]
    if not any(x and y for x, y in zip(follow, program.sets[row[1]], strict=True)):
        row[5] = 1
