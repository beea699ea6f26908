"""Paths, URIs and programs of a job, handled as strings without any I/O."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote

MODULE_PREFIX = "module:"
"""Prefix of the program of a job whose trials call a Python function."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_IMAGE = re.compile(
    r"(?:[\w-]+(?:\.[\w-]+)+|localhost)(?::\d+)?/.+|[^/]*[^/.][^/]*:[\w.-]+"
    r"|[a-z\d][\w.-]*(?:/[a-z\d][\w.-]*)+:[\w.-]+|.+@sha256:[0-9a-f]+"
)


def resolve_uri(uri: str, base_dir: str, home: str) -> str | None:
    """An `s3://` URI as it is, anything local as an absolute path; None for another scheme.

    Local are `file://` URIs and paths: absolute, relative to `base_dir`, or under `home` (`~/data`).
    """
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return resolve_path(uri, base_dir, home)
    match scheme[1].lower():
        case "s3":
            return f"s3://{uri[scheme.end() :]}"
        case "file":
            path = unquote(uri[scheme.end() :])
            if path.startswith("localhost/"):
                path = path.removeprefix("localhost")
            return resolve_path(path, base_dir, home)
    return None


def resolve_path(path: str, base_dir: str, home: str) -> str:
    """`path` made absolute."""
    if path == "~" or path.startswith("~/"):
        path = posixpath.join(home, path[2:])
    return posixpath.normpath(posixpath.join(base_dir, path))


def is_s3(uri: str) -> bool:
    return uri.startswith("s3://")


def names_a_file(image: str) -> bool:
    """Whether a program's name can only be that of a local file: a path that says so, or a script."""
    return image.startswith(("/", "./", "../", "~", "file://")) or image.endswith((".py", ".sh"))


def is_image(image: str) -> bool:
    """Whether a program's name can only be a container image: it has a registry, a tag, a digest or another
    scheme.
    """
    if names_a_file(image):
        return False
    return _IMAGE.fullmatch(image) is not None or _SCHEME.match(image) is not None
