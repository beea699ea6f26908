"""Training jobs get GPUs and cores of their own, and no two of them the same."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import BusyError, ExecutorError
from hpt.executors.base import Submission
from hpt.executors.local import LocalExecutor
from hpt.executors.slots import Machine, Slots, shares
from hpt.executors.warm import WarmExecutor
from hpt.functions import payload
from hpt.job.program_kind import FUNCTION_WORKER
from hpt.job.resources import SlotResources
from hpt.search.space import ContinuousParameter, SearchSpace
from tests.executors.conftest import Workshop, definition, supervisor_of, vanish

ONE_GPU = SlotResources(gpus=1)
TELL = 'echo "$CUDA_VISIBLE_DEVICES|$SM_NUM_GPUS|$SM_NUM_CPUS|$OMP_NUM_THREADS"; '


@pytest.fixture(autouse=True)
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs, and locks that no other test sees."""
    monkeypatch.setenv("HPT_RUNTIME_DIR", str(tmp_path / "locks"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    for name in ("OMP_NUM_THREADS", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def slots(tmp_path: Path) -> Iterator[Slots]:
    made = Slots(Machine({"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, cores=range(8)))
    yield made
    made.trim(all=True)


def spec_of(workshop: Workshop, run: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((workshop.attempt(run) / "spec.json").read_text())
    return found


# -- how many fit -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resources", "most"),
    [
        (SlotResources(), None),
        (SlotResources(memory_bytes=1 << 30), None),
        (SlotResources(gpus=0), None),
        (SlotResources(gpus=1), 4),
        (SlotResources(gpus=3), 1),
        (SlotResources(gpus=5), 0),
        (SlotResources(cpus=1), 8),
        (SlotResources(cpus=3), 2),
        (SlotResources(cpus=8), 1),
        (SlotResources(cpus=9), 0),
        (SlotResources(cpus=0.5), 16),
        (SlotResources(cpus=1 / 3), 24),
        (SlotResources(cpus=0.1), 80),
        (SlotResources(cpus=1.5), 5),
        (SlotResources(cpus=2.25), 3),
        (SlotResources(cpus=7.5), 1),
        (SlotResources(cpus=8.5), 0),
        (SlotResources(gpus=2, cpus=1), 2),
    ],
)
def test_as_many_as_are_announced_get_their_own(
    slots: Slots, resources: SlotResources, most: int | None
) -> None:
    machine = Machine({"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, cores=range(8))
    assert machine.places(resources, {}) == most
    if most is None:
        return
    given = [slots.assign(resources, {}) for _ in range(most)]
    devices = [name for each in given for name in each.gpus or ()]
    assert len(devices) == len(set(devices)) == most * (resources.gpus or 0)
    if resources.cpus is not None:
        assert all(len(each.cores or ()) == -(-resources.cpus // 1) for each in given)
    if resources.cpus == int(resources.cpus or 0):
        cores = [core for each in given for core in each.cores or ()]
        assert len(cores) == len(set(cores))
    with pytest.raises(BusyError if most else ExecutorError):
        slots.assign(resources, {})
    for each in given:
        slots.release(each)


def test_parts_of_cores_are_spread_and_then_shared(slots: Slots) -> None:
    given = [slots.assign(SlotResources(cpus=0.5), {}) for _ in range(16)]
    assert [each.cores for each in given[:8]] == [[core] for core in range(8)]
    assert [each.cores for each in given[8:]] == [[core] for core in range(8)]
    for each in given:
        slots.release(each)
    assert shares(0.999999) == (1, 0)


def test_what_is_not_there_is_said_with_the_fix() -> None:
    none = Slots(Machine({"CUDA_VISIBLE_DEVICES": ""}, cores=[0, 1]))
    with pytest.raises(
        ExecutorError, match=r"to have 1 GPU, and there is none here \(by CUDA_VISIBLE_DEVICES\)"
    ):
        none.assign(ONE_GPU, {})
    with pytest.raises(
        ExecutorError, match="to have 3 cores, and this process may use 2 cores; ask for fewer"
    ):
        none.assign(SlotResources(cpus=3), {})


# -- programs -----------------------------------------------------------------------------------------------


def test_two_at_a_time_see_different_gpus_and_run_on_different_cores(workshop: Workshop) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("this machine has one core")
    script = workshop.script(TELL + "grep Cpus_allowed_list /proc/self/status; echo on; sleep 60")
    asked = SlotResources(gpus=1, cpus=1)
    runs = [workshop.start(script, name, parallel=2, resources=asked) for name in ("job-001", "job-002")]
    for run in runs:
        workshop.says(run, b"on\n")
    assert {run.log.split(b"|")[0] for run in runs} == {b"GPU-a", b"GPU-b"}
    assert {run.log.split()[2] for run in runs} == {str(core).encode() for core in cores[:2]}
    assert all(run.log.split(b"|", 1)[1].startswith(b"1|1|1\n") for run in runs)
    taken = [spec_of(workshop, run) for run in runs]
    assert sorted(each["gpus"] for each in taken) == [["GPU-a"], ["GPU-b"]]
    with pytest.raises(BusyError, match="it is to have 1 GPU, and 0 of 2 here are free"):
        workshop.start(script, "job-003", parallel=2, resources=asked)
    workshop.executor.stop(runs[0].key, now=True)
    workshop.finish(runs[0])
    third = workshop.says(workshop.start(script, "job-003", parallel=2, resources=asked), b"on\n")
    assert third.log.split(b"|")[0] == runs[0].log.split(b"|")[0]


def test_what_is_not_asked_for_stays_as_it_is(workshop: Workshop) -> None:
    run = workshop.run(workshop.script(TELL + "grep Cpus_allowed_list /proc/self/status"))
    mine = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if "Cpus_allowed_l" in line
    )
    assert run.log.decode().splitlines()[1] == mine
    assert run.log.startswith(b"GPU-a,GPU-b|2|")
    assert "gpus" not in spec_of(workshop, run)


def test_none_is_none(workshop: Workshop) -> None:
    run = workshop.run(workshop.script(TELL + 'echo "$HIP_VISIBLE_DEVICES"'), resources=SlotResources(gpus=0))
    assert run.log.startswith(b"-1|0|")
    assert run.log.endswith(b"\n-1\n")


def test_a_list_in_the_definition_restricts_what_is_given(workshop: Workshop) -> None:
    own = {"CUDA_VISIBLE_DEVICES": "GPU-b"}
    run = workshop.run(workshop.script(TELL), resources=ONE_GPU, environment=own)
    assert run.log.startswith(b"GPU-b|1|")
    with pytest.raises(ExecutorError, match="to have 2 GPUs, and there is 1 GPU here"):
        workshop.start(workshop.script(TELL), "job-002", resources=SlotResources(gpus=2), environment=own)


def test_gpus_of_amd_are_shown_to_every_library(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("ROCR_VISIBLE_DEVICES", "2,3")
    script = workshop.script('echo "$ROCR_VISIBLE_DEVICES $HIP_VISIBLE_DEVICES $CUDA_VISIBLE_DEVICES"')
    assert workshop.run(script, resources=SlotResources(gpus=2)).log == b"2,3 0,1 0,1\n"


def test_another_tuner_gets_the_others_even_after_the_first_was_killed(
    workshop: Workshop, tmp_path: Path
) -> None:
    """What a training job has stays its own while anything of it lives, whoever else has died."""
    script = workshop.script(TELL + "sleep 60 & echo on; wait")
    run = workshop.says(workshop.start(script, resources=ONE_GPU), b"on\n")
    workshop.executor.close()  # as if its tuner had died: nothing of this process holds the claim any more
    other = LocalExecutor(tmp_path / "elsewhere")
    try:
        two = SlotResources(gpus=2)
        submission = Submission("job-009", 1, {}, definition(script, resources=two))
        with pytest.raises(BusyError, match="2 GPUs, and 1 of 2 here is free"):
            other.submit(submission)
        os.kill(supervisor_of(workshop, run), signal.SIGKILL)
        again = workshop.again(run, LocalExecutor(workshop.root))
        assert workshop.finish(again).exit is not None
        assert again.exit is not None
        assert "its supervisor is gone" in again.exit.reason
        deadline = time.monotonic() + 10
        while True:
            try:
                other.submit(submission)
            except BusyError:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            else:
                break
        other.stop(submission.key, now=True)
        while not any(update.exit for update in other.poll()):
            time.sleep(0.01)
    finally:
        other.close()


def test_a_program_that_cannot_be_set_up_gives_back_what_it_had(workshop: Workshop) -> None:
    workshop.root.mkdir()
    (workshop.root / "job-001").write_text("in the way")
    for _ in range(3):
        with pytest.raises(ExecutorError, match="cannot be set up"):
            workshop.start(workshop.script("true"), resources=SlotResources(gpus=2))
    done = workshop.run(workshop.script(TELL), name="job-002", resources=SlotResources(gpus=2))
    assert done.log.startswith(b"GPU-a,GPU-b|2|")


# -- functions in warm workers ------------------------------------------------------------------------------


def test_a_warm_worker_keeps_its_gpu_until_others_need_it(tmp_path: Path) -> None:
    def say(config: dict[str, Any], report: Any) -> float:
        import os  # nothing else of this module is needed there

        with open(os.environ["SAID"], "a") as file:  # noqa: PTH123
            file.write(f"{os.getpid()} {os.environ['CUDA_VISIBLE_DEVICES']}\n")
        return 1.0

    space = SearchSpace([ContinuousParameter("x", 0, 1)])
    (tmp_path / "f").write_bytes(payload.pack(say, space))
    said = tmp_path / "said"
    environment = {"HPT_FUNCTION": str(tmp_path / "f"), "SAID": str(said)}
    plain = definition(FUNCTION_WORKER, environment=environment)
    executor = WarmExecutor(tmp_path / "trials")

    def run(name: str, resources: SlotResources) -> list[str]:
        submission = Submission(name, 1, {"x": "0.5"}, replace(plain, resources=resources))
        executor.submit(submission)
        deadline = time.monotonic() + 20
        while not any(update.exit for update in executor.poll()):
            assert time.monotonic() < deadline
            executor.wait(0.05)
        return said.read_text().splitlines()[-1].split()

    try:
        first, second = run("a", ONE_GPU), run("b", ONE_GPU)
        assert first == second  # the same process, with the same GPU
        assert first[1] in ("GPU-a", "GPU-b")
        both = run("c", SlotResources(gpus=2))
        assert sorted(both[1].split(",")) == ["GPU-a", "GPU-b"]
        assert vanish(int(first[0]))  # it had what the other needed
        unlimited = run("d", SlotResources())
        assert unlimited[0] not in (first[0], both[0])
        assert unlimited[1] == "GPU-a,GPU-b"
        os.kill(int(both[0]), signal.SIGKILL)
        fresh = run("e", SlotResources(gpus=2))
        assert fresh[0] != both[0]
        assert sorted(fresh[1].split(",")) == ["GPU-a", "GPU-b"]
    finally:
        executor.close()
    assert Slots().assign(SlotResources(gpus=2), {}).gpus is not None
