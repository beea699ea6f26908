"""Checkpoints on S3 survive their machine, and no attempt spoils those of another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpt.executors.base import Submission
from hpt.executors.checkpoint_sets import CheckpointCopies, CheckpointStore, FencedError
from hpt.executors.local import specification
from hpt.executors.node import Node
from tests.executors.conftest import definition

LONG_AGO = time.time() - 60


class Machine:
    """One machine that runs an attempt of a training job, as the processes beside its supervisor see it."""

    def __init__(
        self, root: Path, s3: Any, attempt: int, job: str = "a", uri: str = "s3://bucket/ck"
    ) -> None:
        submission = Submission("job-001", attempt, {}, definition("/x", checkpoint_uri=uri), job=job)
        self.spec = specification(submission)
        self.attempt = root / "attempts" / str(attempt)
        self.attempt.mkdir(parents=True)
        self.base = root / "ml"
        self.place = self.base / "checkpoints"
        self.place.mkdir(parents=True, exist_ok=True)
        self.store = CheckpointStore(s3, self.spec)
        self.copies = CheckpointCopies(s3, self.spec, self.attempt, self.base)

    def write(self, **files: str) -> None:
        for name, content in files.items():
            (self.place / name).write_text(content)
            os.utime(self.place / name, (LONG_AGO, LONG_AGO + len(content)))

    def printed(self, length: int, seconds: float) -> None:
        with (self.attempt / "log.index").open("a") as file:
            file.write(f"{length:<15d} {seconds:.3f}".ljust(31) + "\n")

    def fetch(self) -> dict[str, str]:
        self.store.fetch(self.place, self.attempt.parent)
        return self.holds()

    def holds(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.place.iterdir()}


def keys(s3: Any) -> set[str]:
    return {entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket").get("Contents", ())}


def test_a_new_machine_goes_on_from_the_last_complete_set(tmp_path: Path, s3: Any) -> None:
    first = Machine(tmp_path / "1", s3, 1)
    assert first.fetch() == {}
    first.write(epoch="1", best="a")
    first.printed(10, LONG_AGO - 5)
    assert first.copies.copy() is not None
    first.write(epoch="22")
    (first.place / "best").unlink()
    first.copies.copy()
    second = Machine(tmp_path / "2", s3, 2)
    assert second.fetch() == {"epoch": "22"}
    assert (first.store.covered(), second.store.covered()) == (10, 0)
    assert {key for key in keys(s3) if ".hpt/" not in key} == set()  # the user's place is filled at the end


def test_one_that_was_given_up_neither_overwrites_nor_deletes(tmp_path: Path, s3: Any) -> None:
    stale = Machine(tmp_path / "1", s3, 1)
    stale.write(epoch="1")
    stale.copies.copy()
    second = Machine(tmp_path / "2", s3, 2)
    second.fetch()
    second.write(epoch="22")
    second.copies.copy()
    before = keys(s3)
    stale.write(epoch="333")
    for late in (stale.copies.copy, stale.copies.finish):
        with pytest.raises(FencedError, match="a later attempt has begun"):
            late()
    assert Machine(tmp_path / "3", s3, 3).fetch() == {"epoch": "22"}
    assert before <= keys(s3)
    second_again = CheckpointCopies(s3, second.spec, second.attempt, second.base)
    with pytest.raises(FencedError):
        second_again.finish()


def test_at_the_end_the_users_place_is_filled_and_nothing_else_stays(tmp_path: Path, s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="ck/job-001/old", Body=b"mine")
    s3.put_object(Bucket="bucket", Key="ck/job-002/epoch", Body=b"another's")
    first = Machine(tmp_path / "1", s3, 1)
    assert first.fetch() == {"old": "mine"}
    (first.place / "old").unlink()
    first.write(epoch="1")
    first.copies.copy()
    first.write(epoch="22")
    first.printed(10, LONG_AGO)
    first.copies.finish()
    assert first.store.covered() == 10  # should the machine go before its end is known
    assert keys(s3) == {"ck/job-001/epoch", "ck/job-002/epoch", "ck/job-001/.hpt/job-001/000001/filled"}
    assert s3.get_object(Bucket="bucket", Key="ck/job-001/epoch")["Body"].read() == b"22"


def test_after_a_filled_place_a_stale_set_is_not_gone_on_from(tmp_path: Path, s3: Any) -> None:
    first = Machine(tmp_path / "1", s3, 1)
    first.write(epoch="1")
    first.copies.copy()
    second = Machine(tmp_path / "2", s3, 2)
    second.fetch()
    second.write(epoch="22")
    second.copies.finish()
    first.write(epoch="333")
    with pytest.raises(FencedError):
        first.copies.copy()
    assert Machine(tmp_path / "3", s3, 3).fetch() == {"epoch": "22"}


def test_what_lies_here_of_an_earlier_attempt_gives_way_to_what_went_on_elsewhere(
    tmp_path: Path, s3: Any
) -> None:
    here = Machine(tmp_path / "1", s3, 1)
    here.write(epoch="1", leftover="of the first")
    here.copies.copy()
    elsewhere = Machine(tmp_path / "2", s3, 2)
    elsewhere.fetch()
    (elsewhere.place / "leftover").unlink()
    elsewhere.write(epoch="22")
    elsewhere.copies.copy()
    assert Machine(tmp_path / "1", s3, 3).fetch() == {"epoch": "22"}


def test_what_lies_here_is_newer_than_its_own_copy(tmp_path: Path, s3: Any) -> None:
    first = Machine(tmp_path / "1", s3, 1)
    first.write(epoch="1")
    first.copies.copy()
    first.write(epoch="22")
    assert Machine(tmp_path / "1", s3, 2).fetch() == {"epoch": "22"}


def test_what_lies_here_gives_way_to_its_copy_where_reports_are_counted_by_that(
    tmp_path: Path, s3: Any
) -> None:
    """As of a machine that was silent for a while, and gets the training job again."""
    first = Machine(tmp_path / "1", s3, 1)
    first.write(epoch="1")
    first.copies.copy()
    first.write(epoch="22", unseen="by the store")
    second = Machine(tmp_path / "1", s3, 2)
    second.spec["elsewhere"] = True
    second.store = CheckpointStore(s3, second.spec)
    assert second.fetch() == {"epoch": "1"}
    second.write(epoch="333")
    second.copies.finish()
    third = Machine(tmp_path / "1", s3, 3)
    third.spec["elsewhere"] = True
    assert CheckpointStore(s3, third.spec).source().files is None  # all it left is there
    assert third.fetch() == {"epoch": "333"}


@pytest.mark.slow
def test_a_copy_waits_for_the_log_and_is_not_made_once_that_ends(tmp_path: Path, s3: Any) -> None:
    """Whoever writes the log is gone: how much of it the checkpoint covers will never be known."""
    machine = Machine(tmp_path / "1", s3, 1)
    spec = machine.spec | {"environment": {"HPT_CHECKPOINT_SECONDS": "1"}}
    (machine.attempt / "spec.json").write_text(json.dumps(spec))
    command = [sys.executable, "-m", "hpt.executors.s3_transfer", "mirror", machine.attempt, machine.base]
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, *map(str, command)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    mirror = int(parent.stdout.readline())
    try:
        machine.write(epoch="1")
        until = time.monotonic() + 60
        while machine.store.manifest(1) is None:
            assert time.monotonic() < until
            time.sleep(0.1)
        machine.write(epoch="22")
        parent.kill()
        parent.wait()
        time.sleep(6)
        found = machine.store.manifest(1)
        assert found is not None
        assert [size for _, _, size, _ in found["files"]] == [1]
    finally:
        os.kill(mirror, signal.SIGKILL)


_PARENT = """
import subprocess, sys, time
print(subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL).pid, flush=True)
time.sleep(120)
"""


def test_sets_of_another_tuning_job_of_that_name_are_not_gone_on_from(tmp_path: Path, s3: Any) -> None:
    other = Machine(tmp_path / "1", s3, 1, job="before")
    other.write(epoch="1")
    other.copies.copy()
    assert Machine(tmp_path / "2", s3, 2, job="after").fetch() == {}


class Writing:
    """A client of S3 under whose uploads a program writes the second file of a pair."""

    def __init__(self, s3: Any, machine_place: Path, times: int) -> None:
        self._s3, self._place, self._left = s3, machine_place, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def upload_file(self, path: str, *rest: Any) -> None:
        self._s3.upload_file(path, *rest)
        if self._left:
            self._left -= 1
            (self._place / "b").write_text(f"{self._left}" * 3)


def test_a_set_that_is_being_written_is_not_kept(tmp_path: Path, s3: Any) -> None:
    first = Machine(tmp_path / "1", s3, 1)
    first.write(a="22", b="22")
    busy = CheckpointCopies(Writing(s3, first.place, 100), first.spec, first.attempt, first.base)
    assert busy.copy() is None
    assert first.store.manifest(1) is None
    first.write(a="333", b="333")
    first.copies.copy()
    assert Machine(tmp_path / "2", s3, 2).fetch() == {"a": "333", "b": "333"}


@pytest.mark.slow
def test_a_store_that_refuses_is_tried_again_and_said(tmp_path: Path, s3: Any) -> None:
    machine = Machine(tmp_path / "1", s3, 1, uri="s3://later/ck")
    environment = {"HPT_CHECKPOINT_SECONDS": "1"}
    spec = machine.spec | {"environment": environment}
    (machine.attempt / "spec.json").write_text(json.dumps(spec))
    machine.write(epoch="1")
    command = [sys.executable, "-m", "hpt.executors.s3_transfer", "mirror", machine.attempt, machine.base]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as mirror:
        assert mirror.stdout is not None
        try:
            said = mirror.stdout.readline()
            assert "checkpoints cannot be copied: " in said
            assert "NoSuchBucket" in said
            assert said.endswith("; trying again in 2 s\n")
            s3.create_bucket(Bucket="later")
            give_up = time.monotonic() + 60
            while machine.store.manifest(1) is None:
                assert time.monotonic() < give_up
                time.sleep(0.1)
        finally:
            mirror.kill()


def test_the_digest_of_what_runs_does_not_depend_on_where_checkpoints_go(tmp_path: Path, s3: Any) -> None:
    machine = Machine(tmp_path / "1", s3, 1)
    submission = Submission("job-001", 1, {}, definition("/x"), job="a")
    assert specification(replace(submission))["digest"] == machine.spec["digest"]


def test_what_a_set_covers_of_the_log_is_there_with_it(tmp_path: Path, s3: Any) -> None:
    """So that a tuner that was away when the machine was lost misses no report."""
    first = Machine(tmp_path / "1", s3, 1)
    first.spec["elsewhere"] = True
    (first.attempt / "log").write_bytes(b"loss=3\nloss=2\nloss=1\n")
    first.write(epoch="2")
    first.printed(7, LONG_AGO - 5)
    first.printed(14, LONG_AGO)
    first.printed(21, LONG_AGO + 50)
    first.copies.copy()
    assert first.store.covered() == 14
    assert first.store.log(0, 14) == b"loss=3\nloss=2\n"
    first.write(epoch="333")
    again = CheckpointCopies(s3, first.spec, first.attempt, first.base)  # another process
    first.printed(28, LONG_AGO + 51)
    with (first.attempt / "log").open("ab") as log:
        log.write(b"loss=0\n")
    again.finish()
    assert first.store.log(7, 28) == b"loss=2\nloss=1\nloss=0\n"
    assert first.store.log(28, 28) == first.store.log(99, 120) == b""
    assert first.store.covered() == 14


def test_checkpoints_are_copied_at_once_when_that_is_asked_for(tmp_path: Path, s3: Any) -> None:
    """As by a machine that may be taken away; every ten minutes otherwise."""
    machine = Machine(tmp_path / "1", s3, 1)
    spec = machine.spec | {"environment": {"HPT_CHECKPOINT_SECONDS": "600"}}
    (machine.attempt / "spec.json").write_text(json.dumps(spec))
    machine.write(epoch="1")
    command = [sys.executable, "-m", "hpt.executors.s3_transfer", "mirror", machine.attempt, machine.base]
    began = time.monotonic()
    with subprocess.Popen(command) as mirror:
        try:
            (machine.attempt / "copy-now").touch()
            while machine.store.manifest(1) is None:
                assert time.monotonic() - began < 60
                time.sleep(0.1)
        finally:
            mirror.kill()


def test_results_are_kept_for_a_store_that_refuses_a_while(tmp_path: Path, s3: Any) -> None:
    submission = Submission("job-001", 1, {}, definition("/x", output_path="s3://late/out"))
    machine = Machine(tmp_path / "1", s3, 1)
    command = [sys.executable, "-m", "hpt.executors.s3_transfer", "upload", machine.attempt, machine.base]
    for elsewhere in (False, True):
        spec = specification(submission, Node(elsewhere=elsewhere))
        (machine.attempt / "spec.json").write_text(json.dumps(spec))
        (machine.attempt / "model.tar.gz").write_bytes(b"model")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as upload:
            assert upload.stdout is not None
            try:
                said = upload.stdout.readline()
                assert "NoSuchBucket" in said
                if elsewhere:
                    assert said.startswith("the results cannot be stored: ")
                    s3.create_bucket(Bucket="late")
                assert upload.wait(60) == (0 if elsewhere else 3)
            finally:
                upload.kill()
    assert s3.get_object(Bucket="late", Key="out/job-001/output/model.tar.gz")["Body"].read() == b"model"
