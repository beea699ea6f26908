"""Literals that a line must hold for a pattern to match it: what is looked for before anything else.

A literal is bytes and, for each, a mask of bits that are set before comparing (0x20 where case does not
matter).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from re import IGNORECASE, _constants  # type: ignore[attr-defined]
from typing import Any

from hpt.metrics.line import TAB_AS_TEXT
from hpt.metrics.syntax import members, parse

MAX_ALTERNATIVES = 16

# How common bytes are in logs, in steps: the rarer the bytes of a literal, the fewer lines are looked at in
# vain.
_COMMON = {**dict.fromkeys(" etaoinsrldc0123456789.", 1.0), **dict.fromkeys("mupgbhfw-:/,=_[]()", 1.8)}
_RARE = 3.0


@dataclass(frozen=True, slots=True)
class Literal:
    """text: the bytes. fold: as long, 0x20 where the letter's case does not matter. prefix: it begins every
    match.
    """

    text: bytes
    fold: bytes
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive characters as (character, case matters not) and whether they begin the pattern."""

    characters: tuple[tuple[str, bool], ...]
    prefix: bool


def rarity(text: str) -> float:
    return sum(_COMMON.get(c.lower(), _RARE) for c in text)


def required_literals(pattern: str) -> list[Literal] | None:
    """Literals of which every matching line holds at least one, be its TABs as they are or written as `#011`.

    None where there is no such text.
    """
    tree, flags = parse(pattern)
    alternatives = _best(tree, flags)
    if alternatives is None:
        return None
    literals = []
    for run in alternatives:
        if "".join(c for c, _ in run.characters).count(TAB_AS_TEXT) > 4:
            return None
        for text, fold in _under_tabs(run.characters):
            try:
                raw = text.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError:
                return None
            if len(raw) != len(text):
                fold = bytes(len(raw))
            literals.append(Literal(raw, fold, run.prefix))
    return literals if len(literals) <= MAX_ALTERNATIVES else None


def _score(alternatives: list[_Run]) -> float:
    return min(rarity("".join(c for c, _ in run.characters)) for run in alternatives) - 0.5 * (
        len(alternatives) - 1
    )


def _best(tree: Any, flags: int) -> list[_Run] | None:
    """The rarest texts on the way of every match."""
    candidates: list[list[_Run]] = []
    current: list[tuple[str, bool]] = []
    at_start = True  # whether the current run begins the pattern

    def close() -> None:
        nonlocal at_start
        if current:
            candidates.append([_Run(tuple(current), at_start)])
            current.clear()
        at_start = False

    def walk(nodes: Any, flags: int) -> None:
        for op, argument in nodes:
            if op is _constants.LITERAL and (one := _single(argument, flags)):
                current.append(one)
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
                    runs = [_Run(run.characters, False) for part in parts if part for run in part]
                    if len(runs) <= MAX_ALTERNATIVES:
                        candidates.append(runs)
            elif op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT) and argument[0] >= 1:
                inner = _best(argument[2], flags)
                if inner is not None:
                    candidates.append([_Run(run.characters, False) for run in inner])

    walk(tree, flags)
    close()
    return max(candidates, key=_score, default=None)


def _single(code: int, flags: int) -> tuple[str, bool] | None:
    """A literal character as text, and whether it may come in either case; None where that is not all of
    it.
    """
    if not flags & IGNORECASE:
        return chr(code), False
    letters = [chr(c) for c, member in enumerate(members((_constants.LITERAL, code), flags)) if member]
    if _beyond_ascii(letters) or len(letters) > 2:
        return None
    return letters[-1], len(letters) == 2


def _beyond_ascii(letters: list[str]) -> bool:
    """Whether a character that is not ASCII equals one of these but for its case (K, long s, dotless i)."""
    return not letters or any(letter.lower() in "iks" for letter in letters)


def _under_tabs(characters: tuple[tuple[str, bool], ...]) -> list[tuple[str, bytes]]:
    r"""All texts that become one that holds these characters once each TAB is written as `#011`.

    `#011auc` comes of itself, of `\tauc` and of nothing else; `1=` also of `\t=`; `a#` also of `a\t`.
    """
    text = "".join(c for c, _ in characters)
    fold = bytes(0x20 if either else 0 for _, either in characters)
    found = {(text, fold)}
    if text in TAB_AS_TEXT:
        found.add(("\t", b"\0"))
    for head in (k for k in (0, 1, 2, 3) if text.startswith(TAB_AS_TEXT[len(TAB_AS_TEXT) - k :])):
        for tail in (k for k in (0, 1, 2, 3) if text.endswith(TAB_AS_TEXT[:k]) and head + k <= len(text)):
            body, mask = text[head : len(text) - tail], fold[head : len(text) - tail]
            for inner, inner_mask in _with_tabs(body, mask):
                left, right = "\t" * (head > 0), "\t" * (tail > 0)
                found.add((left + inner + right, bytes(len(left)) + inner_mask + bytes(len(right))))
    return sorted(found)


def _with_tabs(text: str, fold: bytes) -> list[tuple[str, bytes]]:
    """The text with every choice of its `#011` written as a TAB."""
    places = [i for i in range(len(text)) if text.startswith(TAB_AS_TEXT, i)]
    if 2 ** len(places) > MAX_ALTERNATIVES:
        places = []
    variants = []
    for chosen in itertools.product((False, True), repeat=len(places)):
        new, mask, done = "", b"", 0
        for place in itertools.compress(places, chosen):
            new += text[done:place] + "\t"
            mask += fold[done:place] + b"\0"
            done = place + len(TAB_AS_TEXT)
        variants.append((new + text[done:], mask + fold[done:]))
    return variants
