"""Removal of the container of an attempt whose supervisor is gone: nothing else would end it."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from hpt.errors import ExecutorError
from hpt.host.container_engine import is_gone, look, notes, removal
from hpt.host.files import read_file

_LARGEST_NOTE = 1 << 16
_MOST_REMOVALS = 5
_PATIENCE = 60.0


class ContainerRemoval:
    """Removes the containers that the notes in an attempt's directory name, in the background."""

    def __init__(self, directory: str) -> None:
        """directory: the attempt's own."""
        self._removals = [_OneRemoval(path) for path in notes(directory)]
        self.failure = ""
        """Why one could not be removed."""

    def go_on(self) -> bool:
        """Start the next removal, or look at it; returns whether there is anything to wait for."""
        while self._removals:
            if self._removals[0].go_on():
                return True
            self.failure = self.failure or self._removals.pop(0).failure
        return False


class _OneRemoval:
    """The removal of the container that a note names."""

    def __init__(self, note: str) -> None:
        """note: its path. One that cannot be read names no container."""
        self._note = Path(note)
        self._commands: list[list[str]] = []  # that are still to be run, in this order
        self._process: subprocess.Popen[str] | None = None
        self.failure = ""
        """Why it could not be removed."""
        try:
            content = json.loads(read_file(str(self._note), _LARGEST_NOTE))
            engine, name = content["engine"], content["name"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        if (
            isinstance(name, str)
            and isinstance(engine, list)
            and all(isinstance(each, str) for each in engine)
        ):
            self._commands = [removal(engine, name), look(engine, name)] * _MOST_REMOVALS

    def go_on(self) -> bool:
        """Start the removal, or look at it; returns whether there is anything to wait for."""
        if not self._commands:
            return False
        if self._process is None:
            return self._begin()
        if self._process.poll() is None:
            return True
        assert self._process.stdout is not None
        with self._process.stdout as printed:
            said = printed.read(4096).strip()
        code, looked = self._process.returncode, len(self._commands) % 2 == 1
        self._process = None
        if looked and is_gone(code, said):
            self._note.unlink(missing_ok=True)
            return self._end("")
        self._commands.pop(0)
        return bool(self._commands) or self._end(said.splitlines()[-1] if said else f"exit code {code}")

    def _begin(self) -> bool:
        try:
            self._process = subprocess.Popen(
                self._commands[0],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
                errors="replace",
            )
        except OSError as error:
            return self._end(f"{self._commands[0][0]}: {error.strerror}")
        return True

    def _end(self, failure: str) -> bool:
        self._commands, self.failure = [], failure
        return False


def remove_container(directory: str) -> None:
    """Remove the container of the attempt in `directory`, if it has one, and wait for that.

    Raises:
        ExecutorError: the engine does not remove it.
    """
    removing = ContainerRemoval(directory)
    give_up = time.monotonic() + _PATIENCE
    while removing.go_on():
        if time.monotonic() > give_up:
            raise ExecutorError(f"the container of {directory} is not removed by its engine")
        time.sleep(0.01)
    if removing.failure:
        raise ExecutorError(f"the container of {directory} cannot be removed: {removing.failure}")
