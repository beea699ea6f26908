"""What happens to the environment of a source when something is killed, or the disk fills, meanwhile."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hpt.executors import environments, script_mode
from tests.executors.conftest import Run, Workshop, vanish, workshop
from tests.executors.test_script_mode import IMAGE, OFFLINE, VERSION, statics, wheel
from tests.prerequisites import small_disk

__all__ = ["workshop"]

pytestmark = pytest.mark.faults

SETUP = """
import os, time
from setuptools import setup
with open(os.environ["STARTED"], "a") as file:
    file.write(f"{os.getpid()}\\n")
while not os.path.exists(os.environ["GO"]):
    time.sleep(0.05)
setup(name="proj", version="1", py_modules=["proj"])
"""


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    (tmp_path / "job").mkdir()
    return tmp_path / "job"


@pytest.fixture
def source(workshop: Workshop) -> Path:
    folder = workshop.directory / "source"
    folder.mkdir()
    (folder / "setup.py").write_text(SETUP)
    (folder / "proj.py").write_text("WORD = 'whole'\n")
    (folder / "train.py").write_text("import proj, sys; print(proj.WORD, proj.__file__)\n")
    return folder


def start(workshop: Workshop, source: Path, **options: Any) -> Run:
    environment = {
        **OFFLINE,
        "STARTED": str(workshop.directory / "started"),
        "GO": str(workshop.directory / "go"),
    }
    return workshop.start(
        IMAGE, hyperparameters=statics(source, "train.py"), environment=environment, **options
    )


def ready(workshop: Workshop) -> list[Path]:
    return sorted((workshop.root.parent.parent / environments.PLACE).glob(f"*/{environments.READY}"))


def installing(workshop: Workshop, run: Run) -> int:
    """Wait for the installation to be under way; the process of the project's setup."""
    started = workshop.directory / "started"
    workshop.until(run, lambda _: started.exists() and bool(started.read_text()), within=60)
    return int(started.read_text().split()[-1])


def test_a_supervisor_that_is_killed_leaves_nothing_half_made(workshop: Workshop, source: Path) -> None:
    first = start(workshop, source)
    builder = installing(workshop, first)
    os.kill(json.loads((workshop.attempt(first) / "started.json").read_text())["pid"], signal.SIGKILL)
    workshop.finish(first, within=30)
    assert first.exit is not None
    assert first.exit.outcome == "Lost"
    assert vanish(builder, within=30)
    assert ready(workshop) == []
    (workshop.directory / "go").touch()
    second = workshop.finish(start(workshop, source, attempt=2), within=60)
    assert second.log.startswith(b"whole "), second.exit
    assert len(ready(workshop)) == 1


def test_two_jobs_wait_for_one_installation(workshop: Workshop, source: Path) -> None:
    first = start(workshop, source)
    installing(workshop, first)
    second = start(workshop, source, name="job-002")
    log = workshop.attempt(second) / script_mode.INSTALL_LOG
    workshop.until(second, lambda _: log.exists(), within=30)
    (workshop.directory / "go").touch()
    for run in (first, second):
        workshop.finish(run, within=60)
        assert run.log.startswith(b"whole "), run.exit
    assert len(ready(workshop)) == 1


def test_one_that_waits_goes_on_where_the_other_is_killed(workshop: Workshop, source: Path) -> None:
    first = start(workshop, source)
    installing(workshop, first)
    second = start(workshop, source, name="job-002")
    log = workshop.attempt(second) / script_mode.INSTALL_LOG
    workshop.until(second, lambda _: log.exists(), within=30)
    os.kill(json.loads((workshop.attempt(first) / "started.json").read_text())["pid"], signal.SIGKILL)
    (workshop.directory / "go").touch()
    workshop.finish(second, within=60)
    assert second.log.startswith(b"whole "), second.exit
    workshop.finish(first, within=30)
    assert first.exit is not None
    assert first.exit.outcome == "Lost"


def test_a_full_disk_fails_the_training_job_with_pips_words(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=4m"):
        place = tmp_path / "disk" / "job"
        place.mkdir()
        small = Workshop(place)
        source = tmp_path / "source"
        source.mkdir()
        large = wheel(tmp_path / "wheels", more={"tinypack_data.bin": os.urandom(6 << 20)})
        (source / "requirements.txt").write_text(f"--find-links {large.parent}\ntinypack\n")
        (source / "train.py").write_text(VERSION)
        run = small.start(IMAGE, hyperparameters=statics(source, "train.py"), environment=OFFLINE)
        small.finish(run, within=60)
        assert run.exit is not None
        assert run.exit.outcome == "Exited"
        assert "requirements.txt cannot be installed" in run.exit.reason
        assert "No space left on device" in run.exit.reason
        assert ready(small) == []
        small.executor.close()
