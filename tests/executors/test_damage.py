"""What a program does to the files and processes of its attempt stays its own: the attempt ends with a
reason, and others go on.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from hpt.executors.base import Exit
from hpt.executors.local import LocalExecutor
from tests.executors.conftest import PYTHON, REPOSITORY, Run, Workshop, supervisor_of, vanish

HEAD = "A=$(dirname $HPT_METRICS_FILE); S=$PPID; echo loss=0.5\n"

NONSENSE = {
    "a phase of its own": ('echo "foo bar" >> $A/phases', "phases is damaged: it holds 'foo bar'"),
    "bytes in the phases": (r"printf '\377\376\n' >> $A/phases", r"phases is damaged: it holds '.{1,2}xff"),
    "a phase of no time": ('echo "Training nan" >> $A/phases', "phases is damaged"),
    "a phase of the far future": ('echo "Training 1e300" >> $A/phases', "phases is damaged"),
    "phases cut short": (": > $A/phases", "phases was cut short"),
    "endless phases": ("yes Training 1 | head -c 100000 >> $A/phases", "phases is larger than 65536 bytes"),
    "a directory of phases": ("rm $A/phases; mkdir $A/phases", "phases cannot be read: Is a directory"),
    "a pipe of phases": ("rm $A/phases; mkfifo $A/phases", "phases cannot be read: is no ordinary file"),
    "phases from a device": ("ln -sf /dev/zero $A/phases", "phases cannot be read: is no ordinary file"),
    "a marker of bytes": (r"printf '\377' > $A/started.json", "started.json is not whole"),
    "an empty marker": (": > $A/started.json", "started.json is empty"),
    "a marker of other types": (
        "echo '{\"pid\": 1}' > $A/started.json",
        "started.json is damaged: 'boot_id' is",
    ),
    "a directory as marker": ("rm $A/started.json; mkdir $A/started.json", "started.json cannot be read"),
    "a pipe as marker": ("rm $A/started.json; mkfifo $A/started.json", "started.json cannot be read"),
    "a directory as end": ("mkdir $A/exit.json", "exit.json cannot be read: Is a directory"),
    "half an end": ('echo \'{"outcome": "Exi\' > $A/exit.json; kill -9 $S', "exit.json is not whole"),
    "an empty end": (": > $A/exit.json; kill -9 $S", "exit.json is empty"),
    "an end of other types": (
        """echo '{"outcome": "Exited", "exit_code": "0"}' > $A/exit.json; kill -9 $S""",
        "exit.json is damaged: 'exit_code' is '0'",
    ),
    "an end of a list": (
        "echo '[]' > $A/exit.json; kill -9 $S",
        "exit.json is damaged: it is no JSON object",
    ),
    "an end of a newer version": (
        """echo '{"version": 7, "outcome": "Exited", "exit_code": 0}' > $A/exit.json; kill -9 $S""",
        r"exit.json was written by a newer hpt \(version 7, and 1 is the latest known here\); upgrade",
    ),
    "an end that is deep": (
        "(yes '[' | head -100000 | tr -d '\\n') > $A/exit.json; kill -9 $S",
        "exit.json is not whole",
    ),
    "a pipe as end": ("mkfifo $A/exit.json; kill -9 $S", "exit.json cannot be read"),
    "a log of nothing": ("truncate -s 1T $A/log; sleep 0.5", "its log was extended by more than 1073741824 "),
    "a killed supervisor": ("kill -9 $S; sleep 60", "its supervisor is gone"),
}


@pytest.mark.parametrize(("damage", "reason"), NONSENSE.values(), ids=NONSENSE)
def test_damage_to_its_records_loses_the_attempt_with_a_reason(
    workshop: Workshop, damage: str, reason: str
) -> None:
    other = workshop.start(workshop.script("echo loss=0.4; sleep 1", "other"), name="job-002")
    run = workshop.run(workshop.script(f"{HEAD}{damage}\nexit 0"))
    assert run.exit is not None
    assert (run.exit.outcome, run.exit.exit_code) == ("Lost", None)
    assert re.search(reason, run.exit.reason), run.exit.reason
    assert len(run.exit.reason) < 300
    assert not _left_of(workshop, run)
    assert _end(workshop.finish(other)).exit_code == 0
    later = workshop.finish(workshop.again(run, LocalExecutor(workshop.root)))  # the next tuner says the same
    assert _end(later).outcome == "Lost"


def _left_of(workshop: Workshop, run: Run) -> list[int]:
    """The processes of the attempt that still run."""
    mark = f"SAGEMAKER_BASE_DIR={workshop.base(run)}".encode()
    left = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0") and not vanish(int(entry.name), 1):
                left.append(int(entry.name))
        except OSError:
            continue
    return left


def _end(run: Run) -> Exit:
    assert run.exit is not None
    return run.exit


FAILURES = {
    "a pipe": "mkfifo $F",
    "a directory": "mkdir $F",
    "a socket": f"{PYTHON[2:]} -c 'import os, socket; socket.socket(socket.AF_UNIX).bind(os.environ[\"F\"])'",
    "a link to a device": "ln -s /dev/zero $F",
    "a link to a terminal": "ln -s /dev/tty $F",
    "a link to itself": "ln -s failure $F",
    "a link to a file elsewhere": "ln -s /etc/passwd $F",
    "nothing": "true",
}


@pytest.mark.parametrize("make", FAILURES.values(), ids=FAILURES)
def test_a_failure_file_that_is_none_is_not_read(workshop: Workshop, make: str) -> None:
    script = workshop.script(f"cd $SM_OUTPUT_DIR; export F=failure\n{make}\necho last words; exit 3")
    end = _end(workshop.run(script))
    assert (end.outcome, end.exit_code) == ("Exited", 3)
    assert end.reason == "exit code 3; the last line of its log: last words"


def test_of_a_failure_file_the_first_characters_are_read(workshop: Workshop) -> None:
    script = workshop.script("cd $SM_OUTPUT_DIR; printf 'too hot ' > failure; truncate -s 1T failure; exit 1")
    assert _end(workshop.run(script)).reason.startswith("too hot")
    inside = workshop.script(
        "cd $SM_OUTPUT_DIR; echo why > data/why; ln -s data/why failure; exit 1", "inside"
    )
    assert _end(workshop.run(inside, name="job-002")).reason == "why"


METRICS = {
    "a pipe": "mkfifo $HPT_METRICS_FILE",
    "a directory": "mkdir $HPT_METRICS_FILE",
    "a device": "ln -s /dev/zero $HPT_METRICS_FILE",
    "an endless line": "truncate -s 1T $HPT_METRICS_FILE",
}


@pytest.mark.parametrize("make", METRICS.values(), ids=METRICS)
def test_a_metrics_file_that_is_none_delays_nothing(workshop: Workshop, make: str) -> None:
    end = _end(workshop.run(workshop.script(f"{make}; sleep 1; echo done")))
    assert (end.outcome, end.exit_code) == ("Exited", 0)


def test_a_supervisor_that_was_stopped_continues(workshop: Workshop) -> None:
    end = _end(workshop.run(workshop.script("kill -STOP $PPID; exit 3")))
    assert (end.outcome, end.exit_code) == ("Exited", 3)


def test_a_supervisor_that_is_stopped_again_and_again_is_given_up(workshop: Workshop) -> None:
    run = workshop.start(workshop.script("while true; do kill -STOP $PPID; done"))
    end = _end(workshop.finish(run))
    assert end.outcome == "Lost"
    assert end.reason == "its supervisor was stopped (SIGSTOP) again and again"


@pytest.mark.parametrize("now", [False, True])
def test_a_stop_reaches_a_stopped_supervisor_of_another_tuner(workshop: Workshop, now: bool) -> None:
    run = workshop.says(workshop.start(workshop.script("echo ready; exec sleep 60")), b"ready")
    os.kill(supervisor_of(workshop, run), signal.SIGSTOP)
    LocalExecutor(workshop.root).stop(run.key, now=now)
    workshop.await_record(run)
    assert _end(workshop.finish(run)).stopped


def test_a_stopped_supervisor_of_another_tuner_is_made_to_continue(workshop: Workshop) -> None:
    run = workshop.says(workshop.start(workshop.script("echo ready; sleep 0.5; exit 4")), b"ready")
    os.kill(supervisor_of(workshop, run), signal.SIGSTOP)
    time.sleep(0.7)
    later = workshop.finish(workshop.again(run, LocalExecutor(workshop.root)))
    assert _end(later).exit_code == 4


def test_a_marker_that_names_another_process_signals_nobody(workshop: Workshop) -> None:
    run = workshop.says(workshop.start(workshop.script("echo ready; exec sleep 60")), b"ready")
    place = workshop.attempt(run)
    marker = json.loads((place / "started.json").read_text())
    stat = Path(f"/proc/{os.getpid()}/stat").read_text()
    ours = {"pid": os.getpid(), "start_time": int(stat[stat.rindex(")") + 2 :].split()[19])}
    (place / "started.json").write_text(json.dumps(marker | ours))
    other = LocalExecutor(workshop.root)
    other.stop(run.key, now=True)  # would be SIGQUIT to ourselves; the supervisor finds the request
    assert _end(workshop.finish(workshop.again(run, other))).stopped


def test_an_end_that_the_program_wrote_is_not_believed_while_it_runs(workshop: Workshop) -> None:
    script = workshop.script(
        HEAD + """echo '{"outcome": "Exited", "exit_code": 0}' > $A/exit.json; echo ready; sleep 1; exit 5"""
    )
    run = workshop.says(workshop.start(script), b"ready")
    other = workshop.again(run, LocalExecutor(workshop.root))
    assert _end(workshop.finish(other)).exit_code == 5


def test_values_that_the_locale_cannot_encode_are_passed_in_utf_8(workshop: Workshop) -> None:
    script = workshop.script('echo "$SM_HP_A $@"')
    code = f"""
        import sys
        from pathlib import Path
        from hpt.executors.base import Submission
        from hpt.executors.local import LocalExecutor
        from tests.executors.conftest import definition
        executor = LocalExecutor(Path({str(workshop.root)!r}))
        executor.submit(Submission("job-001", 1, {{"a": "\\u00fcber \\u20ac"}}, definition({str(script)!r})))
        while not any(update.exit for update in executor.poll()):
            pass
        print(sys.getfilesystemencoding())
    """
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, check=True)
    assert done.stdout != b"utf-8\n"
    log = (workshop.root / "job-001/attempts/1/log").read_bytes()
    assert log.decode() == "über € -a über €\n"
