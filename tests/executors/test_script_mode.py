"""Script mode: entry points of every kind, their interpreter, and what their source asks to be installed."""

from __future__ import annotations

import json
import os
import sys
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hpt.executors import environments, script_mode
from tests.executors.conftest import Run, Workshop

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3-cpu-py311"
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}  # the latter is pip's word for "without"


def wheel(
    folder: Path, name: str = "tinypack", version: str = "1.0", more: Mapping[str, bytes] | None = None
) -> Path:
    """A wheel of a package with one module that knows its version, and more files."""
    info = f"{name}-{version}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
        for path_within, content in (more or {}).items():
            archive.writestr(path_within, content)
    return path


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """The directory of a tuning job, in a state directory of its own."""
    (tmp_path / "job").mkdir()
    return tmp_path / "job"


@pytest.fixture
def source(workshop: Workshop) -> Path:
    folder = workshop.directory / "source"
    folder.mkdir()
    return folder


def statics(source: Path, entry: str, **more: str) -> dict[str, str]:
    return {
        "sagemaker_program": json.dumps(entry),
        "sagemaker_submit_directory": json.dumps(str(source)),
        **more,
    }


def start(workshop: Workshop, source: Path, entry: str = "train.py", **options: Any) -> Run:
    hyperparameters = statics(source, entry, **options.pop("hyperparameters", {}))
    options.setdefault("environment", OFFLINE)
    return workshop.start(IMAGE, hyperparameters=hyperparameters, **options)


def run(workshop: Workshop, source: Path, entry: str = "train.py", **options: Any) -> Run:
    return workshop.finish(start(workshop, source, entry, **options), within=60)


def reason(run: Run) -> str:
    assert run.exit is not None
    assert run.exit.outcome == "Exited"
    return run.exit.reason


# -- entry points -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("#!/bin/sh", "sh"),
        ("#!/usr/bin/env bash", "bash"),
        ("#!/bin/bash -eu", "bash"),
        ("# no interpreter is named", "sh"),
    ],
)
def test_a_shell_script_runs_by_its_first_line(
    workshop: Workshop, source: Path, first: str, said: str
) -> None:
    (source / "run.sh").write_text(
        f'{first}\nif [ -n "${{BASH_VERSION:-}}" ]; then echo bash "$@"; else echo sh "$@"; fi\n'
    )
    done = run(workshop, source, "run.sh", hyperparameters={"lr": "0.5"})
    assert done.log.decode() == f"{said} --lr 0.5\n"


def test_a_module_in_a_folder_finds_the_modules_at_the_top(workshop: Workshop, source: Path) -> None:
    (source / "package").mkdir()
    (source / "helper.py").write_text("WORD = 'hello'\n")
    (source / "package" / "train.py").write_text("import helper; print(helper.WORD)\n")
    assert run(workshop, source, "package/train.py").log == b"hello\n"


def test_values_arrive_decoded(workshop: Workshop, source: Path) -> None:
    (source / "train.py").write_text("import os, sys; print(os.environ['SM_HPS']); print(sys.argv[1:])\n")
    given = {
        "a": "0.1",
        "b": "true",
        "c": '"quoted"',
        "d": '["x", 1]',
        "e": '{"k": "v", "a": 2}',
        "f": "plain",
        "g": '"1"',
        "h": "null",
        "default_user_module_name": "x",
    }
    done = run(workshop, source, hyperparameters=given)
    values, arguments = done.log.decode().splitlines()
    assert json.loads(values) == {
        "a": 0.1,
        "b": True,
        "c": "quoted",
        "d": ["x", 1],
        "e": {"k": "v", "a": 2},
        "f": "plain",
        "g": "1",
        "h": None,
    }
    expected = ["-a", "0.1", "-b", "True", "-c", "quoted", "-d", "['x', 1]", "-e", "a=2,k=v"]
    assert arguments == str([*expected, "-f", "plain", "-g", "1", "-h", ""])


def test_an_entry_point_that_is_missing_is_named(workshop: Workshop, source: Path) -> None:
    (source / "other.py").write_text("")
    assert "source/train.py is not found" in reason(run(workshop, source))


# -- interpreter --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("other") / "env"
    venv.create(folder, symlinks=True)
    return folder / "bin" / "python"


PREFIX = "import sys; print(sys.prefix)\n"


def test_the_interpreter_is_the_tuners_own(workshop: Workshop, source: Path) -> None:
    (source / "train.py").write_text(PREFIX)
    assert run(workshop, source).log.decode() == f"{sys.prefix}\n"


