"""No GPU is given to two training jobs at once, whatever is killed; and none stays taken."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from hpt.executors.slots import Slots
from hpt.job.config import JobConfig, MetricDefinition, Objective, ResourceLimits, TrainingJobDefinition
from hpt.job.resources import SlotResources
from hpt.job.state import JobState
from hpt.running.session import Session
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType
from tests.faults.jobs import HERE

# Holds a lock of its own on the GPU that it sees, and says so where another program has it.
PROGRAM = f"""#!{sys.executable}
import fcntl, os, time
gpu = os.environ["CUDA_VISIBLE_DEVICES"]
with open(os.path.join(os.environ["SEEN"], gpu), "a") as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        open(os.path.join(os.environ["SEEN"], "twice"), "a").write(gpu + "\\n")
    file.write("x")
    file.flush()
    time.sleep(0.15)
print("loss=1;")
"""


def create(root: Path, program: Path, seen: Path) -> None:
    definition = TrainingJobDefinition(
        training_image=str(program),
        space=SearchSpace([ContinuousParameter("x", 0, 1)]),
        objective=Objective("loss", ObjectiveType.MINIMIZE),
        metric_definitions=(MetricDefinition("loss", "loss=(.*?);"),),
        environment={"SEEN": str(seen)},
        resources=SlotResources(gpus=1),
        retry_attempts=10,
    )
    session = Session(root)
    session.create(JobConfig("faults", "Random", definition, ResourceLimits(12, 2), seed=3))
    session.close()


def read(root: Path) -> JobState:
    session = Session(root)
    state = session.load("faults")[2]
    session.close()
    return state


def processes_below(root: Path) -> list[psutil.Process]:
    """Tuners and supervisors; a program that is killed by itself has failed, and takes its GPU with it."""
    found = [
        (process, " ".join(process.info["cmdline"] or ())) for process in psutil.process_iter(["cmdline"])
    ]
    return [
        process
        for process, command in found
        if str(root) in command and "/ml/code/" not in command and process.pid != os.getpid()
    ]


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(3))
def test_two_tuners_share_gpus_while_they_and_their_supervisors_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv("HPT_RUNTIME_DIR", str(tmp_path / "locks"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b,GPU-c")
    seen, program = tmp_path / "seen", tmp_path / "programs" / "train.py"
    seen.mkdir()
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        create(root, program, seen)
    draw = random.Random(seed)
    tuners: dict[Path, subprocess.Popen[bytes]] = {}
    kills, deadline = 8, time.monotonic() + 120
    while not all(read(root).status.ended for root in roots):
        assert time.monotonic() < deadline
        for root in roots:
            if root not in tuners or tuners[root].poll() is not None:
                tuners[root] = subprocess.Popen(
                    [sys.executable, str(HERE / "driver.py"), str(root), "faults"]
                )
        time.sleep(draw.uniform(0.1, 0.6))
        victims = processes_below(draw.choice(roots))
        if kills and victims:
            kills -= 1
            victim = draw.choice(victims)
            try:
                victim.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
    for tuner in tuners.values():
        tuner.wait(timeout=30)
    assert not (seen / "twice").exists()
    assert sum(path.stat().st_size for path in seen.iterdir()) >= 24
    for root in roots:
        state = read(root)
        assert state.training_counters["Completed"] == state.launched == 12
    assert Slots().assign(SlotResources(gpus=3), {}).gpus is not None
