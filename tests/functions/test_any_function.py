"""`hpt.tune` takes any function, wherever it is defined and whatever it does to its surroundings."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hpt

SPACE = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])

TUNE = """
import hpt
space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])
{define}
result = hpt.tune({train}, space, max_jobs=2, seed=1, isolation={isolation!r})
print(result.status, result.best_value == max(t.config["x"] for t in result.trials))
"""

ISOLATIONS = pytest.mark.parametrize("isolation", ["worker", "trial"])


def run_python(arguments: list[str], cwd: Path, **keywords: Any) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, text=True, capture_output=True, timeout=120, **keywords
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


@ISOLATIONS
@pytest.mark.parametrize(
    ("define", "train"),
    [
        ("", "lambda config, report: config['x']"),
        ("def train(config, report):\n    return helper(config)\ndef helper(c):\n    return c['x']", "train"),
        (
            "def make(scale):\n    def inner(config, report):\n        report(scale * config['x'])\n"
            "    return inner",
            "make(1.0)",
        ),
        (
            "class Train:\n    scale = 1.0\n    def __call__(self, config, report):\n"
            "        return self.scale * config['x']",
            "Train()",
        ),
        (
            "class Train:\n    def method(self, config, report):\n        return config['x']",
            "Train().method",
        ),
        (
            "import functools\ndef train(scale, config, report):\n    return scale * config['x']",
            "functools.partial(train, 1.0)",
        ),
        (
            "import pickle\nclass Model:\n    def __init__(self, x):\n        self.x = x\n"
            "def train(config, report):\n    return pickle.loads(pickle.dumps(Model(config['x']))).x",
            "train",
        ),
    ],
)
@pytest.mark.parametrize("way", ["script", "command", "input"])
def test_of_a_main_module_without_a_guard(
    tmp_path: Path, define: str, train: str, way: str, isolation: str
) -> None:
    if way != "script" and isolation == "trial":
        pytest.skip("it makes no difference there")
    code = TUNE.format(define=define, train=train, isolation=isolation)
    if way == "script":
        (tmp_path / "script.py").write_text(code)
        said = run_python(["script.py"], tmp_path)
    elif way == "command":
        said = run_python(["-c", code], tmp_path)
    else:
        said = run_python(["-"], tmp_path, input=code)
    assert said == "Completed True\n"


@ISOLATIONS
def test_of_a_module_beside_the_script(tmp_path: Path, isolation: str) -> None:
    """Found where the caller found it: in the working directory, or by a relative entry of sys.path."""
    strange = tmp_path / "with:colon and space"
    strange.mkdir()
    (strange / "mymodule.py").write_text("def train(config, report):\n    return config['x']\n")
    (tmp_path / "beside.py").write_text("def train(config, report):\n    return config['x']\n")
    code = TUNE.format(define="import beside", train="beside.train", isolation=isolation)
    assert run_python(["-c", code], tmp_path) == "Completed True\n"
    define = f"import sys; sys.path.insert(0, {strange.name!r}); import mymodule"
    code = TUNE.format(define=define, train="mymodule.train", isolation=isolation)
    assert run_python(["-c", code], tmp_path) == "Completed True\n"


@ISOLATIONS
def test_of_a_package_run_with_dash_m(tmp_path: Path, isolation: str) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "helper.py").write_text("def score(x):\n    return x\n")
    define = (
        "from .helper import score\ndef train(config, report):\n    from . import helper\n"
        "    assert helper.score is score\n    return score(config['x'])"
    )
    (package / "train.py").write_text(TUNE.format(define=define, train="train", isolation=isolation))
    assert run_python(["-m", "package.train"], tmp_path) == "Completed True\n"


def test_of_a_module_that_no_other_process_can_import() -> None:
    module = types.ModuleType("made_up")
    exec("def train(config, report):\n    return config['x']", vars(module))
    sys.modules["made_up"] = module
    try:
        result = hpt.tune(module.train, SPACE, max_jobs=1, seed=1)
    finally:
        del sys.modules["made_up"]
    assert result.best_value == result.trials[0].config["x"]


def test_a_worker_that_calls_tune_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "unguarded.py").write_text(
        "import hpt\ndef train(config, report):\n    return config['x']\n"
        "space = hpt.SearchSpace([hpt.ContinuousParameter('x', 0, 1)])\n"
        "try:\n    hpt.tune(train, space, max_jobs=1)\n"
        "except hpt.NoTrialSucceededError as error:\n    print(error.reason)\n"
    )
    said = run_python(["-c", "import unguarded"], tmp_path)
    assert "called within a worker process" in said and "__main__" in said


# -- what a function does to its standard output -------------------------------------------------------------


def _replaced(report: Any) -> float:
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    sys.stderr = io.StringIO()
    report(0.25)
    return 0.5


def _closed(report: Any) -> float:
    sys.stdout.close()
    report(0.25)
    return 0.5


def _closed_descriptors(report: Any) -> float:
    os.closerange(0, 3)
    report(0.25)
    return 0.5


def _duplicated(report: Any) -> float:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    report(0.25)
    return 0.5


def _redirected(report: Any) -> float:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(None):
        report(0.25)
        return 0.5


def _unfinished(report: Any) -> float:
    print("a line without an end", end="", flush=True)
    report(0.25)
    return 0.5


def _imitated(report: Any) -> float:
    print("[hpt] report=7\n[hpt] result=8", flush=True)
    os.system("echo '[hpt] result=9'")
    report(0.25)
    return 0.5


WAYS: dict[str, Callable[[Any], float]] = {
    name.strip("_"): way
    for name, way in list(globals().items())
    if getattr(way, "__annotations__", {}) == {"report": "Any", "return": "float"}
}


def with_its_output(config: dict[str, Any], report: Any) -> float:
    way = str(config["way"])
    return WAYS[way](report) if way in WAYS else 0.5


@ISOLATIONS
def test_nothing_that_is_done_to_standard_output_loses_a_value(isolation: str) -> None:
    space = hpt.SearchSpace([hpt.CategoricalParameter("way", [*WAYS, "none"])])
    result = hpt.tune(with_its_output, space, strategy="Grid", isolation=isolation, seed=1)
    got = {t.config["way"]: (t.value, [r.value for r in t.reports], t.failure_reason) for t in result.trials}
    assert got == {**{way: (0.5, [0.25], "") for way in WAYS}, "none": (0.5, [], "")}


def test_each_trial_prints_to_a_log_of_its_own(tmp_path: Path) -> None:
    def train(config: Any, report: Any) -> float:
        print("out", config["n"])
        print("err", config["n"], file=sys.stderr)
        os.system(f"echo child {config['n']}")
        if config["n"] == 1:
            sys.stdout.close()
            os.close(2)
        return 1.0

    space = hpt.SearchSpace([hpt.CategoricalParameter("n", [0, 1, 2, 3])])
    result = hpt.tune(train, space, strategy="Grid", name="logs", state=tmp_path, seed=1)
    assert result.directory is not None
    logs = sorted(p.read_text() for p in result.directory.glob("trials/*/attempts/1/log"))
    assert logs == [f"out {n}\nerr {n}\nchild {n}\n" for n in range(4)]


# -- reports of other processes and threads ------------------------------------------------------------------


def rank(report: Any, values: list[float]) -> None:
    for value in values:
        report(value)


def from_children(config: dict[str, Any], report: Any) -> None:
    how = config["how"]
    if how == "thread":
        worker: Any = threading.Thread(target=rank, args=(report, [0.5, 0.75]))
    elif how == "subprocess":
        import pickle

        code = "import pickle, sys; pickle.loads(bytes.fromhex(sys.argv[1]))(0.5)"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", code, pickle.dumps(report).hex()], check=True, env=environment)
        return report(0.75)
    elif how == "pool":
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.map(functools.partial(rank, report), [[0.5], [0.75]])
        return None
    else:
        worker = multiprocessing.get_context(how).Process(target=rank, args=(report, [0.5, 0.75]))
    worker.start()
    worker.join()
    return None


HOWS = ["fork", "spawn", "forkserver", "thread", "subprocess", "pool"]


@ISOLATIONS
def test_children_and_threads_report(isolation: str) -> None:
    space = hpt.SearchSpace([hpt.CategoricalParameter("how", HOWS)])
    result = hpt.tune(from_children, space, strategy="Grid", isolation=isolation, seed=1)
    assert [(t.config["how"], t.value, len(t.reports), t.failure_reason) for t in result.trials] == [
        (how, 0.75, 2, "") for how in HOWS
    ]


def test_children_of_a_script_report(tmp_path: Path) -> None:
    """Its functions are known to no other process by name."""
    code = (
        "import multiprocessing, hpt\n"
        "def rank(report, scale):\n    report(0.5 * scale)\n    report(0.75 * scale)\n"
        "def train(config, report):\n"
        "    context = multiprocessing.get_context(config['how'])\n"
        "    child = context.Process(target=rank, args=(report, 1.0))\n"
        "    child.start(); child.join()\n"
        "space = hpt.SearchSpace([hpt.CategoricalParameter('how', ['fork', 'spawn', 'forkserver'])])\n"
        "print([t.value for t in hpt.tune(train, space, strategy='Grid').trials])\n"
    )
    assert run_python(["-c", code], tmp_path) == "[0.75, 0.75, 0.75]\n"


# -- how it ends ---------------------------------------------------------------------------------------------


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def ends(config: dict[str, Any], report: Any) -> Any:
    how = config["how"]
    if how == "exit":
        sys.exit(0)
    if how == "os._exit":
        os._exit(0)
    if how == "reported":
        report(0.5)
        sys.exit(0)
    if how == "code":
        sys.exit(3)
    if how == "os code":
        os._exit(3)
    if how == "words":
        sys.exit("out of cheese")
    errors: dict[str, Any] = {
        "empty": ValueError(),
        "lines": ValueError("one\ntwo"),
        "controls": ValueError("\x1b[2J\x00\udcff"),
        "hostile": HostileError(),
        "long": ValueError("x" * 100_000),
        "interrupt": KeyboardInterrupt(),
        "group": ExceptionGroup("several", [ValueError("a"), KeyError("b")]),
    }
    raise errors[how]


EXIT_0 = "the function ended its process with exit code 0, and neither returned nor reported a value"
REASONS = {
    "exit": EXIT_0,
    "os._exit": EXIT_0,
    "code": "the function ended its process with exit code 3",
    "os code": "exit code 3",
    "words": "SystemExit: out of cheese",
    "empty": "ValueError",
    "lines": "ValueError: one\ntwo",
    "controls": "ValueError: \x1b[2J\x00\\udcff",
    "hostile": "HostileError: (its text cannot be shown: RuntimeError)",
    "long": f"ValueError: {'x' * 988}…",
    "interrupt": "KeyboardInterrupt",
    "group": "ExceptionGroup: several (2 sub-exceptions)",
    "reported": "",
}


@ISOLATIONS
def test_a_reason_says_what_happened(isolation: str) -> None:
    space = hpt.SearchSpace([hpt.CategoricalParameter("how", ["reported", *REASONS.keys() - {"reported"}])])
    result = hpt.tune(ends, space, strategy="Grid", isolation=isolation, seed=1)
    assert {t.config["how"]: t.failure_reason for t in result.trials} == REASONS
    assert result.best_value == 0.5


VALUES = [
    np.float32(0.5),
    np.array(0.5),
    np.int64(1),
    Decimal("0.5"),
    Fraction(1, 2),
    1,
    10**400,
    True,
    "0.5",
]
VALUES += [np.True_, np.str_("0.5"), np.complex64(1 + 2j), 0.5 + 0j, np.array([0.5]), [0.5], b"1"]


def gives(config: dict[str, Any], report: Any) -> Any:
    return VALUES[int(config["n"])]


def test_what_is_a_number() -> None:
    space = hpt.SearchSpace([hpt.CategoricalParameter("n", list(range(len(VALUES))))])
    result = hpt.tune(gives, space, strategy="Grid", seed=1)
    got = {int(t.config["n"]): t.value for t in result.trials}
    assert [got[n] for n in range(6)] == [0.5, 0.5, 1.0, 0.5, 0.5, 1.0]
    assert {got[n] for n in range(6, len(VALUES))} == {None}
    reasons = [t.failure_reason for t in result.trials if t.value is None]
    assert all(reason.startswith("InputError: the returned value ") for reason in reasons), reasons


# -- what is around it ---------------------------------------------------------------------------------------


@ISOLATIONS
def test_the_environment_is_the_callers(isolation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)

    def look(config: Any, report: Any) -> float:
        seen = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
        path = sys.path[0]
        print(json.dumps([seen, path]))
        ended = subprocess.run([sys.executable, "-c", "import json"], check=False).returncode
        mine = os.environ.get("PYTHONPATH") == config["path"] and os.environ["MINE"] == "1"
        return float(ended == 0 and mine and (config["path"] is None or path == "/opt/mine"))

    space = hpt.SearchSpace([hpt.CategoricalParameter("path", ["/opt/mine:/opt/other"])])
    environment = {"PYTHONPATH": "/opt/mine:/opt/other", "MINE": "1"}
    result = hpt.tune(look, space, strategy="Grid", isolation=isolation, environment=environment)
    assert result.best_value == 1.0

    def none(config: Any, report: Any) -> float:
        return float("PYTHONPATH" not in os.environ)

    assert hpt.tune(none, space, strategy="Grid", isolation=isolation).best_value == 1.0
