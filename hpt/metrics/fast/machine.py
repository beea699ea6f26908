"""A backtracking machine for regular expressions on ASCII lines, in plain arithmetic that Numba compiles as
it stands.

It takes the first of all ways to match in the order in which `re` tries them, so it finds what `re` finds.
Unlike `re` it can remember which (instruction, place) has failed already: then its work is bounded by their
number, whatever the pattern.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MATCH, CHAR, SET, SPLIT, JUMP, SAVE, BEGIN, END, BOUNDARY, NOT_BOUNDARY, GREEDY, LAZY = range(12)
REPEATS = GREEDY  # and all from there on

NO_MATCH = 0
MATCHED = 1
GAVE_UP = 2  # out of steps or room; nothing is known

STACK = 4 * 4096
PASSED = 6  # so many bytes, as a power of two, that cannot begin a match are passed over in a step's time
STEPS, MATCH_START, MATCH_END, GROUP_START, GROUP_END, BUDGET = range(6)

# Which of the ASCII characters, 64 and 64, are parts of a word.
_WORD_LOW = sum(1 << byte for byte in b"0123456789")
_WORD_HIGH = sum(1 << byte - 64 for byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")


PROGRAM, SETS, FIRST, STACK_OF_CHOICES, FAILED, STATE = range(6)
"""The fields of the table `m` that a machine is given: its programs and its memory. All are flat arrays (to
Numba addresses).

PROGRAM  int64, 6 a row from row `base` on: op, a, b, c, next byte (-1 unknown), 1 if nothing of the set may
         follow
SETS     uint8, 128 a row: members of each character set
FIRST    uint8, 129 for each definition: the bytes a match can begin with; the last is 1 where that is not
         known
STACK_OF_CHOICES  int64, STACK of them, 4 a choice: where to go on after a failure: instruction, place, limit,
         kind
FAILED   uint8: a bit for each (instruction, place) known to fail; used where `memo` is true
STATE    int64: STEPS left; start and end of the match, and of its first group (-1 if it took no part); the
         BUDGET of `inner_loop`
