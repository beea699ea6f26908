"""The tuner's own hpt as an archive, so that the machines of a cluster run the very same.

Its name is the digest of the names and contents of its files, extension modules included.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = "hpt"
_LEVEL = 1  # of compression: the archive goes over a local network, and is packed at each start


@dataclass(frozen=True, slots=True)
class Package:
    """digest: of its content, as hexadecimal digits. archive: the folder `hpt`, as tar and gzip make it."""

    digest: str
    archive: bytes


def pack(folder: Path | None = None) -> Package:
    """The package as it lies here, without what Python compiled of it. folder: in place of its own."""
    folder = folder or Path(__file__).resolve().parents[1]
    content, digest = io.BytesIO(), hashlib.sha256()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            name = f"{FOLDER}/{path.relative_to(folder).as_posix()}"
            if "__pycache__" in name or not path.is_file():
                continue
            data = path.read_bytes()
            digest.update(f"{len(name)} {name} {len(data)} ".encode() + data)
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644 | path.stat().st_mode & 0o111
            archive.addfile(member, io.BytesIO(data))
    return Package(digest.hexdigest(), gzip.compress(content.getvalue(), _LEVEL, mtime=0))
