"""Manifests: files that list what an input channel holds (behaviour 2.9). Standard library only.

A manifest is a JSON list of `{"prefix": P}` and names; each object is at P followed by a name. An augmented
manifest has a JSON object a line, and the attributes that the channel names are its data, in their order; an
attribute whose name ends with `-ref` says where the data lies.

Besides `s3://` URIs there may be local paths, and relative ones start at the manifest's directory.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

REFERENCE = "-ref"


class ManifestError(Exception):
    """It is no manifest, or lists what cannot be had; the message says which and what to do."""


def objects(data: bytes, place: str) -> list[tuple[str, str]]:
    """The URI of every object that a manifest lists, and its name in the channel.

    place: where the manifest was read.

    Raises:
        ManifestError: it is no manifest.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{place} is no JSON ({error}); a manifest is {_FORM}") from None
    first = content[0] if isinstance(content, list) and content else None
    prefix = first.get("prefix") if isinstance(first, dict) else None
    if not isinstance(prefix, str) or not prefix:
        raise ManifestError(f"{place} is no manifest, which is {_FORM}")
    found = []
    for name in content[1:]:
        if not isinstance(name, str):
            raise ManifestError(f"{place}: {name!r:.100} is no name of an object; a manifest is {_FORM}")
        if not name or name.startswith("/") or "\0" in name or {"..", "."} & set(name.split("/")):
            raise ManifestError(
                f"{place}: {name!r} would leave the channel's directory; give a longer prefix, and names "
                "below it"
            )
        found.append((_resolved(prefix + name, place), name))
    if not found:
        raise ManifestError(f"{place} lists nothing; add the names of objects")
    return found


_FORM = 'a list like [{"prefix": "s3://bucket/folder/"}, "one.csv", "two.csv"]'


def records(data: bytes, place: str, attributes: Sequence[str]) -> Iterator[tuple[str | bytes, ...]]:
    """What an augmented manifest lists, line by line: the URI of each attribute that is a reference, and the
    bytes of every other, in the order of `attributes`.

    place: where the manifest was read.

    Raises:
        ManifestError: a line is no JSON object, or lacks an attribute.
    """
    empty = True
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        empty = False
        where = f"line {number} of {place}"
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ManifestError(
                f"{where} is no JSON ({error}); an augmented manifest has an object a line"
            ) from None
        if not isinstance(content, dict):
            raise ManifestError(f"{where} is no JSON object; an augmented manifest has one a line")
        yield tuple(_attribute(content, name, where, place) for name in attributes)
    if empty:
        raise ManifestError(f"{place} has no line; an augmented manifest has a JSON object a line")


def _attribute(content: dict[str, Any], name: str, where: str, place: str) -> str | bytes:
    if name not in content:
        raise ManifestError(f"{where} has no attribute {name!r}; add it, or correct AttributeNames")
    value = content[name]
    if name.endswith(REFERENCE):
        if not isinstance(value, str) or not value or "\0" in value:
            raise ManifestError(f"{where}: {name!r} is {value!r:.100}, which is no place of data; correct it")
        return _resolved(value, place)
    string = value if isinstance(value, str) else json.dumps(value)
    return string.encode("utf-8", "surrogatepass")


def _resolved(uri: str, place: str) -> str:
    """The URI or absolute path that an entry of the manifest at `place` stands for."""
    if uri.startswith("s3://"):
        return uri
    if place.startswith("s3://"):
        raise ManifestError(f"{place} lists {uri!r}, which is not on S3; give s3:// URIs")
    if "://" in uri and not uri.startswith("file://"):
        raise ManifestError(f"{place} lists {uri!r}; give s3:// URIs or local paths")
    path = uri.removeprefix("file://")
    end = "/" if path.endswith("/") else ""
    return os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(place)), path)) + end


def missing(uris: Iterator[str] | Sequence[str]) -> list[str]:
    """The local ones of them that are no readable files."""
    return [
        uri
        for uri in uris
        if not uri.startswith("s3://") and not (os.path.isfile(uri) and os.access(uri, os.R_OK))
    ]
