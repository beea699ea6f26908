"""Stores what a training program left behind, as archives or as files (behaviour 16.4).

Whatever is stored appears whole or not at all: it is written under another name first.

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os

from hpt.executors import contract
from hpt.host.files import fsync_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_COMPRESSION = 5  # of 9: models are mostly numbers, which hardly compress; speed counts

GZIP, NONE = "GZIP", "NONE"
"""How results are stored: in an archive, or as the files that they are."""

PARTS = ("model", "output")
_FOLDERS = {"model": "model", "output": "data"}  # of files that are stored as they are


def uri_of(output_path: str, name: str, part: str, compression: str = GZIP) -> str:
    """Where a part (`model`, `output`) of a training job's results is stored."""
    root = output_path if contract.is_remote(output_path) else contract.local_path(output_path)
    last = f"{part}.tar.gz" if compression == GZIP else f"{_FOLDERS[part]}/"
    return f"{root.rstrip('/')}/{name}/output/{last}"


def staged(staging: str, part: str, compression: str = GZIP) -> str:
    """Where a part waits to be uploaded: its archive, or a link to its directory."""
    return os.path.join(staging, f"{part}.tar.gz" if compression == GZIP else f"{part}.files")


def discard(staging: str) -> None:
    """Remove what waits to be uploaded."""
    for part in PARTS:
        for compression in (GZIP, NONE):
            path = staged(staging, part, compression)
            if os.path.lexists(path):
                os.unlink(path)


def store(
    output_path: str,
    name: str,
    staging: str,
    parts: Sequence[tuple[str, str]],
    compression: str = GZIP,
    *,
    stays: bool = False,
) -> dict[str, str]:
    """Store directories where their results belong.

    Parameters
    ----------
    output_path
        The job's output path. For a remote one everything is left in `staging` for the transfer program.
    name
        The training job's name.
    staging
        A directory for what is still to be uploaded.
    parts
        Pairs (part, directory): what is stored.
    compression
        `GZIP`: as archives. `NONE`: the files as they are.
    stays
        Everything is left in `staging`, whatever the output path: that is on the tuner's machine, which
        fetches it.

    Returns
    -------
    dict
        Where each part is stored, by part.

    Raises
    ------
    OSError
        Something could not be written.
    """
    places = {}
    for part, directory in parts:
        places[part] = uri_of(output_path, name, part, compression)
        target = places[part].rstrip("/")
        if stays or contract.is_remote(output_path):
            target = staged(staging, part, compression)
            places[part] = target if stays else places[part]
            if compression == NONE:
                os.symlink(directory, target)
                continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _remove_unfinished(target)
        if compression == GZIP:
            _pack(directory, target)
        else:
            _copy(directory, target)
    return places


def _remove_unfinished(target: str) -> None:
    """Remove what an attempt left that was killed as it stored its results."""
    folder, name = os.path.split(target)
    for entry in os.listdir(folder):
        if entry.startswith(f"{name}.") and entry.endswith(".tmp"):
            _remove(os.path.join(folder, entry))


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        import shutil

        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _pack(directory: str, target: str) -> None:
    """The entries of a directory as an archive that appears whole or not at all."""
    import tarfile

    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        with tarfile.open(temporary, "w:gz", compresslevel=_COMPRESSION) as tar:
            for entry in sorted(os.listdir(directory)):
                tar.add(os.path.join(directory, entry), arcname=entry)
        _sync(temporary)
        os.rename(temporary, target)
    except OSError:
        _remove(temporary)
        raise
    fsync_directory(os.path.dirname(target))


def files_below(directory: str) -> Iterator[str]:
    """The files of a directory by their relative paths, in order. Links to files count as files, and links to
    directories are followed where they stay within it: a link to elsewhere may lead to a whole disk.
    """
    root = os.path.realpath(directory)
    yield from _files(root, "", frozenset((root,)), root + os.sep)


def _files(directory: str, name: str, above: frozenset[str], within: str) -> Iterator[str]:
    with os.scandir(directory) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        inner = os.path.join(name, entry.name)
        if entry.is_file():
            yield inner
        elif entry.is_dir():
            real = os.path.realpath(entry.path)
            if real.startswith(within) and real not in above:
                yield from _files(entry.path, inner, above | {real}, within)


def _copy(directory: str, target: str) -> None:
    """The files of a directory in another, which appears whole or not at all."""
    import shutil

    temporary, former = f"{target}.{os.getpid()}.tmp", f"{target}.{os.getpid()}.old.tmp"
    try:
        os.mkdir(temporary)
        for name in files_below(directory):
            path = os.path.join(temporary, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            shutil.copy2(os.path.join(directory, name), path)
            _sync(path)
        if os.path.lexists(target):  # of an earlier attempt
            os.rename(target, former)
        os.rename(temporary, target)
    except OSError:
        _remove(temporary)
        raise
    fsync_directory(os.path.dirname(target))
    _remove(former)


def _sync(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
