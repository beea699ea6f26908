"""Looks at a packed environment: an interpreter and packages that the machines of a fleet unpack, where they
would otherwise install packages one by one. `conda-pack`, `venv-pack` and plain `tar` make such archives.
"""

from __future__ import annotations

import importlib.metadata
import re
import tarfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from posixpath import dirname, join, normpath

from hpt.errors import InputError
from hpt.fleet.ec2.wheel import sha256

PYTHON = "bin/python"

_GZIP = b"\x1f\x8b"
_OTHERS = {b"\xfd7zXZ": "xz", b"BZh": "bzip2", b"(\xb5/\xfd": "zstd", b"PK\x03\x04": "zip"}
_SITE = re.compile(r"lib/python(3\.\d+)/site-packages/(?:(?P<package>[^/-]+)-[^/]+\.(?:dist|egg)-info)?")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)[^;]*(?:;.*extra == ['\"]([^'\"]+)['\"])?")
_SYSTEM_PACKAGES = re.compile(rb"^include-system-site-packages\s*=\s*true", re.MULTILINE | re.IGNORECASE)
_MACHINES = {62: "x86_64", 183: "aarch64"}  # of ELF
_MOST_LINKS = 8


@dataclass(frozen=True, slots=True)
class Packed:
    """An archive that was looked at.

    size: bytes. folder: the one of the archive that is the environment, "" for its top. python: the
    interpreter's name with its version. leads_to: the path of a machine that its `bin/python` is a link to,
    "" where the interpreter is in the archive.
    """

    path: Path
    sha256: str
    size: int
    folder: str
    python: str
    leads_to: str

    @property
    def key(self) -> str:
        """Where it lies below the fleet's prefix."""
        return f"environments/{self.sha256}"

    @property
    def note(self) -> str:
        """What its machines must have, "" for nothing."""
        if not self.leads_to:
            return ""
        return (
            f"{PYTHON} of {self.path.name} is a link to {self.leads_to}: every machine of the fleet must "
            "have that; one that conda-pack makes needs nothing"
        )


def needed(*extras: str) -> frozenset[str]:
    """The packages that `hpt` needs with some of its extras. Raises InputError where it is not installed."""
    found = set()
    try:
        lines = importlib.metadata.requires("hpt") or ()
    except importlib.metadata.PackageNotFoundError:
        raise InputError("hpt is not installed; install it with pip, then try again") from None
    for line in lines:
        parts = _REQUIREMENT.match(line)
        if parts is not None and parts[1] != "hpt" and parts[2] in (None, *extras):
            found.add(_normal(parts[1]))
    return frozenset(found)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def look(path: Path, packages: Collection[str], machine: str) -> Packed:
    """Whether machines can run from an archive.

    Parameters
    ----------
    path
        The archive.
    packages
        What it has to hold.
    machine
        The architecture of the machines, `x86_64` or `aarch64`.

    Returns
    -------
    Packed
        What was found.

    Raises
    ------
    InputError
        They cannot; the message says why.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; correct the path") from None
    except IsADirectoryError:
        fix = f"pack it: conda-pack -p {path}, or venv-pack -p {path}"
        raise InputError(f"{path} is a folder; {fix}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if other := next((name for mark, name in _OTHERS.items() if head.startswith(mark)), ""):
        raise InputError(f"{path} is packed with {other}; pack it as .tar.gz, which any machine unpacks")
    found = _Found()
    try:
        with tarfile.open(path, "r:gz" if head.startswith(_GZIP) else "r:") as archive:
            for member in archive:
                found.take(member, archive)
            assert archive.fileobj is not None
            while archive.fileobj.read(1 << 20):  # to its checksum
                pass
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise InputError(f"{path} is no tar archive, or is damaged ({error}); pack it again") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    try:
        folder = found.folder()
        leads_to = found.interpreter(folder, machine)
        python = found.python(folder, packages)
    except InputError as error:
        raise InputError(f"{path} {error}") from None
    return Packed(path, sha256(path), path.stat().st_size, folder, python, leads_to)


@dataclass
class _Found:
    """What was seen of an archive. links: targets by name; heads: the first bytes of interpreters; listed:
    versions of Python with the packages of each, by folder; settings: of virtual environments.
    """

    links: dict[str, str] = field(default_factory=dict)
    heads: dict[str, bytes] = field(default_factory=dict)
    listed: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    settings: dict[str, bytes] = field(default_factory=dict)

    def take(self, member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
        """Raises InputError where unpacking it would reach beyond its folder."""
        name = normpath(member.name)
        _check(member)
        folder, inside = _split(name)
        is_python = inside.startswith(PYTHON) and "/" not in inside[len(PYTHON) :]
        if member.issym() or member.islnk():
            target = member.linkname if member.issym() else normpath(member.linkname)
            if member.issym() and target.startswith("/") and not is_python:
                raise InputError(
                    f"its member {member.name} is a link to {target}, which is not in it; put the file in "
                    "its place, and pack it again"
                )
            self.links[name] = normpath(join(dirname(name), target)) if member.issym() else target
        elif is_python and member.isfile() and (file := archive.extractfile(member)) is not None:
            self.heads[name] = file.read(20)
        elif inside == "pyvenv.cfg" and (file := archive.extractfile(member)) is not None:
            self.settings[folder] = file.read(1 << 12)
        site = _SITE.match(inside + "/")
        if site is not None:
            packages = self.listed.setdefault(folder, {}).setdefault(site[1], set())
            if site["package"]:
                packages.add(_normal(site["package"]))

    def folder(self) -> str:
        """That of the environment. Raises InputError."""
        there = {_split(name)[0] for name in (*self.links, *self.heads) if _split(name)[1] == PYTHON}
        if "" in there:
            return ""
        if len(there) != 1:
            what = f"has more than one {PYTHON}" if there else f"has no {PYTHON}"
            raise InputError(
                f"{what}, at its top or in one folder there; pack a whole environment: conda-pack -p FOLDER"
            )
        return there.pop()

    def interpreter(self, folder: str, machine: str) -> str:
        """The path outside of the archive that `bin/python` leads to, "" if none. Raises InputError."""
        name = normpath(join(folder, PYTHON))
        for _ in range(_MOST_LINKS):
            if name in self.heads:
                break
            if name.startswith("/"):
                return name
            if name not in self.links:
                raise InputError(f"has {PYTHON} as a link to {name}, which is not in it; pack it again")
            name = self.links[name]
        else:
            raise InputError(f"has {PYTHON} as a link that leads nowhere; pack it again")
        head = self.heads[name]
        built_for = _MACHINES.get(int.from_bytes(head[18:20], "little"), "another processor")
        if not head.startswith(b"\x7fELF"):
            raise InputError(f"has a {PYTHON} that is no program of Linux; pack an environment made there")
        if built_for != machine:
            raise InputError(
                f"is for {built_for}, and the machines of the fleet are {machine}; pack one made there"
            )
        return ""

    def python(self, folder: str, packages: Collection[str]) -> str:
        """The interpreter's name with its version. Raises InputError where packages are missing."""
        versions = self.listed.get(folder, {})
        if len(versions) != 1:
            what = " and ".join(f"lib/python{each}" for each in sorted(versions))
            what = what or "no lib/python3.N/site-packages"
            raise InputError(f"has {what}; pack an environment of one Python")
        [(version, there)] = versions.items()
        missing = sorted(set(packages) - there)
        if missing and not _SYSTEM_PACKAGES.search(self.settings.get(folder, b"")):
            raise InputError(
                f"lacks {', '.join(missing)}, which hpt needs on the machines; install it there, then pack "
                "it again"
            )
        return f"python{version}"


def _split(name: str) -> tuple[str, str]:
    """The folder of a possible environment and the name below it: `bin`, `lib` and the like stand in it."""
    parts = PurePosixPath(name).parts
    if parts and parts[0] not in ("bin", "lib", "pyvenv.cfg"):
        return parts[0], "/".join(parts[1:])
    return "", name


def _check(member: tarfile.TarInfo) -> None:
    """Raises InputError for what is no file, folder or link below the place where it is unpacked."""
    again = "pack it again, from within its folder"
    if _leaves(member.name) or ".." in member.name.split("/"):
        raise InputError(f"its member {member.name!r} leads out of it; {again}")
    target = join(dirname(member.name), member.linkname) if member.issym() else member.linkname
    if (member.islnk() or (member.issym() and not member.linkname.startswith("/"))) and _leaves(target):
        raise InputError(f"its member {member.name!r} is a link to {member.linkname!r}, out of it; {again}")
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        raise InputError(f"its member {member.name!r} is no file, folder or link; remove it")


def _leaves(path: str) -> bool:
    return path.startswith("/") or normpath(path).split("/")[0] == ".."
