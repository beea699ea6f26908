"""What one client waits for, no other does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpt.job.limits import DEFAULT_LIMITS
from hpt.running.session import Session
from hpt.sagemaker.request.parse import parse_request
from hpt.search import events as ev
from hpt.service.api import Service
from hpt.service.errors import ServiceError
from tests.client.conftest import Desk

NAME = "HyperParameterTuningJobName"
AT_ONCE = 2.0
"""Seconds that a request may take on a busy machine while another one waits for longer."""


class Calls:
    """A service and requests that are under way."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.session = Session(root / "state")
        self.service = Service(root / "state")
        self.threads: list[threading.Thread] = []

    def request(self, name: str) -> dict[str, Any]:
        request: dict[str, Any] = Desk.request(self, name)  # type: ignore[arg-type]
        return request

    def store(self, name: str, *events: ev.Event) -> None:
        self.session.create(parse_request(self.request(name)))
        lease = self.session.storage.acquire(name)
        self.session.storage.append(lease, events, {"status": "Completed"} if events else {})
        self.session.storage.release(lease)

    def begin(self, operation: str, **request: Any) -> list[Any]:
        """Send a request in a thread; its answer or error appears in the list."""
        answers: list[Any] = []

        def call() -> None:
            try:
                answers.append(self.service.call(operation, request))
            except ServiceError as error:
                answers.append(error)

        self.threads.append(threading.Thread(target=call))
        self.threads[-1].start()
        return answers

    def others_go_on(self, *, name: str) -> None:
        """Every kind of request that the one under way has nothing to do with, or only looks."""
        began = time.monotonic()
        for operation, request in (
            ("ListTrainingJobs", {}),
            ("Search", {"Resource": "TrainingJob"}),
            ("DescribeHyperParameterTuningJob", {NAME: name}),
            ("DescribeHyperParameterTuningJob", {NAME: "other"}),
            ("ListTrainingJobsForHyperParameterTuningJob", {NAME: "other"}),
        ):
            self.service.call(operation, request)
        assert time.monotonic() - began < AT_ONCE


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[Calls]:
    calls = Calls(tmp_path)
    calls.store("ended", ev.JobEnded(2.0, "Completed", "MaxNumberOfTrainingJobs", ""))
    calls.store("other")
    yield calls
    for thread in calls.threads:
        thread.join()
    calls.service.close()
    calls.session.close()


def test_deleting_a_job_whose_runner_is_about_to_end(calls: Calls) -> None:
    lease = calls.session.storage.acquire("ended")
    answers = calls.begin("DeleteHyperParameterTuningJob", **{NAME: "ended"})
    for _ in range(5):
        calls.others_go_on(name="ended")
    assert not answers
    calls.session.storage.release(lease)
    calls.threads[0].join(timeout=10)
    assert answers == [{}]


def test_deleting_a_job_that_somebody_reads(calls: Calls) -> None:
    """Its database cannot be put away while another process looks at it, which takes a moment."""
    lease = calls.session.storage.acquire("ended")  # a log, and a reader who stays
    with calls.session.storage._open["ended"].snapshot("a look") as execute:
        execute("SELECT * FROM job").fetchone()
        calls.session.storage._identity = calls.service._context.storage._identity
        answers = calls.begin("DeleteHyperParameterTuningJob", **{NAME: "ended"})
        calls.others_go_on(name="ended")
    calls.session.storage.release(lease)
    calls.threads[0].join(timeout=15)
    assert len(answers) == 1


def test_asking_s3(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow(uri: str) -> str:
        asked.set()
        assert answer.wait(30)
        return f"{uri} is far away"

    monkeypatch.setattr("hpt.service.tuning.check_s3", slow)
    request = calls.request("remote")
    request["TrainingJobDefinition"]["OutputDataConfig"] = {"S3OutputPath": "s3://bucket/models"}
    answers = calls.begin("CreateHyperParameterTuningJob", **request)
    assert asked.wait(30)
    calls.others_go_on(name="other")
    taken = calls.begin("CreateHyperParameterTuningJob", **calls.request("other"))
    calls.threads[1].join(timeout=AT_ONCE)
    assert [each.code for each in taken] == ["ResourceInUse"] and not answers
    answer.set()
    calls.threads[0].join(timeout=10)
    assert "far away" in str(answers[0])


def test_a_job_whose_database_is_locked(calls: Calls) -> None:
    """Writing to it waits; reading it, and whatever is about other jobs, does not."""
    lease = calls.session.storage.acquire("other")
    with calls.session.storage._open["other"].transaction("a long one"):
        arn = "arn:aws:sagemaker:local:000000000000:hyper-parameter-tuning-job/other"
        answers = calls.begin("AddTags", ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
        calls.others_go_on(name="ended")
        assert not answers
    calls.threads[0].join(timeout=30)
    assert answers == [{"Tags": [{"Key": "a", "Value": "b"}]}]
    calls.session.storage.release(lease)


def test_threads_may_create_no_more_jobs_than_are_allowed(calls: Calls) -> None:
    calls.service._context.limits = replace(DEFAULT_LIMITS, open_jobs=3)  # one is open
    answers = [calls.begin("CreateHyperParameterTuningJob", **calls.request(f"new-{i}")) for i in range(6)]
    for thread in calls.threads:
        thread.join()
    created = [i for i, [answer] in enumerate(answers) if isinstance(answer, dict)]
    refused = {answer.code for [answer] in answers if isinstance(answer, ServiceError)}
    assert len(created) == 2 and refused == {"ResourceLimitExceeded"}
    for i in created:
        calls.service.call("StopHyperParameterTuningJob", {NAME: f"new-{i}"})
    for i in created:
        while (
            calls.session.storage.record(f"new-{i}").owner_pid is not None
            or not calls.session.load(f"new-{i}")[2].status.ended
        ):
            time.sleep(0.05)
