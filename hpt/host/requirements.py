"""What the source of a program asks to be installed, read without installing anything.

Standard library only.
"""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIREMENTS = "requirements.txt"
CONDA = ("environment.yml", "environment.yaml")
"""Files at the top of a source, the first that is there counts."""

_LARGEST = 1 << 20
_DEEPEST = 16
_INCLUDE = re.compile(r"(?:(?:--requirement|--constraint)(?:\s*=\s*|\s+)|-[rc]\s*)(\S+)")
_EDITABLE = re.compile(r"(?:-e|--editable)(?:\s*=\s*|\s+)(\S+)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_COMMENT = re.compile(r"(?:^|\s)#.*$")


class RequirementsError(Exception):
    """A file of requirements cannot be read; the message says which and why."""


def find(folder: str) -> str | None:
    """The name of the file in a source that says what to install; None if nothing is to be installed.

    `requirements.txt` wins, as in the images of frameworks, which know no other.
    """
    for name in (REQUIREMENTS, *CONDA):
        if os.path.lexists(os.path.join(folder, name)):
            return name
    return None


def read(folder: str, name: str) -> tuple[list[tuple[str, bytes]], list[str]]:
    """A file of requirements with those it includes, and the local projects and archives that it names.

    Parameters
    ----------
    folder
        The source.
    name
        The path of the file within it.

    Returns
    -------
    tuple
        (path, content) of each file, and the absolute paths of what is installed from a disk.

    Raises
    ------
    RequirementsError
        A file is missing, unreadable or no text.
    """
    files: dict[str, bytes] = {}
    local: list[str] = []
    _read(os.path.join(folder, name), name, folder, files, local)
    return list(files.items()), local


def _read(path: str, shown: str, folder: str, files: dict[str, bytes], local: list[str]) -> None:
    if shown in files:
        return
    if len(files) >= _DEEPEST:
        raise RequirementsError(f"{shown} is one of more than {_DEEPEST} files of requirements; merge some")
    try:
        if not os.path.isfile(path):
            raise RequirementsError(f"{shown} {'is no file' if os.path.lexists(path) else 'is missing'}")
        with open(path, "rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise RequirementsError(f"{shown} cannot be read ({error.strerror})") from None
    if len(content) > _LARGEST:
        raise RequirementsError(f"{shown} is larger than {_LARGEST} bytes")
    files[shown] = content
    if not shown.endswith((".yml", ".yaml")):
        for line in _lines(content, shown):
            _follow(line, path, folder, files, local)


def _follow(line: str, path: str, folder: str, files: dict[str, bytes], local: list[str]) -> None:
    """Read the files that a line includes, and note what it installs from a disk. Paths in an included file
    start at that file, those of projects at the source."""
    if include := _INCLUDE.match(line):
        if not _SCHEME.match(include[1]):
            place = os.path.normpath(os.path.join(os.path.dirname(path), include[1]))
            _read(place, os.path.relpath(place, folder), folder, files, local)
        return
    editable = _EDITABLE.match(line)
    named = editable[1] if editable else line.split(";")[0].split("[")[0].strip()
    if "@" in named and "file:" in named:
        named = named.partition("@")[2].strip()
    named = named.removeprefix("file://")
    is_path = named.startswith((".", "/")) or named.endswith((".whl", ".tar.gz", ".zip")) or editable
    if is_path and not _SCHEME.match(named) and not re.match(r"(?:git|hg|svn|bzr)\+", named):
        local.append(os.path.normpath(os.path.join(folder, named)))


def _lines(content: bytes, shown: str) -> Iterator[str]:
    """The lines that say something, those that go on joined."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RequirementsError(f"{shown} is no text in UTF-8; save it as such") from None
    if "\0" in text:
        raise RequirementsError(f"{shown} is no text; write one requirement a line")
    for line in re.sub(r"\\\r?\n", "", text).splitlines():
        if stripped := _COMMENT.sub("", line).strip():
            yield stripped
