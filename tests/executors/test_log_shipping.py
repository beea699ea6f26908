"""The log of an attempt on the store while it grows, and after its machine is gone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hpt.executors import log_place, log_shipping
from hpt.executors.base import Submission
from hpt.executors.local import LocalExecutor, specification
from hpt.executors.log_shipping import LogShipping
from hpt.executors.node import Node
from hpt.testing.executors import ExecutorSuite
from tests.executors.conftest import definition


def objects(s3: Any) -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket="bucket").get("Contents", ())
    return {each["Key"]: s3.get_object(Bucket="bucket", Key=each["Key"])["Body"].read() for each in found}


@pytest.mark.parametrize(
    ("places", "uri"),
    [
        ({"output_path": "s3://bucket/out/"}, "s3://bucket/out/job-001/logs/2.log"),
        (
            {"output_path": "s3://bucket/out", "checkpoint_uri": "s3://other/ck"},
            "s3://bucket/out/job-001/logs/2.log",
        ),
        ({"checkpoint_uri": "s3://b/ck/"}, "s3://b/ck/job-001/.hpt/.logs/job-001/2.log"),
        (
            {"checkpoint_uri": "s3://b/ck", "own_checkpoints": True, "output_path": "/out"},
            "s3://b/ck/.hpt/.logs/job-001/2.log",
        ),
        ({"output_path": "/out"}, None),
        ({}, None),
    ],
)
def test_logs_lie_beside_results_or_else_hidden_beside_checkpoints(
    places: dict[str, Any], uri: str | None
) -> None:
    submission = Submission("job-001", 2, {}, definition("/x", **places))
    assert log_place.uri_of(specification(submission)) == uri
    assert log_place.shipped(specification(submission)) is None  # the log is on the tuner's own host
    assert log_place.shipped(specification(submission, Node(elsewhere=True))) == uri


def test_a_log_is_one_object_until_that_is_full(
    tmp_path: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_shipping, "PART", 10)
    monkeypatch.setattr(log_shipping, "MOST", 30)
    log = tmp_path / "log"
    shipping = LogShipping(s3, "s3://bucket/1.log", log)
    shipping.ship()
    assert objects(s3) == {}
    log.write_bytes(b"epoch 1\n")
    shipping.ship()
    log.write_bytes(b"epoch 1\nepoch 2\n")
    shipping.ship()
    assert objects(s3) == {"1.log": b"epoch 1\nep", f"1.log.{10:015}": b"och 2\n"}
    again = LogShipping(s3, "s3://bucket/1.log", log)  # another process
    again.ship()
    s3.put_object(Bucket="bucket", Key="1.log", Body=b"as it was\n")  # what is full is left
    log.write_bytes(b"epoch 1\nepoch 2\nepoch 3\n")
    again.ship()
    assert objects(s3) == {
        "1.log": b"as it was\n", f"1.log.{10:015}": b"och 2\nepoc", f"1.log.{20:015}": b"h 3\n"
    }  # fmt: skip
    log.write_bytes(b"epoch 1\n")
    again.ship()  # of a log that was cut off nothing goes
    log.write_bytes(b"x" * 95)
    again.ship()  # and of one that runs ahead only the last
    assert sorted(objects(s3))[-4:] == [f"1.log.{offset:015}" for offset in (60, 70, 80, 90)]
    assert f"1.log.{30:015}" not in objects(s3)


@pytest.mark.parametrize("what", ["gone", "directory", "secret"])
def test_a_log_that_cannot_be_read_is_left(tmp_path: Path, s3: Any, what: str) -> None:
    log = tmp_path / "log"
    if what == "directory":
        log.mkdir()
    elif what == "secret":
        log.symlink_to("/proc/self/mem")  # reading it fails
    LogShipping(s3, "s3://bucket/1.log", log).ship()
    assert objects(s3) == {}


def attempt_of(tmp_path: Path, **places: Any) -> Path:
    attempt = tmp_path / "attempt"
    attempt.mkdir()
    submission = Submission("job-001", 1, {}, definition("/x", **places))
    spec = specification(submission, Node(elsewhere=True)) | {"environment": {"HPT_LOG_SECONDS": "1"}}
    (attempt / "spec.json").write_text(json.dumps(spec))
    (attempt / "log").write_text("epoch 1\n")
    return attempt


def eventually(condition: Any) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def test_a_store_that_refuses_a_while_gets_the_log_later(tmp_path: Path, s3: Any) -> None:
    attempt = attempt_of(tmp_path, output_path="s3://later/out")
    command = [sys.executable, "-m", "hpt.executors.s3_transfer", "mirror", attempt, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as mirror:
        assert mirror.stdout is not None
        try:
            said = mirror.stdout.readline()
            assert said.startswith("the log cannot be copied: ") and "NoSuchBucket" in said
            assert said.endswith("; trying again in 2 s\n")
            s3.create_bucket(Bucket="later")
            eventually(lambda: s3.list_objects_v2(Bucket="later").get("KeyCount"))
        finally:
            mirror.kill()
    assert s3.get_object(Bucket="later", Key="out/job-001/logs/1.log")["Body"].read() == b"epoch 1\n"


def test_a_store_that_refuses_at_the_end_costs_the_log_alone(
    tmp_path: Path, s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hpt.executors import s3_transfer

    monkeypatch.setattr(s3_transfer, "_LAST_PAUSES", (0.1,))
    attempt = attempt_of(tmp_path, output_path="s3://never/out")
    assert s3_transfer.main("log", attempt, tmp_path) == 0
    assert "NoSuchBucket" in capsys.readouterr().out


@pytest.mark.parametrize("script", ["echo epoch 1; echo w > $SM_MODEL_DIR/w", "echo epoch 1; exit 3"])
def test_what_an_attempt_printed_is_on_the_store_once_it_has_ended(
    tmp_path: Path, s3: Any, script: str
) -> None:
    executor = LocalExecutor(tmp_path / "root", node=Node(elsewhere=True))
    submission = ExecutorSuite.submission(tmp_path, script, output_path="s3://bucket/out")
    executor.submit(submission)
    eventually(lambda: any(update.exit is not None for update in executor.poll()))
    executor.close()
    assert objects(s3)["out/job-001/logs/1.log"] == b"epoch 1\n"
    assert ("out/job-001/output/model.tar.gz" in objects(s3)) == ("exit" not in script)


def test_what_was_printed_is_there_when_all_is_killed(tmp_path: Path, s3: Any) -> None:
    executor = LocalExecutor(tmp_path / "root", node=Node(elsewhere=True))
    given = ExecutorSuite.submission(
        tmp_path,
        "echo epoch 1; sleep 60",
        checkpoint_uri="s3://bucket/ck",
        environment={"HPT_LOG_SECONDS": "1"},
    )
    executor.submit(given)
    key = "ck/job-001/.hpt/.logs/job-001/1.log"
    eventually(lambda: key in objects(s3))
    executor.stop(given.key, now=True)
    eventually(lambda: any(update.exit is not None for update in executor.poll()))
    executor.close()
    assert objects(s3)[key] == b"epoch 1\n"