"""


def to_bytes(array: Any) -> Any:
    """An array of a table. Compiled: of uint8 at an address, `simd.to_bytes`."""
    return array


def to_ints(array: Any) -> Any:
    """The same of int64."""
    return array


def is_word(text: Any, place: int, begin: int, end: int) -> bool:
    """Whether a part of a word stands at a place of the line."""
    if place < begin or place >= end:
        return False
    byte = text[place]
    members = _WORD_LOW if byte < 64 else _WORD_HIGH
    member: bool = members >> (byte & 63) & 1 != 0
    return member


def holds(op: int, text: Any, place: int, begin: int, end: int) -> bool:
    """Whether an anchor holds."""
    if op == BEGIN:
        return place == begin
    if op == END:
        return place == end
    differ = is_word(text, place - 1, begin, end) != is_word(text, place, begin, end)
    return differ == (op == BOUNDARY)


def remember(failed: Any, index: int) -> bool:
    """Mark a bit; True if it was marked before."""
    bit = 1 << (index & 7)
    byte = failed[index >> 3]
    failed[index >> 3] = byte | bit
    marked: bool = byte & bit != 0
    return marked


def run(text: Any, place: int, end: int, sets: Any, member: int, most: int) -> int:
    """The furthest place to which a repeat of one character set, in `sets` from `member` on, reaches."""
    limit = end
    if most >= 0 and place + most < end:
        limit = place + most
    while place < limit:
        if sets[member + text[place]] == 0:
            break
        place += 1
    return place


def seek(text: Any, place: int, limit: int, end: int, sets: Any, member: int, wanted: int) -> int:
    """The next place from `place` on where `wanted` stands (-1 for anything), over members alone and up to
    `limit`; else a place beyond `end`.
    """
    if wanted < 0:
        return place
    while place < end:
        byte = text[place]
        if byte == wanted:
            return place
        if place >= limit or sets[member + byte] == 0:
            break
        place += 1
    return end + 1


def push(stack: Any, depth: int, pc: int, place: int, limit: int, kind: int) -> int:
    """Note a choice; the new depth."""
    stack[depth] = pc
    stack[depth + 1] = place
    stack[depth + 2] = limit
    stack[depth + 3] = kind
    return depth + 4


def repeat(
    m: Any, row: int, text: Any, place: int, limit: int, end: int, pc: int, depth: int, again: bool
) -> tuple[bool, int, int]:
    """Repeat one character set; `again`: differently, for what follows has failed.

    Whether it succeeds, the place reached, and the depth of the stack, where it notes that there may be more
    ways, and their limit: the first place of a greedy one, the last of a lazy one.
    """
    program, sets = to_ints(m[PROGRAM]), to_bytes(m[SETS])
    member = 128 * program[row + 1]
    least, most, following = program[row + 2], program[row + 3], program[row + 4]
    if program[row] == GREEDY:
        if again:  # give back one character, or as many as reach the next byte
            place -= 1
            while following >= 0 and place >= limit and text[place] != following:
                place -= 1
        else:
            limit = place + least
            place = run(text, place, end, sets, member, most)
        if place > limit and program[row + 5] == 0:
            depth = push(to_ints(m[STACK_OF_CHOICES]), depth, pc, place, limit, GREEDY)
        return place >= limit, place, depth
    if again:  # take one character more
        alive = place < limit and sets[member + text[place]] != 0
        place += 1
    else:
        limit = end
        if most >= 0 and place + most < end:
            limit = place + most
        first = place + least
        place = run(text, place, end, sets, member, least)
        alive = place == first
    if alive:  # as many as reach the next byte
        place = seek(text, place, limit, end, sets, member, following)
        alive = place <= end
    if alive:
        depth = push(to_ints(m[STACK_OF_CHOICES]), depth, pc, place, limit, LAZY)
    return alive, place, depth


def fits(sets: Any, op: int, a: int, text: Any, place: int, end: int) -> bool:
    """Whether a character is the wanted one, or of the wanted set."""
    if place >= end:
        return False
    byte = text[place]
    fit: bool = byte == a if op == CHAR else sets[128 * a + byte] != 0
    return fit


def attempt(
    m: Any, base: int, text: Any, begin: int, end: int, start: int, must_advance: bool, memo: bool
) -> int:
    """Match from `start` exactly."""
    program, sets, state = to_ints(m[PROGRAM]), to_bytes(m[SETS]), to_ints(m[STATE])
    stack = to_ints(m[STACK_OF_CHOICES])
    depth: Any = np.int64(0)  # typed: a bare 0 has Numba compile what is called with it once more
    pc = op = limit = depth
    place = start
    left = state[STEPS]
    outcome = -1
    state[GROUP_START] = state[GROUP_END] = -1
    alive = True
    while outcome < 0:
        left -= 1
        if left < 0 or depth + 4 > STACK:
            outcome = GAVE_UP
            break
        again = not alive
        if again:  # go back to the latest choice
            if depth == 0:
                outcome = NO_MATCH
                break
            depth -= 4
            pc, place, limit, op = stack[depth], stack[depth + 1], stack[depth + 2], stack[depth + 3]
            if op == SAVE:  # what the group held before
                state[GROUP_START + pc] = place
                continue
            alive = True
        else:
            op = program[6 * (base + pc)]
            pc += 1
        row = 6 * (base + pc - 1)
        a = program[row + 1]
        if op == CHAR or op == SET:  # noqa: SIM109, Numba would build the tuple
            alive = fits(sets, op, a, text, place, end)
            place += 1
        elif op >= REPEATS:
            former = place
            alive, place, depth = repeat(m, row, text, place, limit, end, pc, depth, again)
            left -= abs(place - former) >> 3
        elif op == SPLIT:
            if not again:
                depth = push(stack, depth, program[row + 2], place, place, op)
                pc = a
        elif op == SAVE:
            if program[row + 2] != 0:
                depth = push(stack, depth, a, state[GROUP_START + a], place, op)
            state[GROUP_START + a] = place
        elif op == JUMP:
            pc = a
        elif op == MATCH:
            if not must_advance or place > start:
                state[MATCH_START], state[MATCH_END] = start, place
                outcome = MATCHED
            alive = outcome == MATCHED
        else:
            alive = holds(op, text, place, begin, end)
        if memo and alive and (op >= REPEATS or op == SPLIT):
            alive = not remember(to_bytes(m[FAILED]), pc * (end - begin + 1) + place - begin)
    state[STEPS] = left
    return outcome


def search(
    m: Any, base: int, index: int, text: Any, begin: int, end: int, start: int, last: int,
    must_advance: bool, memo: bool,
) -> int:  # fmt: skip
    """The first match of definition `index`, whose program begins at `base`, that begins from `start` to
    `last`. text: uint8, of which begin to end are the line.
    """
    stop = end
    if last < stop:
        stop = last
    first = to_bytes(m[FIRST])
    state = to_ints(m[STATE])
    if to_ints(m[PROGRAM])[6 * base] == BEGIN and begin < stop:
        stop = begin
    table = 129 * index
    anything = first[table + 128] != 0
    place = start
    counted = start
    while place <= stop:
        if anything or place >= end or first[table + text[place]] != 0:
            state[STEPS] -= (place - counted) >> PASSED
            counted = place
            outcome = attempt(m, base, text, begin, end, place, must_advance & (place == start), memo)
            if outcome != NO_MATCH:
                return outcome
        place += 1
    state[STEPS] -= (place - counted) >> PASSED
    return NO_MATCH
