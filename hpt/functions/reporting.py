"""Reports metrics without a pattern: as one tagged line.

    import hpt
    hpt.report(loss=0.25, accuracy=0.9)          # prints: [hpt] metrics: loss=0.25 accuracy=0.9

The line goes to standard output like any other, so every executor carries it, and a program run by hand
merely prints it. A program in another language prints the line itself, or writes to `$HPT_METRICS_FILE`
(`hpt.executors.metrics_file`), whose values are copied to the log as such lines.
"""

from __future__ import annotations

import sys
from typing import SupportsFloat

from hpt.job.tagged_line import tagged_line


def report(**metrics: SupportsFloat) -> None:
    """Print the values of metrics, by name, as one tagged line.

    A name that is no identifier goes in as `report(**{"validation:auc": 0.9})`.

    Raises:
        InputError: a name or a value cannot be printed so that it is read again; nothing was printed.
    """
    if metrics:
        # The line starts afresh after anything before it, such as a progress bar, and is written in one call.
        sys.stdout.write(f"\n{tagged_line(metrics)}\n")
        sys.stdout.flush()
