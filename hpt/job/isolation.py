"""How a training job is kept apart from this host: in a container or not, and at which paths it may see its
checkpoints.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from enum import StrEnum

from hpt.errors import InputError
from hpt.job.program_kind import ProgramKind
from hpt.job.uris import is_image

CONTAINERS_VARIABLE = "HPT_CONTAINERS"
"""The variable in a definition's environment that says which training images run in containers."""

TRAINING_BASE = "/opt/ml"


class Containers(StrEnum):
    """Which training images run in containers of this host.

    AUTO: those that are nothing else. ALWAYS: also those of script mode and of built-in algorithms, where the
    image is on this host. NEVER: none.
    """

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def parse_containers(word: object) -> Containers:
    """Raises InputError where it is none of the words."""
    try:
        return Containers(str(word).lower())
    except ValueError:
        known = ", ".join(Containers)
        raise InputError(
            f"{word!r} does not say which images run in containers; use one of {known}"
        ) from None


def read_containers(environment: Mapping[str, str]) -> Containers:
    """What a definition's environment says, else AUTO. Raises as `parse_containers`."""
    return parse_containers(environment.get(CONTAINERS_VARIABLE, Containers.AUTO))


def runs_as_image(kind: ProgramKind, image: str, containers: str) -> bool | None:
    """Whether a training image runs in a container; None: where this host has the image.

    >>> runs_as_image(ProgramKind.IMAGE, "me/train:1", "auto")
    True
    """
    if containers == Containers.NEVER:
        return False
    if kind is ProgramKind.IMAGE:
        return True
    framework = kind in (ProgramKind.SCRIPT, ProgramKind.BUILT_IN) and is_image(image)
    return None if containers == Containers.ALWAYS and framework else False


def finds_paths(kind: ProgramKind) -> bool:
    """Whether it is the user's own program, which may have the paths of a container written into it."""
    return kind in (ProgramKind.FILE, ProgramKind.SCRIPT, ProgramKind.MODULE)


def elsewhere(local_path: str) -> str | None:
    """The normal form of a path for checkpoints that is not below `/opt/ml`; None for one that is."""
    path = posixpath.normpath(local_path)
    return None if path.startswith(f"{TRAINING_BASE}/") else path


_TAKEN = (f"{TRAINING_BASE}/input", f"{TRAINING_BASE}/code")
_SYSTEM = frozenset(
    f"/{name}"
    for name in (
        *("bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "opt", "proc", "root"),
        *("run", "sbin", "sys", "tmp", "usr", "var", ""),
    )
)
_KERNEL = ("/proc/", "/sys/")


def unusable(local_path: str) -> str | None:
    """Why checkpoints cannot be seen at a path, with the fix; None if they may be."""
    if not local_path.startswith("/"):
        return f"{local_path!r} is not an absolute path; give one, such as /opt/ml/checkpoints"
    path = "/" + posixpath.normpath(local_path).lstrip("/")
    other = "use /opt/ml/checkpoints, or a folder of its own"
    if path == TRAINING_BASE or any(path == each or path.startswith(f"{each}/") for each in _TAKEN):
        return f"{local_path!r} is where the training job finds its input or program; {other}"
    if path in _SYSTEM or path.startswith(_KERNEL):
        return f"{local_path!r} is a folder of the system, which checkpoints would hide; {other}"
    return None
