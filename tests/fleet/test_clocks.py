"""A machine whose clock is ten minutes off that of the tuner, or that of AWS."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpt.executors.base import Submission, Update
from hpt.executors.order import Order
from hpt.fleet.ec2.aws import Aws
from hpt.fleet.ec2.config import read_fleet
from hpt.fleet.ec2.head import HeadUnit
from hpt.fleet.ec2.store import Store
from hpt.fleet.lost_checkpoints import LostCheckpoints
from hpt.testing.executors import ExecutorSuite
from tests.fleet.double.control import Control
from tests.fleet.ec2.test_setup import CONTENT
from tests.fleet.test_agent import Machine, ended, says
from tests.s3_server import endpoint, s3

__all__ = ["endpoint", "s3"]

TEN_MINUTES = 600.0

SAVES = """
    trap 'exit 0' TERM
    place=$SAGEMAKER_BASE_DIR/checkpoints
    n=$(cat $place/n 2> /dev/null || echo 0)
    while [ $n -lt 9 ]; do
      sleep 0.5 & wait
      n=$((n + 1)); echo "epoch $n"
      if [ $((n % 3)) = 0 ]; then echo $n > $place/n.tmp; mv $place/n.tmp $place/n; fi
    done
"""
"""Every third epoch is saved."""


class Off(Machine):
    """The tuner's clock is so many seconds ahead of this machine's."""

    def __init__(self, tmp_path: Path, ahead: float) -> None:
        tmp_path.mkdir(exist_ok=True)
        super().__init__(tmp_path)
        self.agent._tuners.clear()
        self.ahead = ahead
        self.agent.hello("tuner", self.now())

    def now(self) -> float:
        return time.time() + self.ahead


def submission(tmp_path: Path, attempt: int = 1, **changes: Any) -> Submission:
    tmp_path.mkdir(exist_ok=True)
    given = ExecutorSuite.submission(tmp_path, SAVES, "trial", checkpoint_uri="s3://bucket/ck", **changes)
    return replace(given, attempt=attempt)


def log(updates: list[Update]) -> bytes:
    return b"".join(update.log.data for update in updates)


def dates(updates: list[Update]) -> list[float]:
    end = updates[-1].exit
    phases = [moment for update in updates for moment in update.times.values()]
    lines = [moment for update in updates for _, moment in update.log.times]
    return phases + lines + [each for each in ((end.started, end.ended) if end else ()) if each is not None]


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [TEN_MINUTES, -TEN_MINUTES])
def test_times_are_the_tuners_and_what_is_saved_is_what_is_gone_on_from(
    tmp_path: Path, s3: Any, ahead: float
) -> None:
    """The next attempt runs on a machine that is off by as much in the other direction."""
    first = Off(tmp_path / "a", ahead)
    began = first.now()
    given = submission(tmp_path / "a")
    first.start(given)
    updates = first.until(says("epoch 5\n"))
    first.agent.leave("it is taken away")
    updates += first.until(ended)
    end = updates[-1].exit
    assert end is not None and end.outcome == "Preempted"
    assert all(began - 1 <= each <= first.now() + 1 for each in dates(updates)), (began, dates(updates))
    covered = log(updates).index(b"epoch 3\n") + len(b"epoch 3\n")
    assert end.checkpoint == covered
    assert LostCheckpoints().take_over(Order.of(given).content, len(log(updates))).covered == covered
    second = Off(tmp_path / "b", -ahead)
    began = second.now()
    second.start(submission(tmp_path / "b", attempt=2))
    updates = second.until(ended)
    assert log(updates).split(b"\n")[0] == b"epoch 4"
    assert all(began - 1 <= each <= second.now() + 1 for each in dates(updates))
    [saved] = [key for key in keys(s3) if key == "ck/trial/n"]
    assert s3.get_object(Bucket="bucket", Key=saved)["Body"].read() == b"9\n"


def keys(s3: Any) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket="bucket").get("Contents", ())]


@pytest.mark.parametrize("ahead", [TEN_MINUTES, -TEN_MINUTES])
def test_limits_on_run_time_are_those_of_the_machine(tmp_path: Path, s3: Any, ahead: float) -> None:
    machine = Off(tmp_path, ahead)
    began = time.monotonic()
    given = ExecutorSuite.submission(tmp_path, "sleep 60", "trial", max_runtime_seconds=4)
    machine.start(replace(given, spent=2.0))
    end = machine.until(ended)[-1].exit
    assert end is not None and end.timed_out and end.ended is not None and end.started is not None
    assert 1.9 <= end.ended - end.started < 15 and time.monotonic() - began < 30


@pytest.mark.parametrize("ahead", [240.0, -240.0])
def test_a_head_dates_its_machines_by_the_clock_of_aws(double: Control, tmp_path: Path, ahead: float) -> None:
    """EC2 takes calls of clocks that are up to five minutes off; costs and patience do not suffer."""
    aws = Aws("us-east-1", attempts=1, clock=lambda: time.time() + ahead)
    assert aws.now() == pytest.approx(time.time() + ahead, abs=1)
    config = read_fleet(CONTENT)
    unit = HeadUnit(aws, config, Store(aws, "bucket", config.prefix), tmp_path, "10.0.0.1", keep_seconds=0.0)
    unit.step()
    said = unit._files.get_json("head.json")
    assert said["time"] == pytest.approx(time.time(), abs=3)
    assert aws.now() == pytest.approx(time.time(), abs=3)
