"""A backtracking machine for regular expressions on ASCII lines, in plain arithmetic that Numba compiles as
it stands.

It takes the first of all ways to match in the order in which `re` tries them, so it finds what `re` finds.
Unlike `re` it can remember which (instruction, place) has failed already: then its work is bounded by their
number, whatever the pattern.

    program  (n, 6) int64: op, a, b, c, next byte (-1 unknown), 1 if nothing of the set may follow
    sets     (s, 128) uint8: members of each character set
    text     uint8, positions from `begin` to `end` are the line
    stack    (4 k,) int64: where to go on after a failure: instruction, place, limit, kind
    failed   uint8: a bit for each (instruction, place) known to fail; empty where not wanted
    found    (4,) int64: start and end of the match, start and end of its first group (-1 if it took no part)
"""

from __future__ import annotations

from typing import Any

import numpy as np

MATCH, CHAR, SET, SPLIT, JUMP, SAVE, BEGIN, END, BOUNDARY, NOT_BOUNDARY, GREEDY, LAZY = range(12)

NO_MATCH = 0
MATCHED = 1
GAVE_UP = 2  # out of steps or room; nothing is known


def is_word(byte: int) -> bool:
    return 48 <= byte <= 57 or 65 <= byte <= 90 or byte == 95 or 97 <= byte <= 122


def at_boundary(text: Any, place: int, begin: int, end: int) -> bool:
    before = place > begin and is_word(text[place - 1])
    after = place < end and is_word(text[place])
    return before != after


def remember(failed: Any, index: int) -> bool:
    """Mark a bit; True if it was marked before."""
    bit = 1 << (index & 7)
    if failed[index >> 3] & bit:
        return True
    failed[index >> 3] |= bit
    return False


def run(text: Any, place: int, end: int, member: Any, most: int) -> int:
    """The furthest place to which a repeat of one character set reaches."""
    limit = end if most < 0 or most > end - place else place + most
    while place < limit and member[text[place]]:
        place += 1
    return place


def seek(text: Any, place: int, limit: int, end: int, member: Any, wanted: int) -> int:
    """The next place from `place` on where `wanted` stands, over members alone and up to `limit`; else -1."""
    while place < end and text[place] != wanted:
        if place >= limit or not member[text[place]]:
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
    program: Any, sets: Any, text: Any, begin: int, end: int, start: int, must_advance: bool,
    stack: Any, failed: Any, steps: Any, found: Any,
) -> int:  # fmt: skip
    """Match from `start` exactly. `steps[0]` counts down; a match sets `found`."""
    memo = failed.size > 0
    width = end - begin + 1
    depth: Any = np.int64(0)  # typed: a bare 0 has Numba compile what is called with it once more
    pc: Any = np.int64(0)
    place = start
    left = steps[0]
    found[2] = found[3] = -1
    outcome = -1
    while outcome < 0:
        left -= 1
        if left < 0 or depth + 8 > stack.size:
            outcome = GAVE_UP
        row = program[pc]
        op, a = row[0], row[1]
        alive, choice = True, False
        pc += 1
        if op == CHAR:
            alive = place < end and text[place] == a
            place += 1
        elif op == SET:
            alive = place < end and sets[a][text[place]] != 0
            place += 1
        elif op == SAVE:
            if row[2]:
                depth = push(stack, depth, a, found[2 + a], place, op)
            found[2 + a] = place
        elif op == GREEDY:
            furthest = run(text, place, end, sets[a], row[3])
            least = place + row[2]
            left -= (furthest - place) >> 3
            alive = choice = furthest >= least
            if furthest > least and row[5] == 0:
                depth = push(stack, depth, pc, furthest, least, op)
            place = furthest
        elif op == LAZY:
            least = run(text, place, end, sets[a], row[2])
            alive = choice = least == place + row[2]
            limit = end if row[3] < 0 else min(end, place + row[3])
            if alive and row[4] >= 0:
                least = seek(text, least, limit, end, sets[a], row[4])
                alive = least >= 0
            if alive:
                left -= (least - place) >> 3
                depth = push(stack, depth, pc, least, limit, op)
            place = least
        elif op == SPLIT:
            depth = push(stack, depth, row[2], place, place, op)
            pc = a
            choice = True
        elif op == JUMP:
            pc = a
        elif op == MATCH:
            alive = not must_advance or place > start
            if alive:
                found[0], found[1] = start, place
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
            pc, place, limit, op = stack[depth], stack[depth + 1], stack[depth + 2], stack[depth + 3]
            if op == SAVE:  # what the group held before
                found[2 + pc] = place
                continue
            alive = True
            if op != SPLIT:
                row = program[pc - 1]
                former = place
                if op == GREEDY:  # give back one character, or as many as reach the next byte
                    place -= 1
                    while row[4] >= 0 and place >= limit and text[place] != row[4]:
                        place -= 1
                    alive = place >= limit
                else:  # take one character more, or as many as reach the next byte
                    alive = place < limit and sets[row[1]][text[place]] != 0
                    place += 1
                    if alive and row[4] >= 0:
                        place = seek(text, place, limit, end, sets[row[1]], row[4])
                        alive = place >= 0
                left -= abs(place - former) >> 3
                if alive and (op == LAZY or place > limit):
                    depth = push(stack, depth, pc, place, limit, op)
            if memo and alive:
                alive = not remember(failed, pc * width + place - begin)
    steps[0] = left
    return outcome


def holds(op: int, text: Any, place: int, begin: int, end: int) -> bool:
    """Whether an anchor holds."""
    if op == BEGIN:
        return place == begin
    if op == END:
        return place == end
    return at_boundary(text, place, begin, end) == (op == BOUNDARY)


def search(
    program: Any, sets: Any, first: Any, text: Any, begin: int, end: int, start: int, last: int,
    must_advance: bool, stack: Any, failed: Any, steps: Any, found: Any,
) -> int:  # fmt: skip
    """The first match that begins from `start` to `last`.

    first: (129,) uint8, the bytes a match can begin with; first[128] is 1 where that is not known.
    """
    stop = last if last < end else end
    if program[0, 0] == BEGIN:
        stop = min(stop, begin)
    for place in range(start, stop + 1):
        if first[128] == 0 and place < end and first[text[place]] == 0:
            continue
        outcome = attempt(
            program, sets, text, begin, end, place, must_advance and place == start,
            stack, failed, steps, found,
        )  # fmt: skip
        if outcome != NO_MATCH:
            return outcome
    return NO_MATCH
