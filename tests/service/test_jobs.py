"""Folded states that are held: asking again reads what is new, and never shows what is not there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpt.errors import JobNotFoundError
from hpt.running.session import Session
from hpt.sagemaker.request.parse import parse_request
from hpt.search import events as ev
from hpt.search.trial import TrialStatus
from hpt.service.api import Service
from hpt.service.jobs import Jobs
from tests.client.conftest import Desk


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = Session(tmp_path / "state")
    yield session
    session.close()


def create(session: Session, name: str, root: Path) -> None:
    session.create(parse_request(Desk.request(_Places(root), name)))


class _Places:
    def __init__(self, root: Path) -> None:
        self.root = root


def trial(number: int, value: float) -> list[ev.Event]:
    config = {"x": 0.5, "depth": 3, "kind": "b"}
    name = f"job-{number:03}-{number:08x}"
    return [
        ev.TrialCreated(1.0, number, config, name),
        ev.AttemptCreated(1.0, number, 1),
        ev.TrialEnded(2.0, number, TrialStatus.COMPLETED, value, "Completed"),
    ]


def test_only_what_is_new_is_read(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(session, "job", tmp_path)
    lease = session.storage.acquire("job")
    jobs = Jobs(session)
    assert jobs.find("job").state.launched == 0
    asked: list[int] = []
    read = session.storage.read

    def noted(name: str, after: int = 0):  # type: ignore[no-untyped-def]
        asked.append(after)
        return read(name, after)

    monkeypatch.setattr(session.storage, "read", noted)
    for number in range(1, 4):
        session.storage.append(lease, trial(number, number / 10), {"modified": float(number)})
        job = jobs.find("JOB")
        assert job.state.launched == number and job.record.summary == {"modified": float(number)}
        fresh = session.load("job")[2]
        assert fresh.jobs == job.state.jobs and fresh.summary() == job.state.summary()
    assert [after for after in asked if after] == [2, 5]


def test_a_job_made_anew_is_not_taken_for_the_old_one(session: Session, tmp_path: Path) -> None:
    jobs = Jobs(session)
    for value in (0.1, 0.2):
        create(session, "job", tmp_path)
        lease = session.storage.acquire("job")
        session.storage.append(lease, trial(1, value), {})
        assert jobs.find("job").state.jobs[1].value == value
        session.storage.release(lease)
        session.storage.delete("job")
        with pytest.raises(JobNotFoundError):
            jobs.find("job")
    found = jobs.find_training_job("job-001-00000001")
    assert found is not None and found[0].deleted
    assert jobs.find_training_job("job-001-00000002") is None and jobs.find_training_job("job") is None
    assert [job.config.name for job in jobs.all(deleted=True)] == ["job", "job"] and not list(jobs.all())


def test_events_that_were_taken_back_are_forgotten(session: Session, tmp_path: Path) -> None:
    create(session, "job", tmp_path)
    lease = session.storage.acquire("job")
    session.storage.append(lease, trial(1, 0.5), {})
    jobs = Jobs(session)
    session.storage.append(lease, trial(2, 0.1), {})
    assert jobs.find("job").state.launched == 2
    session.storage._open["job"].last = 3  # as after an append whose failure was told
    session.storage.append(lease, trial(2, 0.9)[:2], {})
    job = jobs.find("job")
    assert job.state.jobs[2].value is None and job.state.events == 5


def test_more_than_is_held(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpt.service.jobs.MOST_EVENTS", 15)
    for i in range(4):
        create(session, f"job{i}", tmp_path)
        lease = session.storage.acquire(f"job{i}")
        session.storage.append(lease, trial(1, 0.5) + trial(2, 0.5), {})
        session.storage.release(lease)
    jobs = Jobs(session)
    for _ in range(2):
        assert [job.state.launched for job in jobs.all()] == [2] * 4
        assert [job.key for job in jobs._held.values()] == ["job2", "job3"] and jobs._size == 12


def test_several_threads_may_ask(session: Session, tmp_path: Path) -> None:
    create(session, "job", tmp_path)
    service = Service(tmp_path / "state")
    lease = session.storage.acquire("job")
    problems: list[BaseException] = []

    def ask() -> None:
        try:
            before = 0
            for _ in range(40):
                reply = service.call(
                    "DescribeHyperParameterTuningJob", {"HyperParameterTuningJobName": "job"}
                )
                counters = reply["TrainingJobStatusCounters"]
                assert sum(counters.values()) == sum(reply["ObjectiveStatusCounters"].values()) >= before
                before = sum(counters.values())
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 21):
        session.storage.append(lease, trial(number, 0.5), {})
    for thread in threads:
        thread.join()
    assert not problems
    service.close()
