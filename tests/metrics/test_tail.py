"""A log is followed in chunks, and its values dated."""

from __future__ import annotations

import pytest

from hpt.executors.base import LogChunk
from hpt.job.config import MetricDefinition
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.tail import LogTail

LOSS = CompiledDefinitions([MetricDefinition("loss", "loss=([^ ]+)")])


def test_a_value_has_the_time_by_which_its_line_was_written() -> None:
    tail = LogTail(LOSS)
    data = b"loss=1\nloss=2\nloss=3\nloss=4"
    values = tail.feed(LogChunk(0, data, [(6, 10.0), (7, 11.0), (15, 12.0), (27, 13.0)]))
    assert values == [("loss", 1.0, 7, 11.0), ("loss", 2.0, 14, 12.0), ("loss", 3.0, 21, 13.0)]
    assert (tail.cursor, tail.offset) == (21, 27)
    assert tail.finish() == [("loss", 4.0, 27, 13.0)]


def test_times_that_stop_short_give_the_latest() -> None:
    tail = LogTail(LOSS)
    assert tail.feed(LogChunk(0, b"loss=1\n", [(3, 5.0)])) == [("loss", 1.0, 7, 5.0)]
    assert tail.feed(LogChunk(7, b"loss=2\n")) == [("loss", 2.0, 14, 5.0)]
    assert LogTail(LOSS).feed(LogChunk(0, b"loss=1\n")) == [("loss", 1.0, 7, 0.0)]


def test_a_reader_that_takes_over_at_the_cursor_sees_the_rest() -> None:
    log = b"loss=1\nnoise\rloss=0\rloss=2\r\nloss=3 loss=4\nloss=5"
    whole = LogTail(LOSS)
    expected = [*whole.feed(LogChunk(0, log)), *whole.finish()]
    assert [value for _, value, _, _ in expected] == [1.0, 2.0, 3.0, 4.0, 5.0]
    for cut in range(len(log) + 1):
        first = LogTail(LOSS)
        seen = first.feed(LogChunk(0, log[:cut]))
        second = LogTail(LOSS, first.cursor)
        seen += second.feed(LogChunk(first.cursor, log[first.cursor :]))
        assert [*seen, *second.finish()] == expected


def test_a_cursor_out_of_an_event_is_a_place_to_begin() -> None:
    """The runner records the offset after the line of a value, and begins there again."""
    log = b"loss=1\r\nloss=2\r\nloss=3\r\n"
    expected = LogTail(LOSS).feed(LogChunk(0, log))
    for i, (_, _, end, _) in enumerate(expected):
        assert LogTail(LOSS, end).feed(LogChunk(end, log[end:])) == expected[i + 1 :]


def test_chunks_may_overlap_but_not_leave_gaps() -> None:
    tail = LogTail(LOSS)
    log = b"loss=1\nloss=2\nloss=3\n"
    assert len(tail.feed(LogChunk(0, log[:10]))) == 1
    assert [value for _, value, _, _ in tail.feed(LogChunk(3, log[3:]))] == [2.0, 3.0]
    assert tail.feed(LogChunk(0, log)) == []
    with pytest.raises(ValueError, match="from offset 22 follows 21"):
        tail.feed(LogChunk(22, b"x"))
