# mypy: ignore-errors
# (the language of this module is Numba's, which mypy does not know)
"""The scanner's kernel: one pass over the bytes of a log, whatever the number of patterns.

    1. `simd.skip` passes over bytes at which no literal of any pattern can begin.
    2. What is left is compared with the literals; a hit names a definition and a place (`find_hits`).
    3. On a line with hits, the machine runs each definition that hit, in order, and numbers are read in place
       (`read_lines`).
    4. Lines and values it cannot judge (not ASCII, a pattern only `re` knows, an odd number) it hands back.

Importing this imports Numba; `hpt.metrics.engine` decides when, and where the compiled code is cached.

The entries take addresses (with NUMBA_DISABLE_JIT=1 flat arrays), which Numba types and compiles far faster
than arrays. The arrays of a plan are described in `hpt.metrics.plan`; the others are

    hits    int64, 2 a row: place and definition, by place
    rows    int64, 5 a row: definition, kind, offset after the line, begin and end of a piece of the data
            kinds: VALUE (bits of a float64 in `values`, uint64), TEXT (the piece is for `float`), LINE (for
            `re`)
    spans   int64, 2 a definition: first and last hit on a line, -1 for none; all -1 between calls
    stack, failed, state: for `hpt.metrics.machine`; MEMO bytes of failed        room: ROOM bytes, a line
    without TABs
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hpt.metrics import decimal_number, machine
from hpt.metrics.decimal_number import read_number
from hpt.metrics.engine import LINE, MEMO, ROOM, TEXT, VALUE
from hpt.metrics.machine import search
from hpt.metrics.plan import REGEX
from hpt.metrics.simd import (
    blocks,
    skip,
    to_bytes,
    to_ints,
    to_line_end,
    to_words,
    trailing_zeros,
    unequal,
    width,
)

_LINE_FEED, _CARRIAGE_RETURN, _TAB = 10, 13, 9
_NO_ROOM, _FOR_REGEX = -1, -2
_BLOCK = 32
_WORK = 2**23  # steps of the machine in one call: some tens of milliseconds
_NEAR = 512  # a hit so near to the line before is looked for forwards, by blocks

_NOT_A_NUMBER, _NUMBER = decimal_number.NOT_A_NUMBER, decimal_number.NUMBER
_MATCHED, _GAVE_UP = machine.MATCHED, machine.GAVE_UP
_STEPS, _MATCH_START, _MATCH_END, _GROUP_START, _GROUP_END, _PURSE = range(6)


def is_hit(
    data: Any, data_at: Any, place: int, begin: int, stop: int, literals: Any, letters: Any, letters_at: Any,
    letter_count: int, row: int,
) -> bool:  # fmt: skip
    """Whether the literal at `row` stands at `place`. `letters` go on for a block after the last
    literal's.
    """
    start = literals[row]
    length = literals[row + 1]
    if place < begin or place + length > stop:
        return False
    done = 0
    if blocks and place + _BLOCK <= stop:
        done = min(length, _BLOCK)
        at = letters_at + start
        if unequal(data_at + place, at, at + letter_count) & ((1 << done) - 1) != 0:
            return False
    for i in range(done, length):
        if data[place + i] | letters[letter_count + start + i] != letters[start + i]:
            return False
    return True


def buckets_at(data: Any, place: int, stop: int, tables: Any) -> int:
    """Bits of the buckets whose fingerprint may stand at `place`; bytes beyond `stop` are taken to fit."""
    bits = 255
    for i in range(min(3, stop - place)):
        byte = data[place + i]
        bits &= tables[128 * i + (byte & 15)] & tables[128 * i + 64 + (byte >> 4)]
    return bits


def find_hits(
    data_at: Any, begin: int, stop: int, literals_at: Any, letters_at: Any, letter_count: int, bucket_at: Any,
    members_at: Any, tables_at: Any, hits_at: Any, hit_room: int,
) -> tuple[int, int]:  # fmt: skip
    """Find where literals stand. The number of hits, and up to where they are complete: `stop`, or less."""
    data, literals, letters = to_bytes(data_at), to_ints(literals_at), to_bytes(letters_at)
    buckets, members, tables = to_ints(bucket_at), to_ints(members_at), to_bytes(tables_at)
    hits = to_ints(hits_at)
    lanes = width()
    count = 0
    place = begin
    while place < stop:
        mask, more, block = 0, 0, 2 * lanes
        if lanes > 0:
            place, mask, more = skip(data_at, place, stop, tables_at)
        one_by_one = mask == 0 and more == 0
        if one_by_one:  # the tail
            block = min(stop - place, 64)
        candidate = place - 1
        while True:
            if one_by_one:
                candidate += 1
            elif mask != 0:
                candidate = place + trailing_zeros(mask)
                mask &= mask - 1
            elif more != 0:
                candidate = place + lanes + trailing_zeros(more)
                more &= more - 1
            else:
                break
            if candidate >= place + block:
                break
            bits = buckets_at(data, candidate, stop, tables)
            before = count
            while bits != 0:
                bucket = trailing_zeros(bits)
                bits &= bits - 1
                for m in range(buckets[bucket], buckets[bucket + 1]):
                    row = 5 * members[m]
                    hit = candidate - literals[row + 2]
                    if is_hit(
                        data, data_at, hit, begin, stop, literals, letters, letters_at, letter_count, row
                    ):
                        if count == hit_room:
                            return before, candidate
                        hits[2 * count] = hit
                        hits[2 * count + 1] = literals[row + 3]
                        count += 1
        place += block
    return count, stop


def match_line(
    text: Any, begin: int, end: int, after: int, index: int, start: int, last: int, whole: bool,
    definitions: Any, program: Any, sets: Any, first: Any, powers: Any, rows: Any, values: Any, row_room: int,
    count: int, stack: Any, failed: Any, state: Any,
) -> int:  # fmt: skip
    """Append the values of one definition on text[begin:end]; the new count, _NO_ROOM or _FOR_REGEX.

    whole: whether a piece of `text` can be handed back for a number: it is the data, and what is no number
    after all does not mean that the line is read once more with its TABs as text.
    """
    base = definitions[6 * index + 1]
    length = definitions[6 * index + 2] - base
    needed = (length * (end - begin + 1) >> 3) + 1
    memo = np.bool_(False)
    advance = np.bool_(False)
    state[_STEPS] = min(16 * (end - begin) + 512, state[_PURSE])
    while start <= last:
        state[_PURSE] -= state[_STEPS]
        outcome = search(
            program,
            base,
            sets,
            first,
            index,
            text,
            begin,
            end,
            start,
            last,
            advance,
            stack,
            failed,
            memo,
            state,
        )
        state[_PURSE] += state[_STEPS]
        if outcome == _GAVE_UP:
            if memo or needed > MEMO or state[_PURSE] <= 0:
                return _FOR_REGEX
            memo = np.bool_(True)
            state[_STEPS] = min(64 * length * (end - begin + 1) + 4096, state[_PURSE])
        elif outcome != _MATCHED:
            break
        if memo:
            for i in range(needed):
                failed[i] = 0
            state[_STEPS] -= needed >> 3
            state[_PURSE] -= needed >> 3
        if outcome == _GAVE_UP:
            continue
        state[_STEPS] += 16
        advance = state[_MATCH_START] == state[_MATCH_END]
        start = state[_MATCH_END]
        if state[_GROUP_START] < 0 or state[_GROUP_END] <= state[_GROUP_START]:
            continue
        if count == row_room:
            return _NO_ROOM
        kind = read_number(text, state[_GROUP_START], state[_GROUP_END], powers, values, count)
        if kind == _NOT_A_NUMBER:
            continue
        if kind != _NUMBER and not whole:
            return _FOR_REGEX
        row = 5 * count
        rows[row] = index
        rows[row + 1] = VALUE if kind == _NUMBER else TEXT
        rows[row + 2] = after
        rows[row + 3] = state[_GROUP_START]
        rows[row + 4] = state[_GROUP_END]
        count += 1
    return count


def with_tabs_as_text(data: Any, begin: int, end: int, room: Any) -> int:
    """Write the line with each TAB as `#011` into `room`; its length, or _FOR_REGEX where it has no room."""
    if 4 * (end - begin) > ROOM:
        return _FOR_REGEX
    place = 0
    for i in range(begin, end):
        byte = data[i]
        room[place] = byte
        if byte == _TAB:
            room[place] = 35
            room[place + 1] = 48
            room[place + 2] = 49
            room[place + 3] = 49
            place += 3
        place += 1
    return place


def line_end(data: Any, data_at: Any, place: int, limit: int) -> tuple[int, bool, bool]:
    """The next line end from `place` on, or `limit`; whether a byte before it is not ASCII, and one a TAB."""
    place, ended, other, tab = to_line_end(data_at, place, limit)
    while not ended and place < limit:
        byte = data[place]
        if byte == _LINE_FEED or byte == _CARRIAGE_RETURN:  # noqa: SIM109, Numba would build the tuple
            break
        other |= byte >= 128
        tab |= byte == _TAB
        place += 1
    return place, other, tab


def bounds(
    data: Any, data_at: Any, hit: int, floor: int, stop: int, longest: int
) -> tuple[int, int, int, bool, bool]:
    """Begin and end of the line (or piece of one) with `hit`, and the offset after it. `floor` begins a line.

    Also whether it is not ASCII, and whether it holds a TAB.
    """
    begin = hit
    if hit - floor < _NEAR:
        begin = floor
    else:
        while begin > floor and data[begin - 1] != _LINE_FEED and data[begin - 1] != _CARRIAGE_RETURN:
            begin -= 1
    while True:
        if hit - begin >= longest:
            begin += (hit - begin) // longest * longest
        end, other, tab = line_end(data, data_at, begin, min(begin + longest, stop))
        ended = end < stop and (data[end] == _LINE_FEED or data[end] == _CARRIAGE_RETURN)
        after = end + 1 if ended else end
        if after > hit or after >= stop:
            return begin, end, after, other, tab
        begin = after


def read_lines(
    data_at: Any, begin: int, reached: int, stop: int, longest: int, hits_at: Any, hit_count: int,
    definitions_at: Any, definition_count: int, program_at: Any, sets_at: Any, first_at: Any, powers_at: Any,
    rows_at: Any, values_at: Any, row_room: int, spans_at: Any, stack_at: Any, failed_at: Any, state_at: Any,
    room_at: Any,
) -> tuple[int, int]:  # fmt: skip
    """Read the lines of data[begin:stop], whose hits are known up to `reached`.

    The number of rows written, and where it came to: the start of a line that is not wholly before
    `reached`, or for whose rows there was no room, or that follows lines that took much work; else `stop`.
    """
    data, hits, definitions, program = (
        to_bytes(data_at),
        to_ints(hits_at),
        to_ints(definitions_at),
        to_ints(program_at),
    )
    sets, first, powers, rows = to_bytes(sets_at), to_bytes(first_at), to_words(powers_at), to_ints(rows_at)
    values, spans, stack, failed = (
        to_words(values_at),
        to_ints(spans_at),
        to_ints(stack_at),
        to_bytes(failed_at),
    )
    state, room = to_ints(state_at), to_bytes(room_at)
    idle = False  # whether lines without hits are to be read too
    for index in range(definition_count):
        idle |= definitions[6 * index + 4] != 0
    count = np.int64(0)  # typed: a bare 0 has Numba compile what is called with it once more
    h, floor = 0, begin
    state[_PURSE] = _WORK
    while floor < stop:
        if state[_PURSE] < _WORK >> 1 and floor > begin:
            return count, floor
        while h < hit_count and hits[2 * h] < floor:
            h += 1
        if not idle and h == hit_count:
            break
        line, end, after, other, tab = bounds(
            data, data_at, floor if idle else hits[2 * h], floor, stop, longest
        )
        if reached < stop and after > reached:
            return count, line
        while h < hit_count and hits[2 * h] < after:
            hit, span = hits[2 * h], 2 * hits[2 * h + 1]
            if hit >= line:  # else it runs over the end of the piece before
                if spans[span] < 0 or hit < spans[span]:
                    spans[span] = hit
                spans[span + 1] = max(spans[span + 1], hit)
            h += 1
        expanded = -1
        before = count
        for index in range(definition_count):
            always = definitions[6 * index + 4] != 0
            start, last = spans[2 * index], spans[2 * index + 1]
            if start < 0 and not always:
                continue
            spans[2 * index] = -1
            spans[2 * index + 1] = -1
            if count < 0 or end == line:
                continue
            if definitions[6 * index + 3] == 0:
                start = line
            if always:
                last = end
            new = count if not other and definitions[6 * index] != REGEX else _FOR_REGEX
            text, text_begin, text_end = data, line, end
            for tries in range(2):
                if tries == 1:
                    if new != count or not tab:
                        break
                    if expanded == -1:
                        expanded = with_tabs_as_text(data, line, end, room)
                    if expanded < 0:
                        new = _FOR_REGEX
                    text, text_begin, text_end = room, 0, expanded
                    start, last = 0, expanded
                if new >= 0:
                    new = match_line(
                        text, text_begin, text_end, after, index, start, last, not tab, definitions,
                        program, sets, first, powers, rows, values, row_room, count, stack, failed, state,
                    )  # fmt: skip
            if new == _FOR_REGEX:
                new = _NO_ROOM
                if count < row_room:
                    row = 5 * count
                    rows[row] = index
                    rows[row + 1] = LINE
                    rows[row + 2] = after
                    rows[row + 3] = line
                    rows[row + 4] = end
                    new = count + 1
            count = new
        if count < 0:
            return before, line
        floor = after
    if reached < stop:
        return count, bounds(data, data_at, reached, floor, stop, longest)[0]
    return count, stop
