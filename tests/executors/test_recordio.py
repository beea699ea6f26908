"""RecordIO, read back by a reader written from the description of the format alone."""

from __future__ import annotations

import random
import struct

import pytest

from hpt.executors import recordio

MAGIC = 0xCED7230A


def records(stream: bytes) -> list[bytes]:
    """All records of a stream: magic, cflag and length, data, padding; parts are joined by the magic."""
    found: list[bytes] = []
    parts: list[bytes] | None = None
    at = 0
    while at < len(stream):
        magic, word = struct.unpack_from("<II", stream, at)
        assert magic == MAGIC, f"no record begins at byte {at}"
        flag, length = word >> 29, word & (1 << 29) - 1
        data = stream[at + 8 : at + 8 + length]
        assert len(data) == length, "a record is cut short"
        at += 8 + length
        padding = -length % 4
        assert stream[at : at + padding] == bytes(padding)
        at += padding
        if flag == 0:
            assert parts is None
            found.append(data)
        elif flag == 1:
            assert parts is None
            parts = [data]
        else:
            assert parts is not None
            parts.append(data)
            if flag == 3:
                found.append(struct.pack("<I", MAGIC).join(parts))
                parts = None
    assert parts is None
    return found


@pytest.mark.parametrize("data", [b"", b"a", b"abcd", b"abcde", bytes(1000)])
def test_a_record_is_padded_to_words(data: bytes) -> None:
    stream = b"".join(recordio.wrap(data))
    assert len(stream) == 8 + (len(data) + 3) // 4 * 4
    assert records(stream) == [data]


def test_data_that_holds_the_magic_number_comes_back() -> None:
    magic = struct.pack("<I", MAGIC)
    draw = random.Random(5)
    samples = [magic, magic * 3, b"x" + magic, b"word" + magic, b"word" + magic + b"end", magic + b"1"]
    samples += [b"".join(draw.choice([magic, b"ab", b"c"]) for _ in range(20)) for _ in range(200)]
    stream = b"".join(part for sample in samples for part in recordio.wrap(sample))
    assert records(stream) == samples


def test_no_word_of_the_data_can_be_taken_for_the_begin_of_a_record() -> None:
    magic = struct.pack("<I", MAGIC)
    stream = b"".join(recordio.wrap(b"word" + magic + b"tail" + magic))
    heads = [at for at in range(0, len(stream), 4) if stream[at : at + 4] == magic]
    lengths = [struct.unpack_from("<I", stream, at + 4)[0] & (1 << 29) - 1 for at in heads]
    assert lengths == [4, 4, 0]


def test_a_record_has_a_greatest_length() -> None:
    class Large(bytes):
        def __len__(self) -> int:
            return recordio.LARGEST + 1

    with pytest.raises(ValueError, match="the most that a record can hold"):
        next(recordio.wrap(Large()))
