"""Real containers for tests: Podman with a storage of its own, and an image around the static BusyBox.

The image's `train` runs the shell script in `PROGRAM`, a variable of the definition's environment. Where
Podman cannot run containers, the tests that ask for it are skipped with the reason, which a warning repeats.
"""

from __future__ import annotations

import functools
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from hpt.host.container_engine import ENGINE_VARIABLE, OPTIONS_VARIABLE

IMAGE = "localhost/hpt-tests/train:1"
USER_IMAGE = "localhost/hpt-tests/train-as-user:1"
"""The same, and its program runs as user 1234."""

_TRAIN = '#!/bin/sh\neval "$PROGRAM"\n'
_WAYS = (
    ("", ""),
    ("--runtime runc --cgroup-manager cgroupfs", ""),
    (
        "--runtime runc --cgroup-manager cgroupfs",
        "--network=none --ulimit=nofile=1024:1024 --ulimit=nproc=1000:1000",
    ),
)
"""Global options and options of `run`: the default, what hosts without systemd need, and what those need that
may not raise limits."""


@dataclass(frozen=True)
class Podman:
    """A Podman that runs containers here: its command with global options, and options of `run`."""

    engine: str
    options: str

    @property
    def variables(self) -> dict[str, str]:
        return {ENGINE_VARIABLE: self.engine, OPTIONS_VARIABLE: self.options}

    def ask(self, *words: str, check: bool = True) -> str:
        """What the engine prints."""
        command = [*shlex.split(self.engine), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def containers(self) -> list[str]:
        """The names of all containers there are, running or not."""
        return self.ask("ps", "--all", "--format={{.Names}}").split()


@contextmanager
def podman() -> Iterator[Podman]:
    """Podman with the images above; skips the test where it runs nothing."""
    place = Path(tempfile.mkdtemp(prefix="hpt-"))  # short: sockets lie below it
    try:
        found = _working(place)
        if isinstance(found, str):
            _say_once(found)
            pytest.skip(found)
        yield found
    finally:
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mounted in sorted((each for each in mounts if each.startswith(f"{place}/")), reverse=True):
            subprocess.run(["umount", "--lazy", mounted], capture_output=True, check=False)
        shutil.rmtree(place, ignore_errors=True)


def _working(place: Path) -> Podman | str:
    """The first way in which Podman runs the image, or why none does."""
    program, busybox = shutil.which("podman"), shutil.which("busybox")
    if program is None or busybox is None:
        return (
            f"no containers are tested: {'podman' if program is None else 'busybox-static'} is not installed"
        )
    archive = place / "image.tar"
    _write_image(archive, Path(busybox))
    said = ""
    for more, options in _WAYS:
        engine = f"{program} --root={place}/root --runroot={place}/run {more}"
        found = Podman(engine, options)
        try:
            found.ask("import", "--quiet", str(archive), IMAGE)
            run = [
                *shlex.split(engine),
                "run",
                "--rm",
                *shlex.split(options),
                "--env=PROGRAM=exit 0",
                IMAGE,
                "train",
            ]
            done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
            continue
        if done.returncode == 0:
            found.ask("import", "--quiet", "--change=USER 1234", str(archive), USER_IMAGE)
            return found
        said = done.stderr.strip()
    return f"no containers are tested: podman cannot run any here: {said.splitlines()[-1] if said else ''}"


def _write_image(archive: Path, busybox: Path) -> None:
    """A root file system of a static BusyBox and `train`."""
    applets = subprocess.run(
        [str(busybox), "--list"], capture_output=True, text=True, check=True
    ).stdout.split()
    with tarfile.open(archive, "w") as tar:
        for name in ("bin", "tmp", "etc"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(folder)
        for name, content in (("busybox", busybox.read_bytes()), ("train", _TRAIN.encode())):
            file = tarfile.TarInfo(f"bin/{name}")
            file.size, file.mode = len(content), 0o755
            tar.addfile(file, BytesIO(content))
        for name in applets:
            if name != "busybox":
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)


@functools.cache
def _say_once(reason: str) -> None:
    warnings.warn(reason, stacklevel=2)