def test_another_interpreter_may_be_named(
    workshop: Workshop, source: Path, other_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "train.py").write_text(PREFIX)
    (source / "run.sh").write_text("python -c 'import sys; print(sys.prefix)'\n")
    other = f"{other_python.parents[1]}\n"
    named = {"HPT_PYTHON": str(other_python)}
    assert run(workshop, source, environment=named).log.decode() == other
    assert run(workshop, source, "run.sh", name="j2", environment=named).log.decode() == other
    plain = workshop.script(PREFIX, "train.py")
    plain.write_text(PREFIX)
    assert workshop.run(plain, name="j3", environment=named).log.decode() == other
    monkeypatch.setenv("HPT_PYTHON", "/no/such/python")
    assert run(workshop, source, name="j4", environment=named).log.decode() == other  # the definition's wins
    assert reason(run(workshop, source, name="j5")) == (
        "HPT_PYTHON '/no/such/python' does not exist; give the path of an interpreter"
    )


# -- requirements -------------------------------------------------------------------------------------------

VERSION = "import tinypack, sys; print(tinypack.VERSION, sys.prefix)\n"


def store(workshop: Workshop) -> Path:
    return workshop.root.parent.parent / environments.PLACE


@pytest.mark.slow
def test_requirements_are_installed_once(workshop: Workshop, source: Path) -> None:
    wheels = wheel(workshop.directory / "wheels").parent
    (source / "requirements.txt").write_text(f"--find-links {wheels}\ntinypack==1.0\nnumpy  # is there\n")
    (source / "train.py").write_text(f"import numpy\n{VERSION}")
    first = [start(workshop, source, name=f"job-{i}") for i in range(3)]  # at the same time
    logs = {workshop.finish(each, within=60).log for each in first}
    [log] = logs
    version, prefix = log.decode().split()
    assert version == "1.0"
    assert Path(prefix).parent == store(workshop)
    installs = [each for each in first if (workshop.attempt(each) / script_mode.INSTALL_LOG).exists()]
    assert installs
    fetched = [(workshop.attempt(each) / script_mode.INSTALL_LOG).read_text() for each in installs]
    assert sum("Successfully installed tinypack-1.0" in each for each in fetched) == 1
    assert [each.phase for each in installs[0].updates if each.phase == "Downloading"]
    again = run(workshop, source, name="job-4")
    assert again.log == log
    assert not (workshop.attempt(again) / script_mode.INSTALL_LOG).exists()
    wheel(wheels, version="2.0")
    (source / "requirements.txt").write_text(f"--find-links {wheels}\ntinypack==2.0\n")
    assert run(workshop, source, name="job-5").log.startswith(b"2.0 ")


@pytest.mark.slow
def test_requirements_of_several_instances_are_installed_before_any_begins(
    workshop: Workshop, source: Path
) -> None:
    wheels = wheel(workshop.directory / "wheels").parent
    (source / "requirements.txt").write_text(f"--find-links {wheels}\ntinypack==1.0\n")
    (source / "train.py").write_text(f"import os\nprint(os.environ['SM_CURRENT_HOST'])\n{VERSION}")
    ended = run(workshop, source, instance_count=2)
    assert reason(ended) == ""
    assert sorted(ended.log.split())[2:] == [b"1.0", b"1.0", b"algo-1", b"algo-2"]
    (source / "requirements.txt").write_text(f"--find-links {wheels}\ntinypack==9.0\n")
    failed = run(workshop, source, name="job-2", instance_count=2)
    assert "what the source needs by its requirements.txt cannot be installed" in reason(failed)


@pytest.mark.slow
def test_what_cannot_be_installed_fails_the_training_job_with_pips_words(
    workshop: Workshop, source: Path
) -> None:
    (source / "requirements.txt").write_text("no-such-package-at-all==9\n")
    (source / "train.py").write_text(VERSION)
    done = run(workshop, source)
    assert reason(done) == (
        "what the source needs by its requirements.txt cannot be installed: ERROR: No matching distribution "
        "found for no-such-package-at-all==9"
    )
    assert not list(store(workshop).glob("*/ready.json"))
    assert [path.suffix for path in store(workshop).iterdir() if path.is_dir()] == []


@pytest.mark.slow
def test_a_project_is_installed_and_runs_as_a_module(workshop: Workshop, source: Path) -> None:
    (source / "setup.py").write_text(
        "from setuptools import setup\n"
        "setup(name='proj', version='1', package_dir={'': 'src'}, packages=['proj'])\n"
    )
    (source / "src" / "proj").mkdir(parents=True)
    (source / "src" / "proj" / "__init__.py").write_text("WORD = 'installed'\n")
    (source / "train.py").write_text("import proj, sys; print(proj.WORD, __name__, sys.argv[1:])\n")
    done = run(workshop, source, hyperparameters={"lr": "1"})
    assert done.log.decode() == "installed __main__ ['--lr', '1']\n", reason(done)


