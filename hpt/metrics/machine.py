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
REPEATS = GREEDY  # and all from there on

NO_MATCH = 0
MATCHED = 1
GAVE_UP = 2  # out of steps or room; nothing is known

STACK = 4 * 4096
PASSED = 6  # so many bytes, as a power of two, that cannot begin a match are passed over in a step's time
STEPS, MATCH_START, MATCH_END, GROUP_START, GROUP_END, PURSE = range(6)


# Which of the ASCII characters, 64 and 64, are parts of a word.
_WORD_LOW = sum(1 << byte for byte in b"0123456789")
_WORD_HIGH = sum(1 << byte - 64 for byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")


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
    `limit`; else -1.
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
    return -1


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
    pc: Any = depth
    place = start
    outcome = -1
    left = state[STEPS]
    state[GROUP_START] = -1
    state[GROUP_END] = -1
    alive = True
    while outcome < 0:
        left -= 1
        if left < 0 or depth + 4 > STACK:
            outcome = GAVE_UP
        choice = not alive
        if alive:
            row = 6 * (base + pc)
            op = program[row]
            a = program[row + 1]
            member = 128 * a
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
                limit = place + program[row + 2]
                former = place
                place = run(text, place, end, sets, member, program[row + 3])
                left -= (place - former) >> 3
                alive = choice = place >= limit
            elif op == LAZY:
                former = place + program[row + 2]
                limit = end
                if program[row + 3] >= 0 and place + program[row + 3] < end:
                    limit = place + program[row + 3]
                place = run(text, place, end, sets, member, program[row + 2])
                alive = choice = place == former
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
        else:  # go back to the latest choice
            if depth == 0:
                outcome = NO_MATCH
                break
            depth -= 4
            pc = stack[depth]
            place = stack[depth + 1]
            op = stack[depth + 3]
            if op == SAVE:  # what the group held before
                state[GROUP_START + pc] = place
                continue
            alive = True
            if op >= REPEATS:
                limit = stack[depth + 2]
                row = 6 * (base + pc - 1)
                member = 128 * program[row + 1]
                if op == GREEDY:  # give back one character, or as many as reach the next byte
                    wanted = program[row + 4]
                    former = place
                    place -= 1
                    while wanted >= 0 and place >= limit and text[place] != wanted:
                        place -= 1
                    alive = place >= limit
                    left -= (former - place) >> 3
                else:  # take one character more
                    alive = place < limit and sets[member + text[place]] != 0
                    place += 1
        if alive and op >= REPEATS:  # there may be more choices
            more = place > limit and program[row + 5] == 0
            if op == LAZY:  # as many as reach the next byte
                former = place
                place = seek(text, place, limit, end, sets, member, program[row + 4])
                alive = more = place >= 0
                left -= ((place if alive else end) - former) >> 3
            if more:
                depth = push(stack, depth, pc, place, limit, op)
        if memo and alive and choice:
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
    stop = end
    if last < stop:
        stop = last
    if program[6 * base] == BEGIN and begin < stop:
        stop = begin
    table = 129 * index
    anything = first[table + 128] != 0
    place = start
    counted = start
    while place <= stop:
        if anything or place >= end or first[table + text[place]] != 0:
            state[STEPS] -= (place - counted) >> PASSED
            counted = place
            advance = must_advance & (place == start)
            outcome = attempt(
                program, base, sets, text, begin, end, place, advance, stack, failed, memo, state
            )
            if outcome != NO_MATCH:
                return outcome
        place += 1
    state[STEPS] -= (place - counted) >> PASSED
    return NO_MATCH
