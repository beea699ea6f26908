"""The process beside a program that brings its checkpoints and its log to S3 while it runs.

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os
import signal
import time

from hpt.executors import child, contract, log_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_AGAIN = 60.0  # seconds after which it is started again that has died


class Mirror:
    """Starts the process once there is something to bring, again if it dies, and ends it with the program.

    pid: of the process, while there is one. copies: checkpoints go to S3. log_is_due: the log is to be
    brought there, and what follows the program has not done so yet.
    """

    def __init__(self, spec: Mapping[str, Any], launch: Callable[[], int]) -> None:
        """launch: starts the process. Raises LaunchError or OSError."""
        self._launch = launch
        self.copies = contract.is_remote(spec.get("checkpoint_uri") or "")
        self.log_is_due = bool(spec) and log_place.shipped(spec) is not None
        # A short program has no log to bring before its end, and no process is paid for.
        self._delay = 0.0
        if not self.copies and self.log_is_due:
            self._delay = log_place.seconds_between(spec, log_place.SECONDS_VARIABLE, log_place.EVERY)
        self._due: float | None = None
        self.pid: int | None = None

    def begin(self) -> None:
        """The program has begun."""
        if self.copies or self.log_is_due:
            self._due = time.monotonic() + self._delay
            self.look()

    def look(self) -> None:
        """Start the process if it is time."""
        if self.pid is not None or self._due is None or time.monotonic() < self._due:
            return
        self._due = None
        try:
            self.pid = self._launch()
        except (child.LaunchError, OSError):  # no reason to lose the program
            self._due = time.monotonic() + _AGAIN

    def take(self, ended: Mapping[int, int]) -> None:
        """Hear which children have ended, with their wait statuses."""
        if self.pid is not None and self.pid in ended:
            if ended[self.pid] != 0:  # else it has nothing more to bring
                self._due = time.monotonic() + _AGAIN
            self.pid = None

    def end(self) -> None:
        """End the process: the program has ended."""
        self._due = None
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None
