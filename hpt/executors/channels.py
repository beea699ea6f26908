"""The input channels of a training job, below `input/data` of its training directory (behaviour 16.2).

    input/data/<channel>     a link to the directory; a directory of links for a file or several; downloads
    input/data/<channel>_<k> in Pipe mode, the FIFO of epoch k, see `feeder.py`

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os

from hpt.executors.contract import ContractError, is_remote, local_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from hpt.executors.sources import Item

MANIFESTS = ("ManifestFile", "AugmentedManifestFile")


def provide(base: str, spec: Mapping[str, Any], host: int = 0, hosts: int = 1) -> None:
    """Provide the channels of one host of a training job. Links, not copies: data sets are large.

    Remote channels get an empty directory, to be filled by a download.

    Parameters
    ----------
    base
        The host's training directory; its `input/data` exists and is empty.
    spec
        What to run (`hpt.executors.order.Order.on`).
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
        place = os.path.join(base, "input/data", channel["name"])
        manifest = channel.get("data_type") in MANIFESTS
        sharded = hosts > 1 and channel["distribution"] == "ShardedByS3Key"
        if is_pipe(channel):
            _check(channel)
            os.mkfifo(fifo(base, channel, 0), 0o600)
        elif is_remote(channel["uri"]):
            os.mkdir(place)
        elif manifest or sharded:
            _link_some(place, channel, host, hosts)
        else:
            _link(place, channel["name"], channel["uri"])


def is_pipe(channel: Mapping[str, Any]) -> bool:
    """Whether a channel is a stream."""
    return bool(channel["input_mode"] == "Pipe")


def need_feeder(spec: Mapping[str, Any]) -> bool:
    """Whether a training job has Pipe channels, which a `feeder.Feeder` is to feed."""
    return any(map(is_pipe, spec["channels"]))


def fifo(base: str, channel: Mapping[str, Any], epoch: int) -> str:
    """Where the stream of a Pipe channel appears for an epoch."""
    return os.path.join(base, "input/data", f"{channel['name']}_{epoch}")


def _check(channel: Mapping[str, Any]) -> None:
    """Of a Pipe channel: the feeder reads it while the program runs, which is late to find nothing."""
    if is_remote(channel["uri"]):
        return
    from hpt.executors import sources

    found = sources.entries(channel, sources.LocalSource())
    if channel.get("data_type") in MANIFESTS:
        sources.check_present(channel, found)


def _link_some(place: str, channel: Mapping[str, Any], host: int, hosts: int) -> None:
    """A directory of links to the files that a manifest lists, or to this host's share."""
    from hpt.executors import sources

    found = sources.items(channel, sources.LocalSource())
    if channel.get("data_type") in MANIFESTS:
        sources.check_present(channel, [(uri,) for uri, _ in found])
    os.mkdir(place)
    link_files(place, sources.share(found, host, hosts, channel))


def link_files(place: str, found: Sequence[Item]) -> None:
    """Link local files into a directory by their names; what is on S3 is left to the download."""
    for uri, name in found:
        if is_remote(uri):
            continue
        path = os.path.join(place, name)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if not os.path.lexists(path):  # a manifest may list a file twice
                os.symlink(uri, path)
        except (FileExistsError, NotADirectoryError):
            raise ContractError(
                f"{name!r} of a channel cannot be both a file and a directory; rename one of the objects"
            ) from None


def needs_download(channels: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the transfer program is to look at some channel before the training program starts."""
    return any(_is_on_s3(channel) for channel in channels)


def _is_on_s3(channel: Mapping[str, Any]) -> bool:
    if is_remote(channel["uri"]):
        return True
    if is_pipe(channel) or channel.get("data_type") not in MANIFESTS:
        return False
    from hpt.executors import sources

    return any(is_remote(uri) for uri, _ in sources.items(channel, sources.LocalSource()))


def _link(place: str, name: str, uri: str) -> None:
    """A path that does not exist itself is taken as a prefix, as in S3: every file and directory beside it
    whose name begins with it belongs to the channel. A path that exists means itself alone.
    """
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
