"""How much of a log the newest checkpoint covers."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from hpt.executors.checkpoint import covered_offset, last_written, settles_after
from hpt.executors.local import LocalExecutor
from tests.executors.conftest import Workshop, supervisor_of

SPEC = {"name": "job-001", "checkpoint_uri": None, "checkpoint_local_path": "/opt/ml/checkpoints/"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    attempt = tmp_path / "job-001" / "attempts" / "1"
    attempt.mkdir(parents=True)
    (tmp_path / "job-001" / "ml" / "checkpoints" / "deep").mkdir(parents=True)
    lines = [(10, 100.0), (20, 101.0), (30, 102.0)]
    (attempt / "log.index").write_text("".join(f"{size:>15d} {seconds:>15.3f}\n" for size, seconds in lines))
    return attempt


def covered(place: Path, spec: dict[str, Any] = SPEC) -> int | None:
    return covered_offset(str(place), str(place.parents[1] / "ml"), spec)


def write(place: Path, name: str, seconds: float) -> None:
    path = place.parents[1] / "ml" / "checkpoints" / name
    path.write_text("weights")
    os.utime(path, (seconds, seconds))


def test_without_files_there_is_no_checkpoint(place: Path) -> None:
    assert covered(place) is None
    write(place, "model.tmp", 101.5)  # cut short
    assert covered(place) is None
    assert last_written(str(place / "nowhere")) is None


@pytest.mark.parametrize(
    ("seconds", "offset"),
    [(99.0, 0), (100.0, 10), (100.4, 10), (100.7, 10), (100.8, 20), (101.0, 20), (101.3, 20), (500.0, 30)],
)
def test_what_was_printed_before_the_newest_file_is_covered(place: Path, seconds: float, offset: int) -> None:
    """Or right after it, as by a program that saves and prints at once."""
    write(place, "old", 50.0)
    write(place, "deep/new", seconds)
    assert covered(place) == offset


@pytest.mark.parametrize(
    ("started", "saved", "offset"), [(95.0, 99.9, 10), (99.8, 99.85, 0), (99.8, 99.7, 0)]
)
def test_the_first_that_is_printed_is_covered_if_it_took_long(
    place: Path, started: float, saved: float, offset: int
) -> None:
    """What was there before the program was started covers nothing of what it prints."""
    (place / "phases").write_text(f"Starting 90.0\nTraining {started}\n")
    write(place, "new", saved)
    assert covered(place) == offset


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (99.9, 0.0),  # what is printed next is there, and too late
        (101.0, 0.0),
        (101.9, 0.1 + 0.05 + 0.6),  # that is near; lines right after it may still come
        (102.0, 0.02 + 0.05 + 0.6),  # what comes next belongs to it within a third of the time since the last
        (102.3, 0.1 + 0.05 + 0.6),
        (105.0, 1.0 + 0.05 + 0.6),
        (200.0, 2.0 + 0.05 + 0.6),
    ],
)
def test_what_is_printed_with_a_checkpoint_is_waited_for(place: Path, written: float, seconds: float) -> None:
    assert settles_after(str(place), written) == pytest.approx(seconds)


def test_whatever_is_printed_later_changes_nothing(place: Path) -> None:
    """Not what a checkpoint covers once the time for that is over."""
    index = place / "log.index"
    before = index.read_text()
    for step in range(1, 120):
        written = 101.95 + step / 40
        until = settles_after(str(place), written) - 0.6
        index.write_text(before)
        if until < 0:
            continue
        base = str(place.parents[1] / "ml")
        known = covered_offset(str(place), base, SPEC, written)
        later = written + until
        for date, more in ((later - 0.051, True), (later + 0.001, False)):
            if date > max(written, 102.0):
                index.write_text(before + f"{40:>15d} {date:>15.3f}\n")
                found = covered_offset(str(place), base, SPEC, written)
                assert (found != known) == more, (written, date)


def test_before_anything_was_printed_the_longest_time_counts(place: Path) -> None:
    (place / "log.index").unlink()
    assert settles_after(str(place), 99.0) == pytest.approx(2.0 + 0.05 + 0.6)


def test_what_is_printed_with_the_first_after_a_checkpoint_is_covered_too(place: Path) -> None:
    """As the end of a line is which is written by itself."""
    lines = [(10, 100.0), (19, 101.002), (20, 101.003), (30, 102.0)]
    (place / "log.index").write_text("".join(f"{size:>15d} {date:>15.3f}\n" for size, date in lines))
    write(place, "new", 101.0)
    assert covered(place) == 20


def test_a_clock_that_seems_to_run_back_for_a_moment_changes_nothing(place: Path) -> None:
    (place / "log.leads").write_text("10 5.0\n20 4.94\n30 5.0\n")
    lines = [(10, 100.0), (20, 101.06), (30, 102.0)]
    (place / "log.index").write_text("".join(f"{size:>15d} {date:>15.3f}\n" for size, date in lines))
    write(place, "new", 106.001)
    assert covered(place) == 20


SAVES = """
    import os, pathlib, sys, time
    place = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"]) / "checkpoints"
    def say(epoch):
        os.write(1, b"loss=%d" % epoch)  # as print does without a buffer
        os.write(1, b"\\n")
    def save(epoch):
        new = place / "new.tmp"
        new.write_text("weights")
        new.rename(place / str(epoch))
    steps = {"print first": (say, save), "save first": (save, say)}[sys.argv[1]]
    for epoch in range(1, 41):
        time.sleep(0.1)
        for step in steps:
            step(epoch)
