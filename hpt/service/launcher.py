"""Starts the process that runs a tuning job: detached, so that it outlives whoever asked for the job."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import hpt.errors
from hpt.errors import ExecutorError
from hpt.storage.place import command

LOG = "runner.log"
"""In the job's directory: what its runner said. A job that has one was started by a service."""

START_SECONDS = 30.0
"""A runner started this recently is taken to be on its way."""

_RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from hpt.cli.main import main; sys.exit(main())"


class Launcher:
    """Starts runners for the jobs of one state directory. Ended ones are waited for now and then."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._started: list[subprocess.Popen[bytes]] = []

    def manages(self, directory: Path) -> bool:
        """Whether a service once started a runner for the job in `directory`."""
        return (directory / LOG).exists()

    def start(self, name: str, directory: Path, *, again: bool = True) -> None:
        """Run `hpt resume NAME` in a session of its own, unless one was started a moment ago.

        again: False starts one in any case.

        Raises:
            ExecutorError: no process could be started.
        """
        self._started = [process for process in self._started if process.poll() is None]
        log = directory / LOG
        with contextlib.suppress(FileNotFoundError):
            if again and time.time() - log.stat().st_mtime < START_SECONDS:
                return
        package = Path(hpt.errors.__file__).parent.parent
        words = [
            sys.executable,
            "-c",
            _RUN,
            str(package),
            "resume",
            name,
            "--quiet",
            "--state",
            str(self._root),
        ]
        try:
            with log.open("ab") as output:
                os.utime(output.fileno())
                self._started.append(
                    subprocess.Popen(
                        words,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=output,
                        cwd=self._root,
                        start_new_session=True,
                    )
                )
        except OSError as error:
            raise ExecutorError(
                f"no process could be started to run tuning job {name}: {error.strerror}; "
                f"start it with: {command(f'resume {name}', self._root)}"
            ) from error
