"""Which node each attempt was given to: written before it is started there, so that no attempt is ever
started on two.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hpt.errors import StorageError, StorageProblem
from hpt.executors.base import AttemptKey
from hpt.host.private import make_directories, open_private


@dataclass(frozen=True, slots=True)
class Placement:
    """node: the identity of the node; "" where it was withdrawn. spot: it could be taken away. address: its
    name for people. share: what it costs, as a share of the full price. time: of the choice, in seconds since
    the epoch; 0 if it is not known.
    """

    node: str
    spot: bool = False
    address: str = ""
    share: float = 1.0
    time: float = 0.0


class Placements:
    """A file of lines that only grows, shared by every process that runs the job."""

    def __init__(self, root: Path) -> None:
        self._path = root / "nodes.log"
        self._known: dict[AttemptKey, Placement] = {}
        self._more: dict[AttemptKey, tuple[float, float]] = {}  # of what stands on the next line
        self._read = 0

    def of(self, key: AttemptKey) -> Placement | None:
        """Where the attempt is; None if it was given to no node yet."""
        try:
            with self._path.open("rb") as file:
                self._take(file.fileno())
        except FileNotFoundError:
            return None
        return self._found(key)

    def _found(self, key: AttemptKey) -> Placement | None:
        found = self._known.get(key)
        return None if found is None or not found.node else found

    def withdraw(self, key: AttemptKey) -> None:
        """Nothing of the attempt was started where it was to be: it may be given to another node.

        Raises:
            StorageError: as `place`.
        """
        self._append(key, lambda found: Placement(""))

    def place(self, key: AttemptKey, choose: Callable[[], Placement | None]) -> Placement | None:
        """Where the attempt is, which `choose` says if nobody chose before; None if it chooses none.

        Raises:
            StorageError: it cannot be recorded, and nothing may be started.
        """
        return self._append(key, lambda found: choose() if found is None else None)

    def _append(
        self, key: AttemptKey, choose: Callable[[Placement | None], Placement | None]
    ) -> Placement | None:
        """Record what is chosen, given what is recorded, unless that is nothing; returns what holds then."""
        try:
            make_directories(self._path.parent)
            with self._locked() as fd:
                self._take(fd)
                new = choose(self._found(key))
                if new is not None:
                    line = json.dumps([*key, new.node, new.spot, new.address]).encode() + b"\n"
                    if new.time:  # on a line of its own, which earlier versions skip
                        more = {"of": key, "share": new.share, "time": new.time}
                        line = json.dumps(more).encode() + b"\n" + line
                    if os.fstat(fd).st_size > self._read:
                        line = b"\n" + line  # after a line that was cut short
                    os.write(fd, line)
                    self._take(fd)
                return self._found(key)
        except OSError as error:
            raise StorageError(
                "where a training job runs cannot be recorded",
                path=str(self._path),
                reason=error.strerror or str(error),
                fix="make room there",
                problem=StorageProblem.WRITING,
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[int]:
        fd = open_private(str(self._path), os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield fd
        finally:
            os.close(fd)

    def _take(self, fd: int) -> None:
        """Read what was added."""
        size = os.fstat(fd).st_size
        if size <= self._read:
            return
        data = os.pread(fd, size - self._read, self._read)
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            try:
                content = json.loads(line)
                if isinstance(content, dict):
                    self._more[AttemptKey(*content["of"])] = content["share"], content["time"]
                    continue
                name, attempt, node, spot, address = content
            except (ValueError, KeyError, TypeError):
                continue
            key = AttemptKey(name, attempt)
            self._known[key] = Placement(node, spot, address, *self._more.pop(key, (1.0, 0.0)))
