"""The service model's patterns as Python regular expressions.

The model writes them for Java: they match the whole string, `\\d` and `\\w` are ASCII, and `\\p{L}` names a
Unicode category, which `re` refuses. Everything else that the model uses means the same in both.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

_PROPERTY = re.compile(r"\\\\|\\p\{(?P<name>\w+)\}|\\P|\[|\]")
_POSIX = {"Alnum": "a-zA-Z0-9", "Alpha": "a-zA-Z", "Digit": "0-9", "Lower": "a-z", "Upper": "A-Z"}
_ASCII = 128


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of `text` fits the model's `pattern`.

    Raises:
        re.error: Python cannot compile the translated pattern.
    """
    return compile_pattern(pattern, text.isascii()).fullmatch(text) is not None


@cache
def compile_pattern(pattern: str, ascii_only: bool = False) -> re.Pattern[str]:
    """The pattern for `re`; `ascii_only` leaves out the characters beyond ASCII, for ASCII strings."""
    return re.compile(_translate(pattern, _ASCII if ascii_only else sys.maxunicode + 1), re.ASCII)


def _translate(pattern: str, limit: int) -> str:
    in_class = False

    def replace(match: re.Match[str]) -> str:
        nonlocal in_class
        token = match[0]
        if token == "\\P":
            raise re.error("\\P{...} is not translated", pattern, match.start())
        escaped = match.start() > 0 and _backslashes(pattern, match.start()) % 2 == 1
        if token in "[]" and not escaped:
            in_class = token == "["
        if match["name"] is None:
            return token
        members = _POSIX.get(match["name"]) or _category(match["name"], limit)
        return members if in_class else f"[{members}]"

    return _PROPERTY.sub(replace, pattern)


def _backslashes(text: str, end: int) -> int:
    """How many backslashes stand right before position `end`."""
    start = end
    while start > 0 and text[start - 1] == "\\":
        start -= 1
    return end - start


@cache
def _category(name: str, limit: int) -> str:
    """The characters of a Unicode category below `limit`, as the inside of a character class."""
    ranges: list[list[int]] = []
    for point in range(limit):
        if unicodedata.category(chr(point)).startswith(name):
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1][1] = point
            else:
                ranges.append([point, point])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
