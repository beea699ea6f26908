"""A tuning job runs as many training jobs at a time as the machine has room for, and says so."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import ValidationError
from hpt.executors.base import Executor, Submission
from hpt.executors.claims import claim
from hpt.executors.slots import Machine, Slots
from hpt.job.config import JobConfig, MetricDefinition
from hpt.job.resources import SlotResources
from hpt.job.state import JobStatus
from hpt.running.resources import described, places, resource_notes
from hpt.running.session import Session
from hpt.search.trial import TrialStatus
from tests.running.simulated import Simulated, job


def machine(gpus: str = "0,1", cores: int = 4) -> Machine:
    return Machine({"CUDA_VISIBLE_DEVICES": gpus}, cores=range(cores))


def asking(parallel: int = 4, **resources: Any) -> JobConfig:
    return job(parallel=parallel, definition={"resources": SlotResources(**resources)})


def test_what_suffices_causes_no_note() -> None:
    assert resource_notes(asking(), machine()) == []
    assert resource_notes(asking(2, gpus=1, cpus=2, memory_bytes=1 << 25), machine()) == []
    assert places(asking(gpus=0), machine("")) is None


def test_fewer_gpus_than_training_jobs_limit_them_with_a_note() -> None:
    [note] = resource_notes(asking(4, gpus=1), machine())
    assert note == "2 training jobs at a time in place of 4: there are GPUs and cores for no more here"
    [note] = resource_notes(asking(4, cpus=3), machine())
    assert note.startswith("1 training job at a time in place of 4")


def test_limits_beyond_the_memory_of_the_machine_are_no_protection() -> None:
    [note] = resource_notes(asking(2, memory_bytes=1 << 50), machine())
    assert (
        "the memory limit of 1024 TiB a training job is no protection: 2 at a time may take 2048 TiB" in note
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"gpus": 1}, r"to have 1 GPU, and there is none here \(by CUDA_VISIBLE_DEVICES\); ask for none, or"),
        ({"cpus": 5}, "to have 5 cores, and this process may use 4 cores; ask for fewer"),
    ],
)
def test_what_is_not_there_is_an_error_with_the_fix(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        resource_notes(asking(**asked), machine(""))


def test_of_several_definitions_the_one_that_fits_least_often_counts() -> None:
    first = replace(asking(gpus=1).definition, name="one")
    second = replace(asking(cpus=4).definition, name="two")
    config = replace(asking(), definition=first, definitions=(first, second))
    assert places(config, machine()) == 1
    with pytest.raises(ValidationError, match="definition 'two': each training job is to have 4 cores"):
        places(config, machine(cores=3))


def test_words() -> None:
    assert described(asking().definition) == ""
    asked = asking(gpus=0, cpus=0.5, memory_bytes=8 << 30)
    assert described(asked.definition) == "no GPU, 0.5 cores, 8 GiB of memory at most"
    assert described(asking(gpus=2, cpus=1).definition) == "2 GPUs, 1 core"


class Watched:
    """Keeps how many attempts ran at a time, and what each was told."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.running: set[Any] = set()
        self.most = 0
        self.told: set[int] = set()

    def submit(self, submission: Submission) -> None:
        self._executor.submit(submission)
        self.running.add(submission.key)
        self.most = max(self.most, len(self.running))
        self.told.add(submission.parallel)

    def poll(self) -> Any:
        updates = self._executor.poll()
        self.running -= {update.key for update in updates if update.exit is not None}
        return updates

    def stop(self, key: Any, *, now: bool = False) -> None:
        self._executor.stop(key, now=now)

    def close(self) -> None:
        self._executor.close()


@pytest.mark.parametrize(("room", "most"), [(None, 5), (9, 5), (2, 2)])
def test_the_runner_starts_no_more_than_there_is_room_for(room: int | None, most: int) -> None:
    simulated = Simulated(job(jobs=12), wrap=Watched)
    simulated.runner.places = room
    assert simulated.run().state.status is JobStatus.COMPLETED
    assert isinstance(simulated.executor, Watched)
    assert (simulated.executor.most, simulated.executor.told) == (most, {most})


@pytest.fixture
def tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobConfig:
    """A job of programs that each have one of two GPUs."""
    monkeypatch.setenv("HPT_RUNTIME_DIR", str(tmp_path / "locks"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    program = tmp_path / "programs" / "train.sh"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$CUDA_VISIBLE_DEVICES" >> "$SEEN"; echo "loss=1;"\n')
    program.chmod(0o755)
    metrics = (MetricDefinition("loss", "loss=(.*?);"),)
    config = job(
        jobs=4, parallel=4, definition={"training_image": str(program), "metric_definitions": metrics}
    )
    environment = {"SEEN": str(tmp_path / "seen")}
    asked = replace(config.definition, environment=environment, resources=SlotResources(gpus=1))
    return replace(config, definition=asked)


def test_a_real_job_is_limited_and_noted(tuned: JobConfig, tmp_path: Path) -> None:
    session = Session(tmp_path / "state")
    run = session.start(tuned)
    assert [note for note in run.notes if "GPUs" in note] == resource_notes(tuned)
    assert not run.follow()
    assert session.load("sim")[2].status is JobStatus.COMPLETED
    assert sorted(set((tmp_path / "seen").read_text().split())) == ["GPU-a", "GPU-b"]
    session.close()


def test_a_job_that_cannot_run_here_is_neither_created_nor_resumed(
    tuned: JobConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(tmp_path / "state")
    wanting = replace(tuned, definition=replace(tuned.definition, resources=SlotResources(gpus=3)))
    with pytest.raises(ValidationError, match="to have 3 GPUs, and there are 2 GPUs here"):
        session.start(wanting)
    assert session.jobs() == []
    run = session.start(tuned)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # as on another machine
    with pytest.raises(ValidationError, match="to have 1 GPU, and there is none here"):
        run.follow()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-c")
    assert not session.run("sim").follow()
    assert set((tmp_path / "seen").read_text().split()) == {"GPU-c"}
    session.close()


def test_a_job_that_waits_for_gpus_of_others_can_be_stopped(tuned: JobConfig, tmp_path: Path) -> None:
    others = Slots().assign(SlotResources(gpus=2), {})
    assert claim(str(tmp_path / "locks"), "gpu-GPU-a") is None
    session = Session(tmp_path / "state")
    run = session.start(tuned)
    ended: list[bool] = []
    follower = threading.Thread(target=lambda: ended.append(Session(tmp_path / "state").run("sim").follow()))
    follower.start()
    deadline = time.monotonic() + 20
    while not session.load("sim")[2].running:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    run.stop()
    follower.join(timeout=20)
    assert ended == [False]
    state = session.load("sim")[2]
    assert state.status is JobStatus.STOPPED
    assert {each.status for each in state.jobs.values()} == {TrialStatus.STOPPED}
    assert not (tmp_path / "seen").exists()
    assert len(others.claims) == 2
    session.close()
