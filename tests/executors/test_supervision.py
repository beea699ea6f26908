"""Limits, stops, descendants and races: real processes that misbehave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from hpt.executors import process, record
from hpt.executors.base import Submission
from hpt.executors.local import LocalExecutor, specification
from tests.executors.conftest import (
    DAEMON,
    PYTHON,
    REPOSITORY,
    Run,
    Workshop,
    definition,
    is_running,
    pids_in,
    supervisor_of,
)

STUBBORN = (
    PYTHON
    + """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
)

POLITE = (
    PYTHON
    + """
import os, signal, sys, time
def leave(*_):
    open(os.path.join(os.environ["SM_MODEL_DIR"], "weights"), "w").write("saved")
    print("saved", flush=True)
    sys.exit(5)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
time.sleep(60)
"""
)

# -- limits and stops ---------------------------------------------------------------------------------------


def test_a_deadline_ends_the_program_with_its_model_kept(workshop: Workshop) -> None:
    run = workshop.run(workshop.script(POLITE, "polite"), max_runtime_seconds=0.7)
    assert run.exit is not None
    assert (run.exit.timed_out, run.exit.stopped, run.exit.exit_code) == (True, False, 5)
    assert run.exit.reason == "ran into its limit of 0.7 s: exit code 5"
    assert run.log == b"ready\nsaved\n"
    assert run.exit.model is not None
    assert (Path(run.exit.model) / "weights").read_text() == "saved"
    assert run.exit.started is not None
    assert run.exit.ended is not None
    assert 0.7 <= run.exit.ended - run.exit.started < 3


def test_the_deadline_holds_without_a_tuner(workshop: Workshop) -> None:
    run = workshop.start(workshop.script("echo ready; sleep 60"), max_runtime_seconds=0.5)
    workshop.says(run, b"ready")
    workshop.executor.close()
    workshop.await_record(run)
    workshop.finish(run)
    assert run.exit is not None
    assert run.exit.timed_out


def test_a_stop_gives_grace_and_ignores_the_exit_code(workshop: Workshop) -> None:
    run = workshop.says(workshop.start(workshop.script(POLITE, "polite")), b"ready")
    workshop.executor.stop(run.handle)
    workshop.executor.stop(run.handle)
    workshop.finish(run, within=3)
    assert run.exit is not None
    assert (run.exit.stopped, run.exit.exit_code, run.exit.outcome) == (True, 5, "Exited")
    assert run.exit.reason == "stopped on request: exit code 5"
    assert run.exit.model == str(workshop.base(run) / "model")


def test_a_program_that_ignores_sigterm_is_killed_after_the_grace_period(workshop: Workshop) -> None:
    run = workshop.says(workshop.start(workshop.script(STUBBORN, "stubborn"), grace_seconds=0.5), b"ready")
    began = time.monotonic()
    workshop.executor.stop(run.handle)
    workshop.finish(run)
    assert 0.5 <= time.monotonic() - began < 2
    assert run.exit is not None
    assert (run.exit.stopped, run.exit.exit_code) == (True, -9)
    assert run.exit.reason.endswith("it did not end within 0.5 s of grace")


def test_a_stop_at_once_cuts_the_grace_short(workshop: Workshop) -> None:
    run = workshop.says(workshop.start(workshop.script(STUBBORN, "stubborn")), b"ready")
    workshop.executor.stop(run.handle)
    workshop.until(run, lambda run: run.phase == "Stopping")
    # From elsewhere, as a second Ctrl-C in a resumed tuner would.
    LocalExecutor(workshop.root).stop(run.handle, now=True)
    workshop.finish(run, within=2)
    assert run.exit is not None
    assert (run.exit.stopped, run.exit.exit_code) == (True, -9)


def test_sigterm_to_the_supervisor_is_a_stop(workshop: Workshop) -> None:
    run = workshop.says(workshop.start(workshop.script(POLITE, "polite")), b"ready")
    os.kill(supervisor_of(workshop, run), signal.SIGTERM)
    workshop.finish(run, within=3)
    assert run.exit is not None
    assert (run.exit.stopped, run.exit.exit_code) == (True, 5)


def test_children_of_a_shell_get_the_signal_and_the_grace_too(workshop: Workshop) -> None:
    polite = workshop.script(POLITE, "polite")
    run = workshop.says(workshop.start(workshop.script(f"{polite}\necho not reached", "wrapper")), b"ready")
    workshop.executor.stop(run.handle)
    workshop.finish(run, within=3)
    assert run.log == b"ready\nsaved\n"
    assert run.exit is not None
    assert run.exit.exit_code == -15


def test_a_stop_before_the_start_keeps_the_program_from_running(workshop: Workshop) -> None:
    ran = workshop.directory / "ran"
    script = workshop.script(f"touch {ran}")
    place = workshop.root / "job-001" / "attempts" / "1"
    place.mkdir(parents=True)
    workshop.executor.stop({"name": "job-001", "attempt": 1})
    run = workshop.run(script)
    assert run.exit is not None
    assert (run.exit.outcome, run.exit.stopped, run.exit.exit_code) == ("Exited", True, None)
    assert run.exit.reason == "stopped before the program started"
    assert not ran.exists()


def test_a_stop_at_any_moment_of_the_start_is_kept(workshop: Workshop) -> None:
    script = workshop.script("echo ready; sleep 60")
    for number in range(12):
        run = workshop.start(script, name=f"job-{number:03}")
        time.sleep(0.004 * number)
        workshop.executor.stop(run.handle)
        workshop.finish(run, within=3)
        assert run.exit is not None
        assert (run.exit.outcome, run.exit.stopped) == ("Exited", True), run.exit


