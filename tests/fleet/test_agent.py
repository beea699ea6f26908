"""The agent of a machine that may be taken away, without a cluster around it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import ExecutorError
from hpt.executors.base import Submission, Update
from hpt.executors.order import Order
from hpt.fleet import agent as agents
from hpt.fleet.agent import Agent
from hpt.fleet.notice import VARIABLE
from hpt.testing.executors import ExecutorSuite
from tests.s3_server import endpoint, s3

__all__ = ["endpoint", "s3"]

TUNER = "tuner"
SAVES = """
    trap 'echo asked' TERM
    place=$SAGEMAKER_BASE_DIR/checkpoints
    n=$(cat $place/n 2> /dev/null || echo 0)
    while :; do n=$((n + 1)); echo epoch $n; echo $n > $place/n; sleep 2; done
"""


class Machine:
    """A machine with an agent, and the tuner that asks it. notice: the file that says that it leaves."""

    def __init__(self, tmp_path: Path) -> None:
        self.notice = tmp_path / "notice"
        self.agent = Agent(str(tmp_path / "node" / "job"), {**os.environ, VARIABLE: str(self.notice)})
        self.agent.hello(TUNER, time.time())
        self._number = 0
        self.state = ""

    def start(self, given: Submission) -> None:
        self.agent.start(TUNER, Order.of(given), {})

    def until(self, condition: Callable[[list[Update]], Any], seconds: float = 60.0) -> list[Update]:
        updates: list[Update] = []
        give_up = time.monotonic() + seconds
        while not condition(updates):
            assert time.monotonic() < give_up, updates
            number, found, self.state = self.agent.news(TUNER, self._number, 0.2)
            updates += found if number != self._number else []
            self._number = number
        return updates


@pytest.fixture
def machine(tmp_path: Path, s3: Any) -> Machine:
    return Machine(tmp_path)


def submission(tmp_path: Path, name: str) -> Submission:
    """One that is copied every ten minutes, and has ten minutes to end."""
    given = ExecutorSuite.submission(tmp_path, SAVES, name, checkpoint_uri="s3://bucket/ck")
    environment = {"HPT_CHECKPOINT_SECONDS": "600"}
    return replace(given, definition=replace(given.definition, environment=environment, grace_seconds=600.0))


def says(word: str) -> Callable[[list[Update]], bool]:
    return lambda updates: word.encode() in b"".join(update.log.data for update in updates)


def ended(updates: list[Update]) -> bool:
    return any(update.exit is not None for update in updates)


def copied(s3: Any, name: str) -> int:
    """The epoch of the newest set on the store, 0 if there is none."""
    place = f"ck/{name}/.hpt/{name}/000001/manifest.json"
    if not s3.list_objects_v2(Bucket="bucket", Prefix=place).get("KeyCount"):
        return 0
    manifest = json.loads(s3.get_object(Bucket="bucket", Key=place)["Body"].read())
    [[_, key, *_]] = manifest["files"]
    return int(s3.get_object(Bucket="bucket", Key=key)["Body"].read())


@pytest.mark.slow
def test_each_warning_has_checkpoints_copied_at_once_and_only_the_last_ends_anything(
    machine: Machine, tmp_path: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that does not end by itself has a while, though its grace period is longer."""
    monkeypatch.setattr(agents, "SAVES_WITHIN", 15.0)
    given = submission(tmp_path, "warned")
    machine.start(given)
    machine.until(says("epoch 2\n"))
    assert copied(s3, "warned") == 0
    machine.notice.write_text("rebalance")
    machine.until(lambda _: copied(s3, "warned"))
    first = copied(s3, "warned")
    assert first >= 2 and machine.state == "rebalance"
    seen = machine.until(says(f"epoch {first + 2}\n"))
    assert not ended(seen) and not says("asked")(seen)
    assert copied(s3, "warned") == first
    machine.notice.write_text("terminate")
    began = time.monotonic()
    seen = machine.until(lambda _: copied(s3, "warned") > first)
    assert machine.state == "leaves" and not ended(seen)
    with pytest.raises(ExecutorError, match="takes no new training job"):
        machine.start(replace(given, name="too-late"))
    seen += machine.until(ended)
    assert says("asked")(seen)
    assert 15.0 <= time.monotonic() - began < 60.0
    end = seen[-1].exit
    assert end is not None
    assert (end.outcome, end.stopped) == ("Preempted", False)
    assert end.reason == "the machine is being taken away: terminate"
    last = int(s3.get_object(Bucket="bucket", Key="ck/warned/n")["Body"].read())
    log = (tmp_path / "node" / "job" / "trials" / "warned" / "attempts" / "1" / "log").read_bytes()
    assert end.checkpoint == len(log) and log.endswith(f"epoch {last}\n".encode())
    assert last > first


@pytest.mark.slow
def test_a_notice_is_heeded_though_no_tuner_asks(machine: Machine, tmp_path: Path, s3: Any) -> None:
    """As one that was killed, to be resumed elsewhere."""
    machine.start(submission(tmp_path, "alone"))
    machine.until(says("epoch 2\n"))
    machine.notice.write_text("terminate")
    log = tmp_path / "node" / "job" / "trials" / "alone" / "attempts" / "1" / "log"
    give_up = time.monotonic() + 40
    while b"asked" not in log.read_bytes() or not copied(s3, "alone"):
        assert time.monotonic() < give_up
        time.sleep(0.1)
    machine.agent.stop(("alone", 1), True)
    end = machine.until(ended)[-1].exit
    assert end is not None and end.outcome == "Preempted"
