# mypy: ignore-errors
# (the language of this module is Numba's, which mypy does not know)
"""The scanner's kernel: one pass over the bytes of a log, whatever the number of patterns.

    1. `simd.skip` passes over bytes at which no literal of any pattern can begin.
    2. What is left is compared with the literals; a hit names a definition and a place (`find_hits`).
    3. On a line with hits, the machine runs each definition that hit, in order, and numbers are read in place
       (`read_lines`).
    4. Lines and values it cannot judge (not ASCII, a pattern only `re` knows, an odd number) it hands back.

Importing this imports Numba; `hpt.metrics.engine` decides when, and where the compiled code is cached. The
arrays of a plan are described in `hpt.metrics.plan`; the others are

    hits   (h, 2) int64: place and definition, by place
    rows   (k, 5) int64: definition, kind, offset after the line, begin and end of a piece of the data
           kinds: VALUE (bits of a float64 in `values` (k,) uint64), TEXT (the piece is for `float`), LINE
           (for `re`)
    spans  (d, 2) int64: first and last hit of each definition on a line, -1 for none; all -1 between calls
    stack, failed, small (3, 4) int64: for `hpt.metrics.machine`        room  uint8: for a line without TABs
"""

from __future__ import annotations

import types
from typing import Any

import numpy as np
from numba import njit

from hpt.metrics import decimal_number, machine, simd
from hpt.metrics.plan import REGEX

VALUE, TEXT, LINE = 0, 1, 2

_LINE_FEED, _CARRIAGE_RETURN, _TAB = 10, 13, 9
_NO_ROOM, _FOR_REGEX = -1, -2

