"""The log of a training job as CloudWatch Logs gives it: lines with times that stay, pages, attempts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpt.executors import record
from hpt.job.state import Attempt, TrainingJob
from hpt.service import logs
from hpt.service.errors import ServiceError

CREATED = 1_000.0


class Stage:
    """A training job and its logs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.job = TrainingJob(1, "one", {}, CREATED)

    def attempt(self, number: int, data: bytes, index: list[tuple[int, float]], *, ended: bool) -> Path:
        place = self.root / "one" / "attempts" / str(number)
        place.mkdir(parents=True, exist_ok=True)
        (place / record.LOG).write_bytes(data)
        lines = [f"{offset:>15d} {seconds:>15.3f}\n" for offset, seconds in index]
        (place / record.INDEX).write_text("".join(lines))
        self.job.attempts = [each for each in self.job.attempts if each.number != number]
        self.job.attempts.append(Attempt(number, CREATED, CREATED + 9 if ended else None))
        return place / record.LOG

    def get(self, **request: Any) -> dict[str, Any]:
        return logs.read_page(logs.LogStream(self.job, self.root / "one"), request)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def lines(reply: dict[str, Any]) -> list[tuple[int, str]]:
    return [(each["timestamp"], each["message"]) for each in reply["events"]]


def test_lines_have_the_time_by_which_they_were_written(stage: Stage) -> None:
    stage.attempt(1, b"one\ntwo\r\nthree\nfo", [(4, 1001.0), (11, 1002.0), (17, 1003.0)], ended=False)
    assert lines(stage.get(startFromHead=True)) == [(1001_000, "one"), (1002_000, "two"), (1003_000, "three")]
    stage.attempt(1, b"one\ntwo\nthree\nfour", [(4, 1001.0), (18, 1003.0)], ended=True)
    assert lines(stage.get(startFromHead=True))[-1] == (1003_000, "four")  # the end of a line that has none


def test_what_has_no_time_yet_is_not_shown_before_the_end(stage: Stage) -> None:
    stage.attempt(1, b"one\ntwo\n", [(4, 1001.0)], ended=False)
    reply = stage.get(startFromHead=True)
    assert lines(reply) == [(1001_000, "one")]
    stage.attempt(1, b"one\ntwo\n", [(4, 1001.0)], ended=True)
    assert lines(stage.get(startFromHead=True, nextToken=reply["nextForwardToken"]))[0][1] == "two"


def test_pages_forward_and_backward(stage: Stage) -> None:
    data = b"".join(b"line %d\n" % i for i in range(100))
    stage.attempt(1, data, [(len(data), 1001.0)], ended=True)
    seen: list[str] = []
    token = None
    while True:
        more: dict[str, str] = {} if token is None else {"nextToken": token}
        reply = stage.get(startFromHead=True, limit=7, **more)
        if not reply["events"]:
            assert reply["nextForwardToken"] == token
            break
        seen += [each["message"] for each in reply["events"]]
        token = reply["nextForwardToken"]
    assert seen == [f"line {i}" for i in range(100)]
    last = stage.get(limit=5)
    assert [each["message"] for each in last["events"]] == [f"line {i}" for i in range(95, 100)]
    before = stage.get(limit=5, nextToken=last["nextBackwardToken"])
    assert [each["message"] for each in before["events"]] == [f"line {i}" for i in range(90, 95)]


def test_a_client_goes_on_by_time_and_count(stage: Stage) -> None:
    """As the SageMaker SDK does: it asks from the time of the last event on, and skips those it has."""
    data, index, seen, position, skip = b"", [], [], 0, 0
    for second in range(5):
        data += b"".join(b"%d.%d\n" % (second, i) for i in range(3))
        index.append((len(data), 1000.0 + second))
        stage.attempt(1, data, index, ended=second == 4)
        for each in stage.get(startFromHead=True, startTime=position)["events"][skip:]:
            seen.append(each["message"])
            same = each["timestamp"] == position
            position, skip = each["timestamp"], skip + 1 if same else 1
    assert seen == [f"{second}.{i}" for second in range(5) for i in range(3)]


def test_attempts_follow_one_another(stage: Stage) -> None:
    stage.attempt(1, b"first\n", [(6, 1001.0)], ended=True)
    stage.attempt(2, b"second\n", [(7, 1005.0)], ended=False)
    assert lines(stage.get(startFromHead=True)) == [(1001_000, "first"), (1005_000, "second")]
    assert lines(stage.get(startFromHead=True, endTime=1005_000)) == [(1001_000, "first")]
    assert [each["message"] for each in stage.get(limit=1)["events"]] == ["second"]


def test_damage_and_odd_bytes_are_no_error(stage: Stage) -> None:
    path = stage.attempt(1, b"\xff\n" + b"x" * (logs.LONGEST_LINE + 10) + b"\n", [(9, 1.0)], ended=True)
    messages = [each["message"] for each in stage.get(startFromHead=True)["events"]]
    assert messages[0] == "\N{REPLACEMENT CHARACTER}" and len(messages[1]) == logs.LONGEST_LINE
    path.with_name(record.INDEX).write_text("no index at all, but long enough to be read as one")
    assert len(stage.get(startFromHead=True)["events"]) == 2
    path.unlink()
    assert stage.get(startFromHead=True)["events"] == []


@pytest.mark.parametrize("token", ["f/!", "x/WzEsMF0=", "f/Wy0xLDBd", "f/WzFd", "", "1"])
def test_a_token_that_was_not_given_here_is_refused(stage: Stage, token: str) -> None:
    stage.attempt(1, b"one\n", [(4, 1001.0)], ended=True)
    with pytest.raises(ServiceError, match="nextToken is invalid") as raised:
        stage.get(nextToken=token)
    assert raised.value.code == "InvalidParameterException"


def test_the_stream_is_there_once_something_was_printed(stage: Stage) -> None:
    def described() -> dict[str, Any] | None:
        return logs.LogStream(stage.job, stage.root / "one").described()

    stage.attempt(1, b"", [], ended=False)
    assert described() is None
    stage.attempt(1, b"one\ntwo\n", [(4, 1001.0), (8, 1002.0)], ended=False)
    assert described() == {
        "logStreamName": "one/algo-1-1000",
        "firstEventTimestamp": 1001_000,
        "lastEventTimestamp": 1002_000,
    }


def test_each_instance_has_a_stream(stage: Stage) -> None:
    first = stage.attempt(1, b"a\nb\n", [(4, 1001.0)], ended=True)
    for host, content in ((1, b"a\n"), (2, b"b\n")):
        first.with_name(f"log-algo-{host}").write_bytes(content)
        index = f"{2:>15d} {1001.0 + host:>15.3f}\n"
        first.with_name(f"{record.INDEX}-algo-{host}").write_text(index)
    for host, expected in (("algo-1", (1002_000, "a")), ("algo-2", (1003_000, "b"))):
        stream = logs.LogStream(stage.job, stage.root / "one", host)
        assert stream.name == f"one/{host}-1000"
        assert lines(logs.read_page(stream, {"startFromHead": True})) == [expected]
