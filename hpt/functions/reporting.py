"""Reports metrics without a pattern: as one tagged line.

    import hpt
    hpt.report(loss=0.25, accuracy=0.9)          # prints: [hpt] metrics: loss=0.25 accuracy=0.9

In a training job the line goes to `$HPT_METRICS_FILE`, from where it is copied into the log: whatever the
program does to its standard output, in whatever process, it arrives. A program run by hand prints it. A
program in another language writes to the file (`hpt.executors.metrics_file`), or prints the line itself.
"""

from __future__ import annotations

import os
import sys
from typing import SupportsFloat

from hpt.job.tagged_line import TAG, tagged_line


def report(**metrics: SupportsFloat) -> None:
    """Report the values of metrics, by name, as one tagged line.

    A name that is no identifier goes in as `report(**{"validation:auc": 0.9})`.

    Raises:
        InputError: a name or a value cannot be written so that it is read again; nothing was reported.
    """
    if not metrics:
        return
    line = tagged_line(metrics)
    if path := os.environ.get("HPT_METRICS_FILE"):
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError:  # the attempt's directory is not to be seen from here
            pass
        else:
            try:
                os.write(fd, f"{line.removeprefix(TAG).strip()}\n".encode())
                return
            finally:
                os.close(fd)
    # The line starts afresh after anything before it, such as a progress bar, and is written in one call.
    sys.stdout.write(f"\n{line}\n")
    sys.stdout.flush()
