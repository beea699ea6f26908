# mypy: ignore-errors
# (the language of this module is Numba's, which mypy does not know)
"""The inner loop of the compiled reader: one pass over the bytes of a log, whatever the number of patterns.

    1. `simd.skip` passes over bytes at which no literal of any pattern can begin.
    2. What is left is compared with the literals; a hit names a definition and a place.
    3. On a line with hits, the machine runs each definition that hit, in order; numbers are read in place.
    4. Lines and values it cannot judge (not ASCII, a pattern only `re` knows, a long number) it hands back.

Importing this imports Numba; `hpt.metrics.fast.loader` decides when, and where the compiled code is cached.
The entry takes addresses, which Numba types and compiles far faster than arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hpt.metrics.fast import machine
from hpt.metrics.fast.decimal_number import read_number
from hpt.metrics.fast.machine import STATE, search
from hpt.metrics.fast.reader import LINE, NUMBER, ROOM, TEXT
from hpt.metrics.fast.simd import skip, to_bytes, to_floats, to_ints, trailing_zeros

_LINE_FEED, _CARRIAGE_RETURN, _TAB = 10, 13, 9
_NO_ROOM, _FOR_REGEX = -1, -2
_WORK = 2**22  # steps of the machine in one call: some tens of milliseconds

_GAVE_UP = machine.GAVE_UP
_STEPS, _GROUP_START, _GROUP_END, _BUDGET = range(4)

(
    DEFINITIONS, LITERALS, LETTERS, BUCKETS, MEMBERS, TABLES, COUNT, IDLE, POWERS, ROWS, VALUES, ROW_ROOM,
    SPANS, TAB_ROOM,
) = range(4, 18)  # fmt: skip
"""The fields of the table `w` that `read_log` is given, after those of a machine: the plan, as in
`hpt.metrics.fast.plan`, and room for what is read

COUNT    of definitions. IDLE: 1 if lines without hits are to be read too, else 0
ROWS     int64, 5 a row: definition, kind, offset after the line, begin and end of a piece of the data
         kinds: NUMBER (it is in VALUES, float64), TEXT (it is for `float`), LINE (for `re`)
