"""Strings that others wrote, made fit for a terminal. Standard library only."""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: colours, cursor movements, the clearing of a screen
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that turn the direction of what stands around them
    "\u2028\u2029"  # ends of lines that few take for such
    "\ud800-\udfff]"  # bytes that are not UTF-8, and what no encoding can write
)
_SHORT = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def printable(text: str, keep: str = "\n\t") -> str:
    r"""The text with each control character written as Python writes it; those of `keep` stay as they are.

    What a program wrote may hold sequences that clear the screen, hide what follows or change the colour of
    it; whoever prints it to people passes it through here. A byte that was not UTF-8 and survives as a
    surrogate is written as the byte. Nothing else is changed, and text without such characters is returned
    as it is.

    >>> print(printable("\x1b[32macc=0.6\x1b[0m"))
    \x1b[32macc=0.6\x1b[0m
    """

    def escaped(found: re.Match[str]) -> str:
        character = found[0]
        if character in keep:
            return character
        code = ord(character)
        if 0xDC80 <= code <= 0xDCFF:
            code -= 0xDC00
        return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")

    return _UNSAFE.sub(escaped, text)
