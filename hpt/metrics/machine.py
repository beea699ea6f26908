"""A backtracking machine for regular expressions on ASCII lines, in plain arithmetic that Numba compiles as
it stands.

It takes the first of all ways to match in the order in which `re` tries them, so it finds what `re` finds.
Unlike `re` it can remember which (instruction, place) has failed already: then its work is bounded by their
number, whatever the pattern.

All arrays are flat (to Numba they are bare pointers):

    program  int64, 6 a row from row `base` on: op, a, b, c, next byte (-1 unknown), 1 if nothing of the set
    may follow sets     uint8, 128 a row: members of each character set
    text     uint8, positions from `begin` to `end` are the line
    stack    int64, STACK of them, 4 a choice: where to go on after a failure: instruction, place, limit, kind
    failed   uint8: a bit for each (instruction, place) known to fail; used where `memo` is true
    state    int64: STEPS left; START and END of the match, and of its first group (-1 if it took no part);
    the kernel's PURSE
"""

from __future__ import annotations

from typing import Any

import numpy as np

MATCH, CHAR, SET, SPLIT, JUMP, SAVE, BEGIN, END, BOUNDARY, NOT_BOUNDARY, GREEDY, LAZY = range(12)

NO_MATCH = 0
MATCHED = 1
GAVE_UP = 2  # out of steps or room; nothing is known

STACK = 4 * 4096
PASSED = 6  # so many bytes, as a power of two, that cannot begin a match are passed over in a step's time
STEPS, MATCH_START, MATCH_END, GROUP_START, GROUP_END, PURSE = range(6)


def is_word(byte: int) -> bool:
    return 48 <= byte <= 57 or 65 <= byte <= 90 or byte == 95 or 97 <= byte <= 122


def at_boundary(text: Any, place: int, begin: int, end: int) -> bool:
    before = place > begin and is_word(text[place - 1])
    after = place < end and is_word(text[place])
    return before != after


def holds(op: int, text: Any, place: int, begin: int, end: int) -> bool:
    """Whether an anchor holds."""
    if op == BEGIN:
        return place == begin
    if op == END:
        return place == end
    return at_boundary(text, place, begin, end) == (op == BOUNDARY)


def remember(failed: Any, index: int) -> bool:
    """Mark a bit; True if it was marked before."""
    bit = 1 << (index & 7)
    byte = failed[index >> 3]
    failed[index >> 3] = byte | bit
    return bool(byte & bit)


def run(text: Any, place: int, end: int, sets: Any, member: int, most: int) -> int:
    """The furthest place to which a repeat of one character set, in `sets` from `member` on, reaches."""
    limit = end if most < 0 or most > end - place else place + most
    while place < limit and sets[member + text[place]] != 0:
        place += 1
    return place


def seek(text: Any, place: int, limit: int, end: int, sets: Any, member: int, wanted: int) -> int:
    """The next place from `place` on where `wanted` stands, over members alone and up to `limit`; else -1."""
    while place < end and text[place] != wanted:
        if place >= limit or sets[member + text[place]] == 0:
            return -1
        place += 1
    return place if place < end else -1


def push(stack: Any, depth: int, pc: int, place: int, limit: int, kind: int) -> int:
    """Note a choice; the new depth."""
    stack[depth] = pc
    stack[depth + 1] = place
    stack[depth + 2] = limit
    stack[depth + 3] = kind
    return depth + 4


