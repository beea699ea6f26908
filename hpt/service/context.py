"""The context of every operation: the stored jobs, the account and the limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from hpt.errors import HptError, JobNotFoundError, RetryableError
from hpt.job.document import is_of_service
from hpt.job.limits import Limits
from hpt.job.notes import stop_requested
from hpt.job.state import JobStatus, TrainingJob, read_summary
from hpt.running.session import Session
from hpt.sagemaker.reply import response as replies
from hpt.sagemaker.reply.response import Account
from hpt.service.errors import TrainingJobNotFound, as_refusal
from hpt.service.jobs import Job, Jobs
from hpt.service.launcher import Launcher
from hpt.storage.base import JobRecord
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
        self.session, self.account, self.limits = session, account, limits
        self.strict, self.check_s3 = strict, check_s3
        self.jobs = Jobs(session, account)
        self.launcher = Launcher(session.root)
        self.creating = threading.Lock()  # held while a job is counted and stored; delays no other operation

    @property
    def storage(self) -> SQLiteStorage:
        return self.session.storage

    def find(self, name: str) -> Job:
        """The tuning job of that name, its runner started again if it died.

        Raises:
            ServiceError: no tuning job has that name.
        """
        try:
            job = self.jobs.find(name)
        except JobNotFoundError as error:
            raise as_refusal(error) from error
        self.ensure_runner(job.record)
        return job

    def find_training_job(self, name: str) -> tuple[Job, TrainingJob]:
        """The training job of that name and its tuning job, as `find` gives it.

        Raises:
            ServiceError: no training job has that name.
        """
        found = self.jobs.find_training_job(name)
        if found is None:
            raise TrainingJobNotFound
        if not found[0].deleted:
            self.ensure_runner(found[0].record)
        return found

    def all_jobs(self, *, deleted: bool = False) -> Iterator[Job]:
        """Every tuning job, as `find` gives it; with `deleted`, also deleted ones."""
        for job in self.jobs.all(deleted=deleted):
            if not job.deleted:
                self.ensure_runner(job.record)
            yield job

    def ensure_runner(self, record: JobRecord) -> None:
        """Start a runner for a job of the service if its last runner died. If that fails, the next request
        tries again.
        """
        if record.owner_pid is None and not _ended(record):
            directory = self.session.job_directory(record.name)
            if is_of_service(record.document) or self.launcher.manages(directory, record.created):
                with suppress(RetryableError):
                    self.start(record)

    def ensure_runners(self) -> None:
        """Start a runner for every job of a service that has none: the last one died, or the service did
        before it started the first.
        """
        with suppress(HptError, OSError):  # unreadable jobs are reported to those who request them
            for key in self.storage.names():
                with suppress(HptError, OSError):
                    self.ensure_runner(self.storage.record(key))

    def start(self, record: JobRecord) -> None:
        """Start a runner for a job, unless it has one.

        Raises:
            ExecutorError: no process could be started.
        """

        def needed() -> bool:
            try:
                now = self.storage.record(record.name)
            except JobNotFoundError:
                return False
            return now.owner_pid is None and now.created == record.created and not _ended(now)

        modified = read_summary(record.summary, record.created)["modified"]
        directory = self.session.job_directory(record.name)
        self.launcher.start(record.name, directory, record.created, modified, needed)

    def describe(self, job: Job) -> dict[str, Any]:
        """The answer of DescribeHyperParameterTuningJob."""
        with job.lock:
            response = replies.describe_response(
                job.config,
                job.state,
                request=job.request,
                now=time.time(),
                default_output=self._output(job),
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
                default_output=self._output(job),
                account=self.account,
            )

    def _output(self, job: Job) -> str:
        return str(self.session.job_directory(job.config.name) / "trials")


def _ended(record: JobRecord) -> bool:
    """Whether a job has ended. Raises StorageError where its summary is damaged."""
    return JobStatus(read_summary(record.summary, record.created)["status"]).ended
