"""What is said about the choices that were made for a definition."""

from __future__ import annotations

import platform
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from hpt.executors.snapshot import Source, look
from hpt.job.config import Objective, TrainingJobDefinition
from hpt.running.choices import choices
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType

OWN = f"{platform.python_version()} at {sys.executable}, the one of hpt"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3-cpu-py311"


def said(
    image: str, manifest: Any = None, python: str | None = None, **changes: Any
) -> list[tuple[str, str]]:
    space = SearchSpace([ContinuousParameter("x", 0, 1)])
    definition = TrainingJobDefinition(image, space, Objective("m", ObjectiveType.MINIMIZE), **changes)
    return list(choices(definition, Path("/state"), manifest, python))


@pytest.mark.parametrize(
    ("image", "lines"),
    [
        ("module:hpt.functions.worker", [("program", "a function in Python")]),
        ("module:package.train?x", [("program", "the module package.train")]),
        ("xgboost", [("program", "the built-in algorithm xgboost")]),
        (
            "xgboost:1.7-1",
            [("program", "the built-in algorithm xgboost, in place of the image xgboost:1.7-1")],
        ),
        ("/p/train.sh", [("program", "/p/train.sh")]),
        ("/p/train.py", [("program", "/p/train.py"), ("python", OWN)]),
    ],
)
def test_programs(image: str, lines: list[tuple[str, str]]) -> None:
    assert said(image) == lines


def test_an_instance_is_this_machine() -> None:
    assert said("xgboost", instance_type="ml.m5.large")[-1] == (
        "instance",
        "ml.m5.large: this machine, as a process of it",
    )


def test_the_interpreter_and_who_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(tmp_path, symlinks=True)
    python = str(tmp_path / "bin" / "python")
    at = f"{platform.python_version()} at {python}"
    named = {"HPT_PYTHON": python}
    assert said("/p/train.py", environment=named)[1] == (
        "python",
        f"{at}, as HPT_PYTHON of its Environment says",
    )
    assert said("/p/train.py", python=python)[1] == ("python", at)
    monkeypatch.setenv("HPT_PYTHON", python)
    assert said("/p/train.sh")[1] == ("python", f"{at}, as HPT_PYTHON says")
    monkeypatch.setenv("HPT_PYTHON", "/no/python")
    label, line = said("/p/train.py")[1]
    assert (label, line.startswith("none that works: HPT_PYTHON '/no/python' does not exist")) == (
        "python",
        True,
    )


WHERE = "once into an environment below /state/.environments"


@pytest.mark.parametrize(
    ("files", "entry", "line"),
    [
        ((), "train.py", None),
        (("requirements.txt",), "train.py", f"its requirements.txt, {WHERE}"),
        (("environment.yml",), "train.py", f"its environment.yml, {WHERE}"),
        (("environment.yml", "requirements.txt"), "train.py", f"its requirements.txt, {WHERE}"),
        (("setup.py",), "train.py", f"the project of its setup.py, {WHERE}"),
        (
            ("setup.py", "requirements.txt"),
            "train.py",
            f"the project of its setup.py and its requirements.txt, {WHERE}",
        ),
        (("requirements.txt",), "run.sh", "nothing: requirements.txt is for Python, and run.sh is a command"),
    ],
)
def test_what_is_installed(tmp_path: Path, files: tuple[str, ...], entry: str, line: str | None) -> None:
    for name in (*files, entry):
        (tmp_path / name).write_text("")
    manifest = look(Source(str(tmp_path), entry, declared=True))
    statics = {"sagemaker_program": entry, "sagemaker_submit_directory": str(tmp_path)}
    lines = said(IMAGE, manifest, hyperparameters=statics)
    assert lines[:2] == [
        ("program", f"the script {entry} of {tmp_path}"),
        ("", f"in place of the image {IMAGE}, of which nothing is used"),
    ]
    assert [line for label, line in lines if label == "installs"] == ([] if line is None else [line])


def test_leftovers_of_script_mode_are_named() -> None:
    statics = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": "s3://b/code.tar.gz"}
    assert said("/p/train.sh", hyperparameters=statics)[1] == (
        "",
        "not the entry point train.py of script mode: the image is a program itself",
    )
