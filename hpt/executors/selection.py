"""What a training job is to have of the folder that holds its program: copies of small files, links to the
rest.

Nothing is copied here. The limits keep the world out: a file above `Limits.file` and a subfolder that alone
or together with the rest is above `Limits.total` or `Limits.entries` are shared by all training jobs, as
links to where they lie. Where even that does not help, the program is taken alone.

Standard library only: a supervisor imports this for a job that has no snapshot.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import NamedTuple

from hpt.executors.ignore import IGNORE_FILE, Ignore
from hpt.executors.places import COMMON_FOLDERS, SYSTEM_NAMES, is_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

IGNORED = "ignored"
_DEPTH = 64
_MOST_LOOKED = 10
"""Times `Limits.entries` after which further subfolders are shared without a look."""


class Limits(NamedTuple):
    """Of what is copied: bytes of a file, bytes in all, files and folders in all. common: entries of a folder
    that holds more than one project."""

    file: int = 16 << 20
    total: int = 64 << 20
    entries: int = 2000
    common: int = 256


LIMITS = Limits()


class ProgramMissingError(Exception):
    """The program is not there or cannot be read; the message says why."""


class Copied(NamedTuple):
    """A file to copy. path: within the folder; origin: where it is read, which differs for a link. mode: its
    permissions; time: of its last change, in nanoseconds. version: differs where its content may."""

    path: str
    origin: str
    mode: int
    size: int
    time: int
    version: tuple[int, ...]


class Shared(NamedTuple):
    """What every training job sees through a link to `target`. size, time: of a file, else None."""

    path: str
    target: str
    size: int | None
    why: str
    time: int | None = None


class LeftOut(NamedTuple):
    path: str
    why: str


@dataclass(slots=True)
class Selection:
    """source: the folder; mode: its permissions. links: (path, target) of relative links within it. alone:
    why the program is taken alone, "" if it is not."""

    source: str
    folders: list[str] = field(default_factory=list)
    files: list[Copied] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    shared: list[Shared] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    alone: str = ""
    mode: int = 0o755

    @property
    def size(self) -> int:
        """Bytes to be copied."""
        return sum(file.size for file in self.files)

    def version(self) -> list[object]:
        """Equal for two selections of a folder between which nothing changed."""
        return [
            *((file.path, *file.version) for file in self.files),
            *self.folders,
            *self.links,
            *((each.path, each.target) for each in self.shared),
        ]


def select(
    source: str,
    entry: str,
    *,
    declared: bool,
    shared: Collection[str] = (),
    excluded: Collection[str] = (),
    limits: Limits = LIMITS,
    everything: bool = False,
) -> Selection:
    """What to take of a folder.

    Parameters
    ----------
    source
        The folder.
    entry
        The path of the program within it; always taken, whatever the ignore file says.
    declared
        The user named the folder as the program's source; otherwise it is only where the program lies.
    shared
        Absolute paths to share as they are: the job's channels.
    excluded
        Absolute paths to leave out: where the job's state and results go.
    limits
        Of what is copied.
    everything
        Take all of it: hidden files, whatever its size.

    Returns
    -------
    Selection
        In the order of paths, so that it does not depend on the file system.

    Raises
    ------
    ProgramMissingError
        The folder or the program in it cannot be read.
    """
    return _Selector(source, entry, declared, shared, excluded, limits, everything).select()


class _TooMuch(Exception):
    pass


class _Folder:
    """A folder and what is to be taken of it, before links and limits are decided. In `links`, targets are
    real paths."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.folders: list[_Folder] = []
        self.files: list[Copied] = []
        self.links: list[tuple[str, str]] = []
        self.shared: list[Shared] = []
        self.left_out: list[LeftOut] = []

    def walk(self) -> Iterator[_Folder]:
        yield self
        for folder in self.folders:
            yield from folder.walk()

    @property
    def entries(self) -> int:
        """Everything in it, whether copied or linked, that a training job gets an entry for."""
        return sum(1 + len(f.files) + len(f.links) + len(f.shared) for f in self.walk()) - 1

    @property
    def size(self) -> int:
        return sum(file.size for folder in self.walk() for file in folder.files)


