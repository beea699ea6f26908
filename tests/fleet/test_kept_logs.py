"""What attempts elsewhere print is kept on the tuner's machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import ExecutorError
from hpt.executors.base import AttemptKey, LogChunk
from hpt.executors.local import specification
from hpt.fleet import kept_logs, left_there
from hpt.fleet.kept_logs import KeptLogs, PrintedLogs
from hpt.testing.executors import ExecutorSuite
from tests import prerequisites

KEY = AttemptKey("job-001", 1)


class Node:
    """A machine with what a function printed, which answers as it is told: at once, later, or not at all."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(left_there, "PIECE", 8)
        monkeypatch.setattr(kept_logs, "PIECE", 8)
        monkeypatch.setattr(kept_logs, "EVERY", 0.0)
        self.attempt = tmp_path / "there"
        self.attempt.mkdir()
        given = ExecutorSuite.submission(tmp_path, "echo")
        (self.attempt / "spec.json").write_text(json.dumps(specification(given)))
        self.how = "done"
        self.waiting: list[Callable[[], None]] = []
        self.said: list[str] = []
        self.here = tmp_path / "here" / "job-001" / "attempts" / "1" / "log"
        self.printed = PrintedLogs(KeptLogs(tmp_path / "here", self.said.append), self.call)

    def call(self, node: str, answer: Callable[..., None], method: str, *given: Any) -> None:
        assert (node, method, given[0]) == ("node", "read", KEY)
        if self.how == "later":
            self.waiting.append(lambda: self.answer(answer, given))
        elif self.how == "done":
            self.answer(answer, given)
        else:
            answer(self.how, "the node does not answer")

    def answer(self, answer: Callable[..., None], given: Any) -> None:
        try:
            answer("done", left_there.read(self.attempt, given[1]))
        except ExecutorError as error:
            answer("failed", error)

    def prints(self, text: str) -> None:
        with (self.attempt / "log").open("a") as log:
            log.write(text)

    @property
    def kept(self) -> str:
        return self.here.read_text() if self.here.exists() else ""


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, monkeypatch)


def test_what_a_function_prints_is_read_now_and_then_and_at_its_end(node: Node) -> None:
    node.printed.look("node", KEY)
    assert node.kept == ""  # nothing is there yet
    node.prints("epoch 1 begins\n")
    node.printed.look("node", KEY)
    assert node.kept == "epoch 1 begins\n"
    node.prints("epoch 1 ends\n")
    ended: list[str] = []
    node.printed.finish("node", KEY, lambda: ended.append(node.kept))
    assert ended == ["epoch 1 begins\nepoch 1 ends\n"]
    assert node.said == []


@pytest.mark.parametrize("how", ["away", "dead", "failed"])
def test_an_end_is_told_though_the_log_cannot_be_had(node: Node, how: str) -> None:
    node.prints("epoch 1\n")
    node.printed.look("node", KEY)
    node.prints("epoch 2\n")
    node.how = how
    node.printed.look("node", KEY)
    ended: list[str] = []
    node.printed.finish("node", KEY, lambda: ended.append(node.kept))
    assert ended == ["epoch 1\n"]


def test_an_end_waits_for_what_is_on_its_way(node: Node) -> None:
    node.prints("epoch 1\n")
    node.how = "later"
    node.printed.look("node", KEY)
    node.printed.look("node", KEY)
    ended: list[str] = []
    node.printed.finish("node", KEY, lambda: ended.append(node.kept))
    assert len(node.waiting) == 1 and not ended
    node.how = "done"
    node.prints("epoch 2\n")
    node.waiting.pop()()
    assert ended == ["epoch 1\nepoch 2\n"]


def test_one_that_is_lost_is_forgotten(node: Node) -> None:
    node.prints("epoch 1\n")
    node.how = "later"
    node.printed.look("node", KEY)
    node.printed.forget(KEY)
    node.how = "done"
    node.waiting.pop()()
    assert node.kept == "epoch 1\n"


def test_a_log_that_a_full_disk_has_no_room_for_is_missing_and_nothing_else(tmp_path: Path) -> None:
    said: list[str] = []
    with prerequisites.small_disk(tmp_path / "here", "size=1m") as place:
        logs = KeptLogs(place, said.append)
        assert Path(logs.keep(KEY, LogChunk(0, b"epoch 1\n"))).read_bytes() == b"epoch 1\n"
        logs.keep(KEY, LogChunk(8, bytes(2 << 20)))
        assert said == ["the log of job-001 cannot be kept here: No space left on device"]
        with Path(logs.keep(KEY, LogChunk(0, b""))).open("r+b") as log:
            log.truncate(8)
        logs.keep(KEY, LogChunk(10, b"epoch 3\n"))
        assert Path(logs.keep(KEY, LogChunk(0, b""))).read_bytes() == b"epoch 1\n\0\0epoch 3\n"
