"""Snapshots of programs: what a tuning job runs is what lay there when it was created.

    <job>/program/<digest>/
        manifest.json     what there is (`hpt.executors.copies`), and where and when it was taken
        files/            the copies, read-only

The digest is that of the names, contents, executable bits and links, not of times and owners: the same
program has the same digest anywhere, and `archive` packs it into the same bytes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpt.errors import InputError, StorageError, StorageProblem
from hpt.executors.contract import ContractError, unpack
from hpt.executors.copies import SnapshotError
from hpt.executors.selection import IGNORED, LIMITS, Limits, ProgramMissingError, Selection, select
from hpt.host.files import fsync_directory
from hpt.host.private import make_directories, make_directory, open_private

if TYPE_CHECKING:
    from tarfile import TarFile

PLACE = "program"
"""The folder of a job's snapshots, in its directory."""

MANIFEST = "manifest.json"
FILES = "files"

_FORMAT = 1
_ROUNDS = 3
_STALE = 3600.0  # seconds
_PIECE = 1 << 20
_LISTED = 1000
_SYNCED = 32  # files; the whole file system beyond


@dataclass(frozen=True, slots=True)
class Source:
    """What a snapshot is taken of.

    folder: a folder or an archive. entry: the path of the program within it. declared: the user named the
    folder; otherwise it is where the program lies. shared, excluded: as `select` takes them.
    """

    folder: str
    entry: str
    declared: bool
    shared: Collection[str] = ()
    excluded: Collection[str] = ()
    limits: Limits = LIMITS

    @contextmanager
    def select(self) -> Iterator[Callable[[], Selection]]:
        """What selects the files, again if need be; an archive is unpacked meanwhile.

        Raises:
            InputError: the program or its source cannot be read.
        """
        try:
            if not os.path.isfile(self.folder):
                yield lambda: select(
                    self.folder,
                    self.entry,
                    declared=self.declared,
                    shared=self.shared,
                    excluded=self.excluded,
                    limits=self.limits,
                )
                return
            with tempfile.TemporaryDirectory(prefix="hpt-") as unpacked:
                unpack(self.folder, unpacked)
                yield lambda: select(unpacked, self.entry, declared=True, limits=self.limits, everything=True)
        except (ProgramMissingError, ContractError) as error:
            raise InputError(f"no snapshot of the program can be taken: {error}") from error


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stored snapshot. manifest: as `hpt.executors.copies` describes it, with `digest`, `source`, `taken`
    (seconds since the epoch), `alone` and `left_out` ([[path, why], ...])."""

    directory: Path
    manifest: Mapping[str, Any]

    @property
    def digest(self) -> str:
        return str(self.manifest["digest"])

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(row[2] for row in self.manifest["files"])


def take(source: Source, place: Path) -> Snapshot:
    """Take a snapshot below `place`, unless it is there already.

    A folder that changes meanwhile is read again, up to three times; `changing` of the manifest says that it
    did to the last.

    Raises:
        InputError: the program cannot be read.
        StorageError: the snapshot cannot be written.
    """
    made = [folder for folder in (place, place.parent) if not folder.exists()]
    try:
        return _take(source, place)
    except BaseException:
        with suppress(OSError):  # whatever else is in them stays
            for folder in made:
                folder.rmdir()
        raise


def _take(source: Source, place: Path) -> Snapshot:
    try:
        state = place.parent.parent
        state.parent.mkdir(parents=True, exist_ok=True)  # what lies above is the user's
        make_directories(place)
        for stale in place.glob(".*"):  # left by a process that was killed
            if time.time() - stale.stat().st_mtime > _STALE:
                shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=place) as new:
            manifest = _read(source, new)
            directory = place / manifest["digest"]
            if is_whole(directory):
                _write(directory / MANIFEST, manifest)
            else:
                _write(Path(new) / MANIFEST, manifest)
                _keep(Path(new), directory, manifest)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise StorageError(
            "the snapshot of the program could not be written",
            path=str(place),
            reason=error.strerror or str(error),
            fix="make room there" if full else "set permissions there, or choose another state directory",
            problem=StorageProblem.FULL if full else StorageProblem.OTHER,
        ) from error
    return Snapshot(directory, manifest)


def look(source: Source) -> dict[str, Any]:
    """The manifest of the snapshot that would be taken now; nothing is written.

    Raises:
        InputError: the program cannot be read.
    """
    return _read(source, None)


def read(directory: Path) -> Snapshot | None:
    """The snapshot stored there; None if there is none that can be read."""
    try:
        manifest = json.loads((directory / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return Snapshot(directory, manifest) if isinstance(manifest, dict) and "files" in manifest else None


def is_whole(directory: Path) -> bool:
    """Whether the snapshot stored there has every file, with its size."""
    found = read(directory)
    if found is None:
        return False
    try:
        return all(os.lstat(directory / FILES / row[0]).st_size == row[2] for row in found.manifest["files"])
    except OSError:
        return False


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The paths at which two manifests differ, in order."""
    before, after = _contents(old), _contents(new)
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def archive(snapshot: Snapshot, target: Path) -> None:
    """Pack a snapshot as a `.tar.gz` that is the same, byte for byte, whenever and wherever it is packed by
    the same Python. What is shared is not part of it.

    Raises:
        SnapshotError: a file is missing.
        OSError: the archive cannot be written.
    """
    import gzip
    import tarfile

    manifest = snapshot.manifest
    with (
        open(target, "wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        entries = [(path, None, None) for path in manifest["folders"]]
        entries += [(row[0], row, None) for row in manifest["files"]]
        entries += [(path, None, link) for path, link in manifest["links"]]
        for path, row, link in sorted(entries, key=lambda each: each[0]):
            _pack(tar, snapshot.directory / FILES, path, row, link)


def _pack(tar: TarFile, files: Path, path: str, row: list[Any] | None, link: str | None) -> None:
    import tarfile

    entry = tarfile.TarInfo(path)
    entry.mode = 0o755
    if link is not None:
        entry.type, entry.linkname = tarfile.SYMTYPE, link
    elif row is None:
        entry.type = tarfile.DIRTYPE
    else:
        entry.size, entry.mode = row[2], 0o755 if row[1] & 0o100 else 0o644
        try:
            with open(files / path, "rb") as content:
                tar.addfile(entry, content)
        except FileNotFoundError:
            raise SnapshotError(f"{files / path} is missing") from None
        return
    tar.addfile(entry)


def digest_of(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of what a manifest holds, by path."""
    content = sorted([path, *each] for path, each in _contents(manifest).items())
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def _contents(manifest: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What there is, by path: kind and content."""
    found: dict[str, list[Any]] = {path: ["folder"] for path in manifest["folders"]}
    for path, mode, _, _, sha256 in manifest["files"]:
        found[path] = ["program" if mode & 0o100 else "file", sha256]
    found |= {path: ["link", target] for path, target in manifest["links"]}
    return found | {path: ["shared", target] for path, target, *_ in manifest["shared"]}


def _read(source: Source, new: str | None) -> dict[str, Any]:
    """The manifest of a source, whose files are copied to `new` unless it is None."""
    with source.select() as selected:
        selection = selected()
        for last in range(_ROUNDS, 0, -1):
            files = None if new is None else os.path.join(new, FILES)
            if files is not None:
                shutil.rmtree(files, ignore_errors=True)
                make_directory(files)
            rows, failed = _copy_all(selection, files)
            for path, why in failed:
                if path == os.path.normpath(source.entry):
                    raise InputError(f"no snapshot of the program can be taken: {path} cannot be read: {why}")
            again = selected()
            changing = again.version() != selection.version()
            if not changing:
                break
            if last > 1:
                selection = again
    left_out = [[each.path, each.why] for each in selection.left_out] + failed
    manifest: dict[str, Any] = {
        "format": _FORMAT,
        "source": os.path.abspath(source.folder),
        "taken": time.time(),
        "alone": selection.alone,
        "changing": changing,
        "mode": selection.mode,
        "folders": selection.folders,
        "files": rows,
        "links": selection.links,
        "shared": [[each.path, each.target, each.size, each.why, each.time] for each in selection.shared],
        "left_out": left_out[:_LISTED],
        "left_out_count": len(left_out),
    }
    if files is not None:
        for path, target in selection.links:
            os.symlink(target, os.path.join(files, path))
    return {"digest": digest_of(manifest), **manifest}


def _copy_all(selection: Selection, files: str | None) -> tuple[list[list[Any]], list[list[str]]]:
    """The rows of the manifest, and what could not be read after all with the reason."""
    rows, unreadable = [], []
    if files is not None:
        for path in selection.folders:
            make_directory(os.path.join(files, path))
    for each in selection.files:
        try:
            reading = os.open(each.origin, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            unreadable.append([each.path, error.strerror or str(error)])
            continue
        with open(reading, "rb", buffering=0) as file:
            target = None if files is None else os.path.join(files, each.path)
            try:
                size, digest = _copy(file, target, each.size, 0o500 if each.mode & 0o100 else 0o400)
            except IsADirectoryError as error:
                unreadable.append([each.path, error.strerror or str(error)])
                continue
        rows.append([each.path, each.mode, size, each.time, digest])
    return rows, unreadable


def _copy(file: Any, target: str | None, size: int, mode: int) -> tuple[int, str]:
    """Copy at most `size` bytes (a log that is written meanwhile has no end); returns size and SHA-256."""
    digest, copied = hashlib.sha256(), 0
    writing = None if target is None else os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        while copied < size and (data := file.read(min(_PIECE, size - copied))):
            digest.update(data)
            copied += len(data)
            view = memoryview(data)
            while writing is not None and view:
                view = view[os.write(writing, view) :]
    finally:
        if writing is not None:
            os.close(writing)
    return copied, digest.hexdigest()


def _write(target: Path, manifest: Mapping[str, Any]) -> None:
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    with open(temporary, "wb", opener=open_private) as file:
        file.write(json.dumps(manifest, separators=(",", ":")).encode())
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(target)


def _keep(new: Path, directory: Path, manifest: Mapping[str, Any]) -> None:
    """Make a snapshot outlive a power cut, and give it its name."""
    if len(manifest["files"]) > _SYNCED:
        _sync_all(new)
    else:
        for row in manifest["files"]:
            with open(new / FILES / row[0], "rb") as file:
                os.fsync(file.fileno())
    for folder in ("", FILES, *(f"{FILES}/{path}" for path in manifest["folders"])):
        fsync_directory(new / folder)
    if directory.exists() and not is_whole(directory):
        shutil.rmtree(directory)
    try:
        new.rename(directory)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise  # else another process has just taken the same
    else:
        make_directory(new)  # for its owner to remove
    fsync_directory(directory.parent)


def _sync_all(place: Path) -> None:
    """Write out the file system of a place, in one call."""
    import ctypes

    fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(fd)


def changed_shared(manifest: Mapping[str, Any]) -> list[str]:
    """The paths of large files that are shared and have been written since the snapshot was taken."""
    changed = []
    for path, target, size, _, written in manifest["shared"]:
        if written is None:
            continue
        try:
            found = os.stat(target)
        except OSError:
            changed.append(path)
            continue
        if (found.st_size, found.st_mtime_ns) != (size, written):
            changed.append(path)
    return changed


def unreadable(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(path, why) of what is left out though it may be needed: neither ignored nor of a kind that cannot be
    copied.
    """
    return [(path, why) for path, why in manifest["left_out"] if not why.startswith((IGNORED, "it is a "))]


def not_ignored(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(path, why) of what is left out though no pattern says so."""
    return [(path, why) for path, why in manifest["left_out"] if not why.startswith(IGNORED)]
