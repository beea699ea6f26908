"""Which folders belong to the system, to an environment or to more than one project.

Standard library only: a supervisor imports this for a job that has no snapshot.
"""

from __future__ import annotations

import os

SYSTEM_FOLDERS = (
    *(
        "/bin",
        "/sbin",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        "/boot",
        "/dev",
        "/etc",
        "/proc",
        "/sys",
        "/run",
    ),
    *("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/games"),
    *("/usr/local/bin", "/usr/local/sbin", "/usr/local/lib", "/snap", "/nix/store", "/gnu/store"),
)
"""Programs below them are part of the system."""

COMMON_FOLDERS = (
    "/",
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/root",
    "/home",
    "/mnt",
    "/media",
    "/opt",
    "/srv",
    "/usr",
)
"""With the user's home: folders that hold more than one project. Files in them are copied, their subfolders
are shared, and only if there are few entries."""

SYSTEM_NAMES = frozenset(
    "bin boot dev etc home lib lib32 lib64 libx32 lost+found proc root run sbin snap sys usr var".split()  # noqa: SIM905
)
"""What a program at the top of the file system is not shown."""


def is_environment(folder: str) -> bool:
    """Whether a folder is a virtual environment, Python's or conda's."""
    return any(os.path.exists(os.path.join(folder, mark)) for mark in ("pyvenv.cfg", "conda-meta"))


def is_installed(program: str) -> bool:
    """Whether a program is part of the system or of an environment, rather than the user's own: it is then
    run where it lies.

    Such are programs below `SYSTEM_FOLDERS` and in the `bin` of a virtual environment, and compiled ones in
    any folder named `bin`, which find their libraries from there.
    """
    for folder in {os.path.dirname(os.path.abspath(program)), os.path.dirname(os.path.realpath(program))}:
        system = any(folder == each or folder.startswith(each + "/") for each in SYSTEM_FOLDERS)
        if system and not folder.startswith("/dev/shm"):
            return True
        if os.path.basename(folder) in ("bin", "sbin", "libexec") and (
            is_environment(os.path.dirname(folder)) or _is_compiled(program)
        ):
            return True
    return False


def _is_compiled(program: str) -> bool:
    try:
        fd = os.open(program, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.read(fd, 4) == b"\x7fELF"
    except OSError:
        return False
    finally:
        os.close(fd)
