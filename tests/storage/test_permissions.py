"""A state directory is closed to other users, whoever made it and whatever the umask."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hpt.running.session import Session
from hpt.storage.sqlite import SQLiteStorage
from hpt.testing.storage import events
from tests.stored import corpus

HPT = [sys.executable, "-P", "-m", "hpt.cli.main"]


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


def job(tmp_path: Path) -> Path:
    program = tmp_path / "train.sh"
    program.write_text(
        "#!/bin/sh\necho loss: 1\necho w > $SM_MODEL_DIR/w\n"
        "mkdir $SM_MODEL_DIR/d\necho x > $SM_MODEL_DIR/d/x\n"
    )
    program.chmod(0o755)
    request = {
        "HyperParameterTuningJobName": "secret",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": str(program),
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss: (\\S+)"}],
            },
            "Environment": {"API_KEY": "hush"},
            "OutputDataConfig": {"S3OutputPath": str(tmp_path / "elsewhere")},
        },
    }
    (tmp_path / "job.json").write_text(json.dumps(request))
    return tmp_path / "job.json"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_everything_a_job_leaves(tmp_path: Path, umask: int) -> None:
    file, state = job(tmp_path), tmp_path / "above" / "state"
    done = subprocess.run([*HPT, "tune", str(file), "--state", str(state)], umask=umask, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert mode(state) == 0o700 and mode(state.parent) == 0o777 & ~umask
    directories = [path for path in state.rglob("*") if path.is_dir() and "ml" not in path.parts]
    assert directories and {mode(path) for path in directories} == {0o700}
    ours = [path for path in state.rglob("*") if path.is_file() and not path.is_symlink()]
    ours = [path for path in ours if "model" not in path.parts]
    names = {path.name for path in ours}
    assert {"job.sqlite", "spec.json", "log", "exit.json", "hyperparameters.json"} <= names
    assert {path.name for path in ours if mode(path) & 0o077} == set()
    outputs = [path for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()]
    assert outputs and {mode(path) for path in outputs} == {0o666 & ~umask}  # the user's own choice


def test_the_log_of_the_database_while_it_is_written(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        storage = SQLiteStorage(tmp_path / "state")
        storage.create("job", {}, 1.0)
        storage.append(storage.acquire("job"), events(1, 3), {})
        files = {path.name: mode(path) for path in (tmp_path / "state" / "job").iterdir()}
    finally:
        os.umask(former)
    assert {"job.sqlite", "job.sqlite-wal", "job.sqlite-shm", "owner.lock"} <= files.keys()
    assert set(files.values()) == {0o600}


def test_a_shared_state_directory(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o2770)
    former = os.umask(0o077)
    try:
        storage = SQLiteStorage(state)
        storage.create("job", {}, 1.0)
        storage.append(storage.acquire("job"), events(1, 3), {})
        assert Session(state).notes == ()
        assert {path.name: mode(path) for path in (state / "job").iterdir()} == {
            **dict.fromkeys(("job.sqlite", "job.sqlite-wal", "job.sqlite-shm", "owner.lock"), 0o660)
        }
    finally:
        os.umask(former)
    assert (mode(state), mode(state / "job")) == (0o2770, 0o2770)


def opened(state: Path) -> None:
    """A state directory of an earlier version under the umask 022."""
    corpus.build(corpus.VERSIONS[-1], state, ["random", "failures"])
    for path in [state, *state.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_state_directory_of_an_earlier_version_is_closed(tmp_path: Path) -> None:
    state = tmp_path / "state"
    opened(state)
    assert Session(state).notes == ()
    assert [mode(path) for path in (state, state / "random", state / "failures")] == [0o700] * 3
    assert mode(state / "random" / "job.sqlite") == 0o600


def test_a_directory_that_holds_other_things_stays_as_it_is(tmp_path: Path) -> None:
    state = tmp_path / "state"
    opened(state)
    (state / "project.py").touch()
    (state / "project.py").chmod(0o644)
    Session(state)
    assert (mode(state), mode(state / "project.py")) == (0o755, 0o644)
    assert (mode(state / "random"), mode(state / "random" / "job.sqlite")) == (0o700, 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_what_belongs_to_another_user_is_told(tmp_path: Path) -> None:
    state = tmp_path / "state"
    opened(state)
    for path in [state, *state.rglob("*")]:
        shutil.chown(path, 12345, 12345)
    for level in tmp_path.parents:
        if level != Path("/"):
            level.chmod(level.stat().st_mode | 0o011)
    tmp_path.chmod(0o755)
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        os.write(write, repr(Session(state).notes).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as stream:
        assert "other users of this machine can read jobs" in stream.read()
    assert mode(state) == 0o755