def attempt(
    program: Any, base: int, sets: Any, text: Any, begin: int, end: int, start: int, must_advance: bool,
    stack: Any, failed: Any, memo: bool, state: Any,
) -> int:  # fmt: skip
    """Match from `start` exactly."""
    width = end - begin + 1
    depth: Any = np.int64(0)  # typed: a bare 0 has Numba compile what is called with it once more
    pc: Any = np.int64(0)
    place = start
    left = state[STEPS]
    state[GROUP_START] = -1
    state[GROUP_END] = -1
    outcome = -1
    while outcome < 0:
        left -= 1
        if left < 0 or depth + 8 > STACK:
            outcome = GAVE_UP
        row = 6 * (base + pc)
        op = program[row]
        a = program[row + 1]
        member = 128 * a
        alive, choice = True, False
        pc += 1
        if op == CHAR:
            alive = place < end and text[place] == a
            place += 1
        elif op == SET:
            alive = place < end and sets[member + text[place]] != 0
            place += 1
        elif op == SAVE:
            if program[row + 2] != 0:
                depth = push(stack, depth, a, state[GROUP_START + a], place, op)
            state[GROUP_START + a] = place
        elif op == GREEDY:
            furthest = run(text, place, end, sets, member, program[row + 3])
            least = place + program[row + 2]
            left -= (furthest - place) >> 3
            alive = choice = furthest >= least
            if furthest > least and program[row + 5] == 0:
                depth = push(stack, depth, pc, furthest, least, op)
            place = furthest
        elif op == LAZY:
            least = run(text, place, end, sets, member, program[row + 2])
            alive = choice = least == place + program[row + 2]
            limit = end if program[row + 3] < 0 else min(end, place + program[row + 3])
            if alive and program[row + 4] >= 0:
                least = seek(text, least, limit, end, sets, member, program[row + 4])
                alive = least >= 0
            if alive:
                left -= (least - place) >> 3
                depth = push(stack, depth, pc, least, limit, op)
            place = least
        elif op == SPLIT:
            depth = push(stack, depth, program[row + 2], place, place, op)
            pc = a
            choice = True
        elif op == JUMP:
            pc = a
        elif op == MATCH:
            alive = not must_advance or place > start
            if alive:
                state[MATCH_START] = start
                state[MATCH_END] = place
                outcome = MATCHED
        else:
            alive = holds(op, text, place, begin, end)
        if memo and alive and choice:
            alive = not remember(failed, pc * width + place - begin)

        while not alive and outcome < 0:  # go back to the latest choice
            left -= 1
            if depth == 0 or left < 0:
                outcome = NO_MATCH if depth == 0 else GAVE_UP
                break
            depth -= 4
            pc = stack[depth]
            place = stack[depth + 1]
            op = stack[depth + 3]
            if op == SAVE:  # what the group held before
                state[GROUP_START + pc] = place
                continue
            alive = True
            if op != SPLIT:
                limit = stack[depth + 2]
                row = 6 * (base + pc - 1)
                member = 128 * program[row + 1]
                wanted = program[row + 4]
                former = place
                if op == GREEDY:  # give back one character, or as many as reach the next byte
                    place -= 1
                    while wanted >= 0 and place >= limit and text[place] != wanted:
                        place -= 1
                    alive = place >= limit
                else:  # take one character more, or as many as reach the next byte
                    alive = place < limit and sets[member + text[place]] != 0
                    place += 1
                    if alive and wanted >= 0:
                        place = seek(text, place, limit, end, sets, member, wanted)
                        alive = place >= 0
                left -= abs(place - former) >> 3
                if alive and (op == LAZY or place > limit):
                    depth = push(stack, depth, pc, place, limit, op)
            if memo and alive:
                alive = not remember(failed, pc * width + place - begin)
    state[STEPS] = left
    return outcome


def search(
    program: Any, base: int, sets: Any, first: Any, index: int, text: Any, begin: int, end: int, start: int,
    last: int, must_advance: bool, stack: Any, failed: Any, memo: bool, state: Any,
) -> int:  # fmt: skip
    """The first match that begins from `start` to `last`.

    first: uint8, 129 for each definition `index`: the bytes a match can begin with; the last is 1 where that
    is not known.
    """
    stop = min(last, end)
    table = 129 * index
    if program[6 * base] == BEGIN:
        stop = min(stop, begin)
    anything = first[table + 128] != 0
    place = start
    counted = start
    while place <= stop:
        if anything or place >= end or first[table + text[place]] != 0:
            state[STEPS] -= (place - counted) >> PASSED
            counted = place
            advance = must_advance and place == start
            outcome = attempt(
                program, base, sets, text, begin, end, place, advance, stack, failed, memo, state
            )
            if outcome != NO_MATCH:
                return outcome
        place += 1
    state[STEPS] -= (place - counted) >> PASSED
    return NO_MATCH
