"""How much of an attempt's log its newest checkpoint covers.

A program that keeps checkpoints goes on from the newest one when it is started again, so the reports that
count are those printed before that checkpoint was written. Its time is that of its last file; the log's
index says when the log grew: both as the kernel dates what the program does, so that no delay of ours makes
a difference. Programs print before they save or after: what was printed next after the checkpoint was written
belongs to it within two seconds, if what was printed before is at least three times as far away. In doubt
fewer reports count: no trial is judged by epochs that its model has not been trained for.

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

_SET_BACK = 0.1
"""Seconds by which the date of a line may be before that of the line before it."""

_NEAR, _NEAR_SHARE = 2.0, 0.25
"""What was printed after a checkpoint was written belongs to it within so many seconds, and within this share
of the time between what was printed before that and after.
"""

_AT_ONCE = 0.02
"""Seconds within which what is printed and what is saved is one, whatever was printed before: a line may
come in pieces, and kernels count in steps of up to 10 ms.
"""

_WITH = 0.05
"""Seconds within which lines are taken for printed together."""

_LATE = 0.6
"""Seconds after which what is printed is in the log and dated."""

_MOST = 1 << 25
"""Bytes that are read of a record."""

UNFINISHED = (".tmp", ".part", ".sagemaker-uploading", ".sagemaker-uploaded")
"""Files that end so are no part of a checkpoint."""


def covered_offset(
    directory: str, base: str, spec: Mapping[str, Any], written: float | None = None
) -> int | None:
    """The offset in an attempt's log up to which its checkpoint covers what was printed.

    Parameters
    ----------
    directory
        Of the attempt.
    base
        The training directory.
    spec
        What runs.
    written
        When the checkpoint was written, by the wall clock; that of its newest file if it is left out.

    Returns
    -------
    int or None
        0: the checkpoint was there before anything was printed, as that of an earlier attempt is. None: there
        is no checkpoint.
    """
    if written is None:
        written = last_written(contract.checkpoint_store(base, spec))
    return None if written is None else _cover(directory, written)[0]


def settles_after(directory: str, written: float) -> float:
    """Seconds from when a checkpoint was written until all that belongs to it is in the log and dated, as far
    as the log says that by now; 0 if what is still to come into it cannot belong to it.
    """
    until = _cover(directory, written)[1]
    return 0.0 if until is None else max(0.0, until - written) + _LATE


def _cover(directory: str, written: float) -> tuple[int, float | None]:
    """The offset up to which a checkpoint covers the log, and until when more that belongs to it may be
    printed; None: never.
    """
    offset = 0
    latest = 0.0  # of the wall clock's times so far
    until = None  # what was printed after it was written belongs to it up to then
    for size, wall, lead in _dated(directory):
        if wall < latest - _SET_BACK and (until is not None or written <= latest + _DOUBT):
            return offset, None  # the clock was set back: was it written before that?
        if until is None and wall > written:
            before = latest or _began(directory, lead)
            near = max(_AT_ONCE, min(_NEAR, _NEAR_SHARE * (wall - before)))
            if before > written or wall - written > near:
                return offset, None
            until = wall + min(_WITH, near)
        if until is not None and wall > until:
            return offset, None
        latest = max(latest, wall)
        offset = int(size)
    if until is None:
        # wall - written <= share (wall - before), solved for the latest such wall
        silence = (written - latest) * _NEAR_SHARE / (1 - _NEAR_SHARE) if latest else _NEAR
        until = written + max(_AT_ONCE, min(_NEAR, silence)) + _WITH
    return offset, until


def _dated(directory: str) -> Iterator[tuple[float, float, float]]:
    """The log's lengths, when each was reached, by the wall clock, and by how much that was ahead."""
    leads = _leads(directory)
    lead = 0.0
    for size, seconds in _pairs(directory, record.INDEX):
        while leads and leads[0][0] <= size:
            lead = leads.pop(0)[1]
        yield size, seconds + lead, lead


def _began(directory: str, lead: float) -> float:
    """When the program was started, by the wall clock; endless if that is not known."""
    try:
        data = read_file(os.path.join(directory, record.PHASES), _MOST)
        begun = [line.split()[1] for line in data.splitlines() if line.startswith(b"Training ")]
        return float(begun[-1]) + lead
    except (OSError, ValueError, IndexError):
        return float("inf")


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
