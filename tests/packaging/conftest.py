"""Builds the source archive and the wheel, and installs the wheel with what it asks for and nothing else."""

from __future__ import annotations

import sys
import tarfile
import venv
from collections.abc import Callable
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.packaging.environment import ROOT, run
from tests.prerequisites import needs

Install = Callable[[str], Path]


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree's versioned and new files; what is generated stays behind."""
    needs("git", "it says which files are the tree's")
    if not (ROOT / ".git").exists():
        pytest.skip("this tree is not a clone; git does not say which files are its own")
    copy = tmp_path_factory.mktemp("tree")
    listed = run("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    return copy


@pytest.fixture(scope="session")
def sources(tree: Path) -> set[str]:
    """Names of the copied files, taken before anything is built there."""
    return {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def sdist(tree: Path, sources: set[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert "setup.py" in sources
    out = tmp_path_factory.mktemp("sdist")
    code = "import sys, setuptools.build_meta as b; print(b.build_sdist(sys.argv[1]))"
    run(sys.executable, "-P", "-c", code, out, cwd=tree)
    [archive] = out.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Installs the wheel with an extra ("" for none) into an environment of its own; its Python.

    What the wheel's metadata ask for, down to the last requirement of a requirement, is lent by the
    environment of these tests, and nothing else can be imported there: no network is needed.
    """
    made: dict[str, Path] = {}

    def python(extra: str) -> Path:
        if extra not in made:
            home = tmp_path_factory.mktemp(f"environment-{extra or 'alone'}")
            venv.create(home, with_pip=not made)
            made[extra] = home / "bin" / "python"
            pip = [
                next(iter(made.values())),
                "-m",
                "pip",
                "--python",
                made[extra],
                "--disable-pip-version-check",
            ]
            run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=home)
            [site] = home.glob("lib/python*/site-packages")
            [info] = site.glob("hpt-*.dist-info")
            for wanted in requirements(PathDistribution(info), {extra}):
                lend(wanted, site)
            assert "No broken requirements" in run(*pip, "check", cwd=home)
        return made[extra]

    return python


def requirements(asking: Distribution, extras: set[str]) -> list[Distribution]:
    """The distributions that one asks for with these extras, their own requirements too, each once."""
    own = asking.metadata["Name"]
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    todo = [(asking, extra) for extra in extras | {""}]
    while todo:
        distributed, extra = todo.pop()
        if (key := (distributed.metadata["Name"], extra)) in seen:
            continue
        seen.add(key)
        for line in distributed.requires or ():
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                lent = asking if wanted.name == own else distribution(wanted.name)
                todo += [(lent, name) for name in {"", *wanted.extras}]
                if lent is not asking:
                    found[lent.metadata["Name"]] = lent
    return list(found.values())


def lend(lent: Distribution, site: Path) -> None:
    """Link everything at the top of a distribution's files into another environment."""
    for name in {file.parts[0] for file in lent.files or ()} - {"..", "__pycache__"}:
        if not (site / name).exists():
            (site / name).symlink_to(Path(str(lent.locate_file(name))))
