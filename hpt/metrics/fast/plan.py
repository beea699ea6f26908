"""How each pattern of a job is to be matched, as arrays for the inner loop: plans are data, never code.

d   definitions        l  literals       s  character sets       r  instructions of all programs

definitions  (d, 4) int64: first row of its program (-1: `re` has to read it), set that it begins with (-1:
             anything), 1 if a literal begins every match, 1 if it is to be tried on every line
program      (r, 5) int64; sets (s, 128) uint8: see `hpt.metrics.fast.machine`
literals     (l, 5) int64: start and length in `letters`, offset of its fingerprint, definition, bits that are
             set before comparing (0x20 where case does not matter)
letters      (n,) uint8: bytes of all literals with those bits set
buckets      (9,) int64 into `members` (l,) int64: the literals of each of 8 fingerprint buckets
tables       (6, 64) uint8: which buckets allow a low or high nibble as byte 0, 1 or 2 of a fingerprint, each
             table of 16 entries four times over (Teddy, in Hyperscan: Wang et al., NSDI 2019, section 4.3)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpt.metrics.fast import machine
from hpt.metrics.fast.program import NotExpressibleError, Program
from hpt.metrics.literals import Literal, rarity, required_literals

WINDOW = 3  # bytes of a fingerprint
BUCKETS = 8
FOLD = 0x20  # the bit in which small letters and capitals differ


class PatternPlan(NamedTuple):
    """One pattern's plan. reason: why the machine cannot run it, where it cannot."""

    literals: list[Literal] | None
    program: Program | None
    reason: str

    def describe(self) -> str:
        """The plan in a line, for a person."""
        if self.literals is None:
            find = "every line is tried (no text stands in all matches)"
        else:
            texts = sorted({literal.text.decode("utf-8", "replace") for literal in self.literals})
            find = "lines with " + " or ".join(repr(text) for text in texts)
        if self.program is None:
            return f"{find}; read with re: {self.reason}"
        return f"{find}; matched by the compiled reader in {len(self.program.rows)} instructions"


def plan_pattern(pattern: str) -> PatternPlan:
    literals = required_literals(pattern)
    try:
        return PatternPlan(literals, Program(pattern), "")
    except NotExpressibleError as error:
        return PatternPlan(literals, None, str(error))


Int64Array = NDArray[np.int64]
UInt8Array = NDArray[np.uint8]


class Plan(NamedTuple):
    """The plans of all definitions of a job, packed; shapes in the head of this module."""

    patterns: list[PatternPlan]
    definitions: Int64Array
    program: Int64Array
    sets: UInt8Array
    literals: Int64Array
    letters: UInt8Array
    buckets: Int64Array
    members: Int64Array
    tables: UInt8Array

    @property
    def idle(self) -> bool:
        """Whether lines without any literal are to be read too."""
        return bool(self.definitions[:, 3].any())


def plan(patterns: Sequence[re.Pattern[str]]) -> Plan:
    """The plan of a job's patterns."""
    plans = [plan_pattern(pattern.pattern) for pattern in patterns]
    definitions = np.zeros((len(plans), 4), np.int64)
    rows: list[list[int]] = []
    sets: list[bytes] = []
    for index, (literals, program, _) in enumerate(plans):
        prefix = literals is not None and all(literal.prefix for literal in literals)
        definitions[index] = -1, -1, prefix, literals is None
        if program is None:
            continue
        definitions[index, :2] = len(rows), -1 if program.first < 0 else program.first + len(sets)
        for op, a, *rest in program.rows:
            is_set = op in (machine.SET, machine.GREEDY, machine.LAZY)
            rows.append([op, a + len(sets) if is_set else a, *rest])
        sets.extend(program.sets)
    return Plan(
        plans,
        definitions,
        np.array(rows, np.int64).reshape(-1, 5),
        np.frombuffer(b"".join(sets) or bytes(128), np.uint8).reshape(-1, 128),
        *_pack_literals(plans),
    )


def _pack_literals(
    plans: list[PatternPlan],
) -> tuple[Int64Array, UInt8Array, Int64Array, Int64Array, UInt8Array]:
    literals = [(index, literal) for index, one in enumerate(plans) for literal in one.literals or ()]
    windows = [_window(literal) for _, literal in literals]
    table = np.zeros((len(literals), 5), np.int64)
    letters = b""
    for row, (index, literal) in enumerate(literals):
        fold = FOLD * literal.folded
        table[row] = len(letters), len(literal.text), windows[row][0], index, fold
        letters += bytes(byte | fold for byte in literal.text)
    members = sorted(range(len(literals)), key=lambda row: windows[row][1])
    fingerprints = sorted({choices for _, choices in windows})
    number = [fingerprints.index(windows[row][1]) for row in members]  # equal ones share a bucket
    first = [-(-len(fingerprints) * bucket // BUCKETS) for bucket in range(BUCKETS + 1)]
    buckets = np.searchsorted(np.array(number, np.int64), first).astype(np.int64)
    tables = np.zeros((2 * WINDOW, 16), np.uint8)
    for bucket in range(BUCKETS):
        for row in members[buckets[bucket] : buckets[bucket + 1]]:
            for place, choices in enumerate(windows[row][1]):
                for byte in choices:
                    tables[2 * place, byte & 15] |= 1 << bucket
                    tables[2 * place + 1, byte >> 4] |= 1 << bucket
    tables = np.ascontiguousarray(np.tile(tables, (1, 4)))
    return table, np.frombuffer(letters, np.uint8), buckets, np.array(members, np.int64), tables


_Window = tuple[int, tuple[tuple[int, ...], ...]]


def _window(literal: Literal) -> _Window:
    """Where the rarest three bytes of a literal stand, and which bytes each of them may be."""
    text, fold = literal.text, FOLD * literal.folded
    width = min(WINDOW, len(text))
    best = max(range(len(text) - width + 1), key=lambda i: rarity(text[i : i + width]))
    choices = [tuple({byte & ~fold, byte | fold}) for byte in text[best : best + width]]
    return best, (*choices, *[tuple(range(256))] * (WINDOW - width))
