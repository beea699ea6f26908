"""A submission becomes the same order everywhere, and what its node has is added there alone."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hpt.executors import snapshot
from hpt.executors.local import LocalExecutor
from hpt.executors.node import Node
from hpt.executors.order import Order
from hpt.testing.executors import ExecutorSuite

FAR = Node("/far/python", "/far/packages", {"PATH": "/far/bin", "HOME": "/far"})


@pytest.mark.parametrize("image", ["/home/me/train.py", "xgboost", "module:my.trainer?fast"])
def test_an_order_names_nothing_of_the_host_that_made_it(tmp_path: Path, image: str) -> None:
    submission = ExecutorSuite.submission(tmp_path, "true")
    definition = replace(submission.definition, training_image=image, snapshot="0" * 64)
    order = Order.of(replace(submission, definition=definition))
    content = json.dumps(order.content)
    assert sys.executable not in content
    assert str(Path(__file__).parents[2]) not in content
    there = order.on(FAR)
    assert there["interpreter"] == there["command"][0] == "/far/python"
    assert (there["transfer_path"], there["refusal"]) == ("/far/packages", "")
    assert there["digest"] == order.on(Node())["digest"]


def test_a_program_with_a_snapshot_need_not_lie_on_the_node(tmp_path: Path) -> None:
    """Even where a file of the system has its path there, the copy is what runs."""
    submission = ExecutorSuite.submission(tmp_path, "true")
    definition = replace(submission.definition, training_image="/bin/true", snapshot="0" * 64)
    there = Order.of(replace(submission, definition=definition)).on(FAR)
    assert (there["command"], there["in_code"]) == (("true",), True)


def test_programs_get_the_environment_of_the_node_and_nothing_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "leaks")
    node = Node(environment={"PATH": "/usr/bin:/bin", "OF_THE_NODE": "yes"})
    executor = LocalExecutor(tmp_path / "trials", node=node)
    submission = ExecutorSuite.submission(tmp_path, 'echo "$RAY_ADDRESS-$OF_THE_NODE-$SM_HP_X"')
    executor.submit(submission)
    log, give_up = b"", time.monotonic() + 20
    while (updates := executor.poll()) == [] or updates[-1].exit is None:
        log += b"".join(update.log.data for update in updates)
        assert time.monotonic() < give_up
        time.sleep(0.01)
    assert log + updates[-1].log.data == b"-yes-0.25\n"


def test_a_snapshot_runs_after_its_source_is_gone(tmp_path: Path) -> None:
    program = tmp_path / "source" / "train.sh"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    taken = snapshot.take(
        snapshot.Source(str(program.parent), "train.sh", declared=False), tmp_path / "job" / snapshot.PLACE
    )
    submission = ExecutorSuite.submission(tmp_path, "true")
    definition = replace(submission.definition, training_image=str(program), snapshot=taken.digest)
    program.unlink()
    program.parent.rmdir()
    executor = LocalExecutor(tmp_path / "job" / "trials")
    executor.start(Order.of(replace(submission, definition=definition)))
    give_up = time.monotonic() + 20
    while not (updates := executor.poll()) or updates[-1].exit is None:
        assert time.monotonic() < give_up
        time.sleep(0.01)
    assert updates[-1].exit.exit_code == 0
