"""What the tuner asks of the local executor: submit, poll, stop, close."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from itertools import pairwise
from pathlib import Path

import pytest

from hpt.errors import ExecutorError, InputError
from hpt.executors.base import AttemptKey
from hpt.executors.child import explain
from hpt.executors.local import LocalExecutor
from tests.executors.conftest import REPOSITORY, Workshop, own_children, vanish


def test_a_program_runs_to_its_end(workshop: Workshop) -> None:
    before = time.time()
    run = workshop.run(workshop.script("echo out; echo err >&2; exit 0"))
    assert run.log == b"out\nerr\n"
    assert run.exit is not None
    assert (run.exit.outcome, run.exit.exit_code, run.exit.reason) == ("Exited", 0, "")
    assert (run.exit.stopped, run.exit.timed_out, run.exit.model) == (False, False, None)
    times = run.updates[-1].times
    assert before < times["Starting"] + 0.001
    assert times["Starting"] <= times["Training"] <= times["Ended"] <= time.time()
    assert run.exit.started is not None
    assert run.exit.ended is not None
    assert before <= run.exit.started <= run.exit.ended <= time.time()


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        ("exit 3", 3, "exit code 3"),
        (
            "echo loading; echo 'no such column: age' >&2; exit 1",
            1,
            "exit code 1; the last line of its log: no such",
        ),
        ("kill -9 $$", -9, "killed by signal 9 (SIGKILL); often the kernel's out-of-memory killer"),
        ("kill -SEGV $$", -11, "killed by signal 11 (SIGSEGV); a crash in native code"),
        ("echo Out of patience. > $SM_OUTPUT_DIR/failure; exit 7", 7, "Out of patience."),
    ],
)
def test_a_failure_is_explained(workshop: Workshop, body: str, code: int, reason: str) -> None:
    run = workshop.run(workshop.script(body))
    assert run.exit is not None
    assert (run.exit.outcome, run.exit.exit_code, run.exit.stopped) == ("Exited", code, False)
    assert run.exit.reason.startswith(reason)


def test_the_failure_file_is_cut_at_1024_characters_and_harmless_beside_success(workshop: Workshop) -> None:
    script = workshop.script('printf "é%.0s" $(seq 3000) > $SM_OUTPUT_DIR/failure; exit $SM_HP_CODE')
    failed = workshop.run(script, hyperparameters={"code": "1"})
    assert failed.exit is not None
    assert failed.exit.reason == "é" * 1024
    good = workshop.run(script, name="job-002", hyperparameters={"code": "0"})
    assert good.exit is not None
    assert (good.exit.exit_code, good.exit.reason) == (0, "")


def test_programs_that_cannot_run_say_why(workshop: Workshop) -> None:
    plain = workshop.script("echo never", "plain")
    plain.chmod(0o644)
    headless = workshop.directory / "programs" / "headless"
    headless.write_text("echo never\n")
    headless.chmod(0o755)
    cases = {
        str(workshop.directory / "programs/absent"): "is not found",
        str(workshop.directory / "nowhere/absent.py"): "is not found",
        str(workshop.directory / "programs/absent.py"): "is not found",
        str(plain): "is not executable; make it so",
        str(headless): "a script needs a first line",
        str(
            workshop.script("#!/no/such/interpreter\n", "orphan")
        ): "its interpreter /no/such/interpreter is not found",
        str(workshop.directory / "programs"): "is a directory",
        "xgbost": "neither a local program nor a built-in algorithm",
    }
    for number, (image, reason) in enumerate(cases.items()):
        run = workshop.run(image, name=f"job-{number:03}")
        assert run.exit is not None
        assert run.exit.outcome == "Exited"
        assert run.exit.exit_code is None
        assert reason in run.exit.reason
        assert image in run.exit.reason or str(Path(image).parent) in run.exit.reason
        assert run.log == b""


def test_the_exit_comes_only_with_the_last_byte(workshop: Workshop) -> None:
    run = workshop.start(workshop.script("head -c 5000000 /dev/zero"))
    workshop.await_record(run)
    workshop.finish(run)
    assert len(run.log) == 5_000_000
    assert all(update.exit is None for update in run.updates[:-1])
    assert all(update.phase != "Ended" for update in run.updates[:-1])
    assert max(len(update.log.data) for update in run.updates) <= 1 << 20
    # Submitted again, from any offset, it is reported alike.
    again = workshop.finish(workshop.again(run, workshop.executor, 4_999_990))
    assert again.log == b"\0" * 10
    assert again.exit == run.exit


def test_a_flood_of_output_is_handed_out_in_bounded_pieces(workshop: Workshop) -> None:
    size = 200 << 20
    run = workshop.start(workshop.script(f"yes 'loss=0.5 and so on and on' | head -c {size}"))
    offset, longest, largest, end = 0, 0.0, 0, None
    deadline = time.monotonic() + 20
    while end is None:
        before = time.thread_time()
        updates = workshop.executor.poll()
        longest = max(longest, time.thread_time() - before)
        for update in updates:
            assert update.log.start == offset
            offset += len(update.log.data)
            largest, end = max(largest, len(update.log.data)), update.exit
        assert time.monotonic() < deadline
    workshop.runs.remove(run)
    assert offset == size
    assert end.exit_code == 0
    assert largest <= 1 << 20
    assert longest < 0.1


def test_log_bytes_are_handed_out_as_they_are(workshop: Workshop) -> None:
    run = workshop.run(workshop.script(r"printf 'a\377\376\000b\r\n\303'"))
    assert run.log == b"a\xff\xfe\x00b\r\n\xc3"


def test_dates_lie_at_most_a_second_apart_and_cover_every_byte(workshop: Workshop) -> None:
    began = time.time()
    run = workshop.start(workshop.script("for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.25; done"))
    workshop.finish(run)
    late = workshop.finish(workshop.again(run, LocalExecutor(workshop.root)))  # reads all of it afterwards
    for dates, log in ((run.dates, run.log), (late.dates, late.log)):
        assert dates[-1][0] == len(log) == 56
        offsets, times = [offset for offset, _ in dates], [seconds for _, seconds in dates]
        assert offsets == sorted(offsets)
        assert times == sorted(times)
        assert began <= times[0] + 0.001
        assert max(b - a for a, b in pairwise(times)) < 1.0
    # Line i was written 0.25 s after line i - 1; the index says so within its step.
    for number in range(1, 9):
        seconds = next(seconds for offset, seconds in late.dates if offset >= 7 * number)
        assert 0 <= seconds - began - 0.25 * (number - 1) < 1.2
    # Dates of a part are those of the whole.
    part = workshop.finish(workshop.again(run, LocalExecutor(workshop.root), 30))
    assert part.dates == [date for date in late.dates if date[0] > 30]


def test_a_removed_or_truncated_log_is_no_failure(workshop: Workshop) -> None:
    script = workshop.script("echo one; until [ -e $SM_HP_GO ]; do sleep 0.01; done; echo two")
    for number, (damage, log) in enumerate(
        ((lambda path: path.unlink(), b"one\n"), (lambda path: os.truncate(path, 0), b"one\n\ntwo\n"))
    ):
        go = workshop.directory / f"go-{number}"
        run = workshop.start(script, name=f"job-{number}", hyperparameters={"go": str(go)})
        workshop.says(run, b"one\n")
        damage(workshop.attempt(run) / "log")
        go.touch()
        workshop.finish(run)
        assert run.exit is not None
        assert run.exit.exit_code == 0
        assert run.log == log  # one that was cut off goes on where it was


@pytest.mark.parametrize("name", ["/dev/stderr", "/dev/stdout", "/proc/self/fd/1"])
def test_a_program_cannot_cut_off_its_log(workshop: Workshop, name: str) -> None:
    lines = "".join(f"echo epoch {i} loss=0.{i}\necho warning {i} > {name}\n" for i in range(5))
    run = workshop.run(workshop.script(f"echo {'x' * 3000}\n{lines}echo end"))
    assert run.exit is not None and run.exit.exit_code == 0
    expected = "".join(f"epoch {i} loss=0.{i}\nwarning {i}\n" for i in range(5))
    assert run.log.decode() == f"{'x' * 3000}\n{expected}end\n"


def test_the_last_words_of_a_program_that_prints_much_are_read(workshop: Workshop) -> None:
    run = workshop.run(
        workshop.script("head -c 30000000 /dev/zero | tr '\\0' 'x'; echo; echo loss=0.1; exit 3")
    )
    assert run.exit is not None and run.exit.exit_code == 3
    assert run.exit.reason.endswith("loss=0.1")
    assert len(run.log) == 30_000_000 + 10 and run.log.endswith(b"\nloss=0.1\n")


def test_phases_follow_the_program(workshop: Workshop) -> None:
    go = workshop.directory / "go"
    run = workshop.start(workshop.script(f"until [ -e {go} ]; do sleep 0.01; done"))
    workshop.until(run, lambda run: run.phase == "Training")
    workshop.executor.stop(run.key)
    workshop.finish(run)
    assert run.exit is not None
    assert run.exit.stopped
    assert list(run.updates[-1].times) == ["Starting", "Training", "Stopping", "Ended"]


def test_another_process_attaches_and_sees_it_through(workshop: Workshop) -> None:
    go = workshop.directory / "go"
    image = str(workshop.script(f"echo one; until [ -e {go} ]; do sleep 0.01; done; echo two; exit 4"))
    run = workshop.says(workshop.start(image), b"one\n")
    code = f"""
        import time
        from pathlib import Path
        from hpt.executors.base import Submission
        from hpt.executors.local import LocalExecutor
        from tests.executors.conftest import definition
        executor = LocalExecutor(Path({str(workshop.root)!r}))
        executor.submit(Submission("job-001", 1, {{}}, definition({image!r}), log_offset=2))
        [update] = executor.poll()
        assert (update.phase, update.log.data, update.exit) == ("Training", b"e\\n", None), update
        Path({str(go)!r}).touch()
        log = b""
        while update.exit is None:
            time.sleep(0.01)
            for update in executor.poll():
                log += update.log.data
        print(log, update.exit.exit_code)
    """
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    output = subprocess.check_output(command, cwd=REPOSITORY, env=environment, text=True)
    assert output == "b'two\\n' 4\n"
    workshop.finish(run)
    assert run.exit is not None
    assert run.exit.exit_code == 4


def test_finished_supervisors_leave_no_zombies_and_no_open_files(workshop: Workshop) -> None:
    script = workshop.script("exit 0")
    others = set(own_children())  # of other tests
    workshop.run(script)
    files = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(10):
        workshop.run(script, name=f"zombie-{number}")
    deadline = time.monotonic() + 5
    while set(own_children()) - others:
        workshop.executor.poll()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(list(Path("/proc/self/fd").iterdir())) == files


def test_closing_leaves_attempts_running(workshop: Workshop) -> None:
    go = workshop.directory / "go"
    run = workshop.start(workshop.script(f"echo one; until [ -e {go} ]; do sleep 0.01; done; echo two"))
    workshop.says(run, b"one\n")
    workshop.executor.close()
    go.touch()
    later = workshop.finish(workshop.again(run, LocalExecutor(workshop.root), len(run.log)))
    assert later.log == b"two\n"


def test_names_that_would_leave_the_root_are_refused(workshop: Workshop) -> None:
    for name in ("../escape", "a/b", "", ".."):
        with pytest.raises(InputError, match="cannot be a directory's"):
            workshop.start("/bin/true", name=name)
    with pytest.raises(InputError, match="count from 1"):
        workshop.start("/bin/true", attempt=0)
    assert not list(workshop.directory.glob("**/attempts"))


def test_a_root_that_cannot_be_written_is_an_error_of_the_executor(workshop: Workshop) -> None:
    blocked = workshop.directory / "blocked"
    blocked.write_text("a file where the directory should be")
    workshop.executor = LocalExecutor(blocked)
    with pytest.raises(ExecutorError, match=r"cannot be set up in .*Not a directory; make room"):
        workshop.start("/bin/true")
    workshop.executor = LocalExecutor(workshop.root)


def test_an_attempt_that_is_removed_is_lost(workshop: Workshop) -> None:
    run = workshop.run(workshop.script("exit 0"))
    again = workshop.again(run, LocalExecutor(workshop.root))
    shutil.rmtree(workshop.root)
    workshop.finish(again)
    assert again.exit is not None
    assert again.exit.outcome == "Lost"
    assert "nothing of this attempt is found" in again.exit.reason
    assert not workshop.root.exists()


def test_stopping_what_never_was_leaves_nothing_behind(workshop: Workshop) -> None:
    workshop.executor.stop(AttemptKey("job-404", 1))
    assert not workshop.root.exists()


def test_a_second_attempt_starts_afresh_but_keeps_checkpoints(workshop: Workshop) -> None:
    script = workshop.script(
        """
        ls $SAGEMAKER_BASE_DIR/checkpoints $SM_MODEL_DIR $SM_OUTPUT_DATA_DIR | grep -v : | grep .
        echo 1 > $SAGEMAKER_BASE_DIR/checkpoints/epoch-1
        echo old > $SM_MODEL_DIR/old
        echo old > $SM_OUTPUT_DATA_DIR/old
        echo broken > $SM_OUTPUT_DIR/failure
        exit 1
        """
    )
    assert workshop.run(script).log == b""
    second = workshop.run(script, attempt=2)
    assert second.log == b"epoch-1\n"
    assert second.exit is not None
    assert second.exit.reason == "broken"


def test_the_program_does_not_hold_files_or_signals_of_the_tuner(workshop: Workshop) -> None:
    secret = os.open(workshop.directory / "secret", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(secret, False)
    run = workshop.run(
        workshop.script(
            "ls -l /proc/self/fd | grep -c -e secret -e lock; grep -E '^Sig(Blk|Ign)' /proc/self/status"
        )
    )
    os.close(secret)
    lines = run.log.decode().split()
    assert lines[0] == "0"
    assert int(lines[2], 16) == 0
    assert int(lines[4], 16) & 0x7FFFFFFF == 0  # the C library keeps 32 and 33 to itself


def test_the_program_has_the_default_signal_dispositions_whatever_the_tuner_ignores(
    workshop: Workshop,
) -> None:
    names = ("HUP", "INT", "QUIT", "USR1", "USR2", "PIPE", "ALRM", "TERM", "CHLD", "RTMIN", "RTMAX")
    numbers = [signal.Signals[f"SIG{name}"] for name in names]
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        run = workshop.run(workshop.script("grep -E '^Sig(Blk|Ign)' /proc/self/status"))
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    of_the_c_library = 1 << 32 - 1 | 1 << 33 - 1
    blocked, ignored = (int(word, 16) for word in run.log.decode().split()[1::2])
    assert blocked == 0
    assert ignored & ~of_the_c_library == 0


def test_supervisors_leave_the_sessions_of_the_tuner_and_of_one_another(workshop: Workshop) -> None:
    run = workshop.run(workshop.script("echo $$ $(cut -d' ' -f4-6 /proc/$$/stat)"))
    pid, supervisor, group, session = (int(word) for word in run.log.split())
    assert pid == group == session
    assert supervisor not in (os.getpid(), session)
    assert os.getsid(0) not in (supervisor, session)
    assert vanish(supervisor)


def test_a_state_directory_that_is_mounted_noexec_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "train.sh"
    program.write_text("")
    true = os.statvfs(tmp_path)
    flags = os.statvfs_result((*true[:8], true.f_flag | os.ST_NOEXEC, true.f_namemax))
    monkeypatch.setattr(os, "statvfs", lambda path: flags)
    assert "is mounted noexec; keep the state directory elsewhere" in explain(
        str(program), errno.EACCES, str(tmp_path)
    )
