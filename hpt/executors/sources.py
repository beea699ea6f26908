"""What an input channel holds: its objects in order, and their bytes, of local files (behaviour 2.9).

Those on S3 come from `s3_source.py`. Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os

from hpt.executors.contract import ContractError, is_remote, local_path
from hpt.host import manifests
from hpt.host.files import open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, Protocol, TypeVar

    Item = tuple[str, str]  # where an object is, and its name in the channel's directory
    Entry = tuple[str | bytes, ...]  # what a stream has at one place: URIs of objects, and bytes
    T = TypeVar("T")

    class Source(Protocol):
        """Where objects lie."""

        def under(self, uri: str) -> list[Item]:
            """All objects below a prefix, in the order of their keys."""
            ...

        def chunks(self, uri: str) -> Iterator[bytes]:
            """The bytes of an object."""
            ...


CHUNK = 1 << 20
"""Bytes that are read at a time."""


class LocalSource:
    """Files of this machine."""

    def under(self, uri: str) -> list[Item]:
        """The files of a directory and all directories in it, or one file. A path that does not exist is a
        prefix of paths, as on S3.
        """
        source = os.path.abspath(local_path(uri))
        if os.path.isdir(source):
            found = list(_walk(source, ""))
        else:
            parent, prefix = os.path.split(source)
            names = [prefix] if os.path.exists(source) else _beginning(parent, prefix)
            found = []
            for name in names:
                path = os.path.join(parent, name)
                found += _walk(path, name) if os.path.isdir(path) else [(path, name)]
        return sorted(found, key=lambda item: os.fsencode(item[1]))

    def chunks(self, uri: str) -> Iterator[bytes]:
        with open(open_file(local_path(uri)), "rb", buffering=0) as file:
            while data := file.read(CHUNK):
                yield data


def _beginning(directory: str, prefix: str) -> list[str]:
    try:
        return [name for name in os.listdir(directory) if name.startswith(prefix)]
    except OSError:
        return []


def _walk(directory: str, name: str, above: frozenset[str] = frozenset()) -> Iterator[Item]:
    """Links are followed, but not round in circles."""
    real = os.path.realpath(directory)
    if real in above:
        return
    with os.scandir(directory) as entries:
        for entry in entries:
            inner = f"{name}/{entry.name}" if name else entry.name
            if entry.is_dir():
                yield from _walk(entry.path, inner, above | {real})
            elif entry.is_file():
                yield entry.path, inner


def share(entries: Sequence[T], host: int, hosts: int, channel: Mapping[str, Any]) -> Sequence[T]:
    """What one host gets of a channel's entries: all, or of ShardedByS3Key every so many."""
    return entries[host::hosts] if channel["distribution"] == "ShardedByS3Key" else entries


def items(channel: Mapping[str, Any], source: Source) -> list[Item]:
    """The objects of a channel as files: where they are, and their names. source: of the channel's URI.

    Raises:
        ContractError: there are none, or the manifest is none.
    """
    uri = channel["uri"]
    try:
        if channel.get("data_type") == "ManifestFile":
            return manifests.objects(b"".join(source.chunks(uri)), _shown(uri))
        found = source.under(uri)
    except manifests.ManifestError as error:
        raise ContractError(f"channel {channel['name']!r}: {error}") from None
    except FileNotFoundError:
        found = []
    except OSError as error:
        raise _unreadable(channel, error) from None
    if not found:
        raise ContractError(
            f"channel {channel['name']!r}: nothing is found at {_shown(uri)}; correct the channel's S3Uri"
        )
    return found


def entries(channel: Mapping[str, Any], source: Source) -> list[Entry]:
    """What the stream of a channel consists of. source: of the channel's URI. Raises as `items`."""
    if channel.get("data_type") != "AugmentedManifestFile":
        return [(uri,) for uri, _ in items(channel, source)]
    uri = channel["uri"]
    try:
        data = b"".join(source.chunks(uri))
        return list(manifests.records(data, _shown(uri), channel.get("attribute_names", ())))
    except manifests.ManifestError as error:
        raise ContractError(f"channel {channel['name']!r}: {error}") from None
    except OSError as error:
        raise _unreadable(channel, error) from None


def _unreadable(channel: Mapping[str, Any], error: OSError) -> ContractError:
    place = error.filename or _shown(channel["uri"])
    return ContractError(f"channel {channel['name']!r}: {place} cannot be read: {error.strerror}")


def check_present(channel: Mapping[str, Any], found: Sequence[Entry]) -> None:
    """Raises ContractError where a local file that a manifest lists is missing."""
    places = (part for entry in found for part in entry if isinstance(part, str))
    absent = manifests.missing(list(places))
    if absent:
        others = f", and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise ContractError(
            f"channel {channel['name']!r}: {absent[0]}{others} cannot be read, which {_shown(channel['uri'])}"
            " lists; correct the manifest"
        )


def _shown(uri: str) -> str:
    return uri if is_remote(uri) else local_path(uri)
