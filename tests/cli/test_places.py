"""Places that the system refuses to look at are named in one message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import prerequisites
from tests.cli.test_cli import Command


@pytest.fixture
def hpt(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.fixture
def locked(hpt: Command) -> Iterator[Path]:
    """A folder that may not be searched."""
    prerequisites.unprivileged()
    folder = hpt.root / "locked"
    folder.mkdir(mode=0o000)
    yield folder
    folder.chmod(0o700)


def refused(hpt: Command, *words: str, code: int = 2) -> str:
    """What the command says on stderr, without the rights of a superuser."""
    done = subprocess.run(
        [*prerequisites.unprivileged(), sys.executable, "-m", "hpt.cli.main", *words],
        cwd=hpt.root,
        env={**os.environ, "HPT_HOME": str(hpt.state)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def with_place(path: Path, member: str, place: str) -> str:
    """The job file with a program, data or destination of its own."""
    request = json.loads(path.read_text())
    definition = request["TrainingJobDefinition"]
    if member == "program":
        definition["AlgorithmSpecification"]["TrainingImage"] = place
    elif member == "data":
        source = {"S3DataSource": {"S3Uri": place}}
        definition["InputDataConfig"] = [{"ChannelName": "train", "DataSource": source}]
    else:
        definition["OutputDataConfig"] = {"S3OutputPath": place}
    path.write_text(json.dumps(request))
    return str(path)


@pytest.mark.parametrize("member", ["program", "data", "destination"])
def test_a_place_behind_a_locked_folder(hpt: Command, locked: Path, member: str) -> None:
    place = str(locked / "train.py")
    err = refused(hpt, "tune", with_place(hpt.job(), member, place), "--check")
    assert f"{place} cannot be accessed (Permission denied); correct the path" in err


@pytest.mark.parametrize("member", ["program", "data", "destination"])
def test_a_place_whose_name_is_too_long(hpt: Command, member: str) -> None:
    err = refused(hpt, "tune", with_place(hpt.job(), member, "./" + "x" * 300), "--check")
    assert "cannot be accessed (File name too long)" in err


@pytest.mark.parametrize("words", [["list"], ["describe", "job"], ["tune", "job.json"]])
def test_a_state_directory_in_or_below_a_locked_folder(hpt: Command, locked: Path, words: list[str]) -> None:
    hpt.job()
    err = refused(hpt, *words, "--state", str(locked), code=4)
    assert f"{locked}" in err and "Permission denied; make it readable" in err
    err = refused(hpt, *words, "--state", str(locked / "state"))
    assert f"{locked / 'state'} cannot be looked at (Permission denied); name another" in err


def test_a_state_directory_of_nobody(hpt: Command) -> None:
    assert "~nouser/x" in refused(hpt, "list", "--state", "~nouser/x")


@pytest.mark.parametrize(
    ("words", "what"),
    [(["list", "--state", "here"], "the state directory here"), (["tune", "../job.json"], "../job.json")],
)
def test_a_deleted_working_directory(hpt: Command, words: list[str], what: str) -> None:
    hpt.job()
    script = "import os, sys; os.mkdir('deleted'); os.chdir('deleted'); os.rmdir('../deleted'); "
    script += "from hpt.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, *words],
        cwd=hpt.root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert f"{what} starts at the working directory, which was deleted; go to another" in done.stderr