@pytest.mark.slow
def test_an_editable_requirement_stays_when_its_training_job_is_over(
    workshop: Workshop, source: Path
) -> None:
    (source / "lib").mkdir()
    (source / "lib" / "setup.py").write_text(
        "from setuptools import setup\nsetup(name='libproj', version='1', py_modules=['libproj'])\n"
    )
    (source / "lib" / "libproj.py").write_text("WORD = 'editable'\n")
    (source / "requirements.txt").write_text("-e ./lib\n")
    (source / "train.py").write_text("import libproj; print(libproj.WORD)\n")
    for i in (1, 2):
        done = run(workshop, source, name=f"job-{i}")
        assert done.log == b"editable\n", reason(done)


@pytest.mark.slow
def test_a_half_made_environment_is_never_used(workshop: Workshop, source: Path) -> None:
    wheels = wheel(workshop.directory / "wheels").parent
    (source / "requirements.txt").write_text(f"--find-links {wheels}\ntinypack\n")
    (source / "train.py").write_text(VERSION)
    first = run(workshop, source)
    prefix = Path(first.log.decode().split()[1])
    (prefix / environments.READY).unlink()
    [module] = prefix.glob("lib/*/site-packages/tinypack.py")
    module.write_text("VERSION = 'half'\n")
    assert run(workshop, source, name="job-2").log == first.log


def test_a_stop_ends_an_installation(workshop: Workshop, source: Path) -> None:
    (source / "setup.py").write_text("import time; print('installing'); time.sleep(100)\n")
    (source / "train.py").write_text("print('never')\n")
    begun = start(workshop, source)
    log = workshop.attempt(begun) / script_mode.INSTALL_LOG
    workshop.until(begun, lambda _: log.exists(), within=30)
    workshop.executor.stop(begun.key)
    workshop.finish(begun, within=10)
    assert reason(begun) == "stopped before the program started"
    assert begun.log == b""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "requirements.txt is no text in UTF-8; save it as such"),
        (b"-r more.txt\n", "more.txt is missing"),
        (b"a" * (1 << 20) + b"b", "requirements.txt is larger than 1048576 bytes"),
    ],
)
def test_requirements_that_cannot_be_read_are_named(
    workshop: Workshop, source: Path, content: bytes, said: str
) -> None:
    (source / "requirements.txt").write_bytes(content)
    (source / "train.py").write_text("")
    assert said in reason(run(workshop, source))


def test_a_conda_file_needs_conda(workshop: Workshop, source: Path, other_python: Path) -> None:
    (source / "environment.yml").write_text("dependencies: [python]\n")
    (source / "train.py").write_text(PREFIX)
    empty = workshop.directory / "empty"
    empty.mkdir()
    done = run(workshop, source, environment={"PATH": str(empty)})
    assert "environment.yml needs one of micromamba, mamba, conda on the PATH" in reason(done)
    named = run(workshop, source, name="j2", environment={"HPT_PYTHON": str(other_python)})
    assert named.log.decode() == f"{other_python.parents[1]}\n"


STAND_IN = """#!/bin/sh -e
# In the place of micromamba: makes a virtual environment where it is to make one of conda's.
test "$1 $2 $3 $4" = "env create -q -p"
test "$6 $7" = "-f environment.yml"
test "$MAMBA_ALWAYS_YES" = true
PYTHON -m venv --without-pip "$5"
mkdir "$5/conda-meta"
"""


def test_a_conda_file_is_installed_by_the_users_command(workshop: Workshop, source: Path) -> None:
    (source / "environment.yml").write_text("dependencies: [python]\n")
    (source / "train.py").write_text(f"import os\n{PREFIX}print(os.environ['CONDA_PREFIX'])\n")
    tools = workshop.directory / "tools"
    tools.mkdir()
    (tools / "micromamba").write_text(STAND_IN.replace("PYTHON", sys.executable))
    (tools / "micromamba").chmod(0o755)
    done = run(workshop, source, environment={"PATH": f"{tools}:{os.environ['PATH']}"})
    prefix, also = done.log.decode().split()
    assert prefix == also
    assert Path(prefix).parent == store(workshop)


def test_training_jobs_by_themselves_share_the_environments_of_tuning_jobs(tmp_path: Path) -> None:
    assert environments.store(tmp_path / ".training") == tmp_path / environments.PLACE
    assert environments.store(tmp_path) == tmp_path / environments.PLACE
