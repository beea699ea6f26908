"""Packs what a training program left behind (behaviour 16.4).

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os

from hpt.executors import contract
from hpt.host.files import fsync_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_COMPRESSION = 5  # of 9: models are mostly numbers, which hardly compress; speed counts


def uri_of(output_path: str, name: str, part: str) -> str:
    """Where a part (`model`, `output`) of a training job's results is stored."""
    root = output_path if contract.is_remote(output_path) else contract.local_path(output_path)
    return f"{root.rstrip('/')}/{name}/output/{part}.tar.gz"


def store(output_path: str, name: str, staging: str, parts: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Pack directories into archives where their results belong.

    Parameters
    ----------
    output_path
        The job's output path. For a remote one the archives are left in `staging` for the transfer program.
    name
        The training job's name.
    staging
        A directory for archives that are still to be uploaded.
    parts
        Pairs (part, directory): what is packed.

    Returns
    -------
    dict
        Where each part is stored, by part.

    Raises
    ------
    OSError
        An archive could not be written.
    """
    places = {}
    for part, directory in parts:
        places[part] = uri_of(output_path, name, part)
        target = places[part]
        if contract.is_remote(output_path):
            target = os.path.join(staging, f"{part}.tar.gz")
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _pack(directory, target)
    return places


def _pack(directory: str, target: str) -> None:
    """The entries of a directory as an archive that appears whole or not at all."""
    import tarfile

    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        with tarfile.open(temporary, "w:gz", compresslevel=_COMPRESSION) as tar:
            for entry in sorted(os.listdir(directory)):
                tar.add(os.path.join(directory, entry), arcname=entry)
        fd = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, target)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    fsync_directory(os.path.dirname(target))
