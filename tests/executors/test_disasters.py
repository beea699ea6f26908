"""Supervisors, hosts and disks that fail: an attempt is lost or ends well, and never runs twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpt.errors import StorageError
from hpt.executors import process
from hpt.executors.attempt import Attempt
from hpt.executors.base import Submission
from hpt.executors.local import LocalExecutor, specification
from hpt.host.clock import SteadyClock
from tests import prerequisites
from tests.executors.conftest import (
    DAEMON,
    REPOSITORY,
    Workshop,
    definition,
    is_running,
    own_children,
    pids_in,
    supervisor_of,
    vanish,
)


def test_a_killed_supervisor_takes_the_program_along_and_the_attempt_is_lost(workshop: Workshop) -> None:
    count, pids = workshop.directory / "count", workshop.directory / "pids"
    script = workshop.script(DAEMON, "daemon")
    wrapper = workshop.script(f"echo run >> {count}; echo $$ >> {count}.pid; exec {script}", "wrapper")
    hyperparameters = {"pids": str(pids), "stay": "1"}
    run = workshop.start(wrapper, hyperparameters=hyperparameters)
    workshop.says(run, b"ready")
    os.kill(supervisor_of(workshop, run), signal.SIGKILL)
    workshop.finish(run)
    assert run.exit is not None
    assert (run.exit.outcome, run.exit.exit_code) == ("Lost", None)
    assert run.exit.reason == "its supervisor is gone and left no record of the program's end"
    assert not is_running(pids_in(Path(f"{count}.pid"))[0])
    assert not is_running(pids_in(pids)[0])  # the daemon had no parent left to be found by
    again = workshop.run(wrapper, hyperparameters=hyperparameters)
    assert again.exit == run.exit
    assert count.read_text() == "run\n"


def test_a_supervisor_killed_beside_a_dead_tuner_is_found_out_by_the_next(workshop: Workshop) -> None:
    image = workshop.script("echo ready; sleep 60")
    code = f"""
        import os, signal, sys
        from pathlib import Path
        from hpt.executors.base import Submission
        from hpt.executors.local import LocalExecutor
        from tests.executors.conftest import definition
        executor = LocalExecutor(Path({str(workshop.root)!r}))
        executor.submit(Submission("job-001", 1, {{}}, definition({str(image)!r})))
        while not any(update.log.data for update in executor.poll()):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    """
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    tuner = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=REPOSITORY, env=environment, check=False
    )
    assert tuner.returncode == -9
    run = workshop.says(workshop.start(image), b"ready")
    assert run.phase == "Training"
    supervisor = supervisor_of(workshop, run)
    assert is_running(supervisor)
    os.kill(supervisor, signal.SIGKILL)
    workshop.finish(run)
    assert run.exit is not None
    assert run.exit.outcome == "Lost"


def test_nothing_of_a_lost_attempt_runs_on(workshop: Workshop) -> None:
    # Grandchildren that closed everything and left the session are known by the attempt's token alone.
    pids = workshop.directory / "pids"
    run = workshop.start(workshop.script(DAEMON, "daemon"), hyperparameters={"pids": str(pids), "stay": "1"})
    workshop.says(run, b"ready")
    [daemon] = pids_in(pids)
    os.kill(supervisor_of(workshop, run), signal.SIGKILL)
    time.sleep(0.05)
    assert is_running(daemon)
    workshop.finish(run)
    assert not is_running(daemon)


def test_supervisors_killed_at_any_moment_of_the_start_never_lead_to_a_second_run(workshop: Workshop) -> None:
    count = workshop.directory / "count"
    script = workshop.script(f"echo run $TRAINING_JOB_NAME >> {count}")
    outcomes = []
    for number in range(25):
        run = workshop.start(script, name=f"job-{number:03}")
        pid = _supervisor_just_started(f"/{run.key.name}/")
        time.sleep(0.0015 * number)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        workshop.finish(run)
        assert run.exit is not None
        outcomes.append(run.exit.outcome)
        runs = count.read_text().splitlines().count(f"run job-{number:03}") if count.exists() else 0
        assert runs == 1 if run.exit.outcome == "Exited" else runs <= 1
    assert outcomes[0] == "Exited"  # killed before its marker: started once more


def _supervisor_just_started(word: str) -> int | None:
    """The child with that word in its command; None if it has ended already."""
    for _ in range(100):  # the kernel's list of children may skip some while others end
        for pid in own_children():
            if word in Path(f"/proc/{pid}/cmdline").read_text():
                return pid
    return None


def test_a_restarted_host_loses_its_attempts(workshop: Workshop) -> None:
    run = workshop.run(workshop.script("echo one"))
    place = workshop.attempt(run)
    (place / "exit.json").unlink()
    marker = json.loads((place / "started.json").read_text())
    # After a restart the pid may well be somebody else's: here, this process's.
    marker |= {"boot_id": "00000000-0000-0000-0000-000000000000", "pid": os.getpid()}
    (place / "started.json").write_text(json.dumps(marker))
    later = workshop.finish(workshop.again(run, LocalExecutor(workshop.root)))
    assert later.log == b"one\n"
    assert later.exit is not None
    assert later.exit.outcome == "Lost"
    assert later.exit.reason.startswith("the host was restarted")


def test_a_pid_used_again_is_not_taken_for_the_supervisor(workshop: Workshop) -> None:
    run = workshop.run(workshop.script("echo one"))
    place = workshop.attempt(run)
    (place / "exit.json").unlink()
    marker = json.loads((place / "started.json").read_text())
    (place / "started.json").write_text(json.dumps(marker | {"pid": os.getpid()}))
    other = LocalExecutor(workshop.root)
    other.stop(run.key)  # would be SIGTERM to ourselves
    later = workshop.finish(workshop.again(run, other))
    assert later.exit is not None
    assert later.exit.outcome == "Lost"
    assert later.exit.stopped


def test_a_full_disk_before_the_start_is_the_hosts_failure(workshop: Workshop, small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * 4096)
    workshop.executor = LocalExecutor(small_disk / "trials")
    workshop.root = small_disk / "trials"
    run = workshop.start(workshop.script("echo never"))
    supervisor_started = workshop.attempt(run) / "started.json"
    workshop.finish(run)
    assert run.exit is not None
    assert run.exit.exit_code == 0
    assert supervisor_started.exists()
    # Another is submitted, and its tuner dies before its supervisor has done anything.
    script = workshop.script("echo never")
    place = workshop.root / "job-002" / "attempts" / "1"
    place.mkdir(parents=True)
    submission = Submission("job-002", 1, {}, definition(script))
    (place / "spec.json").write_text(json.dumps(specification(submission) | {"owner": None}))
    _fill(small_disk)
    (small_disk / "ballast").unlink()  # one page: not enough for the room of its end
    second = Attempt(submission.key, place, SteadyClock.beginning_at(time.time()))
    deadline = time.monotonic() + 15
    while (update := second.poll(1 << 16)) is None or update.exit is None:
        assert time.monotonic() < deadline
        assert update is None or update.log.data == b""
        time.sleep(0.005)
    assert update.exit.outcome == "Lost"
    assert "No space left on device" in update.exit.reason
    refusal = r"job-003 cannot be set up: .*: No space left .*; make room there"
    with pytest.raises(StorageError, match=refusal):
        workshop.start(script, name="job-003")


def test_a_program_that_fails_on_a_full_disk_is_lost(workshop: Workshop, small_disk: Path) -> None:
    workshop.executor = LocalExecutor(small_disk / "trials")
    workshop.root = small_disk / "trials"
    script = workshop.script("echo ready; read line < $FIFO; echo no room >&2; exit 3")
    os.mkfifo(workshop.directory / "fifo")
    environment = {"FIFO": str(workshop.directory / "fifo")}
    run = workshop.says(workshop.start(script, environment=environment), b"ready")
    _fill(small_disk)  # whoever it is that does
    (workshop.directory / "fifo").write_text("go\n")
    workshop.finish(run)
    assert run.exit is not None
    assert (run.exit.outcome, run.exit.exit_code, run.exit.stopped) == ("Lost", None, False)
    assert run.exit.reason.startswith("the disk is full; make room on it. The program ended")
    assert "exit code 3" in run.exit.reason
    (small_disk / "filler").unlink()
    again = workshop.start(workshop.script("exit 3"), attempt=2)
    workshop.finish(again)
    assert again.exit is not None
    assert (again.exit.outcome, again.exit.exit_code) == ("Exited", 3)


def test_a_program_that_fills_the_disk_still_gets_its_end_recorded(
    workshop: Workshop, small_disk: Path
) -> None:
    workshop.executor = LocalExecutor(small_disk / "trials")
    workshop.root = small_disk / "trials"
    run = workshop.run(workshop.script("cat /dev/zero > $SM_OUTPUT_DATA_DIR/big; echo full >&2; exit 9"))
    assert run.exit is not None
    assert run.exit.outcome == "Lost"
    assert "exit code 9" in run.exit.reason


def test_a_program_that_floods_its_log_still_gets_its_end_recorded(
    workshop: Workshop, small_disk: Path
) -> None:
    workshop.executor = LocalExecutor(small_disk / "trials")
    workshop.root = small_disk / "trials"
    flood = workshop.run(workshop.script("cat /dev/zero; exit 8"))
    assert flood.exit is not None
    assert flood.exit.outcome == "Lost"
    assert "exit code 8" in flood.exit.reason


def _fill(directory: Path) -> None:
    with (directory / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with prerequisites.small_disk(tmp_path / "disk", "size=1m,nr_inodes=200") as place:
        yield place


def test_a_directory_that_cannot_be_written_is_the_hosts_failure(workshop: Workshop) -> None:
    run = workshop.start("/bin/true", name="job-warm")
    workshop.finish(run)
    place = workshop.root / "job-001" / "attempts" / "1"
    place.mkdir(parents=True)
    (place / "log").mkdir()  # as good as forbidden, also to root
    lost = workshop.run("/bin/true")
    assert lost.exit is not None
    assert lost.exit.outcome == "Lost"
    assert "Is a directory" in lost.exit.reason


def test_the_whole_tree_killed_leaves_nothing_and_loses_nothing(workshop: Workshop) -> None:
    pids = workshop.directory / "pids"
    run = workshop.start(workshop.script(DAEMON, "daemon"), hyperparameters={"pids": str(pids), "stay": "1"})
    workshop.says(run, b"ready")
    token = json.loads((workshop.attempt(run) / "started.json").read_text())["token"]
    os.kill(supervisor_of(workshop, run), signal.SIGKILL)
    process.kill_marked(token)
    assert vanish(pids_in(pids)[0])
    other = LocalExecutor(workshop.root)
    later = workshop.finish(workshop.again(run, other))
    assert later.exit is not None
    assert later.exit.outcome == "Lost"
    assert later.log == b"ready\n"


def _touch_files(directory: Path, count: int) -> None:
    for number in range(count):
        (directory / f"file-{number}").touch()


def test_a_stop_reaches_a_program_on_a_full_disk(workshop: Workshop, small_disk: Path) -> None:
    workshop.executor = LocalExecutor(small_disk / "trials")
    workshop.root = small_disk / "trials"
    run = workshop.says(workshop.start(workshop.script("echo ready; sleep 60")), b"ready")
    with pytest.raises(OSError, match="No space left"):
        _touch_files(small_disk, 200)
    workshop.executor.stop(run.key)
    workshop.finish(run, within=3)
    assert not (workshop.attempt(run) / "stop").exists()
    assert run.exit is not None
    assert (run.exit.stopped, run.exit.exit_code) == (True, -15)
