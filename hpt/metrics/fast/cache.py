"""Where compiled code is kept between runs."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path


def cache_directory(environment: Mapping[str, str], sources: str) -> Path | None:
    """A directory for compiled code that is ours to write, or None where there is none.

    `$NUMBA_CACHE_DIR`, else a per-user cache, else a private directory among temporary files. What depends on
    `sources` (a text naming everything that was compiled) lies in a directory of its own.
    """
    key = hashlib.sha256(sources.encode()).hexdigest()[:16]
    for base, private in _candidates(environment):
        directory = base / f"numba-{key}"
        try:
            if private:
                base.mkdir(mode=0o700, exist_ok=True)
                found = base.lstat()
                if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
                    continue  # somebody else's: compiled code must not be taken from there
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=directory):
                return directory
        except OSError:
            continue
    return None


def _candidates(environment: Mapping[str, str]) -> Iterator[tuple[Path, bool]]:
    if given := environment.get("NUMBA_CACHE_DIR"):
        yield Path(given), False
    if cache := environment.get("XDG_CACHE_HOME"):
        yield Path(cache) / "hpt", False
    elif home := environment.get("HOME"):
        yield Path(home) / ".cache" / "hpt", False
    yield Path(tempfile.gettempdir()) / f"hpt-cache-{os.getuid()}", True
