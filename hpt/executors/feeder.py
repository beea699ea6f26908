"""The feeder of Pipe channels as its supervisor sees it. Standard library only."""

from __future__ import annotations

import os
import signal
import stat

from hpt.executors import channels, contract, outcome
from hpt.executors import child as launch
from hpt.host.files import read_file
from hpt.host.private import open_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LOG = "feed.log"

_START = os.path.join(os.path.dirname(os.path.abspath(__file__)), "start.py")
_REASON_BYTES = 4096


def failure_path(directory: str, host: int) -> str:
    """Where a feeder says why it failed."""
    return os.path.join(directory, f"feed.{host}.failure")


class Feeder:
    """A running feeder. It ends by itself only when something is wrong."""

    def __init__(
        self,
        directory: str,
        base: str,
        spec: Mapping[str, Any],
        variables: Mapping[str, str],
        host: int = 0,
        hosts: int = 1,
    ) -> None:
        """Start it.

        Parameters
        ----------
        directory
            The attempt's directory.
        base
            The host's training directory, whose channels were provided.
        spec
            What to run.
        variables
            The environment of the training program.
        host, hosts
            The host's index, and how many there are.

        Raises
        ------
        LaunchError
            It cannot be started.
        """
        self._failure = failure_path(directory, host)
        self._streams = os.path.join(base, "input/data")
        self._status: int | None = None
        arguments = [directory, base, str(host), str(hosts)]
        if _may_need_s3(spec):
            packages = os.pathsep.join(filter(None, [spec["transfer_path"], os.environ.get("PYTHONPATH")]))
            variables = {**variables, "PYTHONPATH": packages}
            command = [spec["interpreter"], "-m", "hpt.executors.feed", *arguments]
        else:
            command = [spec["interpreter"], "-I", "-S", _START, "feed", *arguments]
        output = open_private(os.path.join(directory, LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            self.pid = launch.launch(command, variables, directory, output)
        finally:
            os.close(output)

    def has_failed(self, ended: Mapping[int, int]) -> bool:
        """Whether it is among the children that ended, given with their wait statuses, and failed."""
        self._status = ended.get(self.pid, self._status)
        return bool(self._status)

    def end(self) -> None:
        """End it, unless it has ended, and remove its FIFOs. The program does not read any more."""
        if self._status is None:
            self._status = self._killed()
        try:
            with os.scandir(self._streams) as entries:
                for entry in entries:
                    if stat.S_ISFIFO(entry.stat(follow_symlinks=False).st_mode):
                        os.unlink(entry.path)
        except OSError:
            pass  # the program removed them, or worse; nobody reads them any more

    def _killed(self) -> int:
        """Its wait status if it ended by itself; 0 if it is only now killed."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return status
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass
        return 0

    def failure(self) -> dict[str, Any] | None:
        """How the attempt ended if the feeder failed: the program had only some of its data."""
        try:
            reason = read_file(self._failure, _REASON_BYTES).decode("utf-8", "replace").strip()
        except OSError:
            reason = ""
        if not reason and not self._status:
            return None
        status = self._status or 0
        reason = reason or f"the process that feeds its Pipe channels ended: {outcome.how_it_ended(status)}"
        theirs = os.WIFEXITED(status) and os.WEXITSTATUS(status) in (0, contract.TRANSFER_REFUSED)
        return outcome.failed(reason) if theirs else outcome.lost(reason)


def _may_need_s3(spec: Mapping[str, Any]) -> bool:
    return any(
        contract.is_remote(channel["uri"]) or channel.get("data_type") in channels.MANIFESTS
        for channel in spec["channels"]
        if channels.is_pipe(channel)
    )
