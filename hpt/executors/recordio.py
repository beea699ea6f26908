"""RecordIO, the format of MXNet in which Pipe mode can wrap objects. Standard library only.

A record is a magic number, a word with the length of the data in its lower 29 bits, and the data, filled up
to a multiple of 4 bytes; numbers are little-endian. Where an aligned word of the data equals the magic
number, the data is split there into parts without that word, and the upper 3 bits say which part it is: 0 a
whole record, 1 the first part, 2 one in the middle, 3 the last. A reader puts the magic number between the
parts again. (dmlc-core, `include/dmlc/recordio.h`.)
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = struct.pack("<I", 0xCED7230A)
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)

LARGEST = (1 << 29) - 1
"""Bytes that a record can hold."""


def wrap(data: bytes) -> Iterator[bytes]:
    """A record that holds `data`, in pieces.

    Raises:
        ValueError: it holds more than `LARGEST` bytes.
    """
    if len(data) > LARGEST:
        raise ValueError(f"{len(data)} bytes are more than {LARGEST}, the most that a record can hold")
    begin = 0
    for at in _cells(data):
        yield _header(_MIDDLE if begin else _FIRST, at - begin)
        yield data[begin:at]
        begin = at + 4
    yield _header(_LAST if begin else _WHOLE, len(data) - begin)
    yield data[begin:] if begin else data
    yield bytes(-len(data) % 4)


def _header(part: int, length: int) -> bytes:
    return _MAGIC + struct.pack("<I", part << 29 | length)


def _cells(data: bytes) -> Iterator[int]:
    """Where aligned words equal the magic number."""
    at = data.find(_MAGIC)
    while at >= 0:
        if at % 4 == 0:
            yield at
        at = data.find(_MAGIC, at + 1)
