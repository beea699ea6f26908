"""Which file system a path lies on, as far as SQLite must know, and whether anything lies there.

The write-ahead log keeps its index in memory shared by all readers and writers (sqlite.org/wal.html): that
works between processes of one kernel on a local file system, and nowhere else.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_SHARED = frozenset(
    """nfs nfs4 cifs smb smb2 smb3 smbfs ncpfs 9p virtiofs vboxsf drvfs prl_fs fuse fuseblk lustre gpfs beegfs
    ceph glusterfs afs coda ocfs2 gfs gfs2 panfs pvfs2 orangefs davfs
    """.split()  # noqa: SIM905
)


def is_shared(kind: str) -> bool:
    """Whether a file system of that kind may be served by another host, or by an unknown process."""
    return kind.lower() in _SHARED or kind.lower().startswith("fuse.")


def filesystem_kind(path: Path, mountinfo: str | None = None) -> str:
    """Kind of the file system that holds `path` (`ext4`, `nfs4`, `fuse.sshfs`...); "" where the kernel does
    not say.

    mountinfo: the content of /proc/self/mountinfo (proc(5)), read if not given.
    """
    if mountinfo is None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return ""
    target = os.path.realpath(path) + "/"
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]).rstrip("/") + "/"
        if (
            target.startswith(point) and len(point) >= best
        ):  # of mounts on one point, the last covers the others
            best, kind = len(point), after.split(" ")[0]
    return kind


def may_exist(path: str) -> bool:
    """Whether a file is there, or cannot be looked for."""
    try:
        os.stat(path)  # noqa: PTH116 (asked of every job: a Path costs more than the look)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def is_there(path: Path) -> bool:
    """Whether something is at `path`. From Python 3.14 on `Path.exists` is False for what cannot be looked
    at.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
