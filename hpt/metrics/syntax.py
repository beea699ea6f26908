"""Regular expressions as Python's own parser reads them."""

from __future__ import annotations

import re
import warnings
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any


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
