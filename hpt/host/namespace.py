"""A private view of the file system for one program: directories of this host at paths that the program has
written into it, such as `/opt/ml` (behaviour 16.2). Linux.

The process unshares its mount namespace, and its user namespace where it may not do that alone: its user and
group stay what they are, others show as `nobody`. Nothing of it is seen by any other process, and it is gone
with the last process in it. A path that does not exist and may not be made is made visible alone: its nearest
folder is covered by an empty one in memory, with the entries of the folder bound back into it.

Standard library only: the child between fork and exec runs this. As a program, it tries the pairs of paths
that follow it and says on standard output why they cannot be bound.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Bind = tuple[str, str]
    """A directory or file, and the path at which the program finds it."""

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT = 1, 2, 4, 32
_MS_BIND, _MS_REC, _MS_SLAVE = 4096, 16384, 1 << 19

_MOST_ENTRIES = 256
"""Of a folder that is covered: each takes a mount."""


class NamespaceError(Exception):
    """The paths cannot be bound; the message says which of them and why."""


def enter(binds: Iterable[Bind], *, make: bool = True) -> None:
    """Move this process, which must have one thread, into a namespace where each path leads to its directory,
    or file, which must lie over another.

    make: False: a folder that would be made is not, and nothing is bound there.

    Raises:
        NamespaceError: the kernel forbids it, or a path cannot be had.
    """
    _unshare()
    _mount("", "/", "", _MS_SLAVE | _MS_REC)  # later mounts of the host are seen here, ours not there
    sources = [(_opened(directory), path) for directory, path in binds]  # before any of them may be covered
    for source, path in sources:
        folder = stat.S_ISDIR(os.fstat(source).st_mode)
        place = _visible(path, make=make) if folder else path
        _mount(f"/proc/self/fd/{source}", place, "", _MS_BIND | (_MS_REC if folder else 0))
        os.close(source)


def _opened(directory: str) -> int:
    try:
        return os.open(directory, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise NamespaceError(f"{directory}: {error.strerror}") from None


def _unshare() -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0 and library.unshare(_CLONE_NEWNS) == 0:
        return
    user, group = os.geteuid(), os.getegid()
    if library.unshare(_CLONE_NEWNS | _CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise NamespaceError(f"the system does not allow a user namespace ({os.strerror(number)})")
    try:
        for name, content in (
            ("setgroups", "deny"),  # or the next but one is refused
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            fd = os.open(f"/proc/self/{name}", os.O_WRONLY)
            os.write(fd, content.encode())
            os.close(fd)
    except OSError as error:
        raise NamespaceError(f"the system does not allow a user namespace ({error.strerror})") from None


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    library = ctypes.CDLL(None, use_errno=True)
    words = [os.fsencode(word) for word in (source, target, kind, options)]
    if library.mount(words[0], words[1], words[2] or None, ctypes.c_ulong(flags), words[3] or None) != 0:
        number = ctypes.get_errno()
        what = (
            "the system does not allow mounts" if number in (errno.EPERM, errno.EACCES) else "a mount failed"
        )
        raise NamespaceError(f"{what} at {target} ({os.strerror(number)})")


def _visible(path: str, *, make: bool) -> str:
    """Have a folder at the path. One is made where this user may do that, as the program itself would; /opt,
    the system's own, and folders of other users stay as they are on the disk.
    """
    if os.path.isdir(path):
        return path
    if os.path.lexists(path):
        raise NamespaceError(f"{path} is no folder")
    above = os.path.dirname(path)
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    try:
        if above == SYSTEM_FOLDER or not os.access(above, os.W_OK | os.X_OK):
            if above not in _covered:
                _cover(above, path)
        elif not make:
            return above
        os.makedirs(path)
        return path
    except OSError as error:
        raise NamespaceError(f"{path} cannot be had: {error.strerror}") from None


SYSTEM_FOLDER = "/opt"

_covered: set[str] = set()
"""The folders that this process, which is to become a program, covered."""


def _cover(folder: str, path: str) -> None:
    """Put a folder in memory, which holds all that the folder holds, over it. path: for whose sake."""
    if folder == "/":
        raise NamespaceError(f"{path} is not there, and this user may not make it; have it made once")
    entries = os.listdir(folder)
    if len(entries) > _MOST_ENTRIES:
        raise NamespaceError(
            f"{path} is not there, and {folder} has {len(entries)} entries, too many to show it; have it "
            "made once"
        )
    os.chdir(folder)  # the folder itself, whatever is mounted on it
    mode = stat.S_IMODE(os.stat(folder).st_mode)
    _mount("tmpfs", folder, "tmpfs", _MS_NOSUID | _MS_NODEV, f"mode={mode | 0o700:o}")
    for entry in entries:
        place = os.path.join(folder, entry)
        kind = os.lstat(entry).st_mode
        if stat.S_ISLNK(kind):
            os.symlink(os.readlink(entry), place)
            continue
        if stat.S_ISDIR(kind):
            os.mkdir(place)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o600))
        _mount(entry, place, "", _MS_BIND | _MS_REC)
    _covered.add(folder)


def cannot_bind(path: str) -> str | None:
    """Why no directory can be bound at a path here; None if one can. Tried in a process of its own."""
    import subprocess  # supervisors do without

    command = [sys.executable, "-I", "-S", __file__, "/", path]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no process could try it ({error})"
    said = (tried.stdout or tried.stderr).strip().splitlines()
    return said[-1] if said else None


_PATIENCE = 20.0


def main(words: Sequence[str]) -> None:
    try:
        enter(zip(words[::2], words[1::2], strict=True), make=False)
    except NamespaceError as error:
        print(error)


if __name__ == "__main__":
    main(sys.argv[1:])
