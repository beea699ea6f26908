"""Pipe mode: what programs read from the FIFO of each epoch, and what happens when something goes wrong."""

from __future__ import annotations

import gzip
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from hpt.executors import channels, feed, sources
from hpt.executors.contract import ContractError
from hpt.executors.feed import Feed
from hpt.job.config import Channel
from tests.executors.conftest import PYTHON, Workshop
from tests.executors.test_channels import channel
from tests.executors.test_recordio import records

READ = (
    PYTHON
    + """
import os
place = os.environ["SM_INPUT_DIR"] + "/data/train"
for epoch in range(3):
    print(open(f"{place}_{epoch}").read(), flush=True)
"""
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.txt").write_text(f"{number} ")
    return folder


class Epochs:
    """A feed in a thread of these tests, read epoch by epoch."""

    def __init__(
        self,
        base: Path,
        given: dict[str, Any],
        host: int = 0,
        hosts: int = 1,
        find: Callable[[str], Any] = lambda uri: sources.LocalSource(),
    ) -> None:
        self.base, self.given, self.next = base, given, 0
        (base / "input/data").mkdir(parents=True)
        os.mkfifo(channels.fifo(str(base), given, 0))
        feeding = Feed(str(base), given, host, hosts, find)
        self.error: BaseException | None = None

        def run() -> None:
            try:
                feeding.run()
            except BaseException as error:
                self.error = error

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def read(self) -> bytes:
        self.next += 1
        return self.fifo(self.next - 1).read_bytes()

    def fifo(self, epoch: int) -> Path:
        return Path(channels.fifo(str(self.base), self.given, epoch))


def pipe(uri: Path | str, **members: Any) -> dict[str, Any]:
    return channel(uri, input_mode="Pipe", **members)


def words(stream: bytes) -> list[int]:
    return [int(word) for word in stream.split()]


def test_each_epoch_has_all_objects_in_order(tmp_path: Path, data: Path) -> None:
    epochs = Epochs(tmp_path / "ml", pipe(data))
    assert [words(epochs.read()) for _ in range(3)] == [list(range(8))] * 3


def test_the_fifo_of_the_next_epoch_is_there_before_one_ends(tmp_path: Path, data: Path) -> None:
    (data / "9.txt").write_bytes(bytes(3 << 20))  # more than a pipe holds
    epochs = Epochs(tmp_path / "ml", pipe(data))
    with epochs.fifo(0).open("rb", buffering=0) as file:
        assert file.read(1) == b"0"
        deadline = time.monotonic() + 10
        while not epochs.fifo(1).exists():
            assert time.monotonic() < deadline
        assert epochs.fifo(0).exists()


def test_a_program_may_leave_an_epoch_early(tmp_path: Path, data: Path) -> None:
    (data / "9.txt").write_bytes(b"10 " * (1 << 20))
    epochs = Epochs(tmp_path / "ml", pipe(data))
    with epochs.fifo(0).open("rb", buffering=0) as file:
        assert file.read(1) == b"0"
    epochs.next = 1
    assert words(epochs.read())[:9] == [*range(8), 10]
    assert epochs.error is None


def test_a_program_may_remove_a_fifo(tmp_path: Path, data: Path) -> None:
    epochs = Epochs(tmp_path / "ml", pipe(data))
    with epochs.fifo(0).open("rb") as file:
        epochs.fifo(0).unlink(missing_ok=True)  # it is gone once all of it is in the pipe
        assert words(file.read()) == list(range(8))
    assert words(epochs.fifo(1).read_bytes()) == list(range(8))
    assert epochs.error is None


def test_shuffling_differs_by_epoch_and_is_drawn_by_its_seed(tmp_path: Path, data: Path) -> None:
    first = Epochs(tmp_path / "a", pipe(data, shuffle_seed=7))
    second = Epochs(tmp_path / "b", pipe(data, shuffle_seed=7))
    other = Epochs(tmp_path / "c", pipe(data, shuffle_seed=8))
    orders = [words(first.read()) for _ in range(3)]
    assert [words(second.read()) for _ in range(3)] == orders
    assert [words(other.read()) for _ in range(3)] != orders
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert orders[0] != orders[1] != orders[2]


def test_hosts_share_each_epoch(tmp_path: Path, data: Path) -> None:
    given = pipe(data, shuffle_seed=3, distribution="ShardedByS3Key")
    hosts = [Epochs(tmp_path / str(host), given, host, 3) for host in range(3)]
    shares = [[words(host.read()) for host in hosts] for _ in range(2)]
    assert all(sorted(chain(*epoch)) == list(range(8)) for epoch in shares)
    assert shares[0] != shares[1], "the share of a host changes from epoch to epoch"
    plain = [Epochs(tmp_path / f"p{host}", {**given, "shuffle_seed": None}, host, 3) for host in range(3)]
    assert [words(host.read()) for host in plain] == [list(range(8))[host::3] for host in range(3)]


def test_gzip_is_decompressed_on_the_way(tmp_path: Path, data: Path) -> None:
    large = os.urandom(1000) * 5000
    for path in data.iterdir():
        path.write_bytes(gzip.compress(path.read_bytes()) + gzip.compress(b"+ ") + bytes(3))
    (data / "large").write_bytes(gzip.compress(large))
    stream = Epochs(tmp_path / "ml", pipe(data, compression="Gzip")).read()
    assert stream == b"".join(f"{number} + ".encode() for number in range(8)) + large


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"plain", "is no gzip file"),
        (gzip.compress(b"x" * 5000)[:-5], "was cut short"),
        (gzip.compress(b"x") + b"rest", "is no gzip file"),
    ],
    ids=["plain", "cut", "followed"],  # gzip files hold the time
)
def test_what_is_no_gzip_is_an_error(content: bytes, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        list(feed.gunzip([content], "/data/x.gz"))


def test_nothing_is_gzip_of_nothing() -> None:
    assert list(feed.gunzip([], "x")) == []


def test_each_object_is_a_record(tmp_path: Path, data: Path) -> None:
    (data / "magic").write_bytes(b"\x0a\x23\xd7\xce" * 3 + b"!")
    stream = Epochs(tmp_path / "ml", pipe(data, record_wrapper="RecordIO")).read()
    expected = [*(f"{number} ".encode() for number in range(8)), b"\x0a\x23\xd7\xce" * 3 + b"!"]
    assert records(stream) == expected


def test_each_attribute_is_a_record(tmp_path: Path, data: Path) -> None:
    rows = [json.dumps({"image-ref": f"data/{number}.txt", "label": number % 2}) for number in range(4)]
    (tmp_path / "list.jsonl").write_text("\n".join(rows))
    given = pipe(
        tmp_path / "list.jsonl",
        data_type="AugmentedManifestFile",
        attribute_names=["image-ref", "label"],
        record_wrapper="RecordIO",
    )
    stream = Epochs(tmp_path / "ml", given).read()
    assert records(stream) == [b"0 ", b"0", b"1 ", b"1", b"2 ", b"0", b"3 ", b"1"]
    plain = Epochs(tmp_path / "plain", {**given, "record_wrapper": "None"})
    assert plain.read() == b"0 01 12 03 1"
    shuffled = records(Epochs(tmp_path / "shuffled", {**given, "shuffle_seed": 1}).read())
    lines = list(zip(shuffled[::2], shuffled[1::2], strict=True))
    assert sorted(lines) == [(b"0 ", b"0"), (b"1 ", b"1"), (b"2 ", b"0"), (b"3 ", b"1")]
    assert lines != sorted(lines)


def test_a_manifest_is_streamed_in_its_order(tmp_path: Path, data: Path) -> None:
    (tmp_path / "list.json").write_text(json.dumps([{"prefix": "data/"}, "3.txt", "1.txt", "3.txt"]))
    assert Epochs(tmp_path / "ml", pipe(tmp_path / "list.json", data_type="ManifestFile")).read() == b"3 1 3 "


def test_a_program_reads_epoch_after_epoch(workshop: Workshop, data: Path) -> None:
    given = Channel("train", str(data), input_mode="Pipe")
    run = workshop.run(workshop.script(READ, "read.py"), channels=(given,))
    assert run.exit is not None
    assert run.exit.exit_code == 0, run.log
    assert run.log.split() == [str(number).encode() for number in range(8)] * 3
    assert not list((workshop.base(run) / "input/data").iterdir())
    config = json.loads((workshop.base(run) / "input/config/inputdataconfig.json").read_text())
    assert config["train"]["TrainingInputMode"] == "Pipe"


def test_a_fifo_that_nobody_reads_costs_nothing(workshop: Workshop, data: Path) -> None:
    """Neither time at the end of a job nor CPU while it runs."""
    channels = (
        Channel("train", str(data), input_mode="Pipe"),
        Channel("other", str(data), input_mode="Pipe"),
    )
    script = workshop.script("head -c 1 $SM_INPUT_DIR/data/train_0; echo; sleep 0.4")
    run = workshop.says(workshop.start(script, channels=channels), b"0")
    pid = _feeder(workshop, run)
    before, began = _cpu(pid), time.monotonic()
    time.sleep(0.2)
    assert _cpu(pid) - before <= 0.02
    workshop.finish(run)
    assert run.exit is not None
    assert run.exit.exit_code == 0
    assert time.monotonic() - began < 3
    assert not Path(f"/proc/{pid}").exists()


def _feeder(workshop: Workshop, run: Any) -> int:
    directory = os.fsencode(workshop.attempt(run))
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for place in Path("/proc").glob("[0-9]*"):
            try:
                command = (place / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"feed" in command and directory in command:
                return int(place.name)
    raise AssertionError("no feeder runs")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_stop_does_not_wait_for_the_feeder(workshop: Workshop, data: Path) -> None:
    given = Channel("train", str(data), input_mode="Pipe")
    run = workshop.start(workshop.script("echo up; exec sleep 60"), channels=(given,))
    workshop.says(run, b"up")
    began = time.monotonic()
    run.executor.stop(run.key)
    workshop.finish(run)
    assert run.exit is not None
    assert run.exit.stopped
    assert time.monotonic() - began < 5, "far below the grace period"


def test_a_file_that_vanishes_fails_the_training_job(workshop: Workshop, data: Path) -> None:
    """The program must not take the data for whole, even if it ends well."""
    given = Channel("train", str(data), input_mode="Pipe")
    body = f"cd $SM_INPUT_DIR/data; cat train_0; rm {data}/3.txt; cat train_1; echo model > $SM_MODEL_DIR/m"
    run = workshop.run(workshop.script(body), channels=(given,), output_path=str(workshop.directory / "out"))
    assert run.exit is not None
    assert run.exit.outcome == "Exited"
    assert run.exit.exit_code is None
    assert run.exit.reason == (
        f"channel 'train': {data}/3.txt is not there any more; put it back, or correct what lists it"
    )
    assert run.exit.model is None
    assert not (workshop.directory / "out").exists()


def test_a_feeder_that_is_killed_loses_the_attempt(workshop: Workshop, data: Path) -> None:
    given = Channel("train", str(data), input_mode="Pipe")
    run = workshop.start(workshop.script("echo up; exec sleep 60"), channels=(given,))
    workshop.says(run, b"up")
    os.kill(_feeder(workshop, run), signal.SIGKILL)
    workshop.finish(run)
    assert run.exit is not None
    assert run.exit.outcome == "Lost"
    assert run.exit.reason == ("the process that feeds its Pipe channels ended: killed by signal 9 (SIGKILL)")


def test_a_feeder_dies_with_its_supervisor(workshop: Workshop, data: Path) -> None:
    given = Channel("train", str(data), input_mode="Pipe")
    run = workshop.start(workshop.script("echo up; exec sleep 60"), channels=(given,))
    workshop.says(run, b"up")
    feeder = _feeder(workshop, run)
    os.kill(json.loads((workshop.attempt(run) / "started.json").read_text())["pid"], signal.SIGKILL)
    workshop.finish(run)
    assert run.exit is not None
    assert run.exit.outcome == "Lost"
    deadline = time.monotonic() + 5
    while Path(f"/proc/{feeder}").exists():
        assert time.monotonic() < deadline


def test_a_manifest_that_lists_what_is_not_there_fails_the_training_job(
    workshop: Workshop, data: Path
) -> None:
    (data.parent / "list.json").write_text(json.dumps([{"prefix": "data/"}, "0.txt", "gone.txt"]))
    for number, mode in enumerate(("File", "Pipe"), 1):
        given = Channel("train", str(data.parent / "list.json"), input_mode=mode, data_type="ManifestFile")
        run = workshop.run(workshop.script("echo ran"), name=f"job-00{number}", channels=(given,))
        assert run.log == b""
        assert run.exit is not None
        assert (run.exit.outcome, run.exit.exit_code) == ("Exited", None)
        assert "gone.txt cannot be read" in run.exit.reason
