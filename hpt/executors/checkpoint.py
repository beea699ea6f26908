"""How much of an attempt's log its newest checkpoint covers.

A program that keeps checkpoints goes on from the newest one when it is started again, so the reports that
count are those printed before that checkpoint was written. Its time is that of its last file; the log's
index gives the length of the log at that time to within a tick of the supervisor. In doubt fewer reports
count: no trial is judged by epochs that its model has not been trained for.

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os

from hpt.executors import contract, record
from hpt.host.files import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_DOUBT = 1.0
"""Seconds within which the dates of a file and of the log cannot be told apart."""

_MOST = 1 << 25
"""Bytes that are read of a record."""

UNFINISHED = (".tmp", ".part", ".sagemaker-uploading", ".sagemaker-uploaded")
"""Files that end so are no part of a checkpoint."""


def covered_offset(directory: str, base: str, spec: Mapping[str, Any]) -> int | None:
    """The offset in the log of the attempt in `directory` up to which its checkpoint covers what was printed.

    0: the checkpoint was there before anything was printed, as that of an earlier attempt is. None: there is
    no checkpoint. base: the training directory.
    """
    written = last_written(contract.checkpoint_store(base, spec))
    if written is None:
        return None
    offset = 0
    latest = 0.0  # of the wall clock's times so far
    leads = _leads(directory)
    lead = 0.0
    for size, seconds in _pairs(directory, record.INDEX):
        while leads and leads[0][0] <= size:
            ahead = leads.pop(0)[1]
            if ahead < lead and written <= latest + _DOUBT:  # set back: was it written before that?
                return offset
            lead = ahead
        wall = seconds + lead
        if wall > written:
            break
        latest = max(latest, wall)
        offset = int(size)
    return offset


def _leads(directory: str) -> list[tuple[float, float]]:
    """By how much the wall clock was ahead, from which length of the log on."""
    return list(_pairs(directory, record.LEADS))


def _pairs(directory: str, name: str) -> Iterator[tuple[float, float]]:
    """The pairs of numbers on the lines of a record up to one that is damaged or was cut short."""
    try:
        data = read_file(os.path.join(directory, name), _MOST)
    except OSError:
        return
    for line in data.splitlines():
        try:
            size, seconds = map(float, line.split())
        except ValueError:
            return
        if not 0 <= size < 1e18 or not -1e12 < seconds < 1e12:
            return
        yield size, seconds


def last_written(directory: str) -> float | None:
    """When a file below `directory` was last written, in seconds since the epoch; None if there is none."""
    newest: float | None = None
    for place, _, names in os.walk(directory):
        for name in names:
            if name.endswith(UNFINISHED):
                continue
            try:
                time = os.stat(os.path.join(place, name)).st_mtime
            except OSError:
                continue
            newest = time if newest is None else max(newest, time)
    return newest
