"""Compiles a regular expression of a common shape into a program for `hpt.metrics.fast.machine`.

Such a shape is a sequence of literals, character sets and repeats of one, of groups that may be optional or
have alternatives, and of anchors; its first group takes part in every match. What else a pattern may hold is
left to `re`. Only ASCII lines are read, where a character is a byte.
"""

from __future__ import annotations

from re import _constants  # type: ignore[attr-defined]
from typing import Any

from hpt.metrics.fast import machine as m
from hpt.metrics.syntax import CHARACTERS, END_OF_LINE, START_OF_LINE, members, parse

UNBOUNDED = -1


class NotExpressibleError(Exception):
    """The machine cannot run this pattern; the text says what of it."""


class Program:
    """rows: (n, 5) instructions as in `hpt.metrics.fast.machine`. sets: ASCII members of each character set,
    128 bytes of 0 or 1. first: number of the set of bytes that a match begins with, -1 where it may begin
    with anything.

    Raises:
        NotExpressibleError: the machine cannot run the pattern exactly as `re` would.
    """

    def __init__(self, pattern: str) -> None:
        self.rows: list[list[int]] = []
        self.sets: list[bytes] = []
        self.first = -1
        tree, flags = parse(pattern)
        if tree.getwidth()[0] == 0:
            raise NotExpressibleError("it may match nothing at all")
        self._sequence(tree, flags, certain=True)
        self._emit(m.MATCH)
        for row, following in zip(self.rows, self.rows[1:], strict=False):
            if row[0] in (m.GREEDY, m.LAZY) and following[0] == m.CHAR:
                row[4] = following[1]
        op, argument, least, *_ = next(row for row in self.rows if row[0] not in (m.SAVE, m.BEGIN))
        if op == m.CHAR:
            self.first = self._set(bytes(c == argument for c in range(128)))
        elif op == m.SET or (op in (m.GREEDY, m.LAZY) and least > 0):
            self.first = argument

    def _emit(self, op: int, a: int = 0, b: int = 0, c: int = 0) -> list[int]:
        if len(self.rows) >= m.MAX_PROGRAM:
            raise NotExpressibleError(f"it takes more than {m.MAX_PROGRAM} instructions")
        self.rows.append([op, a, b, c, -1])
        return self.rows[-1]

    def _set(self, table: bytes) -> int:
        if table not in self.sets:
            self.sets.append(table)
        return self.sets.index(table)

    def _sequence(self, nodes: Any, flags: int, *, certain: bool) -> None:
        """`certain`: whether every match runs through these nodes exactly once."""
        for op, argument in nodes:
            if op in CHARACTERS:
                self._character(members((op, argument), flags))
            elif op is _constants.SUBPATTERN:
                self._group(argument, flags, certain)
            elif op is _constants.BRANCH:
                self._branch(argument[1], flags)
            elif op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
                self._repeat(op is _constants.MAX_REPEAT, argument, flags)
            elif op is _constants.AT and argument in START_OF_LINE | END_OF_LINE:
                self._emit(m.BEGIN if argument in START_OF_LINE else m.END)
            else:
                what = argument if op is _constants.AT else op
                raise NotExpressibleError(f"it uses {str(what).lower().replace('_', ' ')}")

    def _character(self, table: bytes) -> None:
        if sum(table) == 1:
            self._emit(m.CHAR, table.index(1))
        else:
            self._emit(m.SET, self._set(table))

    def _group(self, argument: tuple[Any, ...], flags: int, certain: bool) -> None:
        group, added, removed, body = argument
        if group == 1 and not certain:
            raise NotExpressibleError("its first group may take no part")
        if group == 1:
            self._emit(m.SAVE, m.GROUP_START)
        self._sequence(body, (flags | added) & ~removed, certain=certain)
        if group == 1:
            self._emit(m.SAVE, m.GROUP_END)

    def _branch(self, alternatives: list[Any], flags: int) -> None:
        jumps = []
        for alternative in alternatives[:-1]:
            split = self._emit(m.SPLIT, len(self.rows) + 1)
            self._sequence(alternative, flags, certain=False)
            jumps.append(self._emit(m.JUMP))
            split[2] = len(self.rows)
        self._sequence(alternatives[-1], flags, certain=False)
        for jump in jumps:
            jump[1] = len(self.rows)

    def _repeat(self, greedy: bool, argument: tuple[Any, Any, Any], flags: int) -> None:
        least, most, body = argument
        if len(body) == 1 and body[0][0] in CHARACTERS:
            bound = UNBOUNDED if most is _constants.MAXREPEAT else most
            self._emit(m.GREEDY if greedy else m.LAZY, self._set(members(body[0], flags)), least, bound)
            return
        if most is _constants.MAXREPEAT:
            raise NotExpressibleError("it repeats a group without end")
        if body.getwidth()[0] == 0:
            raise NotExpressibleError("it repeats what may be empty")
        for _ in range(least):
            self._sequence(body, flags, certain=False)
        splits = []
        for _ in range(most - least):
            splits.append((self._emit(m.SPLIT), len(self.rows)))
            self._sequence(body, flags, certain=False)
        for split, into in splits:
            split[1:3] = [into, len(self.rows)] if greedy else [len(self.rows), into]
