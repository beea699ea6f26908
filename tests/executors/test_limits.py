"""A training job that takes more memory than it may is failed for that, and its neighbours are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hpt.executors import cgroup, limits
from hpt.executors.base import Submission
from hpt.executors.limits import Limits
from hpt.executors.warm import WarmExecutor
from hpt.functions import payload
from hpt.job.program_kind import FUNCTION_WORKER
from hpt.job.resources import SlotResources
from hpt.search.space import ContinuousParameter, SearchSpace
from tests.executors.conftest import PYTHON, Workshop, definition, vanish

LIMIT = SlotResources(memory_bytes=96 << 20)

# Grows by `MiB` in so many processes, then says so and sleeps; `MiB` negative: only reserves so much.
HUNGRY = (
    PYTHON
    + """
import mmap, os, sys, time
size, processes = int(os.environ["MIB"]), int(os.environ.get("PROCESSES", "1"))
print(os.getpid(), flush=True)
if os.environ.get("SHARED"):
    held = bytearray(size << 20)
while processes > 1 and os.fork():
    processes -= 1
if size < 0:
    held = mmap.mmap(-1, -size << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
elif not os.environ.get("SHARED"):
    held = []
    for _ in range(size):
        held.append(bytearray(1 << 20))
        time.sleep(0.001)
print("m=1; full", flush=True)
time.sleep(float(os.environ.get("STAY", "60")))
"""
)


def hungry(workshop: Workshop, name: str, **variables: object) -> Any:
    environment = {key: str(value) for key, value in variables.items()}
    script = workshop.script(HUNGRY, "hungry")
    return workshop.start(script, name, environment=environment, resources=LIMIT)


def test_beyond_its_limit_a_training_job_is_failed_with_that_reason_and_its_neighbour_completes(
    workshop: Workshop,
) -> None:
    fat = hungry(workshop, "job-001", MIB=300)
    thin = hungry(workshop, "job-002", MIB=20, STAY=1)
    workshop.finish(fat)
    workshop.finish(thin)
    assert thin.exit is not None
    assert (thin.exit.exit_code, thin.exit.reason) == (0, "")
    assert fat.exit is not None
    assert fat.exit.exit_code == -signal.SIGKILL
    assert fat.exit.reason.startswith("it went over its memory limit of 96 MiB")
    assert fat.exit.reason.endswith("; raise the limit, or let the program use less")
    assert not fat.exit.stopped
    assert b"full" not in fat.log


def test_all_processes_of_a_training_job_count_together(workshop: Workshop) -> None:
    run = workshop.finish(hungry(workshop, "job-001", MIB=40, PROCESSES=4))
    assert run.exit is not None
    assert "memory limit of 96 MiB" in run.exit.reason
    assert vanish(int(run.log.split()[0]))


def test_what_processes_share_counts_once_and_what_is_only_reserved_not_at_all(workshop: Workshop) -> None:
    shared = hungry(workshop, "job-001", MIB=40, PROCESSES=4, SHARED=1, STAY=0.7)
    reserved = hungry(workshop, "job-002", MIB=-4000, STAY=0.7)
    for run in (shared, reserved):
        workshop.finish(run)
        assert run.exit is not None
        assert (run.exit.exit_code, run.exit.reason) == (0, "")


def test_a_stop_that_comes_first_stays_the_reason(workshop: Workshop) -> None:
    run = workshop.says(hungry(workshop, "job-001", MIB=10), b"full")
    workshop.executor.stop(run.key, now=True)
    workshop.finish(run)
    assert run.exit is not None
    assert run.exit.reason.startswith("stopped on request")


def test_a_function_is_failed_for_it_and_the_next_gets_a_fresh_worker(tmp_path: Path) -> None:
    def take(config: dict[str, Any], report: Any) -> float:
        import os
        import time

        held = bytearray((300 if config["x"] > 0.5 else 1) << 20)
        time.sleep(1.0 if config["x"] > 0.5 else 0)
        return float(os.getpid() + 0 * len(held))

    space = SearchSpace([ContinuousParameter("x", 0, 1)])
    (tmp_path / "f").write_bytes(payload.pack(take, space))
    called = definition(FUNCTION_WORKER, environment={"HPT_FUNCTION": str(tmp_path / "f")}, resources=LIMIT)
    executor = WarmExecutor(tmp_path / "trials")
    ended = []
    try:
        for number, x in enumerate((0.1, 0.2, 0.9, 0.3)):
            executor.submit(Submission(f"job-{number}", 1, {"x": str(x)}, called))
            deadline, log = time.monotonic() + 20, b""
            while True:
                assert time.monotonic() < deadline
                updates = executor.poll()
                log += b"".join(update.log.data for update in updates)
                if found := [update.exit for update in updates if update.exit is not None]:
                    ended.append((found[0].reason.partition(":")[0], log))
                    break
                executor.wait(0.05)
    finally:
        executor.close()
    assert [reason for reason, _ in ended] == ["", "", "it went over its memory limit of 96 MiB", ""]
    values = [log for _, log in ended]
    assert values[0] == values[1] != values[3]  # each says its process


def test_a_program_that_cannot_be_put_on_its_cores_is_lost_and_not_to_blame(workshop: Workshop) -> None:
    from hpt.executors import child

    gone = Limits({"cores": [4095]})
    with pytest.raises(
        child.LaunchError, match="its cores and its memory limit cannot be set: Invalid"
    ) as raised:
        child.launch(["/bin/true"], {}, str(workshop.directory), 1, limit=gone.apply)
    assert raised.value.ours


def test_looks_are_rare_far_from_the_limit_and_frequent_close_to_it() -> None:
    far, close = Limits({"memory_bytes": 1 << 40}), Limits({"memory_bytes": 1 << 20})
    child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1)
    assert child.stdout is not None
    try:
        child.stdout.readline()
        now = time.monotonic()
        assert not far.exceeded()
        assert far.moment() is not None
        assert (far.moment() or 0) - now >= limits.RARELY
        assert not far.exceeded()  # not due
        assert close.exceeded()
        assert close.moment() is None  # it is known
        assert close.held is not None
        assert close.held > 1 << 20
        assert child.pid in limits._below(os.getpid(), None)
        assert child.pid not in limits._below(os.getpid(), child.pid)
    finally:
        child.communicate(b"\n")


def test_without_a_limit_nothing_is_looked_at() -> None:
    free = Limits({})
    free.begin()
    assert free.moment() is None
    assert not free.exceeded()
    assert free.verdict() == ""
    free.close()


# -- control groups -----------------------------------------------------------------------------------------


def test_where_no_group_can_be_made_the_supervisor_watches(tmp_path: Path) -> None:
    for parent in (tmp_path / "none", tmp_path):  # missing, and no directory of groups
        found = Limits({"memory_bytes": 1 << 30, "memory_group": str(parent)})
        assert found.moment() is not None
        found.close()
    assert list(tmp_path.iterdir()) == []


def unified() -> Path:
    """A directory of the unified hierarchy in which this user may make groups."""
    own = cgroup._own_group()
    if own is None or not os.access(own, os.W_OK):
        pytest.skip("no control group of the unified hierarchy can be made here")
    return Path(own)


def test_a_group_is_removed_with_all_that_is_left_in_it() -> None:
    group = unified() / f"hpt-job-test{os.getpid()}"
    group.mkdir()
    left = subprocess.Popen(["sleep", "60"])
    try:
        (group / "cgroup.procs").write_text(str(left.pid))
        cgroup.remove_leftovers(str(group.parent))
        assert group.is_dir()  # neither old nor empty
        cgroup.remove(str(group))
        assert not group.exists()
        assert left.wait(timeout=5) == -signal.SIGKILL
    finally:
        left.kill()
        left.wait()
    cgroup.remove(str(group))  # again


def test_the_kernel_keeps_the_limit_where_groups_are_delegated(workshop: Workshop) -> None:
    parent = cgroup.delegated()
    if parent is None:
        pytest.skip(
            "THE MEMORY LIMIT OF THE KERNEL IS NOT TESTED: no cgroup v2 with memory is delegated here"
        )
    run = workshop.finish(hungry(workshop, "job-001", MIB=300))
    assert run.exit is not None
    assert run.exit.reason.startswith("it went over its memory limit of 96 MiB, and the kernel killed it")
    assert not list(Path(parent).glob("hpt-job-*"))
