"""The context of every operation: the stored jobs, the account and the limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hpt.errors import JobNotFoundError
from hpt.job.limits import Limits
from hpt.job.notes import stop_requested
from hpt.job.state import JobStatus, TrainingJob
from hpt.running.alone import training_session
from hpt.running.session import Session
from hpt.sagemaker.reply import response as replies
from hpt.sagemaker.reply.response import Account
from hpt.service.errors import TrainingJobNotFound, as_refusal
from hpt.service.jobs import Job, Jobs
from hpt.service.kept import KeptJobs
from hpt.storage.sqlite import SQLiteStorage


class Context:
    """The context of every operation.

    Parameters
    ----------
    session
        The session with the stored jobs.
    account
        The account in ARNs.
    limits
        The quotas.
    strict
        Read requests as SageMaker does, without local paths and defaults.
    check_s3
        Check that the `s3://` URIs of a request can be reached.
    """

    def __init__(
        self, session: Session, account: Account, limits: Limits, *, strict: bool, check_s3: bool
    ) -> None:
        self.account, self.limits = account, limits
        self.strict, self.check_s3 = strict, check_s3
        self.tuning = KeptJobs(session, account)
        self.training = KeptJobs(training_session(session), account)
        self.creating = threading.Lock()  # held while a job is counted and stored; delays no other operation

    @property
    def session(self) -> Session:
        """That of the tuning jobs."""
        return self.tuning.session

    @property
    def jobs(self) -> Jobs:
        """The tuning jobs."""
        return self.tuning.jobs

    @property
    def storage(self) -> SQLiteStorage:
        """That of the tuning jobs."""
        return self.tuning.storage

    def close(self) -> None:
        """Close all files; the jobs go on."""
        self.tuning.close()
        self.training.close()

    def find(self, name: str) -> Job:
        """The tuning job of that name, its runner started again if it died.

        Raises:
            ServiceError: no tuning job has that name.
        """
        try:
            job = self.jobs.find(name)
        except JobNotFoundError as error:
            raise as_refusal(error) from error
        self.tuning.ensure_runner(job.record)
        return job

    def find_training_job(self, name: str) -> tuple[Job, TrainingJob]:
        """The training job of that name and its tuning job, or the job that it is by itself, as `find` gives
        it.

        Raises:
            ServiceError: no training job has that name.
        """
        try:
            alone = self.training.jobs.find(name)
        except JobNotFoundError:
            pass
        else:
            self.training.ensure_runner(alone.record)
            return alone, alone.state.jobs[1]
        found = self.jobs.find_training_job(name)
        if found is None:
            raise TrainingJobNotFound
        if not found[0].deleted:
            self.tuning.ensure_runner(found[0].record)
        return found

    def holds_training_job(self, name: str) -> bool:
        """Whether any training job has that name."""
        return self.training.session.holds(name) or self.jobs.find_training_job(name) is not None

    def all_tuning_jobs(self) -> Iterator[Job]:
        """Every tuning job, as `find` gives it."""
        for job in self.jobs.all():
            self.tuning.ensure_runner(job.record)
            yield job

    def all_with_training_jobs(self) -> Iterator[Job]:
        """Every job that has training jobs: tuning jobs, also deleted ones, and training jobs by
        themselves.
        """
        for job in self.jobs.all(deleted=True):
            if not job.deleted:
                self.tuning.ensure_runner(job.record)
            yield job
        for job in self.training.jobs.all():
            self.training.ensure_runner(job.record)
            yield job

    def ensure_runners(self) -> None:
        """Start a runner for every job of a service that has none."""
        self.tuning.ensure_runners()
        self.training.ensure_runners()

    def describe(self, job: Job) -> dict[str, Any]:
        """The answer of DescribeHyperParameterTuningJob."""
        with job.lock:
            response = replies.describe_response(
                job.config,
                job.state,
                request=job.request,
                now=time.time(),
                default_output=str(self.trials(job)),
                account=self.account,
            )
            status = job.state.status
        if status is JobStatus.IN_PROGRESS and stop_requested(job.notes):
            response["HyperParameterTuningJobStatus"] = str(
                JobStatus.STOPPING
            )  # its runner is about to read the note
        return response

    def describe_training_job(self, job: Job, training_job: TrainingJob) -> dict[str, Any]:
        """The answer of DescribeTrainingJob."""
        with job.lock:
            return replies.training_job_description(
                job.config,
                training_job,
                request=job.request,
                default_output=str(self.trials(job)),
                account=self.account,
            )

    def trials(self, job: Job) -> Path:
        """The directory of a job's training jobs."""
        kept = self.training if job.config.alone else self.tuning
        return kept.session.job_directory(job.config.name) / "trials"