class _Budget:
    def __init__(self, entries: int, size: int) -> None:
        self.entries, self.size = entries, size

    def spend(self, size: int) -> None:
        self.entries -= 1
        self.size -= size
        if self.entries < 0 or self.size < 0:
            raise _TooMuch


class _Selector:
    def __init__(
        self,
        source: str,
        entry: str,
        declared: bool,
        shared: Collection[str],
        excluded: Collection[str],
        limits: Limits,
        everything: bool,
    ) -> None:
        self.source, self.entry, self.declared = os.path.abspath(source), os.path.normpath(entry), declared
        self.root = os.path.realpath(source)
        self.limits = limits
        self.everything = everything
        self.looked_at = 0  # entries of folders
        self.shared = {os.path.realpath(path) for path in shared}
        self.excluded = {os.path.realpath(path) for path in excluded}
        self.common = not declared and self.root in {
            *COMMON_FOLDERS,
            os.path.realpath(os.path.expanduser("~")),
        }
        self.ignore = Ignore(self._ignore_lines())

    def _ignore_lines(self) -> list[str]:
        place = os.path.join(self.root, IGNORE_FILE)
        if not os.path.isfile(place):  # a pipe would block
            return []
        try:
            with open(place, encoding="utf-8", errors="surrogateescape") as file:
                return file.read(1 << 20).splitlines()
        except OSError:
            return []

    def select(self) -> Selection:
        own = self._own()
        entries, size = self.limits.common if self.common else self.limits.entries, self.limits.total
        if self.everything:
            entries = size = 1 << 62
        alone = ""
        try:
            top = self._read("", _Budget(entries, size), 0)
            self._share_until_small(top)
        except _TooMuch:
            top = _Folder("")
            if self.declared:
                alone = self._link_all(top)
            else:
                most = f"{entries:,} entries or {size >> 20} MiB"
                alone = f"{self.source} holds more than the {most} that are copied"
        except RecursionError:
            raise ProgramMissingError(f"{self.source} has folders that lie too deep to be read") from None
        except OSError as error:
            if self.declared:
                raise ProgramMissingError(f"{self.source} cannot be read: {error.strerror}") from None
            top, alone = _Folder(""), f"{self.source} cannot be listed: {error.strerror}"
        return self._decided(top, own, alone)

    def _own(self) -> Copied:
        """The program itself."""
        place, shown = os.path.join(self.root, self.entry), os.path.join(self.source, self.entry)
        try:
            real = os.path.realpath(place)
            found = os.stat(real)
        except (FileNotFoundError, NotADirectoryError):
            raise ProgramMissingError(f"the program {shown} is not found") from None
        except OSError as error:
            raise ProgramMissingError(f"the program {shown} cannot be read: {error.strerror}") from None
        if not stat.S_ISREG(found.st_mode):
            what = "a directory" if stat.S_ISDIR(found.st_mode) else "no regular file"
            raise ProgramMissingError(f"the program {shown} is {what}; name the file to run")
        if not os.access(real, os.R_OK):
            raise ProgramMissingError(f"the program {shown} may not be read; change its permissions")
        return _copied(self.entry, real, found)

    def _on_the_way(self, path: str) -> bool:
        """Whether it is the program, or a folder above it."""
        return path == "" or self.entry == path or self.entry.startswith(path + "/")

    # -- reading ------------------------------------------------------------------------------------------

    def _read(self, path: str, budget: _Budget, depth: int) -> _Folder:
        """Read a folder. Raises _TooMuch where it holds more than the budget."""
        folder = _Folder(path)
        with os.scandir(os.path.join(self.root, path)) as found:
            entries = sorted(found, key=lambda each: each.name)
        self.looked_at += len(entries)
        for each in entries:
            inside = f"{path}/{each.name}" if path else each.name
            if inside == self.entry:
                continue
            try:
                self._sort(folder, inside, each.stat(follow_symlinks=False), budget, depth)
            except OSError as error:
                folder.left_out.append(LeftOut(inside, error.strerror or str(error)))
        return folder

    def _sort(self, folder: _Folder, path: str, found: os.stat_result, budget: _Budget, depth: int) -> None:
        mode, place = found.st_mode, os.path.join(self.root, path)
        is_folder = stat.S_ISDIR(mode)
        why = self._why_not(path, place, is_folder)
        if why is not None and not (is_folder and self._on_the_way(path)):
            folder.left_out.append(LeftOut(path, why))
        elif place in self.shared:
            size = None if is_folder else found.st_size
            budget.spend(0)
            folder.shared.append(Shared(path, place, size, "it is a channel of the job"))
        elif stat.S_ISLNK(mode):
            self._sort_link(folder, path, place, budget)
        elif is_folder:
            self._sort_folder(folder, path, place, budget, depth)
        elif stat.S_ISREG(mode):
            self._sort_file(folder, _copied(path, place, found), budget)
        else:
            folder.left_out.append(LeftOut(path, _kind(mode)))

    def _why_not(self, path: str, place: str, is_folder: bool) -> str | None:
        if place in self.excluded:
            return f"{IGNORED}: state or results of hpt"
        if self.everything:
            return None
        pattern = self.ignore.reason(path, folder=is_folder)
        if pattern is not None:
            return f"{IGNORED}: {pattern}"
        if is_folder and is_environment(place):
            return f"{IGNORED}: a virtual environment"
        if self.root == "/" and path in SYSTEM_NAMES:
            return f"{IGNORED}: part of the system"
        return None

    def _sort_file(self, folder: _Folder, file: Copied, budget: _Budget) -> None:
        if not os.access(file.origin, os.R_OK):
            folder.left_out.append(LeftOut(file.path, "it may not be read"))
        elif file.size > self.limits.file and not self.everything:
            budget.spend(0)
            folder.shared.append(Shared(file.path, file.origin, file.size, "it is large", file.time))
        else:
            budget.spend(file.size)
            folder.files.append(file)

    def _sort_link(self, folder: _Folder, path: str, place: str, budget: _Budget) -> None:
        """A link within the folder stays one; a small file outside is copied; anything else is shared."""
        real = os.path.realpath(place)
        try:
            found = os.stat(real)
        except OSError:
            folder.left_out.append(LeftOut(path, f"it is a broken link, to {os.readlink(place)}"))
            return
        if real == self.root or real.startswith(self.root.rstrip("/") + "/"):
            budget.spend(0)
            folder.links.append((path, real))
        elif stat.S_ISREG(found.st_mode):
            self._sort_file(folder, _copied(path, real, found), budget)
        else:
            budget.spend(0)
            folder.shared.append(Shared(path, real, None, "it is a link that leads out of the folder"))

    def _sort_folder(self, folder: _Folder, path: str, place: str, budget: _Budget, depth: int) -> None:
        """A folder on the way to the program counts with the rest; any other for itself at first."""
        if self.everything or self._on_the_way(path):
            budget.spend(0)
            folder.folders.append(self._read(path, budget, depth + 1))
            return
        why = ""
        if self.common:
            why = f"{self.source} is no project's own folder"
        elif os.path.ismount(place):
            why = "another file system is mounted there"
        elif self.looked_at > _MOST_LOOKED * self.limits.entries:
            why = "the folder is large"
        elif depth >= _DEPTH:
            why = "it lies deep"
        elif not os.access(place, os.R_OK | os.X_OK):
            folder.left_out.append(LeftOut(path, "it may not be read"))
            return
        if not why:
            # One that is read for the first time gets the whole budget: whether it fits beside the others is
            # decided when all are known. Within it, everything counts.
            first = os.path.dirname(path) == "" or self._on_the_way(os.path.dirname(path))
            inner = self._whole_budget() if first else budget
            inner.spend(0)
            try:
                folder.folders.append(self._read(path, inner, depth + 1))
                return
            except _TooMuch:
                if not first:
                    raise
                why = f"it holds more than {self.limits.entries:,} entries or {self.limits.total >> 20} MiB"
        budget.spend(0)
        folder.shared.append(Shared(path, place, None, why))

    def _whole_budget(self) -> _Budget:
        if self.everything:
            return _Budget(1 << 62, 1 << 62)
        return _Budget(self.limits.entries, self.limits.total)

    # -- deciding -----------------------------------------------------------------------------------------

    def _share_until_small(self, top: _Folder) -> None:
        """Share the subfolders that hold most, until the rest is within the limits. Raises _TooMuch."""
        limits = self.limits
        entries, size = top.entries, top.size
        if self.everything:
            return
        candidates = [
            (each.entries + 1, each.size, parent, each)
            for parent in top.walk()
            if self._on_the_way(parent.path)
            for each in parent.folders
            if not self._on_the_way(each.path)
        ]
        candidates.sort(key=lambda each: max(each[0] / limits.entries, each[1] / limits.total))
        while entries > limits.entries or size > limits.total:
            if not candidates:
                raise _TooMuch
            its_entries, its_size, parent, most = candidates.pop()
            entries, size = entries - its_entries + 1, size - its_size
            parent.folders.remove(most)
            why = "with the rest of the folder it is large"
            parent.shared.append(Shared(most.path, os.path.join(self.root, most.path), None, why))

    def _link_all(self, top: _Folder) -> str:
        """Share everything beside the program in a declared source that is too large to be copied."""
        folder, above = top, ""
        for part in ["", *self.entry.split("/")[:-1]]:
            above = f"{above}/{part}" if above else part
            if above:
                folder.folders.append(_Folder(above))
                folder = folder.folders[-1]
            with os.scandir(os.path.join(self.root, above)) as found:
                entries = sorted(found, key=lambda each: each.name)
            for each in entries:
                inside = f"{above}/{each.name}" if above else each.name
                is_folder = each.is_dir(follow_symlinks=False)
                why = self._why_not(inside, os.path.join(self.root, inside), is_folder)
                if self._on_the_way(inside):
                    continue
                if why is not None:
                    folder.left_out.append(LeftOut(inside, why))
                    continue
                size = None if is_folder or each.is_symlink() else each.stat().st_size
                where = os.path.join(self.root, inside)
                folder.shared.append(Shared(inside, where, size, "the folder is large"))
        limits = self.limits
        return f"{self.source} holds more than {limits.entries:,} entries or {limits.total >> 20} MiB"

    def _decided(self, top: _Folder, own: Copied, alone: str) -> Selection:
        mode = stat.S_IMODE(os.stat(self.root).st_mode) & 0o755 | 0o700
        result = Selection(self.source, alone=alone, mode=mode)
        result.files.append(own)
        links: list[tuple[str, str]] = []
        for folder in top.walk():
            if folder.path:
                result.folders.append(folder.path)
            result.files += folder.files
            result.shared += folder.shared
            result.left_out += folder.left_out
            links += folder.links
        for above in _above(self.entry):
            if above not in result.folders:
                result.folders.append(above)
        self._decide_links(result, links)
        result.folders.sort()
        for entries in (result.files, result.shared, result.left_out):
            entries.sort(key=lambda each: each.path)
        result.links.sort()
        return result

    def _decide_links(self, result: Selection, links: list[tuple[str, str]]) -> None:
        """A link to what is taken stays relative; one to what is not is treated as if it led outside."""
        taken = {"", *result.folders, *(file.path for file in result.files if not _is_link(self.root, file))}
        for path, real in links:
            target = "" if real == self.root else os.path.relpath(real, self.root)
            if target in taken:
                result.links.append((path, os.path.relpath(target or ".", os.path.dirname(path) or ".")))
                continue
            found = os.stat(real)
            small = self.everything or found.st_size <= self.limits.file
            if stat.S_ISREG(found.st_mode) and small and os.access(real, os.R_OK):
                result.files.append(_copied(path, real, found))
            else:
                result.shared.append(Shared(path, real, None, "it is a link to what is not copied"))


def _is_link(root: str, file: Copied) -> bool:
    return file.origin != os.path.join(root, file.path)


def _above(path: str) -> Iterator[str]:
    """The folders above a path, but for the top."""
    while path := os.path.dirname(path):
        yield path


def _copied(path: str, origin: str, found: os.stat_result) -> Copied:
    version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    mode = (stat.S_IMODE(found.st_mode) & 0o777) | 0o600
    return Copied(path, origin, mode, found.st_size, found.st_mtime_ns, version)


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "it is a FIFO"
    if stat.S_ISSOCK(mode):
        return "it is a socket"
    return "it is a device"
