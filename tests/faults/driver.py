"""Runs a stored tuning job as the command does, killing itself with SIGKILL at the given point.

    python driver.py STATE NAME [BOUNDARY COUNT]

Kills itself at the COUNT-th time the runner passes BOUNDARY.
"""

from __future__ import annotations

import os
import signal
import sys

from hpt.running.drive import drive
from hpt.running.session import Session


def main() -> int:
    state, name, *where = sys.argv[1:]
    left = int(where[1]) if where else 0

    def boundary(passed: str) -> None:
        nonlocal left
        if where and passed == where[0]:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    session = Session(state)
    with session.take(name, boundary=boundary) as runner:
        drive(runner)
    return 0 if runner.state.status.ended else 3


if __name__ == "__main__":
    sys.exit(main())
