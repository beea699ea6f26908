"""What still runs of a tuning job, whoever started it."""

from __future__ import annotations

import fcntl
from pathlib import Path

from hpt.executors.record import LOCK as ATTEMPT_LOCK


def attempts_below(trials: Path) -> list[str]:
    """The names of the training jobs that have a living supervisor."""
    running = []
    for lock in sorted(trials.glob(f"*/attempts/*/{ATTEMPT_LOCK}")):
        try:
            with lock.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            running.append(lock.parents[2].name)
        except OSError:
            continue  # it went away, or says nothing
    return running
