"""Literals that a line must hold for a pattern to match it: what is looked for before anything else."""

from __future__ import annotations

from collections.abc import Iterator
from re import IGNORECASE, _constants  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from hpt.metrics.line import TAB_AS_TEXT
from hpt.metrics.syntax import REPEATS, parse

MAX_ALTERNATIVES = 16

# How common bytes are in logs, in steps: the rarer the bytes of a literal, the fewer lines are looked at in
# vain.
_COMMON = {**dict.fromkeys(b" etaoinsrldc0123456789.", 1.0), **dict.fromkeys(b"mupgbhfw-:/,=_[]()", 1.8)}
_RARE = 3.0


class Literal(NamedTuple):
    """text: the bytes. folded: the case of letters does not matter, and `text` has small ones. prefix: it
    begins every match.
    """

    text: bytes
    folded: bool
    prefix: bool


def rarity(text: bytes) -> float:
    return sum(_COMMON.get(byte, _RARE) for byte in text.lower())


def required_literals(pattern: str) -> list[Literal] | None:
    """Literals of which every matching line holds at least one, be its TABs as they are or written as `#011`.

    None where there is no such text.
    """
    return _best(*parse(pattern))


def _score(alternatives: list[Literal]) -> float:
    return min(rarity(literal.text) for literal in alternatives) - 0.5 * (len(alternatives) - 1)


def _best(tree: Any, flags: int) -> list[Literal] | None:
    """The rarest texts on the way of every match."""
    candidates: list[list[Literal]] = []
    run = ""  # consecutive characters
    folded, at_start = False, True  # whether case does not matter to some, and they begin the pattern

    def close() -> None:
        nonlocal run, folded, at_start
        for text in _whatever_tabs_are(run):
            raw = text.encode("utf-8", "surrogateescape")
            prefix = at_start and run.startswith(text)
            candidates.append([Literal(raw.lower() if folded else raw, folded, prefix)])
        run, folded, at_start = "", False, False

    def walk(nodes: Any, flags: int) -> None:
        nonlocal run, folded
        for op, argument in nodes:
            if op is _constants.LITERAL and _is_plain(chr(argument), flags):
                run += chr(argument)
                folded |= flags & IGNORECASE != 0
                continue
            if op is _constants.SUBPATTERN:
                _, added, removed, body = argument
                walk(body, (flags | added) & ~removed)
                continue
            if op is _constants.AT:
                continue  # takes no room, so texts on both sides adjoin
            close()
            if op is _constants.BRANCH:
                parts = [_best(body, flags) for body in argument[1]]
                if all(part is not None for part in parts):
                    alternatives = [each._replace(prefix=False) for part in parts for each in part or ()]
                    if len(alternatives) <= MAX_ALTERNATIVES:
                        candidates.append(alternatives)
            elif op in REPEATS and argument[0] >= 1 and (inner := _best(argument[2], flags)):
                candidates.append([each._replace(prefix=False) for each in inner])

    walk(tree, flags)
    close()
    return max(candidates, key=_score, default=None)


def _is_plain(character: str, flags: int) -> bool:
    """Whether it can be looked for as it is, or as an ASCII letter in either case."""
    if flags & IGNORECASE:
        return character.isascii() and character not in "iIkKsS"  # Unicode has more cases of these
    return not "\ud800" <= character <= "\udfff"  # which are bytes that are not UTF-8, or nothing


def _whatever_tabs_are(text: str) -> Iterator[str]:
    """The parts of a text that stand in a line as printed if the text stands in it with TABs as `#011`."""
    for part in text.split(TAB_AS_TEXT):
        while part.startswith(("1", "011")):
            part = part[1:]
        while part.endswith(("#", "#0", "#01")):
            part = part[:-1]
        if part not in TAB_AS_TEXT:
            yield part
