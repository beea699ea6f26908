"""What some tests ask of the machine. Where it is missing they are skipped, and say why."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hpt.host.namespace import cannot_bind

_UNNAMED = cannot_bind("/etc")
needs_host_names = pytest.mark.skipif(_UNNAMED is not None, reason=f"hosts have no names here: {_UNNAMED}")
"""Of tests whose programs ask for the names of their hosts, which are their addresses elsewhere."""


def needs(command: str, why: str) -> str:
    """The path of a command."""
    path = shutil.which(command)
    if path is None:
        pytest.skip(f"{command} is not installed: {why}")
    return path


@contextmanager
def small_disk(place: Path, options: str) -> Iterator[Path]:
    """A file system in memory at a place; `options` are those of `mount`, `size=1m` for one."""
    why = "mounting a small file system takes it"
    mount, umount = needs("mount", why), needs("umount", why)
    place.mkdir(exist_ok=True)
    command = [mount, "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run([umount, "-l", str(place)], check=True)


def terminal() -> tuple[int, int]:
    """The two ends of a terminal: the leader, and what the process in it uses."""
    try:
        return pty.openpty()
    except OSError as error:
        pytest.skip(f"no terminal can be had: {error}")


def unprivileged() -> list[str]:
    """Words before a command that then runs without the rights of a superuser, who is refused nothing."""
    if os.geteuid() != 0:
        return []
    setpriv = needs("setpriv", "a superuser is refused nothing without it")
    words = [setpriv, "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    tried = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"a superuser cannot give its rights away: {tried.stderr.strip()}")
    return words
