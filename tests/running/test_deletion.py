"""`Session.delete`: what it refuses, and what is left to the jobs that began with a deleted one."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from hpt.errors import InputError, JobNotFoundError, JobOwnedError
from hpt.executors.record import LOCK
from hpt.running.chosen_executor import keep
from hpt.running.session import Session
from hpt.search.events import AttemptCreated
from tests.stored import corpus

VERSION = corpus.VERSIONS[-1]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    corpus.build(VERSION, tmp_path / "state", ["random", "failures", "warm-identical", "paused-random"])
    return Session(tmp_path / "state")


def test_a_deleted_job_is_gone_with_its_directory(session: Session) -> None:
    session.delete("RANDOM")
    with pytest.raises(JobNotFoundError):
        session.load("random")
    assert not session.job_directory("random").exists()
    with pytest.raises(JobNotFoundError):
        session.delete("random")
    with pytest.raises(JobNotFoundError):
        session.delete("../random")


def test_a_job_that_began_with_its_results_keeps_them(session: Session) -> None:
    parent, _, before = session.load("warm-identical")
    assert parent.warm_start is not None
    for name in parent.warm_start.parents:
        session.delete(name)
    config, _, state = session.load("warm-identical")
    assert (config, state.parents, state.parents_best) == (parent, before.parents, before.parents_best)


def test_a_job_that_is_run_stays(session: Session) -> None:
    with session.take("paused-random"), pytest.raises(JobOwnedError):
        Session(session.root).delete("paused-random")
    session.delete("paused-random")


def test_a_job_whose_training_jobs_outlived_their_tuner_stays(session: Session) -> None:
    attempt = session.job_directory("paused-random") / "trials" / "t-001" / "attempts" / "1"
    attempt.mkdir(parents=True)
    (attempt / LOCK).touch()
    held = os.open(attempt / LOCK, os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(InputError, match=r"1 training job .* still runs \(t-001\); stop the tuning job"):
        session.delete("paused-random")
    assert session.load("paused-random")
    os.close(held)
    session.delete("paused-random")


def test_a_job_whose_training_jobs_run_on_other_machines_stays(session: Session) -> None:
    directory = session.job_directory("paused-random")
    keep(directory, "sagemaker", {})
    _, record, state = session.load("paused-random")
    job = next(iter(state.running.values()))
    lease = session.storage.acquire("paused-random")
    session.storage.append(
        lease, [AttemptCreated(job.paused_at or 0.0, job.number, job.attempt + 1)], record.summary
    )
    session.storage.release(lease)
    with pytest.raises(InputError, match=r"training jobs? .* still runs? on SageMaker .*; resume the tuning"):
        session.delete("paused-random")
    assert session.load("paused-random")
    (directory / "executor.json").unlink()
    session.delete("paused-random")
