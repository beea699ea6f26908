"""The copies of a program and its files that a training job works on: made before it starts, cleared away
after it ended where it did not change them.

A manifest says what there is, as JSON data:

    mode      permissions of the folder
    folders   [path, ...], each after the one above it
    files     [[path, mode, size, time in nanoseconds, sha256], ...]
    links     [[path, target], ...]: relative links within the folder
    shared    [[path, target, ...], ...]: links to what was not copied

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_PIECE = 1 << 24
_SMALL = 1 << 16
_NO_RANGES = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY)
"""Errors of `copy_file_range` where a plain copy may do: other file systems, kernels, sandboxes."""


class SnapshotError(Exception):
    """A snapshot is missing or damaged; the message says which."""


def fill(directory: str, manifest: Mapping[str, Any], origins: Iterable[str], *, exact: bool = True) -> None:
    """Make the copies in an empty directory.

    Parameters
    ----------
    directory
        Where they go.
    manifest
        What there is.
    origins
        Where each file is read, in the order of the manifest. Its blocks are shared with the copy until
        either is written to, where the file system can do that.
    exact
        Whether a file of another size than the manifest's is an error.

    Raises
    ------
    SnapshotError
        A file is missing or has another size.
    OSError
        The directory cannot be written.
    """
    os.chmod(directory, manifest["mode"])  # what others may not read stays so
    for path in manifest["folders"]:
        os.mkdir(f"{directory}/{path}", 0o755)
    ranges = True
    for row, origin in zip(manifest["files"], origins, strict=True):
        path, mode, size, time = row[:4]
        try:
            reading = os.open(origin, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            if exact:
                raise SnapshotError(f"{origin} cannot be read: {error.strerror}") from None
            continue  # removed since it was listed
        try:
            writing = os.open(
                f"{directory}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode
            )
            try:
                if size <= _SMALL:  # cheaper than asking the kernel, and no blocks worth sharing
                    copied = _write(writing, os.read(reading, size)) if size else 0
                else:
                    copied, ranges = _copy(reading, writing, size, ranges)
                if exact and copied != size:
                    raise SnapshotError(f"{origin} has {copied} bytes of {size}")
                os.utime(writing, ns=(time, time))
            finally:
                os.close(writing)
        finally:
            os.close(reading)
    for path, target in manifest["links"]:
        os.symlink(target, f"{directory}/{path}")
    for path, target, *_ in manifest["shared"]:
        os.symlink(target, f"{directory}/{path}")


def _copy(reading: int, writing: int, size: int, ranges: bool) -> tuple[int, bool]:
    """Copy at most `size` bytes; returns how many there were, and whether the kernel copies between them."""
    copied = 0
    while copied < size:
        if ranges:
            try:
                count = os.copy_file_range(reading, writing, size - copied)
            except OSError as error:
                if error.errno not in _NO_RANGES:
                    raise
                ranges = False
                continue
        else:
            count = _write(writing, os.read(reading, min(_PIECE, size - copied)))
        if count == 0:
            break
        copied += count
    return copied, ranges


def _write(writing: int, data: bytes) -> int:
    written = os.write(writing, data)
    while written < len(data):  # as on a disk that is almost full
        written += os.write(writing, data[written:])
    return written


def clear(directory: str, manifest: Mapping[str, Any]) -> None:
    """Remove the copies that are as they were made, and what Python compiled from them: what the program left
    stays, and nothing else does.

    Nothing is removed through a link that the program put in the place of a folder: what it leads to may be
    the very files that were copied.
    """
    folders = _real_folders(directory, manifest)
    for path, _, size, time, *_ in manifest["files"]:
        place = f"{directory}/{path}"
        if os.path.dirname(path) in folders and _is_unchanged(place, size, time):
            _try(os.unlink, place)
    for path, target, *_ in [*manifest["links"], *manifest["shared"]]:
        place = f"{directory}/{path}"
        if os.path.dirname(path) in folders and _leads_to(place, target):
            _try(os.unlink, place)
    for path in sorted(folders, reverse=True):
        _clear_compiled(f"{directory}/{path}/__pycache__" if path else f"{directory}/__pycache__")
        if path:
            _try(os.rmdir, f"{directory}/{path}")


def left_behind(
    directory: str, manifest: Mapping[str, Any] | None, most: int = 1000
) -> list[tuple[str, int]]:
    """The files that a program made or changed among its copies: (path, bytes), in order, at most `most`.

    manifest: what was copied; None if nothing was, or if the copies have been cleared away.
    """
    files = {row[0]: (row[2], row[3]) for row in manifest["files"]} if manifest is not None else {}
    found: list[tuple[str, int]] = []
    for place, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            whole = os.path.join(place, name)
            path = os.path.relpath(whole, directory)
            try:
                status = os.lstat(whole)
            except OSError:
                continue
            same = (status.st_size, status.st_mtime_ns) == files.get(path)
            if stat.S_ISREG(status.st_mode) and not same:
                found.append((path, status.st_size))
                if len(found) == most:
                    return found
    return found


def _real_folders(directory: str, manifest: Mapping[str, Any]) -> set[str]:
    """The folders that are still the ones that were made, the top as ""."""
    real: set[str] = set()
    for path in ["", *manifest["folders"]]:
        above = os.path.dirname(path)
        if path and above not in real:
            continue
        try:
            if stat.S_ISDIR(os.lstat(f"{directory}/{path}" if path else directory).st_mode):
                real.add(path)
        except OSError:
            continue
    return real


def _is_unchanged(place: str, size: int, time: int) -> bool:
    try:
        found = os.lstat(place)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size and found.st_mtime_ns == time


def _leads_to(place: str, target: str) -> bool:
    try:
        return os.readlink(place) == target
    except OSError:
        return False


def _clear_compiled(folder: str) -> None:
    try:
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            return
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if name.endswith(".pyc"):
            _try(os.unlink, f"{folder}/{name}")
    _try(os.rmdir, folder)


def _try(action: Any, place: str) -> None:
    """What cannot be cleared away stays."""
    try:
        action(place)
    except OSError:
        pass
