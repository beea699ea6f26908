"""The clock of a tuning job counts evenly in every process of it, whatever the wall clock is set to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpt.running.job_clock import FILE, JobClock

DAY = 86_400.0


class Host:
    """The two clocks of a host."""

    def __init__(self) -> None:
        self.wall, self.up, self.start = 1_700_000_000.0, 5_000.0, "first"

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.up += seconds

    def restarts(self, after: float) -> None:
        self.wall += after
        self.up, self.start = 10.0, self.start + "+"

    def clock(self, directory: Path, latest: float = 0.0) -> JobClock:
        return JobClock(
            directory, latest, wall=lambda: self.wall, since_start=lambda: self.up, epoch_name=self.start
        )


@pytest.fixture
def host() -> Host:
    return Host()


def test_it_begins_as_the_wall_clock_and_counts_with_it(tmp_path: Path, host: Host) -> None:
    clock = host.clock(tmp_path)
    assert clock() == pytest.approx(host.wall)
    host.passes(100)
    assert clock() == pytest.approx(host.wall)
    assert host.clock(tmp_path)() == pytest.approx(clock())


@pytest.mark.parametrize("leap", [3 * DAY, -3 * DAY, 61.0, -5.0])
def test_a_wall_clock_that_is_set_changes_nothing(tmp_path: Path, host: Host, leap: float) -> None:
    clock = host.clock(tmp_path)
    begin = clock()
    host.wall += leap
    host.passes(10)
    assert clock() == pytest.approx(begin + 10)
    host.passes(10)
    later = host.clock(tmp_path, latest=begin + 10)  # the next process
    assert later() == pytest.approx(begin + 20)


@pytest.mark.parametrize("leap", [0.0, 3 * DAY, -3 * DAY])
def test_after_a_restart_the_wall_clock_bridges_the_time_in_between(
    tmp_path: Path, host: Host, leap: float
) -> None:
    clock = host.clock(tmp_path)
    begin = clock()
    host.wall += leap
    host.passes(50)
    assert clock() == pytest.approx(begin + 50)
    host.restarts(after=200)
    assert host.clock(tmp_path)() == pytest.approx(begin + 250)


def test_a_host_that_restarts_with_a_wrong_clock_does_not_go_back(tmp_path: Path, host: Host) -> None:
    begin = host.clock(tmp_path)()
    host.restarts(after=-30 * DAY)
    clock = host.clock(tmp_path, latest=begin + 7)
    assert clock() == begin + 7
    host.passes(3)
    assert clock() == pytest.approx(begin + 10)


DAMAGED = [
    b"",
    b"{}",
    b"[]",
    b'{"epoch": "first", "offset": NaN, "ahead": 0}',
    b'{"epoch": "first", "offset": 1e300, "ahead": 0}',
    b'{"epoch": "first", "offset": "x", "ahead": 0}',
    b"\xff" * 100_000,
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_record_is_begun_anew(tmp_path: Path, host: Host, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert host.clock(tmp_path)() == pytest.approx(host.wall)
    assert json.loads((tmp_path / FILE).read_text())["epoch"] == "first"


def test_a_record_that_cannot_be_written_is_no_obstacle(tmp_path: Path, host: Host) -> None:
    assert host.clock(tmp_path / "gone")() == pytest.approx(host.wall)
    (tmp_path / FILE).mkdir()
    assert host.clock(tmp_path)() == pytest.approx(host.wall)