# Nothing here allocates, so there is nothing to count references of; and only the entries are called from
# Python.
_ENTRY = {"nogil": True, "error_model": "numpy", "_nrt": False}
_INNER = {**_ENTRY, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def _compiled(module: Any, *names: str) -> dict[str, Any]:
    """Functions of a plain module, compiled to call one another."""
    space = dict(vars(module))
    for name in names:
        function = getattr(module, name)
        space[name] = njit(**_INNER)(types.FunctionType(function.__code__, space, name))
    return space


_machine = _compiled(
    machine, "is_word", "at_boundary", "holds", "remember", "run", "seek", "push", "attempt", "search"
)
_number = _compiled(decimal_number, "multiply", "nearest", "is_space", "read_number")
search = _machine["search"]
read_number = _number["read_number"]
skip, width, writable, trailing_zeros = simd.skip, simd.width, simd.writable, simd.trailing_zeros
_NOT_A_NUMBER, _NUMBER = decimal_number.NOT_A_NUMBER, decimal_number.NUMBER
_MATCHED, _GAVE_UP = machine.MATCHED, machine.GAVE_UP


@njit(**_INNER)
def is_hit(data: Any, place: int, begin: int, stop: int, literals: Any, letters: Any, row: int) -> bool:
    """Whether literal `row` stands at `place`."""
    start, length = literals[row, 0], literals[row, 1]
    if place < begin or place + length > stop:
        return False
    for i in range(length):  # noqa: SIM110, Numba compiles a loop to less
        if data[place + i] | letters[1, start + i] != letters[0, start + i]:
            return False
    return True


@njit(**_INNER)
def buckets_at(data: Any, place: int, stop: int, tables: Any) -> int:
    """Bits of the buckets whose fingerprint may stand at `place`; bytes beyond `stop` are taken to fit."""
    bits = 255
    for i in range(min(3, stop - place)):
        byte = data[place + i]
        bits &= tables[2 * i, byte & 15] & tables[2 * i + 1, byte >> 4]
    return bits


@njit(**_ENTRY)
def find_hits(
    raw: Any, begin: int, stop: int, literals: Any, letters: Any, buckets: Any, members: Any, tables: Any,
    hits: Any,
) -> tuple[int, int]:  # fmt: skip
    """Find where literals stand. The number of hits, and up to where they are complete: `stop`, or less."""
    data = writable(raw)
    lanes = width()
    count = 0
    place = begin
    while place < stop:
        mask, more, block = 0, 0, 2 * lanes
        if lanes > 0:
            place, mask, more = skip(raw, place, stop, tables)
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
                    row = members[m]
                    hit = candidate - literals[row, 2]
                    if is_hit(data, hit, begin, stop, literals, letters, row):
                        if count == hits.shape[0]:
                            return before, candidate
                        hits[count, 0] = hit
                        hits[count, 1] = literals[row, 3]
                        count += 1
        place += block
    return count, stop


@njit(**_INNER)
def match_line(
    text: Any, begin: int, end: int, after: int, index: int, start: int, last: int, whole: bool,
    definitions: Any, program: Any, sets: Any, first: Any, powers: Any, rows: Any, values: Any, count: int,
    stack: Any, failed: Any, small: Any,
) -> int:  # fmt: skip
    """Append the values of one definition on text[begin:end]; the new count, _NO_ROOM or _FOR_REGEX.

    whole: whether `text` is the data, so that pieces of it can be handed back.
    """
    rules = program[definitions[index, 1] : definitions[index, 2]]
    steps, found = small[0], small[1]
    bits = small[2].view(np.uint64)
    needed = (rules.shape[0] * (end - begin + 1) >> 3) + 1
    memo = failed[:0]
    steps[0] = 16 * (end - begin) + 512
    advance = np.bool_(False)
    while start <= last:
        outcome = search(
            rules, sets, first[index], text, begin, end, start, last, advance, stack, memo, steps, found
        )
        if outcome == _GAVE_UP:
            if memo.size > 0 or needed > failed.size:
                return _FOR_REGEX
            memo = failed[:needed]
            memo[:] = 0
            steps[0] = 64 * rules.shape[0] * (end - begin + 1) + 4096
            continue
        if outcome != _MATCHED:
            break
        steps[0] += 16
        if memo.size > 0:
            memo[:] = 0
            steps[0] -= needed >> 3
        advance = found[0] == found[1]
        start = found[1]
        if found[2] < 0 or found[3] <= found[2]:
            continue
        kind = read_number(text, found[2], found[3], powers, bits)
        if kind == _NOT_A_NUMBER:
            continue
        if kind != _NUMBER and not whole:
            return _FOR_REGEX
        if count == rows.shape[0]:
            return _NO_ROOM
        rows[count, 0] = index
        rows[count, 1] = VALUE if kind == _NUMBER else TEXT
        rows[count, 2] = after
        rows[count, 3] = found[2]
        rows[count, 4] = found[3]
        values[count] = bits[0]
        count += 1
    return count


@njit(**_INNER)
def with_tabs_as_text(data: Any, begin: int, end: int, room: Any) -> int:
    """Write the line with each TAB as `#011` into `room`; its length, or _FOR_REGEX where it has no room."""
    if 4 * (end - begin) > room.size:
        return _FOR_REGEX
    place = 0
    for i in range(begin, end):
        if data[i] == _TAB:
            for byte in (35, 48, 49, 49):
                room[place] = byte
                place += 1
        else:
            room[place] = data[i]
            place += 1
    return place


@njit(**_INNER)
def bounds(data: Any, hit: int, floor: int, stop: int, longest: int) -> tuple[int, int, int]:
    """Begin and end of the line (or piece of one) with `hit`, and the offset after it. `floor` begins a
    line.
    """
    begin = hit
    while begin > floor and data[begin - 1] != _LINE_FEED and data[begin - 1] != _CARRIAGE_RETURN:
        begin -= 1
    begin += (hit - begin) // longest * longest
    end = hit
    limit = min(begin + longest, stop)
    while end < limit and data[end] != _LINE_FEED and data[end] != _CARRIAGE_RETURN:
        end += 1
    ended = end < stop and (data[end] == _LINE_FEED or data[end] == _CARRIAGE_RETURN)
    return begin, end, end + 1 if ended else end


@njit(**_ENTRY)
def read_lines(
    raw: Any, begin: int, reached: int, stop: int, longest: int, hits: Any, hit_count: int,
    definitions: Any, program: Any, sets: Any, first: Any, powers: Any,
    rows: Any, values: Any, spans: Any, stack: Any, failed: Any, small: Any, room: Any,
) -> tuple[int, int]:  # fmt: skip
    """Read the lines of data[begin:stop], whose hits are known up to `reached`.

    The number of rows written, and where it came to: the start of a line that is not wholly before `reached`,
    or for whose rows there was no room; else `stop`.
    """
    data = writable(raw)
    idle = False  # whether lines without hits are to be read too
    for index in range(definitions.shape[0]):
        idle |= definitions[index, 4] != 0
    count, h, floor = np.int64(0), 0, begin  # typed: a bare 0 has Numba compile callees once more
    while floor < stop:
        while h < hit_count and hits[h, 0] < floor:
            h += 1
        if not idle and h == hit_count:
            break
        line, end, after = bounds(data, floor if idle else hits[h, 0], floor, stop, longest)
        if reached < stop and after > reached:
            return count, line
        while h < hit_count and hits[h, 0] < after:
            index, hit = hits[h, 1], hits[h, 0]
            if hit >= line and spans[index, 0] < 0:
                spans[index, 0] = hit
            spans[index, 0] = min(spans[index, 0], max(hit, line))
            spans[index, 1] = max(spans[index, 1], hit)
            h += 1
        ascii_only, tab = True, False
        for i in range(line, end):
            ascii_only &= data[i] < 128
            tab |= data[i] == _TAB
        expanded = -1
        before = count
        for index in range(definitions.shape[0]):
            always = definitions[index, 4] != 0
            if spans[index, 0] < 0 and not always:
                continue
            start = spans[index, 0] if definitions[index, 3] else line
            last = end if always else spans[index, 1]
            spans[index, 0] = spans[index, 1] = -1
            if count < 0 or end == line:
                continue
            new = count if ascii_only and definitions[index, 0] != REGEX else _FOR_REGEX
            text, text_begin, text_end = data, line, end
            for expand in (False, True):
                if expand:
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
                        text, text_begin, text_end, after, index, start, last, not expand, definitions,
                        program, sets, first, powers, rows, values, count, stack, failed, small,
                    )  # fmt: skip
            if new == _FOR_REGEX:
                new = _NO_ROOM
                if count < rows.shape[0]:
                    rows[count, 0], rows[count, 1], rows[count, 2] = index, LINE, after
                    rows[count, 3], rows[count, 4] = line, end
                    new = count + 1
            count = new
        if count < 0:
            return before, line
        floor = after
    if reached < stop:
        return count, bounds(data, reached, floor, stop, longest)[0]
    return count, stop
