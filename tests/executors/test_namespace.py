"""Programs with the paths of a container written into them run without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpt.executors import own_paths
from hpt.host.namespace import cannot_bind
from hpt.job.config import Channel
from tests.executors.conftest import REPOSITORY, Workshop
from tests.prerequisites import needs, unprivileged

_NOT_HERE = cannot_bind("/opt/ml")
needs_namespaces = pytest.mark.skipif(_NOT_HERE is not None, reason=f"no private /opt/ml here: {_NOT_HERE}")

HARD_CODED = """
set -e
cat /opt/ml/input/config/hyperparameters.json /opt/ml/input/data/train/a.csv
printf '%s\\n' "$1" > /opt/ml/model/m
echo $SAGEMAKER_BASE_DIR
"""


@needs_namespaces
def test_a_program_finds_its_training_directory_at_opt_ml(workshop: Workshop) -> None:
    data = workshop.directory / "data"
    data.mkdir()
    (data / "a.csv").write_text("1,2\n")
    script = workshop.script(HARD_CODED)
    runs = [
        workshop.start(
            script,
            name=f"job-{number}",
            hyperparameters={"n": str(number)},
            channels=(Channel("train", str(data)),),
        )
        for number in range(3)
    ]
    for number, run in enumerate(runs):
        workshop.finish(run)
        assert run.exit is not None
        assert run.exit.exit_code == 0, (run.log, run.exit)
        base = workshop.base(run)
        assert run.log.decode() == f'{{"n": "{number}"}}1,2\n{base}\n'
        assert (base / "model/m").read_text() == "-n\n"
    assert not Path("/opt/ml/model/m").exists()


@needs_namespaces
@pytest.mark.parametrize(
    ("choice", "script", "found"),
    [
        ("", "ls /opt/m?/model", False),
        ("always", "ls /opt/m?/model", True),
        ("never", "ls /opt/ml/model", False),
        ("auto", "ls /opt/ml/model", True),
    ],
)
def test_who_finds_it_can_be_said(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, choice: str, script: str, found: bool
) -> None:
    if Path("/opt/ml").exists():
        pytest.skip("this machine has an /opt/ml of its own")
    monkeypatch.setenv(own_paths.VARIABLE, choice)
    run = workshop.run(workshop.script(script))
    assert run.exit is not None
    assert (run.exit.exit_code == 0) is found, run.log


@needs_namespaces
def test_checkpoints_are_seen_at_a_path_elsewhere_by_each_job_alone(
    workshop: Workshop, tmp_path: Path
) -> None:
    kept, at = tmp_path / "kept", tmp_path / "at/this/path"
    script = workshop.script(f"ls {at}; echo $TRAINING_JOB_NAME > {at}/state")
    for attempt in (1, 2):
        runs = [
            workshop.start(
                script,
                name=f"job-{number}",
                attempt=attempt,
                checkpoint_uri=str(kept),
                checkpoint_local_path=f"{at}/",
            )
            for number in range(2)
        ]
        for number, run in enumerate(runs):
            workshop.finish(run)
            assert run.exit is not None
            assert run.exit.exit_code == 0, run.log
            assert run.log == (b"state\n" if attempt == 2 else b"")
            assert (kept / f"job-{number}/state").read_text() == f"job-{number}\n"
    assert list(at.iterdir()) == []


@needs_namespaces
def test_a_path_for_checkpoints_that_hides_the_program_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    run = workshop.run(
        workshop.script("true"), checkpoint_uri=str(tmp_path / "kept"), checkpoint_local_path=str(tmp_path)
    )
    assert run.exit is not None
    assert run.exit.exit_code is None
    assert f"checkpoints at {tmp_path} would hide " in run.exit.reason


@needs_namespaces
def test_a_supervisor_that_is_killed_takes_the_program_along(workshop: Workshop) -> None:
    script = workshop.script("# /opt/ml\necho $$; (setsid sleep 50 &) ; sleep 50")
    run = workshop.says(workshop.start(script), b"\n")
    own = int(run.log)
    assert Path(f"/proc/{own}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink()
    supervisor = json.loads((workshop.attempt(run) / "started.json").read_text())["pid"]
    os.kill(supervisor, 9)
    ended = workshop.finish(run)
    assert ended.exit is not None
    assert ended.exit.outcome == "Lost"
    token = json.loads((workshop.attempt(run) / "started.json").read_text())["token"]
    assert not _carrying(token)


def _carrying(token: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if token.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("needed", [True, False])
def test_where_the_system_forbids_it_the_reason_is_told(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: bool
) -> None:
    """A superuser without its rights may neither mount nor make a user namespace of itself."""
    words = unprivileged()
    if not words:
        pytest.skip("an ordinary user may be allowed it")
    script = workshop.script("ls /opt/ml/model")
    elsewhere = {"checkpoint_uri": str(tmp_path / "kept"), "checkpoint_local_path": "/checkpoints"}
    changes = elsewhere if needed else {}
    code = f"""
