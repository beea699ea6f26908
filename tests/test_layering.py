"""A folder imports from the folders below it and from nothing else; what is pure touches no world.

Imports inside functions count as well: laziness changes when a module is loaded, not who depends on whom.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hpt"

ROWS = (
    {"cli", "client", "server", "integrations", "plots", "testing"},
    {"service", "functions"},
    {"running"},
    {"sagemaker", "metrics", "storage", "executors", "fleet", "algorithms"},
    {"host"},
    {"job"},
    {"search"},
    {"_core", "_blas"},
    {"errors"},
)
"""The folders of `hpt`, from the top down. Folders of one row do not know each other."""

PURE = {"errors", "search", "job"}
WORLD = {
    *("fcntl", "glob", "io", "logging", "pathlib", "select", "selectors", "shutil", "sqlite3", "tempfile"),
    *("asyncio", "boto3", "botocore", "http", "psutil", "ray", "socket", "ssl", "urllib.request"),
    *("concurrent", "multiprocessing", "signal", "subprocess", "threading"),
    *("datetime", "resource", "time", "rich", "yaml"),
}
"""What looks at the world. `os` is not among it: describing a job in Python asks it for the working directory
and the home, at which relative paths start (`hpt.job.build`), and for nothing else."""
ALLOWED = {"threading.RLock"}
"""A lock looks at nothing and starts nothing: it makes one caller of a tuner wait for another. Without it,
every host that calls from several threads would need one of its own."""
LAZY = {"scipy", "numba", "boto3", "botocore", "yaml", "rich"}


def height(module: str) -> int:
    """The row of a module, counted from the top; -1 for the package itself, which anything above may be."""
    parts = module.split(".")
    return next((i for i, row in enumerate(ROWS) if parts[1:2] and parts[1] in row), -1)


def violations(module: str, source: str) -> Iterator[str]:
    """What the imports of a module break, a sentence each."""
    for target, at_top in imports(module, source):
        if target == "hpt" and module.startswith("hpt.integrations."):
            continue
        if target.split(".")[0] == "hpt":
            if module.startswith("hpt.integrations.") and not target.startswith("hpt.integrations."):
                yield f"{module} imports {target}; an adapter uses the public names of hpt alone"
            same = target.split(".")[1:2] == module.split(".")[1:2]
            if not same and height(target) <= height(module):
                yield f"{module} imports {target}, which is not below it"
            if target == "hpt._core" and module != "hpt.search.core":
                yield f"{module} imports hpt._core; hpt.search.core is its only door"
        elif module.split(".")[1] in PURE:
            roots = {target, target.split(".")[0], ".".join(target.split(".")[:2])}
            if target in ALLOWED:
                continue
            if roots & WORLD or (at_top and roots & LAZY):
                yield f"{module} imports {target}, and is to know nothing of the world"


def imports(module: str, source: str) -> Iterator[tuple[str, bool]]:
    """Every name imported outside `if TYPE_CHECKING:`, and whether that happens as the module is loaded."""

    def walk(node: ast.AST, at_top: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from ((alias.name, at_top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert not child.level, f"{module}:{child.lineno}: name the whole module"
                yield from ((f"{child.module}.{alias.name}", at_top) for alias in child.names)
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from walk(child, at_top and not function)

    for name, at_top in walk(ast.parse(source), True):
        known = name if name in MODULES else name.rpartition(".")[0]
        yield (known if name.startswith("hpt") else name), at_top


def module_name(path: Path) -> str:
    parts = ["hpt", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in (*PACKAGE.rglob("*.py"), *PACKAGE.glob("_*.pyi"))}


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {"hpt", "hpt._core", "hpt._blas"}))
def test_module(module):
    assert height(module) >= 0, f"{module} stands in no row"
    assert list(violations(module, MODULES[module].read_text())) == []


def test_only_errors_and_folders_stand_at_the_top():
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "errors.py"}


@pytest.mark.parametrize("room", sorted({".".join(m.split(".")[:2]) for m in MODULES if m.count(".") > 1}))
def test_no_room_holds_a_circle(room):
    """Modules of one room may import each other, but not round in a circle."""
    arrows = {
        module: {target for target, _ in imports(module, path.read_text()) if target.startswith(room)}
        for module, path in MODULES.items()
        if module.startswith(f"{room}.")
    }
    while leaves := {
        module for module, targets in arrows.items() if not (targets & arrows.keys()) - {module}
    }:
        arrows = {module: targets for module, targets in arrows.items() if module not in leaves}
    assert arrows == {}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("hpt.search.space", "from hpt.job.config import JobConfig"),
        ("hpt.search.space", "def f():\n    import hpt.running.runner"),
        ("hpt.search.space", "import hpt"),
        ("hpt.storage.sqlite", "from hpt.executors.base import Executor"),
        ("hpt.running.runner", "from hpt.testing.storage import X"),
        ("hpt.cli.main", "from hpt.client import X"),
        ("hpt.search.strategies.new", "from hpt import _core"),
        ("hpt.integrations.new", "from hpt.search.tuner import Tuner"),
        ("hpt.search.tuner", "import time"),
        ("hpt.search.tuner", "from threading import Thread"),
        ("hpt.search.tuner", "import threading"),
        ("hpt.search.tuner", "from concurrent.futures import Future"),
        ("hpt.search.tuner", "def f():\n    from urllib import request"),
        ("hpt.job.new", "import scipy.linalg"),
        ("hpt.job.new", "try:\n    import scipy\nexcept ImportError:\n    pass"),
    ],
)
def test_what_breaks_the_rule_is_found(module, source):
    assert list(violations(module, source))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("hpt.search.space", "from hpt.errors import InputError\nimport numpy as np"),
        ("hpt.search.space", "from urllib.parse import quote"),
        ("hpt.search.space", "from threading import RLock"),
        ("hpt.search.space", "if TYPE_CHECKING:\n    from hpt.running.runner import X"),
        ("hpt.search.strategies.new", "def f():\n    import scipy.stats"),
        ("hpt.storage.new", "import sqlite3\nfrom hpt.storage.base import Lease"),
        ("hpt.job.config", "import os\nfrom hpt.search.space import SearchSpace"),
        ("hpt.search.core", "from hpt import _core"),
        ("hpt.integrations.new", "import hpt\nimport optuna"),
    ],
)
def test_what_keeps_it_is_not(module, source):
    assert list(violations(module, source)) == []
