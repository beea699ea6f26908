"""Keeps the process that moves data of training jobs on a machine (`executors/transfer_server.py`)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpt.executors.contract import is_remote
from hpt.executors.node import Node

_PLACES = "output_path", "checkpoint_uri"
_AGAIN = 60.0  # seconds after which it is started again that has ended


class Transfers:
    """root: the directory of the tuning job on this machine."""

    def __init__(self, root: Path, node: Node) -> None:
        self._root, self._node = root, node
        self._process: subprocess.Popen[bytes] | None = None
        self._next = 0.0

    def begin(self, content: Mapping[str, Any]) -> None:
        """Start it, unless it runs, before an attempt that moves data is started. content: of its order.

        What fails is no reason not to start the attempt, which then does without.
        """
        places = [content[name] or "" for name in _PLACES]
        if not any(map(is_remote, [*places, *(channel["uri"] for channel in content["channels"])])):
            return
        if (self._process is not None and self._process.poll() is None) or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _AGAIN
        environment = self._node.environment
        packages = os.pathsep.join(filter(None, [self._node.library, environment.get("PYTHONPATH")]))
        with contextlib.suppress(OSError), (self._root / "transfers.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._node.interpreter, "-m", "hpt.executors.transfer_server", str(self._root)],
                env={**environment, **({"PYTHONPATH": packages} if packages else {})},
                stdin=subprocess.PIPE,  # ends with this process, and it with that
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
