"""What is shipped: a source archive from which a wheel builds, and the wheel."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.environment import run

pytestmark = pytest.mark.slow


def test_the_source_archive_is_complete(sdist: Path, sources: set[str]) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    folders = ("cpp/", "src/", "hpt/", "examples/", "tests/")
    wanted = {name for name in sources if name.startswith(folders)}
    wanted |= {"pyproject.toml", "setup.py", "README.md", "LICENSE", "Makefile", ".clang-format"}
    assert wanted - names == set()
    assert not [name for name in names if name.endswith((".so", ".o", ".pyc"))]
    assert not [name for name in names if name.startswith(("build/", "cpp/build/", ".venv/"))]


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path, sources: set[str]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = {name for name in names if name.endswith(".so")}
    assert len(modules) == 2
    assert {name.partition(".")[0] for name in modules} == {"hpt/_blas", "hpt/_core"}
    assert names - modules == {name for name in sources if name.startswith("hpt/")}


def test_no_blas_is_linked(wheel: Path, tmp_path: Path) -> None:
    """SciPy's is used through pointers; a library of the build machine would not be there elsewhere."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".so"):
                module = Path(archive.extract(name, tmp_path))
                needed = run("ldd", module, cwd=tmp_path).lower()
                assert not [word for word in ("blas", "lapack", "gomp", "mkl") if word in needed], needed
