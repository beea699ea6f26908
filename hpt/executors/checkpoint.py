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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

UNFINISHED = (".tmp", ".part", ".sagemaker-uploading", ".sagemaker-uploaded")
"""Files that end so are no part of a checkpoint."""


def covered_offset(directory: str, base: str, spec: Mapping[str, Any]) -> int | None:
    """The offset in the log of the attempt in `directory` up to which its checkpoint covers what was printed.

    0: the checkpoint was there before anything was printed, as that of an earlier attempt is. None: there is
    no checkpoint. base: the training directory.
    """
    written = last_written(contract.checkpoint_directory(base, spec))
    if written is None:
        return None
    offset = 0
    try:
        with open(os.path.join(directory, record.INDEX), "rb") as index:
            for line in index:
                size, seconds = line.split()
                if float(seconds) > written:
                    break
                offset = int(size)
    except (OSError, ValueError):  # no index, or a line of it that a full disk cut short
        pass
    return offset


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
