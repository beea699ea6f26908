"""The input channels of a training job, below `input/data` of its training directory (behaviour 16.2).

    input/data/<channel>     a link to the directory; a directory of links for a file or several; downloads

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os

from hpt.executors.contract import ContractError, is_remote, local_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def provide(base: str, spec: Mapping[str, Any], host: int = 0, hosts: int = 1) -> None:
    """Provide the channels of one host of a training job. Links, not copies: data sets are large.

    Remote channels get an empty directory, to be filled by a download.

    Parameters
    ----------
    base
        The host's training directory; its `input/data` exists and is empty.
    spec
        What to run (`hpt.executors.local.specification`).
    host
        The host's index, from 0.
    hosts
        How many hosts the training job has.

    Raises
    ------
    ContractError
        A channel's data is not there.
    OSError
        The directory could not be written.
    """
    for channel in spec["channels"]:
        _link(os.path.join(base, "input/data", channel["name"]), channel["name"], channel["uri"])


def _link(place: str, name: str, uri: str) -> None:
    """A path that does not exist itself is taken as a prefix, as in S3: every file and directory beside it
    whose name begins with it belongs to the channel. A path that exists means itself alone.
    """
    if is_remote(uri):
        os.mkdir(place)
        return
    source = local_path(uri)
    if os.path.isdir(source):
        os.symlink(os.path.abspath(source), place)
        return
    parent, prefix = os.path.split(os.path.abspath(source))
    if os.path.isfile(source):
        matches = [prefix]
    else:
        try:
            matches = sorted(entry for entry in os.listdir(parent) if entry.startswith(prefix))
        except OSError:
            matches = []
    if not matches:
        raise ContractError(f"channel {name!r}: nothing is found at {source}; correct the channel's S3Uri")
    os.mkdir(place)
    for entry in matches:
        os.symlink(os.path.join(parent, entry), os.path.join(place, entry))