def test_a_stop_after_the_end_changes_nothing(workshop: Workshop) -> None:
    run = workshop.run(workshop.script("exit 0"))
    files = sorted(workshop.attempt(run).iterdir())
    workshop.executor.stop(run.handle, now=True)
    assert sorted(workshop.attempt(run).iterdir()) == files
    workshop.look(run)
    assert run.exit is not None
    assert not run.exit.stopped


# -- descendants --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["by itself", "stopped", "at once"])
def test_daemons_that_left_the_session_end_with_the_program(workshop: Workshop, ending: str) -> None:
    pids = workshop.directory / "pids"
    hyperparameters = {"pids": str(pids)} | ({} if ending == "by itself" else {"stay": "1"})
    run = workshop.start(
        workshop.script(DAEMON, "daemon"), hyperparameters=hyperparameters, grace_seconds=0.2
    )
    workshop.says(run, b"ready")
    if ending != "by itself":
        workshop.executor.stop(run.handle, now=ending == "at once")
    workshop.finish(run, within=5)
    [daemon] = pids_in(pids)
    assert not is_running(daemon)
    assert run.exit is not None
    assert run.exit.exit_code == (0 if ending == "by itself" else -15 if ending == "stopped" else -9)


def test_a_fork_storm_is_put_down(workshop: Workshop) -> None:
    # Every process forks and dies, each child in a session of its own: no group to kill, no pid that lasts.
    storm = (
        PYTHON
        + """
import os, sys, time
print("ready", flush=True)
until = time.monotonic() + 20
for _ in range(8):
    if os.fork() == 0:
        while time.monotonic() < until:
            os.setsid() if os.getsid(0) != os.getpid() else None
            if os.fork():
                os._exit(0)
            time.sleep(0.001)
        os._exit(0)
time.sleep(60)
"""
    )
    run = workshop.says(workshop.start(workshop.script(storm, "storm"), grace_seconds=0.2), b"ready")
    time.sleep(0.1)
    token = json.loads((workshop.attempt(run) / "started.json").read_text())["token"]
    workshop.executor.stop(run.handle)
    workshop.finish(run, within=10)
    assert process.kill_marked(token) == 0


def test_forked_children_that_hold_the_log_do_not_keep_the_trial_alive(workshop: Workshop) -> None:
    began = time.monotonic()
    run = workshop.run(workshop.script("sleep 60 & echo ended; exit 0"))
    assert time.monotonic() - began < 2
    assert run.exit is not None
    assert run.exit.exit_code == 0


# -- never twice --------------------------------------------------------------------------------------------


def test_racing_submits_run_the_program_once(workshop: Workshop) -> None:
    count = workshop.directory / "count"
    script = workshop.script(f"echo run $TRAINING_JOB_NAME >> {count}; sleep 0.05")
    code = f"""
        import sys, time
        from pathlib import Path
        from hpt.executors.base import Submission
        from hpt.executors.local import LocalExecutor
        from tests.executors.conftest import definition
        executor = LocalExecutor(Path({str(workshop.root)!r}))
        print("ready", flush=True)
        for line in sys.stdin:
            name = line.strip()
            handle = executor.submit(Submission(name, 1, {{}}, definition({str(script)!r})))
            while (update := executor.poll([(handle, 0)])[0]).exit is None:
                time.sleep(0.002)
            print(update.exit.exit_code, flush=True)
    """
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for number in range(20):
            for racer in racers:
                assert racer.stdin is not None
                racer.stdin.write(f"race-{number:02}\n")
                racer.stdin.flush()
            for racer in racers:
                assert racer.stdout is not None
                assert racer.stdout.readline() == "0\n"
    finally:
        for racer in racers:
            racer.communicate()
    assert sorted(count.read_text().splitlines()) == [f"run race-{number:02}" for number in range(20)]


def test_a_finished_attempt_is_found_not_run_again(workshop: Workshop) -> None:
    count = workshop.directory / "count"
    script = workshop.script(f"echo run >> {count}; exit 3")
    workshop.run(script)
    again = workshop.finish(
        Run(LocalExecutor(workshop.root).submit(Submission("job-001", 1, {}, definition(script))))
    )
    assert again.exit is not None
    assert again.exit.exit_code == 3
    assert count.read_text() == "run\n"


def test_a_tuner_killed_between_spec_and_spawn_left_enough_to_go_on(workshop: Workshop) -> None:
    count = workshop.directory / "count"
    script = workshop.script(f"echo run >> {count}")
    place = workshop.root / "job-001" / "attempts" / "1"
    place.mkdir(parents=True)
    submission = Submission("job-001", 1, {}, definition(script))
    record.write_json(str(place / "spec.json"), specification(submission))
    run = workshop.finish(Run({"name": "job-001", "attempt": 1}))  # a poll alone is enough
    assert run.exit is not None
    assert run.exit.exit_code == 0
    (workshop.root / "job-002" / "attempts" / "1").mkdir(parents=True)
    (workshop.root / "job-002" / "attempts" / "1" / "spec.json").write_text('{"name": "job-0')  # a torn write
    second = workshop.run(script, name="job-002")
    assert second.exit is not None
    assert second.exit.exit_code == 0
    assert count.read_text() == "run\nrun\n"
