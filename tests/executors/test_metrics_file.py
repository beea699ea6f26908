"""What a program writes to its metrics file comes to stand in its log."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from hpt.errors import InputError
from hpt.executors.metrics_file import LONGEST, PATIENCE, MetricsFile, parse
from hpt.job.config import MetricDefinition
from hpt.job.tagged_line import tagged_pattern
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.scanner import MetricScanner
from tests.executors.conftest import Workshop


def values(log: bytes, name: str = "loss") -> list[float]:
    scanner = MetricScanner(CompiledDefinitions([MetricDefinition(name, tagged_pattern(name))]))
    return [value for _, value, _ in scanner.feed(log) + scanner.finish()]


def test_a_shell_script_writes_metrics_to_a_file(workshop: Workshop) -> None:
    run = workshop.start(
        workshop.script(
            "echo loss=0.5 acc=1e-3 >> $HPT_METRICS_FILE\n"
            """echo '{"loss": 0.25, "step": 2, "split": "validation"}' >> $HPT_METRICS_FILE\n"""
            "while [ ! -e go ]; do sleep 0.01; done\n"
            "printf 'loss=0.125' >> $HPT_METRICS_FILE; printf 'the end'"
        )
    )
    workshop.says(run, b"loss=0.25 step=2.0\n")  # while it runs
    (_directory_of_program(workshop) / "go").touch()
    workshop.finish(run)
    assert values(run.log) == [0.5, 0.25, 0.125]
    assert values(run.log, "acc") == [1e-3]
    assert b"the end\n[hpt] metrics: loss=0.125\n" in run.log


def _directory_of_program(workshop: Workshop) -> Path:
    """Where the one running program of this workshop works; processes may end while they are looked at."""
    directories = set()
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if f"HPT_METRICS_FILE={workshop.root}".encode() in (process / "environ").read_bytes():
                directories.add((process / "cwd").readlink())
    [directory] = directories
    return directory


def test_a_second_attempt_begins_with_an_empty_file(workshop: Workshop) -> None:
    script = workshop.script("echo loss=$SM_HP_V >> $HPT_METRICS_FILE; wc -l < $HPT_METRICS_FILE")
    first = workshop.run(script, hyperparameters={"v": "1"})
    second = workshop.run(script, hyperparameters={"v": "2"}, attempt=2)
    for run, v in ((first, 1), (second, 2)):  # what is written to the two files has no order
        assert sorted(run.log.splitlines()) == [b"1", b"[hpt] metrics: loss=%d.0" % v]


def test_the_reason_of_a_failure_is_the_programs_own_last_line(workshop: Workshop) -> None:
    run = workshop.run(workshop.script("echo loss=1 >> $HPT_METRICS_FILE; echo no such column; exit 1"))
    assert run.exit is not None
    assert run.exit.reason == "exit code 1; the last line of its log: no such column"


class Files:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "metrics"
        self.log = directory / "log"
        self.fd = os.open(self.log, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self.file = MetricsFile(str(self.path), self.fd)

    def write(self, content: str) -> None:
        with self.path.open("a") as file:
            file.write(content)

    def carried(self, **options: bool) -> str:
        before = self.log.stat().st_size
        self.file.carry(**options)
        return self.log.read_bytes()[before:].decode()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_lines_are_carried_once_they_are_ended(files: Files) -> None:
    assert files.carried() == ""
    files.write("loss=1\nloss=")
    assert files.carried() == "[hpt] metrics: loss=1.0\n"
    assert files.carried() == ""
    files.write("2\r\n\n")
    assert files.carried() == "[hpt] metrics: loss=2.0\n"
    files.write("loss=nan loss_b=-inf")
    assert files.carried() == ""
    assert files.carried(last=True) == "[hpt] metrics: loss=nan loss_b=-inf\n"


def test_a_file_written_anew_is_read_from_its_start(files: Files) -> None:
    files.path.write_text("loss=1.000\n")
    files.carried()
    files.path.write_text("loss=2\n")
    assert files.carried() == "[hpt] metrics: loss=2.0\n"


def test_a_line_of_the_log_is_not_torn_while_the_program_writes_it(files: Files) -> None:
    os.write(files.fd, b"accuracy: 0.")
    files.write("loss=1\n")
    assert [files.carried() for _ in range(PATIENCE)] == [""] * PATIENCE
    assert files.carried() == "\n[hpt] metrics: loss=1.0\n"
    files.write("loss=2\n")
    os.write(files.fd, b"accuracy: 0.")
    assert files.carried() == ""
    os.write(files.fd, b"9\r")  # a progress bar's line
    assert files.carried() == "[hpt] metrics: loss=2.0\n"


def test_bad_lines_are_named_in_the_log_and_the_rest_is_taken(files: Files) -> None:
    files.write('0.5\nloss=high\n{"loss": 1\n{"a b": 1}\n\xff=1\nloss=3\n' + "x" * (LONGEST + 1) + "\n")
    assert files.carried().splitlines() == [
        "[hpt] metrics file: line 1 is ignored: '0.5' is no name=number; write `loss=0.25` or a JSON object",
        "[hpt] metrics file: line 2 is ignored: 'loss=high' is no name=number; write `loss=0.25` or a JSON "
        "object",
        "[hpt] metrics file: line 3 is ignored: it is no JSON object of numbers: Expecting ',' delimiter: "
        "line 1 column 11 (char 10)",
        "[hpt] metrics file: line 4 is ignored: metric name 'a b' cannot be reported; use a name without "
        "blanks and equals signs",
        "[hpt] metrics: ÿ=1.0",
        "[hpt] metrics: loss=3.0",
        f"[hpt] metrics file: line 7 is ignored: it is longer than {LONGEST} bytes",
    ]
    files.write("?\n" * 100)
    assert len(files.carried().splitlines()) == 5  # ten in all


def test_bytes_that_are_not_utf8_are_named_too(files: Files) -> None:
    files.path.write_bytes(b"\xff\xfe=1\n\x00\nloss=1\n")
    said = files.carried().splitlines()
    assert [line.partition(" is ignored")[0] for line in said[:2]] == [
        f"[hpt] metrics file: line {k}" for k in (1, 2)
    ]
    assert said[2] == "[hpt] metrics: loss=1.0"


def test_a_long_file_is_carried_in_pieces(files: Files) -> None:
    count = 600_000
    files.write("".join(f"loss={i}\n" for i in range(count)))
    assert values(files.carried(last=True).encode()) == list(range(count))


def test_what_the_disk_has_no_room_for_is_tried_again(files: Files) -> None:
    full = os.open("/dev/full", os.O_RDWR)
    files.file = MetricsFile(str(files.path), full)
    files.write("loss=1\n")
    assert files.carried() == ""
    os.dup2(files.fd, full)  # there is room again
    assert files.carried() == "[hpt] metrics: loss=1.0\n"
    os.close(full)


@pytest.mark.parametrize(
    ("line", "metrics"),
    [
        ("", {}),
        ("loss=1 a=b=2", {"loss": 1.0, "a=b": 2.0}),
        ('{"loss": 1e3, "ok": true, "note": "x", "none": null, "nested": {"a": 1}}', {"loss": 1000.0}),
        ("{}", {}),
    ],
)
def test_lines_of_both_forms(line: str, metrics: dict[str, float]) -> None:
    assert parse(line) == metrics


def test_other_lines_are_refused() -> None:
    deep = '{"a": ' + "[" * 100_000
    for line in ("[1]", "loss", "=", "loss= 1", "{1: 2}", '{"loss": 1' + "0" * 400 + "}", deep):
        with pytest.raises(InputError):
            parse(line)


def test_a_pipe_in_its_place_holds_nothing_up(workshop: Workshop) -> None:
    run = workshop.run(workshop.script("mkfifo $HPT_METRICS_FILE; sleep 1; echo done"))
    assert run.exit is not None
    assert (run.exit.outcome, run.exit.exit_code) == ("Exited", 0)
    assert run.log == b"done\n"