import sys, time
from pathlib import Path
from hpt.executors.base import Submission
from hpt.executors.local import LocalExecutor
from tests.executors.conftest import definition
changes = {changes!r}
executor = LocalExecutor(Path({str(workshop.root)!r}))
executor.submit(Submission("job", 1, {{}}, definition({str(script)!r}, **changes)))
while True:
    for update in executor.poll():
        if update.exit is not None:
            print(update.exit.reason)
            sys.exit()
    time.sleep(0.01)
"""
    command = [*words, sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPOSITORY, check=False)
    assert "the system does not allow" in done.stdout, done.stderr
    if needed:
        assert done.stdout.startswith("checkpoints cannot be seen at /checkpoints: ")
        assert "use a LocalPath below /opt/ml" in done.stdout
    else:
        assert done.stdout.startswith(
            "exit code 2; the last line of its log: ls: cannot access '/opt/ml/model'"
        )
        assert "; its training directory is not at /opt/ml: " in done.stdout


@pytest.mark.slow
@needs_namespaces
def test_an_ordinary_user_tunes_a_program_with_opt_ml_in_it(tmp_path: Path) -> None:
    for above in (tmp_path, *tmp_path.parents):
        if above.stat().st_uid == os.geteuid() and above.name.startswith(("pytest", "popen", "test")):
            above.chmod(0o755)
    place = tmp_path / "user"
    place.mkdir()
    place.chmod(0o777)
    program = place / "train.sh"
    program.write_text(
        "#!/bin/sh\nset -e\nid -u > /opt/ml/model/user\n"
        """x=$(sed 's/.*"x": "\\([^"]*\\)".*/\\1/' /opt/ml/input/config/hyperparameters.json)\n"""
        'echo "$x" > /opt/ml/model/x\necho "loss=$x;"\n'
    )
    program.chmod(0o755)
    code = f"""
from hpt import ContinuousParameter
from hpt.job import tuning_job
from hpt.running.session import Session
job = tuning_job("own-paths", program="train.sh", space=[ContinuousParameter("x", 0, 1)], metric="loss",
    objective="Minimize", regex="loss=(.*?);", max_jobs=3, max_parallel_jobs=2, strategy="Random",
    base_dir={str(place)!r})
session = Session({str(place / "state")!r})
run = session.start(job)
run.follow()
print(run.result().best_value)
"""
    environment = {**os.environ, "HOME": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*_as_user(), sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=place, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 0 <= float(done.stdout) < 1, done.stderr
    users = [path.read_text() for path in place.glob("state/own-paths/trials/*/ml/model/user")]
    assert len(users) == 3
    assert "0\n" not in users


def _as_user() -> list[str]:
    """Words before a command that then runs as an ordinary user, who finds Python wherever it lies."""
    if os.geteuid() != 0:
        return []
    setpriv = needs("setpriv", "a superuser becomes an ordinary user by it")
    reads = "+dac_read_search"
    words = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"]
    return [*words, f"--inh-caps={reads}", f"--ambient-caps={reads}"]
