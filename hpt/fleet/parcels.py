"""Files of the tuner's host that training jobs elsewhere need: data of channels, and functions.

On the tuner's host each is packed once, below the job's directory:

    <job>/parcels/<digest>       a tar archive of the file or folder, under its own name

On a machine it is kept by its digest, for all tuning jobs:

    <folder>/<digest>/<name>     the file or folder
    <folder>/.<digest>.part      what has arrived so far
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hpt.errors import ExecutorError
from hpt.executors.contract import unpack
from hpt.host.private import make_directories

PLACE = "parcels"
PART = 1 << 24
"""Bytes that are sent at a time."""

LARGEST = 1 << 30
"""Bytes of one; more belong on S3."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """digest: of the archive. name: of the file or folder. archive: where it lies on the tuner's host."""

    digest: str
    name: str
    archive: Path


class Parcels:
    """What was packed for one tuning job. root: its directory."""

    def __init__(self, root: Path) -> None:
        self._place = root / PLACE
        self._packed: dict[tuple[str, object], Parcel] = {}

    def of(self, path: Path) -> Parcel | None:
        """The parcel of a file or folder as it is now; None if it is not there or too large.

        Raises:
            ExecutorError: it cannot be read, or there is no room to pack it.
        """
        try:
            files = sorted(_files(path))
            states = [
                (str(file), state.st_size, state.st_mtime_ns) for file in files if (state := file.stat())
            ]
            if not files or sum(size for _, size, _ in states) > LARGEST:
                return None
            key = str(path), tuple(states)
            if key not in self._packed:
                self._packed[key] = self._pack(path, files)
            return self._packed[key]
        except OSError as error:
            raise ExecutorError(f"{path} cannot be sent to other machines: {error}") from None

    def _pack(self, path: Path, files: list[Path]) -> Parcel:
        make_directories(self._place)
        fd, new = tempfile.mkstemp(prefix=".", dir=self._place)
        with os.fdopen(fd, "wb") as target, tarfile.open(fileobj=target, mode="w") as archive:
            for file in files:
                member = tarfile.TarInfo(file.relative_to(path.parent).as_posix())
                state = file.stat()
                member.size, member.mode = state.st_size, 0o600 | state.st_mode & 0o111
                with file.open("rb") as content:
                    archive.addfile(member, content)
        with Path(new).open("rb") as packed:
            digest = hashlib.file_digest(packed, "sha256").hexdigest()
        return Parcel(digest, path.name, Path(new).rename(self._place / digest))


def _files(path: Path) -> Iterator[Path]:
    """The file itself, or what a folder holds; links lead to what they name."""
    if path.is_file():
        yield path
    for place, _, names in os.walk(path, followlinks=True):
        yield from (each for name in names if (each := Path(place, name)).is_file())


class Received:
    """The parcels that are on a machine. place: the folder of them."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def path(self, digest: str, name: str) -> Path:
        return self._place / digest / name

    def has(self, digest: str) -> bool:
        return (self._place / digest).is_dir()

    def wants(self, digest: str) -> int:
        """The offset from which on it is to be sent; -1 if it is here."""
        part = self._place / f".{digest}.part"
        return -1 if self.has(digest) else part.stat().st_size if part.exists() else 0

    def take(self, digest: str, offset: int, data: bytes) -> int:
        """Take a part, which begins at an offset, and with the last one unpack. Returns the offset that is to
        come next, -1 once it is whole.

        data: empty after the last part.

        Raises:
            ExecutorError: it arrived damaged, or there is no room; it is sent again.
        """
        if self.has(digest):
            return -1
        part = self._place / f".{digest}.part"
        try:
            make_directories(self._place)
            with part.open("ab") as file:
                size = file.tell()
                if offset != size or data:
                    if offset == size:
                        file.write(data)
                    return size + (len(data) if offset == size else 0)
            self._unpack(digest, part)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise ExecutorError(f"data cannot be kept in {self._place}: {error.strerror}") from None
        return -1

    def _unpack(self, digest: str, part: Path) -> None:
        with part.open("rb") as file:
            right = hashlib.file_digest(file, "sha256").hexdigest() == digest
        if not right:
            part.unlink()
            raise ExecutorError(f"data ({digest[:12]}) arrived damaged; it is sent again")
        new = tempfile.mkdtemp(prefix=".", dir=self._place)
        try:
            unpack(str(part), new)
            Path(new).rename(self._place / digest)
        except OSError:
            shutil.rmtree(new, ignore_errors=True)
            if not self.has(digest):  # or another agent was first
                raise
        part.unlink(missing_ok=True)


def read_part(parcel: Parcel, offset: int) -> bytes:
    """What is to be sent from an offset on; empty at the end."""
    with io.FileIO(parcel.archive) as file:
        file.seek(offset)
        return file.read(PART)