SPANS    int64, 2 a definition: first and last hit on a line, -1 for none; all -1 between calls
TAB_ROOM uint8, ROOM of them: a line with its TABs as text
"""


def is_hit(w: Any, data: Any, place: int, begin: int, stop: int, row: int) -> bool:
    """Whether the literal at `row` stands at `place`."""
    literals, letters = to_ints(w[LITERALS]), to_bytes(w[LETTERS])
    at, fold = literals[row], literals[row + 4]
    end = place + literals[row + 1]
    if place < begin or end > stop:
        return False
    while place < end:
        if data[place] | fold != letters[at]:
            return False
        place += 1
        at += 1
    return True


def buckets_at(w: Any, data: Any, place: int, stop: int) -> int:
    """Bits of the buckets whose fingerprint may stand at `place`; bytes beyond `stop` are taken to fit."""
    tables = to_bytes(w[TABLES])
    bits = 255
    at = 0
    while at < 3 * 128 and place < stop:
        byte = data[place]
        bits &= tables[at + (byte & 15)] & tables[at + 64 + (byte >> 4)]
        at += 128
        place += 1
    return bits


def note_hits(w: Any, data: Any, candidate: int, begin: int, stop: int) -> bool:
    """Note for each definition its first and last hit among those whose fingerprint stands at `candidate` and
    others that were noted; whether there is any.
    """
    literals, buckets, members = to_ints(w[LITERALS]), to_ints(w[BUCKETS]), to_ints(w[MEMBERS])
    spans = to_ints(w[SPANS])
    found = False
    bits = buckets_at(w, data, candidate, stop)
    while bits != 0:
        bucket = trailing_zeros(bits)
        bits &= bits - 1
        member = buckets[bucket]
        while member < buckets[bucket + 1]:
            row = 5 * members[member]
            hit = candidate - literals[row + 2]
            if is_hit(w, data, hit, begin, stop, row):
                span = 2 * literals[row + 3]
                if spans[span] < 0 or hit < spans[span]:
                    spans[span] = hit
                if spans[span + 1] < hit:
                    spans[span + 1] = hit
                found = True
            member += 1
    return found


def add_row(w: Any, count: int, index: int, kind: int, after: int, begin: int, end: int) -> int:
    """Append a row, for which there is room; the new count."""
    rows = to_ints(w[ROWS])
    row = 5 * count
    rows[row], rows[row + 1], rows[row + 2] = index, kind, after
    rows[row + 3], rows[row + 4] = begin, end
    return count + 1


def match_line(
    w: Any, text: Any, begin: int, end: int, after: int, index: int, start: int, last: int, tab: bool,
    count: int,
) -> int:  # fmt: skip
    """Append the values of one definition on text[begin:end]; the new count, _NO_ROOM or _FOR_REGEX.

    tab: the line holds one, so that what is no number after all means that it is read once more with its TABs
    as text, and a place in `text` may be none in the data.
    """
    state, definitions = to_ints(w[STATE]), to_ints(w[DEFINITIONS])
    powers, values = to_floats(w[POWERS]), to_floats(w[VALUES])
    base, first = definitions[4 * index], definitions[4 * index + 1]
    steps = 16 * (end - begin) + 512
    if steps > state[_BUDGET]:
        steps = state[_BUDGET]
    state[_BUDGET] -= steps
    state[_STEPS] = steps
    while start <= last:
        start = search(w, base, first, text, begin, end, start, last)
        if start < 0:
            break
        group, group_end = state[_GROUP_START], state[_GROUP_END]
        if group == group_end:
            continue
        if count == w[ROW_ROOM]:
            return _NO_ROOM
        kind = NUMBER if read_number(text, group, group_end, powers, values, count) else TEXT
        if kind == TEXT and tab:
            return _FOR_REGEX
        count = add_row(w, count, index, kind, after, group, group_end)
    if start == _GAVE_UP:
        return _FOR_REGEX
    state[_BUDGET] += state[_STEPS]
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
            room[place], room[place + 1], room[place + 2], room[place + 3] = 35, 48, 49, 49
            place += 3
        place += 1
        begin += 1
    return place


def is_line_end(byte: int) -> bool:
    return (byte == _LINE_FEED) | (byte == _CARRIAGE_RETURN)


def line_around(data: Any, hit: int, floor: int, stop: int) -> tuple[int, int, int, bool, bool]:
    """Begin and end of the line with `hit`, and the offset after it. `floor` begins a line.

    Also whether it is not ASCII, and whether it holds a TAB.
    """
    begin = end = hit
    while begin > floor and not is_line_end(data[begin - 1]):
        begin -= 1
    bits = tab = 0
    end = begin
    while end < stop and not is_line_end(data[end]):
        bits |= data[end]
        tab |= data[end] == _TAB
        end += 1
    return begin, end, end + (end < stop), bits >= 128, tab != 0


def read_line(w: Any, data: Any, line: int, end: int, after: int, other: bool, tab: bool, count: int) -> int:
    """Append what the definitions with hits say of one line; the new count, or _NO_ROOM.

    other: whether it is not ASCII. tab: whether it holds a TAB.
    """
    definitions, spans, room = to_ints(w[DEFINITIONS]), to_ints(w[SPANS]), to_bytes(w[TAB_ROOM])
    expanded = -1
    zero = np.int64(0)
    index = zero - 1
    while index + 1 < w[COUNT]:
        index += 1
        row = 4 * index
        always = definitions[row + 3] != 0
        start, last = spans[2 * index], spans[2 * index + 1]
        if start < 0 and not always:
            continue
        spans[2 * index] = spans[2 * index + 1] = -1
        if count < 0 or end == line:
            continue
        if definitions[row + 2] == 0 or start < line:  # what looks like a hit may begin on the line before
            start = line
        if always:
            last = end
        new = _FOR_REGEX
        if not other and definitions[row] >= 0:
            new = match_line(w, data, line, end, after, index, start, last, tab, count)
            if new == count and tab:
                if expanded == -1:
                    expanded = with_tabs_as_text(data, line, end, room)
                new = expanded
                if expanded >= 0:
                    new = match_line(w, room, zero, expanded, after, index, zero, expanded, tab, count)
        if new == _FOR_REGEX:
            new = _NO_ROOM
            if count < w[ROW_ROOM]:
                new = add_row(w, count, index, LINE, after, line, end)
        count = new
    return count


def read_log(work_at: Any, data_at: Any, begin: int, stop: int) -> tuple[int, int]:
    """Read data[begin:stop], which is whole lines.

    The number of rows written, and where it came to: the start of a line for whose rows there was no room, or
    that follows lines that took much work; else `stop`.
    """
    w = to_ints(work_at)
    data = to_bytes(data_at)
    state = to_ints(w[STATE])
    state[_BUDGET] = _WORK
    count = np.int64(0)  # typed: a bare 0 has Numba compile what is called with it once more
    place = floor = begin
    while floor < stop:
        if state[_BUDGET] < _WORK >> 1:
            return count, floor
        line, end, after, other, tab = floor, floor, stop, False, False
        found = w[IDLE] != 0
        if found:
            line, end, after, other, tab = line_around(data, floor, floor, stop)
        while place < after:
            place = skip(data_at, place, stop, w[TABLES])
            if place >= after:
                break
            if note_hits(w, data, place, floor, stop) and not found:
                line, end, after, other, tab = line_around(data, place, floor, stop)
                found = True
            place += 1
        if not found:
            break
        new = read_line(w, data, line, end, after, other, tab, count)
        if new == _NO_ROOM:
            return count, line
        count = new
        floor = after
    return count, stop
