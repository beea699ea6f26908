"""Packs this very `hpt` as a wheel, so that the machines of a fleet run what the user runs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import sys
import sysconfig
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

from hpt.errors import InputError

_TIME = 1980, 1, 1, 0, 0, 0
_LEFT_OUT = {"__pycache__", ".mypy_cache", "build"}


_NAME = re.compile(r"[^-]+-[^-]+(?:-\d[^-]*)?-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<platform>[^-]+)\.whl")
_VERSION = re.compile(r"python(\d)\.(\d+)")


def own_tag() -> str:
    """The part of a wheel's name that says what this very `hpt` runs on."""
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    return f"{python}-{python}-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def check(name: str, python: str, machine: str, *, packed: bool = False) -> None:
    """Whether the machines of a fleet can install a wheel.

    Parameters
    ----------
    name
        Of its file.
    python
        The interpreter that it is installed for there.
    machine
        Their architecture, `x86_64` or `aarch64`.
    packed
        Whether that interpreter is the one of a packed environment.

    Raises
    ------
    InputError
        They cannot.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise InputError(f"{name!r} is no name of a wheel; give one such as hpt-0.1.0-{own_tag()}.whl")
    platforms = found["platform"].split(".")
    if not any(each == "any" or ("linux" in each and each.endswith(machine)) for each in platforms):
        raise InputError(
            f"{name} is for {found['platform']}, and the machines of the fleet are Linux on {machine}; give a"
            " wheel that was built there"
        )
    version = _VERSION.fullmatch(Path(python).name)
    if version is None or not found["python"].startswith("cp"):
        return
    built_for = {each.removeprefix("cp") for each in found["python"].split(".")}
    newer = found["abi"] == "abi3" and all(int(each[1:] or 0) <= int(version[2]) for each in built_for)
    if f"{version[1]}{version[2]}" not in built_for and not newer:
        wanted = " or ".join(f"python{each[0]}.{each[1:]}" for each in sorted(built_for))
        if packed:
            raise InputError(
                f"{name} is for {wanted}, and the environment has {python}; pack one of {wanted}, or run hpt "
                f"with {python}, or give a wheel for that"
            )
        raise InputError(
            f"{name} is for {wanted}, and nodes.python is {python!r}; write nodes.python = {wanted!r}, or "
            "give a wheel of that version"
        )


def pack(folder: Path) -> Path:
    """Write the wheel into a folder. The same installation gives the same bytes.

    Raises:
        InputError: `hpt` is not installed, or has no extension modules.
    """
    package = Path(__file__).resolve().parents[2]
    try:
        distribution = importlib.metadata.distribution("hpt")
    except importlib.metadata.PackageNotFoundError:
        raise InputError(f"hpt in {package} is not installed; install it with pip, then try again") from None
    metadata = distribution.read_text("METADATA") or ""
    if not list(package.glob("_core*.so")):
        raise InputError(f"hpt in {package} has no extension modules; install it with pip, then try again")
    tag = own_tag()
    name = f"hpt-{distribution.version}"
    target = folder / f"{name}-{tag}.whl"
    entries = distribution.read_text("entry_points.txt") or "[console_scripts]\nhpt = hpt.cli.main:main\n"
    files = [(f"hpt/{path.relative_to(package)}", path.read_bytes()) for path in _files(package)]
    wheel = f"Wheel-Version: 1.0\nGenerator: hpt\nRoot-Is-Purelib: false\nTag: {tag}\n"
    files += [
        (f"{name}.dist-info/METADATA", metadata.encode()),
        (f"{name}.dist-info/WHEEL", wheel.encode()),
        (f"{name}.dist-info/entry_points.txt", entries.encode()),
    ]
    record = f"{name}.dist-info/RECORD"
    rows = [f"{path},sha256={_digest(content)},{len(content)}" for path, content in files]
    files.append((record, "\n".join([*rows, f"{record},,", ""]).encode()))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path, content in files:
            entry = zipfile.ZipInfo(path, _TIME)
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return target


def _files(package: Path) -> Iterator[Path]:
    for path in sorted(package.rglob("*")):
        if path.is_file() and not _LEFT_OUT & set(path.relative_to(package).parts):
            yield path


def _digest(content: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def sha256(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
