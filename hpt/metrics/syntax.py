"""Regular expressions as Python's own parser reads them."""

from __future__ import annotations

import re
import warnings
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any

CHARACTERS = {_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN}
"""Nodes that stand for one character."""

REPEATS = {_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT}

START_OF_LINE = {_constants.AT_BEGINNING, _constants.AT_BEGINNING_STRING, _constants.AT_BEGINNING_LINE}
END_OF_LINE = {_constants.AT_END, _constants.AT_END_STRING, _constants.AT_END_LINE}
"""Anchors; no line holds a newline, so all ends are one."""


def parse(pattern: str) -> tuple[Any, int]:
    """Python's own parse tree of the pattern, and its flags."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = _parser.parse(pattern)
    return tree, tree.state.flags


def members(node: tuple[Any, Any], flags: int) -> bytes:
    """Which ASCII characters a node of one character matches, asked of `re` itself: 128 bytes of 0 or 1."""
    op, argument = node
    if op is _constants.LITERAL and not flags & re.IGNORECASE:
        return bytes(c == argument for c in range(128))
    if op is _constants.ANY:
        return bytes(c != 10 or bool(flags & re.DOTALL) for c in range(128))
    state = _parser.State()
    state.flags = flags
    compiled = _compiler.compile(_parser.SubPattern(state, [node]), flags)
    return bytes(compiled.match(chr(c)) is not None for c in range(128))


def repeats_what_may_be_empty(part: Any) -> bool:
    """Whether a tree, or a part of a node, holds such a repeat."""
    if isinstance(part, tuple) and any(part[0] is repeat for repeat in REPEATS):  # a node, not two numbers
        return bool(part[1][2].getwidth()[0] == 0) or repeats_what_may_be_empty(part[1][2])
    return isinstance(part, (tuple, list, _parser.SubPattern)) and any(
        repeats_what_may_be_empty(each) for each in part
    )
