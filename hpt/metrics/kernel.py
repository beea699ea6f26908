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
        done = length
        if done > _BLOCK:
            done = _BLOCK
        at = letters_at + start
        if unequal(data_at + place, at, at + letter_count) & ((1 << done) - 1) != 0:
            return False
    while done < length:
        at = start + done
        if data[place + done] | letters[letter_count + at] != letters[at]:
            return False
        done += 1
    return True


def buckets_at(data: Any, place: int, stop: int, tables: Any) -> int:
    """Bits of the buckets whose fingerprint may stand at `place`; bytes beyond `stop` are taken to fit."""
    bits = 255
    at = 0
    while at < 3 * 128 and place < stop:
        byte = data[place]
        bits &= tables[at + (byte & 15)] & tables[at + 64 + (byte >> 4)]
        at += 128
        place += 1
    return bits


def find_hits(
    data_at: Any, begin: int, stop: int, literals_at: Any, letters_at: Any, letter_count: int, bucket_at: Any,
    members_at: Any, tables_at: Any, hits_at: Any, hit_room: int,
) -> tuple[int, int]:  # fmt: skip
    """Find where literals stand. The number of hits, and up to where they are complete: `stop`, or less."""
    data = to_bytes(data_at)
    literals = to_ints(literals_at)
    letters = to_bytes(letters_at)
    buckets = to_ints(bucket_at)
    members = to_ints(members_at)
    tables = to_bytes(tables_at)
    hits = to_ints(hits_at)
    lanes = width()
    count = 0
    place = begin
    while place < stop:
        place, mask, more = skip(data_at, place, stop, tables_at)
        block = 2 * lanes
        one_by_one = mask | more == 0
        if one_by_one:  # the tail
            block = stop - place
            if block > 64:
                block = 64
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
                m = buckets[bucket]
                while m < buckets[bucket + 1]:
                    row = 5 * members[m]
                    m += 1
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
    memo = advance = np.bool_(False)  # typed: a bare False has Numba compile `search` once more
    steps = 16 * (end - begin) + 512
    while start <= last:
        if steps > state[_PURSE]:
            steps = state[_PURSE]
        state[_STEPS] = steps
        outcome = search(
            program, base, sets, first, index, text, begin, end, start, last, advance, stack, failed, memo,
            state,
        )  # fmt: skip
        state[_PURSE] += state[_STEPS] - steps
        steps = state[_STEPS]
        if outcome == _GAVE_UP:
            if memo or needed > MEMO or state[_PURSE] <= 0:
                return _FOR_REGEX
            memo = True
            steps = 64 * length * (end - begin + 1) + 4096
        elif outcome != _MATCHED:
            break
        if memo:
            bits = needed
            while bits > 0:
                bits -= 1
                failed[bits] = 0
            steps -= needed >> 3
            state[_PURSE] -= needed >> 3
        if outcome == _GAVE_UP:
            continue
        steps += 16
        start = state[_MATCH_END]
        advance = state[_MATCH_START] == start
        group, group_end = state[_GROUP_START], state[_GROUP_END]
        if group < 0 or group_end <= group:
            continue
        if count == row_room:
            return _NO_ROOM
        kind = read_number(text, group, group_end, powers, values, count)
        if kind == _NOT_A_NUMBER:
            continue
        row = 5 * count
        rows[row + 1] = VALUE
        if kind != _NUMBER:
            if not whole:
                return _FOR_REGEX
            rows[row + 1] = TEXT
        rows[row] = index
        rows[row + 2] = after
        rows[row + 3] = group
        rows[row + 4] = group_end
        count += 1
    return count


def with_tabs_as_text(data: Any, begin: int, end: int, room: Any) -> int:
    """Write the line with each TAB as `#011` into `room`; its length, or _FOR_REGEX where it has no room."""
    if 4 * (end - begin) > ROOM:
        return _FOR_REGEX
    place = 0
    while begin < end:
        byte = data[begin]
        room[place] = byte
        if byte == _TAB:
            room[place] = 35
            room[place + 1] = 48
            room[place + 2] = 49
            room[place + 3] = 49
            place += 3
        place += 1
        begin += 1
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
        limit = begin + longest
        if limit > stop:
            limit = stop
        end, other, tab = line_end(data, data_at, begin, limit)
        after = end
        if end < stop and (data[end] == _LINE_FEED or data[end] == _CARRIAGE_RETURN):
            after += 1
        if after > hit or after >= stop:
            return begin, end, after, other, tab
        begin = after


def read_lines(
    data_at: Any, begin: int, reached: int, stop: int, longest: int, hits_at: Any, hit_count: int,
    definitions_at: Any, definition_count: int, idle: int, program_at: Any, sets_at: Any, first_at: Any,
    powers_at: Any, rows_at: Any, values_at: Any, row_room: int, spans_at: Any, stack_at: Any, failed_at: Any,
    state_at: Any, room_at: Any,
) -> tuple[int, int]:  # fmt: skip
    """Read the lines of data[begin:stop], whose hits are known up to `reached`.

    The number of rows written, and where it came to: the start of a line that is not wholly before
    `reached`, or for whose rows there was no room, or that follows lines that took much work; else `stop`.

    idle: 1 if lines without hits are to be read too, else 0.
    """
    data = to_bytes(data_at)
    hits = to_ints(hits_at)
    definitions = to_ints(definitions_at)
    program = to_ints(program_at)
    sets = to_bytes(sets_at)
    first = to_bytes(first_at)
    powers = to_words(powers_at)
    rows = to_ints(rows_at)
    values = to_words(values_at)
    spans = to_ints(spans_at)
    stack = to_ints(stack_at)
    failed = to_bytes(failed_at)
    state = to_ints(state_at)
    room = to_bytes(room_at)
    count = np.int64(0)  # typed: a bare 0 has Numba compile what is called with it once more
    h = 0
    floor = begin
    state[_PURSE] = _WORK
    while floor < stop:
        if state[_PURSE] < _WORK >> 1 and floor > begin:
            return count, floor
        while h < hit_count and hits[2 * h] < floor:
            h += 1
        hit = floor
        if idle == 0:
            if h == hit_count:
                break
            hit = hits[2 * h]
        line, end, after, other, tab = bounds(data, data_at, hit, floor, stop, longest)
        if reached < stop and after > reached:
            return count, line
        while h < hit_count and hits[2 * h] < after:
            hit = hits[2 * h]
            span = 2 * hits[2 * h + 1]
            if hit >= line:  # else it runs over the end of the piece before
                if spans[span] < 0 or hit < spans[span]:
                    spans[span] = hit
                if spans[span + 1] < hit:
                    spans[span + 1] = hit
            h += 1
        expanded = -1
        before = count
        for index in range(definition_count):
            always = definitions[6 * index + 4] != 0
            start = spans[2 * index]
            last = spans[2 * index + 1]
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
            text = data
            text_begin = line
            text_end = end
            expand = tab
            new = count
            if other or definitions[6 * index] == REGEX:
                new = _FOR_REGEX
            while new == count:
                new = match_line(
                    text, text_begin, text_end, after, index, start, last, not tab, definitions, program,
                    sets, first, powers, rows, values, row_room, count, stack, failed, state,
                )  # fmt: skip
                if new != count or not expand:
                    break
                expand = False
                if expanded == -1:
                    expanded = with_tabs_as_text(data, line, end, room)
                if expanded < 0:
                    new = _FOR_REGEX
                text = room
                text_begin = start = 0
                text_end = last = expanded
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
        stop, end, after, other, tab = bounds(data, data_at, reached, floor, stop, longest)
    return count, stop
