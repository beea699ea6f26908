"""Modules import from lower layers only; the lower three know no I/O, clock, thread or log.

The table names every module or package of `hpt`; a module without a layer fails. Imports inside functions
count as well: laziness changes when a module is loaded, not who depends on whom.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hpt"

LAYERS: dict[str, tuple[str, ...]] = {
    "vocabulary": (
        "hpt.errors",
        "hpt.scaling",
        "hpt.parameters",
        "hpt.space",
        "hpt.trial",
        "hpt.history",
        "hpt.events",
        "hpt.tagged",
    ),
    "decisions": (
        "hpt._blas",
        "hpt._core",
        "hpt.billing",
        "hpt.completion",
        "hpt.convergence",
        "hpt.core",
        "hpt.job_state",
        "hpt.lifecycle",
        "hpt.stopping",
        "hpt.strategies",
        "hpt.tuner",
        "hpt.warm_start",
    ),
    "description": (
        "hpt.algorithms.description",
        *(
            f"hpt.algorithms.{name}.facts"
            for name in ("xgboost", "lightgbm", "catboost", "linear_learner", "knn", "kmeans")
        ),
        "hpt.checks",
        "hpt.job",
        "hpt.job_document",
        "hpt.parents",
        "hpt.sagemaker",
        "hpt.search",
    ),
    "adapters": (
        "hpt.algorithms",
        "hpt.executors",
        "hpt.function_worker",
        "hpt.jobfile",
        "hpt.metrics",
        "hpt.reporting",
        "hpt.s3",
        "hpt.sagemaker.model",
        "hpt.sagemaker.request",
        "hpt.sagemaker.surroundings",
        "hpt.storage",
    ),
    "orchestration": ("hpt.runner", "hpt.service", "hpt.session", "hpt.simulation"),
    "entry points": (
        "hpt",
        "hpt.cli",
        "hpt.client",
        "hpt.progress",
        "hpt.streams",
        "hpt.testing",
        "hpt.tune",
    ),
}
ORDER = list(LAYERS)
PURE = ("vocabulary", "decisions", "description")
"""Layers without I/O."""

DESCRIPTION_PACKAGES = (
    "hpt.algorithms",
    *(
        f"hpt.algorithms.{name}"
        for name in ("xgboost", "lightgbm", "catboost", "linear_learner", "knn", "kmeans")
    ),
)
"""Packages of adapters whose `__init__` holds plain facts that descriptions read."""

EXCEPTIONS: dict[tuple[str, str], str] = {
    ("hpt.job", "hpt.sagemaker.request"): "the friendly API ends in the same door as a request",
}

FORBIDDEN_IN_PURE = {
    *(
        "fcntl",
        "glob",
        "io",
        "os",
        "pathlib",
        "select",
        "selectors",
        "shutil",
        "sqlite3",
        "tempfile",
    ),  # files
    *("boto3", "botocore", "http", "psutil", "ray", "socket", "ssl", "urllib.request"),  # the world
    *("datetime", "resource", "time"),  # clocks
    *("asyncio", "concurrent", "multiprocessing", "signal", "subprocess", "threading"),  # others at work
    *("logging", "rich", "yaml"),
}
PURE_PARTS_OF_OS = {"PathLike", "fspath"}
LAZY_ONLY = frozenset({"scipy", "numba", "boto3", "botocore", "yaml", "rich", "hpt._core", "hpt._blas"})


@dataclass(frozen=True)
class Import:
    """An import of `target`; `name` is what a `from` import takes. at_top: it runs with the module."""

    target: str
    name: str | None
    at_top: bool
    line: int


def imports_of(source: str, module: str, *, is_package: bool) -> Iterator[Import]:
    """Every import statement outside `if TYPE_CHECKING:`."""

    def walk(node: ast.AST, at_top: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, None, at_top, child.lineno)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    parts = module.split(".")
                    parent = parts[: len(parts) - child.level + (1 if is_package else 0)]
                    base = ".".join([*parent, *([base] if base else [])])
                for alias in child.names:
                    yield Import(base, alias.name, at_top, child.lineno)
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from walk(child, at_top and not function)

    yield from walk(ast.parse(source), True)


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.glob("_*.pyi")]):
        parts = ["hpt", *path.relative_to(PACKAGE).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


MODULES = modules()


def layer_of(module: str) -> str | None:
    """The layer whose table entry is the longest prefix of the module's name; `hpt` itself is no prefix."""
    if module in DESCRIPTION_PACKAGES:
        return "description"
    best, layer = "", None
    for name, entries in LAYERS.items():
        for entry in entries:
            fits = module == entry or (entry != "hpt" and module.startswith(entry + "."))
            if fits and len(entry) > len(best):
                best, layer = entry, name
    return layer


def family(module: str) -> str:
    """What an adapter may import in its own layer: its package, or itself."""
    return ".".join(module.split(".")[:2])


def target_module(found: Import) -> str | None:
    """The module of `hpt` that an import reaches, or None if it is another's."""
    if found.target != "hpt" and not found.target.startswith("hpt."):
        return None
    submodule = f"{found.target}.{found.name}"
    return submodule if found.name and submodule in MODULES else found.target


def violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """What the module's imports break."""
    layer = layer_of(module)
    if layer is None:
        return [f"{module} has no layer; add it to LAYERS"]
    broken = []
    for found in imports_of(source, module, is_package=is_package):
        where = f"{module}:{found.line}"
        target = target_module(found)
        if target is not None:
            below = layer_of(target)
            if below is None:
                broken.append(f"{where} imports {target}, which has no layer")
            elif ORDER.index(below) > ORDER.index(layer) and (module, target) not in EXCEPTIONS:
                broken.append(f"{where} ({layer}) imports {target} ({below})")
            elif layer == below == "adapters" and family(module) != family(target):
                broken.append(f"{where} imports {target}: adapters do not know each other")
            if target.startswith("hpt.testing") and not module.startswith("hpt.testing"):
                broken.append(f"{where} imports {target}, which is for tests")
            if target == "hpt._core" and module != "hpt.core":
                broken.append(f"{where} imports hpt._core; hpt.core is its only door")
        roots = {found.target, found.target.split(".")[0], f"{found.target}.{found.name}"}
        if layer in PURE and roots & FORBIDDEN_IN_PURE and found.target != "os":
            broken.append(f"{where} ({layer}) imports {found.target}")
        if layer in PURE and found.at_top and roots & LAZY_ONLY and module != "hpt.core":
            broken.append(f"{where} ({layer}) imports {found.target} when it is loaded")
    if layer in PURE:
        broken += [f"{module}:{line} ({layer}) uses os.{name}" for name, line in parts_of_os(source)]
    return broken


def parts_of_os(source: str) -> Iterator[tuple[str, int]]:
    """What is used of `os` beyond the types and functions of paths that touch nothing."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            if node.attr not in PURE_PARTS_OF_OS:
                yield node.attr, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "os" and not node.level:
            for alias in node.names:
                if alias.name not in PURE_PARTS_OF_OS:
                    yield alias.name, node.lineno


@pytest.mark.parametrize("module", MODULES)
def test_module(module):
    path = MODULES[module]
    assert violations(module, path.read_text(), is_package=path.name.startswith("__init__")) == []


def test_every_entry_of_the_tables_is_used():
    used = {
        max(
            (e for entries in LAYERS.values() for e in entries if module == e or module.startswith(e + ".")),
            key=len,
            default="",
        )
        for module in MODULES
    }
    entries = {entry for entries in LAYERS.values() for entry in entries}
    assert entries - used == set()
    for module, target in EXCEPTIONS:
        found = imports_of(MODULES[module].read_text(), module, is_package=False)
        assert target in {target_module(each) for each in found}, "an exception that nothing needs any more"


@pytest.mark.parametrize(
    ("module", "source", "message"),
    [
        ("hpt.novelty", "", "no layer"),
        ("hpt.space", "from hpt.tuner import Tuner", "(vocabulary) imports hpt.tuner (decisions)"),
        ("hpt.space", "def f():\n    import hpt.runner", "imports hpt.runner (orchestration)"),
        ("hpt.space", "from hpt import runner", "imports hpt.runner (orchestration)"),
        ("hpt.space", "import hpt", "imports hpt (entry points)"),
        ("hpt.strategies.new", "from ..runner import X", "imports hpt.runner"),
        ("hpt.storage.sqlite", "from hpt.executors.base import Executor", "adapters do not know each other"),
        ("hpt.runner", "from hpt.testing.storage import X", "which is for tests"),
        ("hpt.strategies.new", "from hpt import _core", "hpt.core is its only door"),
        ("hpt.tuner", "import time", "imports time"),
        ("hpt.tuner", "from concurrent.futures import Future", "imports concurrent.futures"),
        ("hpt.tuner", "def f():\n    from urllib import request", "imports urllib"),
        ("hpt.job", "import os\nos.environ['A']", "uses os.environ"),
        ("hpt.job", "from os import stat", "uses os.stat"),
        ("hpt.sagemaker.new", "import scipy.linalg", "when it is loaded"),
        ("hpt.sagemaker.new", "try:\n    import scipy\nexcept ImportError:\n    pass", "when it is loaded"),
    ],
)
def test_what_breaks_the_rules_is_found(module, source, message):
    found = violations(module, source)
    assert any(message in each for each in found), found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "hpt.space",
            "from hpt.errors import InputError\nimport numpy as np\nfrom urllib.parse import quote",
        ),
        ("hpt.space", "if TYPE_CHECKING:\n    from hpt.runner import X"),
        ("hpt.strategies.new", "from .base import Strategy\ndef f():\n    import scipy.stats"),
        ("hpt.storage.new", "import sqlite3\nfrom hpt.storage.base import Lease"),
        ("hpt.job", "import os\ndef f(x: os.PathLike): return os.fspath(x)"),
        ("hpt.core", "from hpt import _core"),
    ],
)
def test_what_keeps_them_is_not(module, source):
    assert violations(module, source) == []
