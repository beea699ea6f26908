"""What begins an agent on a node of a Ray cluster, where no hpt, or another one, may be installed.

The class travels by value. It unpacks the tuner's hpt, once for each version, and runs the agent from there.
Standard library only: nothing of hpt is imported before that.
"""

from __future__ import annotations

import importlib.machinery
import io
import os
import shutil
import stat
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any


class Seed:
    """package: the digest of the tuner's hpt. archive: a list with the reference of its archive, which is
    fetched only where it is needed. root, name: as `hpt.fleet.ray_agent.RayAgent` takes them.
    """

    def __init__(self, package: str, archive: list[Any], root: str, name: str) -> None:
        top = os.environ.get("HPT_NODE_ROOT") or f"/tmp/hpt-nodes-{os.geteuid()}"
        place = Path(top, "packages", package)
        if not place.is_dir():
            import ray

            self._unpack(ray.get(archive[0]), place)
        self._check(place.parent)
        sys.path.insert(0, str(place))
        for module in [each for each in sys.modules if each == "hpt" or each.startswith("hpt.")]:
            del sys.modules[module]
        from hpt.fleet.ray_agent import RayAgent

        suffixes = tuple(each for each in importlib.machinery.EXTENSION_SUFFIXES if each != ".so")
        native = any(each.name.endswith(suffixes) for each in (place / "hpt").iterdir())
        version = ".".join(map(str, sys.version_info[:3]))
        self._facts = {"python": version, "machine": os.uname().machine, "native": native}
        self._agent = RayAgent(root, name)

    def call(self, method: str, given: tuple[Any, ...]) -> Any:
        """Call a method of the agent."""
        result = getattr(self._agent, method)(*given)
        return {**result, **self._facts} if method == "hello" else result

    def _unpack(self, archive: bytes, place: Path) -> None:
        place.parent.mkdir(0o700, parents=True, exist_ok=True)
        self._check(place.parent)
        new = tempfile.mkdtemp(prefix=".", dir=place.parent)
        try:
            with tarfile.open(fileobj=io.BytesIO(archive)) as content:
                content.extractall(new, filter="data")
            Path(new).rename(place)
        except OSError:
            shutil.rmtree(new, ignore_errors=True)
            if not place.is_dir():  # or another agent was first
                raise

    def _check(self, folder: Path) -> None:
        """Others must not put code where it is run from."""
        found = folder.lstat()
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
        if not ours or found.st_mode & 0o022:
            raise PermissionError(f"others can write to {folder}; set HPT_NODE_ROOT to a folder of your own")
