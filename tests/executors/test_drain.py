"""What several programs print goes into one log, line by line."""

from __future__ import annotations

import os
from pathlib import Path

from hpt.executors.drain import LONGEST, LineDrain, SharedLog


def test_a_line_without_end_is_held_back_up_to_a_limit(tmp_path: Path) -> None:
    log = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    shared = SharedLog(log)
    one, other = (LineDrain(shared, str(tmp_path / name)) for name in ("one", "other"))
    long = b"x" * (LONGEST * 5 // 2)
    bar = b"".join(b"step %07d\r" % i for i in range(LONGEST // 13 + 10))
    for drain, data in ((one, long), (other, bar + b"end")):
        os.write(drain.input, data[:100])
        for start in range(100, len(data), 50_000):
            os.write(drain.input, data[start : start + 50_000])
        drain.close_input()
        drain.finish()
    content = (tmp_path / "log").read_bytes()
    assert content == long + b"\n" + bar + b"end"  # the other begins a line of its own
    assert (tmp_path / "one").read_bytes() == long
    os.close(log)


def test_a_host_s_own_log_that_cannot_grow_costs_nothing_else(tmp_path: Path) -> None:
    log = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    drain = LineDrain(SharedLog(log), "/dev/full")
    for i in range(3):
        os.write(drain.input, b"loss=%d\n" % i)
    drain.close_input()
    drain.finish()
    assert (tmp_path / "log").read_bytes() == b"loss=0\nloss=1\nloss=2\n"
    os.close(log)
