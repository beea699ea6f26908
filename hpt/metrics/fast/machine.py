"""A backtracking machine for patterns of common shapes on ASCII lines, in arithmetic that Numba compiles.

It takes the first of all ways to match in the order in which `re` tries them, so it finds what `re` finds.
Programs have no loops but the repeats of one character set, and match at least one character.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MATCH, CHAR, SET, SPLIT, JUMP, SAVE, BEGIN, END, GREEDY, LAZY = range(10)
REPEATS = GREEDY  # and all from there on

NO_MATCH, GAVE_UP = -1, -2  # instead of the end of a match; out of steps: nothing is known

MAX_PROGRAM = 1000  # instructions; each has one choice open at most
STACK = 3 * MAX_PROGRAM
PASSED = 6  # so many bytes, as a power of two, that cannot begin a match are passed over in a step's time
STEPS, GROUP_START, GROUP_END, BUDGET = range(4)

PROGRAM, SETS, CHOICES, STATE = range(4)
"""The fields of the table `m` that a machine is given: its programs and its memory. All are flat arrays (to
Numba addresses).

PROGRAM  int64, 5 a row from row `base` on: op, a, b, c, byte that follows a repeat (-1 unknown)
         CHAR a: the byte. SET a, and GREEDY and LAZY a from b to c (-1: any number) times: the set.
         SPLIT a b: go on at a, or else at b. JUMP a. SAVE a: the place to STATE
SETS     uint8, 128 a row: members of each character set
CHOICES  int64, STACK of them, 3 a choice: where to go on after a failure: instruction, place, limit
STATE    int64: STEPS left; start and end of the first group of the match; the BUDGET of `inner_loop`
"""


def to_bytes(array: Any) -> Any:
    """An array of a table. Compiled: of uint8 at an address, `simd.to_bytes`."""
    return array


def to_ints(array: Any) -> Any:
    """The same of int64."""
    return array


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


def push(choices: Any, depth: int, pc: int, place: int, limit: int) -> int:
    """Note a choice; the new depth."""
    choices[depth], choices[depth + 1], choices[depth + 2] = pc, place, limit
    return depth + 3


def repeat(
    m: Any, row: int, text: Any, place: int, limit: int, end: int, pc: int, depth: int, again: bool
) -> tuple[bool, int, int]:
    """Repeat one character set; `again`: differently, for what follows has failed.

    Whether it succeeds, the place reached, and the depth of the choices, where it notes that there may be
    more ways, and their limit: the first place of a greedy one, the last of a lazy one.
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
        if place > limit:
            depth = push(to_ints(m[CHOICES]), depth, pc, place, limit)
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
        depth = push(to_ints(m[CHOICES]), depth, pc, place, limit)
    return alive, place, depth


def attempt(m: Any, base: int, text: Any, begin: int, end: int, start: int) -> int:
    """The end of the match from `start` exactly, or NO_MATCH or GAVE_UP."""
    program, sets, state = to_ints(m[PROGRAM]), to_bytes(m[SETS]), to_ints(m[STATE])
    choices = to_ints(m[CHOICES])
    depth: Any = np.int64(0)  # typed: a bare 0 has Numba compile what is called with it once more
    pc = limit = depth
    place = start
    left = state[STEPS]
    alive = True
    while left > 0:
        left -= 1
        again = not alive
        if again:  # go back to the latest choice
            if depth == 0:
                state[STEPS] = left
                return NO_MATCH
            depth -= 3
            pc, place, limit = choices[depth], choices[depth + 1], choices[depth + 2]
        row = 5 * (base + pc)
        op, a = program[row], program[row + 1]
        alive = True
        if op == CHAR:
            alive = place < end and text[place] == a
            place += 1
        elif op == SET:
            alive = place < end and sets[128 * a + text[place]] != 0
            place += 1
        elif op >= REPEATS:
            former = place
            alive, place, depth = repeat(m, row, text, place, limit, end, pc, depth, again)
            left -= abs(place - former) >> 3
        elif op == SAVE:
            state[a] = place
        elif op == SPLIT:
            if not again:
                depth = push(choices, depth, pc, place, limit)
            pc = (program[row + 2] if again else a) - 1
        elif op == JUMP:
            pc = a - 1
        elif op == MATCH:
            state[STEPS] = left
            return place
        else:
            alive = place == (begin if op == BEGIN else end)
        pc += 1
    return GAVE_UP


def search(m: Any, base: int, first: int, text: Any, begin: int, end: int, start: int, last: int) -> int:
    """The end of the first match of the program at `base` that begins from `start` to `last`, or NO_MATCH or
    GAVE_UP. first: number of the set it begins with, or -1. text: uint8, of which begin to end are the line.
    """
    sets, state = to_bytes(m[SETS]), to_ints(m[STATE])
    stop = last if last < end else end - 1
    if to_ints(m[PROGRAM])[5 * base] == BEGIN and begin < stop:
        stop = begin
    place = counted = start
    while place <= stop:
        if first < 0 or sets[128 * first + text[place]] != 0:
            state[STEPS] -= (place - counted) >> PASSED
            counted = place
            outcome = attempt(m, base, text, begin, end, place)
            if outcome != NO_MATCH:
                return outcome
        place += 1
    state[STEPS] -= (place - counted) >> PASSED
    return NO_MATCH