"""


def test_every_checkpoint_covers_what_was_printed_with_it(workshop: Workshop) -> None:
    """Whether it was saved after it was printed or before, and however late the log is written."""
    program = workshop.directory / "saves.py"
    program.write_text(textwrap.dedent(SAVES))
    runs = []
    for number, order in enumerate(("print first", "save first")):
        script = workshop.script(f"exec {sys.executable} {program} '{order}'", f"{number}.sh")
        runs.append(workshop.start(script, name=f"job-{number}"))
    for run in runs:
        end = workshop.finish(run).exit
        assert end is not None and end.exit_code == 0
        attempt = workshop.root / run.key.name / "attempts" / "1"
        log = (attempt / "log").read_bytes()
        saved = attempt.parents[1] / "ml" / "checkpoints"
        found = {}
        for epoch in range(1, 41):
            written = (saved / str(epoch)).stat().st_mtime
            offset = covered_offset(str(attempt), str(attempt.parents[1] / "ml"), SPEC, written)
            found[epoch] = log[:offset].count(b"\n")
        assert found == {epoch: epoch for epoch in range(1, 41)}


def test_what_is_printed_is_dated_to_the_moment(workshop: Workshop) -> None:
    """Saved 20 ms after it was printed or before: both times the checkpoint covers exactly that."""
    place = "$SAGEMAKER_BASE_DIR/checkpoints"
    save = f"echo 1 > {place}/c"
    for order in (f"echo two; sleep 0.02; {save}", f"{save}; sleep 0.02; echo two"):
        script = f"sleep 0.8; echo one; sleep 0.8; {order}; sleep 0.8; echo three; sleep 60"
        run = workshop.says(workshop.start(workshop.script(script)), b"three\n")
        workshop.executor.stop(run.key)
        end = workshop.finish(run).exit
        assert end is not None
        assert end.checkpoint == len(b"one\ntwo\n")


def test_a_supervisor_that_is_late_dates_what_is_printed_to_the_moment(workshop: Workshop) -> None:
    """As on a host without time for it."""
    save = "echo 1 > $SAGEMAKER_BASE_DIR/checkpoints/c"
    script = f"echo one; sleep 0.8; echo two; {save}; sleep 1.5; echo three; sleep 60"
    run = workshop.says(workshop.start(workshop.script(script)), b"one\n")
    supervisor = supervisor_of(workshop, run)
    os.kill(supervisor, signal.SIGSTOP)
    time.sleep(1.5)
    os.kill(supervisor, signal.SIGCONT)
    workshop.says(run, b"three\n")
    workshop.executor.stop(run.key)
    end = workshop.finish(run).exit
    assert end is not None
    assert end.checkpoint == len(b"one\ntwo\n")


def test_an_index_that_is_missing_or_cut_short_covers_less(place: Path) -> None:
    write(place, "new", 500.0)
    index = place / "log.index"
    os.truncate(index, 70)
    assert covered(place) == 20
    index.unlink()
    assert covered(place) == 0


def test_another_directory_of_checkpoints(place: Path, tmp_path: Path) -> None:
    spec = SPEC | {"checkpoint_local_path": "/opt/ml/elsewhere"}
    assert covered(place, spec) is None
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("weights")
    (place.parents[1] / "ml" / "elsewhere").symlink_to(tmp_path / "kept")
    assert covered(place, spec) == 30


def test_a_lost_attempt_says_what_its_checkpoint_holds(workshop: Workshop) -> None:
    """Whoever finds it: the supervisor that would have said so is gone."""
    place = "$SAGEMAKER_BASE_DIR/checkpoints"
    script = f"echo one; sleep 0.5; echo 1 > {place}/c; sleep 2; echo two; sleep 60"
    run = workshop.says(workshop.start(workshop.script(script)), b"two\n")
    time.sleep(1)
    os.kill(supervisor_of(workshop, run), signal.SIGKILL)
    later = workshop.finish(workshop.again(run, LocalExecutor(workshop.root)))
    workshop.finish(run)
    for each in (run, later):
        assert each.exit is not None
        assert (each.exit.outcome, each.exit.checkpoint) == ("Lost", len(b"one\n"))
