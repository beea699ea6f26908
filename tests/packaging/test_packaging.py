"""What is shipped: a source archive from which a wheel builds, and a wheel that works once installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

SEARCH = """
import hpt, sys
assert hpt.__file__.startswith(sys.prefix), hpt.__file__
space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1), hpt.CategoricalParameter("c", ["a", "b"])])
tuner = hpt.Tuner(space, objective="minimize", strategy="Bayesian", seed=1)
values = []
for _ in range(15):
    [trial] = tuner.ask()
    values.append((trial.config["x"] - 0.3) ** 2 + (trial.config["c"] == "a"))
    tuner.tell(trial.number, values[-1])
assert min(values) < 1e-2, values
print("searched")
"""


def run(*command: str | Path, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HPT_"))}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree's versioned and new files; what is generated stays behind."""
    copy = tmp_path_factory.mktemp("tree")
    listed = run("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    return copy


@pytest.fixture(scope="module")
def sources(tree: Path) -> set[str]:
    """Names of the copied files, taken before anything is built there."""
    return {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def sdist(tree: Path, sources: set[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert "setup.py" in sources
    out = tmp_path_factory.mktemp("sdist")
    code = "import sys, setuptools.build_meta as b; print(b.build_sdist(sys.argv[1]))"
    run(sys.executable, "-P", "-c", code, out, cwd=tree)
    [archive] = out.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from the unpacked archive alone."""
    source = tmp_path_factory.mktemp("source")
    with tarfile.open(sdist) as archive:
        archive.extractall(source)  # our own archive; `filter` came with 3.11.4
    [tree] = source.iterdir()
    out = tmp_path_factory.mktemp("wheel")
    code = "import sys, setuptools.build_meta as b; print(b.build_wheel(sys.argv[1]))"
    run(sys.executable, "-P", "-c", code, out, cwd=tree)
    [built] = out.glob("*.whl")
    return built


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


def test_the_wheel_works_where_it_is_installed(wheel: Path, tmp_path: Path) -> None:
    """A clean environment beside the tree; what the wheel depends on is lent to it by this one."""
    home = tmp_path / "environment"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    import numpy as np

    lent = Path(np.__file__).parents[1]
    [site] = home.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(f"{lent}\n")
    assert run(python, "-c", SEARCH, cwd=tmp_path) == "searched\n"


def test_no_blas_is_linked(wheel: Path, tmp_path: Path) -> None:
    """SciPy's is used through pointers; a library of the build machine would not be there elsewhere."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".so"):
                module = Path(archive.extract(name, tmp_path))
                needed = run("ldd", module, cwd=tmp_path).lower()
                assert not [word for word in ("blas", "lapack", "gomp", "mkl") if word in needed], needed
