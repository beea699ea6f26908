"""The signatures and names that users build on: a change here is a change of the public API."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import hpt
from hpt.search.trial import Decision, TrialStatus

P = inspect.Parameter
ORDINARY, KEYWORD = P.POSITIONAL_OR_KEYWORD, P.KEYWORD_ONLY
REQUIRED = P.empty


def signature(function) -> list[tuple[str, object, object]]:
    """(name, kind, default) of every parameter but self."""
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default) for p in parameters if p.name != "self"]


SIGNATURES = {
    "ContinuousParameter": [
        ("name", ORDINARY, REQUIRED),
        ("min", ORDINARY, REQUIRED),
        ("max", ORDINARY, REQUIRED),
        ("scaling", ORDINARY, "Auto"),
        ("step", KEYWORD, None),
    ],
    "IntegerParameter": [
        ("name", ORDINARY, REQUIRED),
        ("min", ORDINARY, REQUIRED),
        ("max", ORDINARY, REQUIRED),
        ("scaling", ORDINARY, "Auto"),
        ("step", KEYWORD, 1),
    ],
    "CategoricalParameter": [("name", ORDINARY, REQUIRED), ("values", ORDINARY, REQUIRED)],
    "OrdinalParameter": [("name", ORDINARY, REQUIRED), ("values", ORDINARY, REQUIRED)],
    "Constant": [("name", ORDINARY, REQUIRED), ("value", ORDINARY, REQUIRED)],
    "SearchSpace": [("parameters", ORDINARY, REQUIRED)],
    "SearchSpace.encode": [("configs", ORDINARY, REQUIRED)],
    "SearchSpace.decode": [("X", ORDINARY, REQUIRED)],
    "SearchSpace.sample": [("n", ORDINARY, REQUIRED), ("rng", ORDINARY, REQUIRED)],
    "SearchSpace.key": [("config", ORDINARY, REQUIRED)],
    "SearchSpace.validate": [("config", ORDINARY, REQUIRED)],
    "SearchSpace.format": [("config", ORDINARY, REQUIRED)],
    "SearchSpace.parse": [("strings", ORDINARY, REQUIRED)],
    "Tuner": [
        ("space", ORDINARY, REQUIRED),
        ("objective", ORDINARY, "Maximize"),
        ("strategy", ORDINARY, "Bayesian"),
        ("seed", KEYWORD, None),
        ("stopping_rule", KEYWORD, None),
        ("strategy_options", P.VAR_KEYWORD, REQUIRED),
    ],
    "Tuner.ask": [("count", ORDINARY, 1), ("pending", KEYWORD, ()), ("ids", KEYWORD, None)],
    "Tuner.report": [
        ("trial", ORDINARY, REQUIRED),
        ("value", ORDINARY, REQUIRED),
        ("resource", ORDINARY, REQUIRED),
        ("late", KEYWORD, "raise"),
    ],
    "Tuner.tell": [
        ("trial", ORDINARY, REQUIRED),
        ("value", ORDINARY, None),
        ("status", KEYWORD, TrialStatus.COMPLETED),
        ("noise", KEYWORD, None),
        ("late", KEYWORD, "raise"),
    ],
    "Tuner.record": [
        ("config", ORDINARY, REQUIRED),
        ("id", KEYWORD, None),
        ("value", KEYWORD, None),
        ("status", KEYWORD, None),
        ("reports", KEYWORD, ()),
        ("noise", KEYWORD, None),
        ("definition", KEYWORD, None),
        ("source", KEYWORD, None),
        ("outside", KEYWORD, "raise"),
        ("extra", KEYWORD, "raise"),
    ],
    "Tuner.forget": [("trial", ORDINARY, REQUIRED), ("late", KEYWORD, "raise")],
    "Tuner.best": [("added", KEYWORD, True), ("by", KEYWORD, "value")],
    "Tuner.beliefs": [("added", KEYWORD, True)],
    "Tuner.predict": [("configs", ORDINARY, REQUIRED), ("definition", ORDINARY, None)],
    "Tuner.state": [],
    "Tuner.restore": [
        ("state", ORDINARY, REQUIRED),
        ("space", KEYWORD, None),
        ("strategy", KEYWORD, None),
        ("stopping_rule", KEYWORD, None),
    ],
    "Tuner.add": [
        ("config", ORDINARY, REQUIRED),
        ("value", ORDINARY, REQUIRED),
        ("definition", ORDINARY, None),
        ("source", KEYWORD, None),
        ("noise", KEYWORD, None),
    ],
    "Tuner.apply": [("event", ORDINARY, REQUIRED)],
    "Tuner.propose": [("count", ORDINARY, REQUIRED), ("pending", KEYWORD, ())],
    "Tuner.judge": [("number", ORDINARY, REQUIRED)],
}

TUNE = {
    "train": REQUIRED,
    "space": REQUIRED,
    "metric": "objective",
    "objective": "Maximize",
    "strategy": "Bayesian",
    "max_jobs": None,
    "max_parallel_jobs": 1,
    "seed": None,
}
"""What `hpt.tune` takes at least; the first two in this order."""


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name):
    found: object = hpt
    for part in name.split("."):
        found = getattr(found, part)
    assert signature(found) == SIGNATURES[name]


def test_signature_of_tune():
    parameters = inspect.signature(hpt.tune).parameters
    assert list(parameters)[:2] == ["train", "space"]
    assert {name: parameters[name].default for name in TUNE} == TUNE


def test_attributes_of_results():
    assert {"number", "config", "status", "value", "reports", "objective_status"} <= set(dir(hpt.Trial))
    for name in ("best_trial", "best_config", "best_value", "trials", "history"):
        assert isinstance(inspect.getattr_static(hpt.Tuner, name), property)
    names = set(dir(hpt.TuningResult)) | set(hpt.TuningResult.__dataclass_fields__)
    assert {"best_trial", "best_config", "best_value", "trials", "completion_reason"} <= names


def test_the_library_example():
    space = hpt.SearchSpace(
        [
            hpt.ContinuousParameter("eta", 0, 1),
            hpt.ContinuousParameter("lambda", 1e-5, 1, "Logarithmic"),
            hpt.IntegerParameter("max_depth", 1, 10),
            hpt.CategoricalParameter("booster", ["gbtree", "dart"]),
        ]
    )
    tuner = hpt.Tuner(space, objective="maximize", strategy="Bayesian", seed=123)
    tuner.add({"eta": 0.3, "lambda": 0.1, "max_depth": 6, "booster": "dart"}, 0.90)
    [trial] = tuner.ask()
    assert trial.number == 1
    assert [(name, type(value)) for name, value in trial.config.items()] == [
        ("eta", float),
        ("lambda", float),
        ("max_depth", int),
        ("booster", str),
    ]
    assert tuner.report(trial.number, 0.8, 1) is Decision.CONTINUE
    tuner.tell(trial.number, 0.91)
    assert (tuner.best_trial.number, tuner.best_config, tuner.best_value) == (1, trial.config, 0.91)


def test_every_public_name_is_there():
    listed = dir(hpt)
    for name in hpt.__all__:
        assert name in listed
        if name != "__version__":
            assert getattr(hpt, name).__name__ == name
    with pytest.raises(AttributeError, match="module 'hpt' has no attribute 'Tunner'"):
        hpt.Tunner  # noqa: B018


def test_version_is_the_installed_one():
    from importlib.metadata import PackageNotFoundError, version

    try:
        expected = version("hpt")
    except PackageNotFoundError:
        pytest.skip("hpt is not installed, only on the path")
    assert hpt.__version__ == expected


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(hpt.__file__).read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    assert seen == {name: hpt._HOME[name] for name in hpt.__all__ if name != "__version__"}


def test_every_deliberate_error_is_exported():
    from hpt import errors

    own = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == "hpt.errors"
    }
    assert own <= set(hpt.__all__)


def test_tune_is_the_function_even_after_its_module_was_imported():
    import hpt.functions.tune
    from hpt.functions.tune import TuningResult

    assert inspect.isfunction(hpt.tune)
    assert hpt.TuningResult is TuningResult


def test_no_submodule_hides_a_public_name():
    submodules = {module.name for module in pkgutil.iter_modules(hpt.__path__)}
    assert submodules & set(hpt.__all__) == set()


def test_tune_refuses_a_space_that_the_strategy_cannot_search(tmp_path):
    space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])
    with pytest.raises(hpt.InputError, match="Grid takes categorical ranges only"):
        hpt.tune(len, space, strategy="grid", max_jobs=1, name="refused", state=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_subinterpreter_is_refused() -> None:
    """The extension modules would hang in it."""
    code = """
import importlib
for name in ("_interpreters", "_xxsubinterpreters"):
    try:
        interpreters = importlib.import_module(name)
        break
    except ImportError:
        continue
else:
    raise SystemExit("subinterpreters: none")
run = getattr(interpreters, "run_string", None) or interpreters.exec
for module in ("hpt", "hpt.search.core", "hpt._core"):
    program = f'''
try:
    import {module}
except ImportError as error:
    print(error, flush=True)
'''
    run(interpreters.create(), program)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("hpt cannot be used in a subinterpreter: ") for line in lines)
