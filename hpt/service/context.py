"""What every operation works on: the stored jobs, the account that names them, the limits it grants."""

from __future__ import annotations

import time
from typing import Any

from hpt.errors import JobNotFoundError
from hpt.job.limits import Limits
from hpt.job.notes import stop_requested
from hpt.job.state import JobStatus, TrainingJob
from hpt.running.session import Session
from hpt.sagemaker.reply import response as replies
from hpt.sagemaker.reply.response import Account
from hpt.service.errors import NOT_FOUND, ServiceError
from hpt.service.jobs import Job, Jobs
from hpt.service.launcher import Launcher
from hpt.storage.sqlite import SQLiteStorage


class Context:
    """strict: requests are read as the service reads them, without local paths and defaults. check_s3:
    whether the `s3://` places of a request must be reachable when it is made.
    """

    def __init__(
        self, session: Session, account: Account, limits: Limits, *, strict: bool, check_s3: bool
    ) -> None:
        self.session, self.account, self.limits = session, account, limits
        self.strict, self.check_s3 = strict, check_s3
        self.jobs = Jobs(session)
        self.launcher = Launcher(session.root)

    @property
    def storage(self) -> SQLiteStorage:
        return self.session.storage

    def find(self, name: str) -> Job:
        """The tuning job of that name, its runner started again if it died.

        Raises:
            ServiceError: there is none.
        """
        try:
            job = self.jobs.find(name)
        except JobNotFoundError as error:
            raise ServiceError(NOT_FOUND, f"Requested resource not found: {error}") from error
        directory = self.session.job_directory(job.config.name)
        abandoned = not job.state.status.ended and job.record.owner_pid is None
        if abandoned and self.launcher.manages(directory):
            self.launcher.start(job.config.name, directory)
        return job

    def find_training_job(self, name: str) -> tuple[Job, TrainingJob]:
        """Raises ServiceError if there is none of that name."""
        found = self.jobs.find_training_job(name)
        if found is None:
            raise ServiceError(NOT_FOUND, f"Requested resource not found: no training job is named {name!r}")
        return found

    def describe(self, job: Job) -> dict[str, Any]:
        """The answer of DescribeHyperParameterTuningJob."""
        response = replies.describe_response(
            job.config,
            job.state,
            request=job.request,
            now=time.time(),
            default_output=self._output(job),
            account=self.account,
        )
        if job.state.status is JobStatus.IN_PROGRESS and stop_requested(self.storage.notes(job.config.name)):
            response["HyperParameterTuningJobStatus"] = str(JobStatus.STOPPING)  # its runner is about to know
        return response

    def describe_training_job(self, job: Job, training_job: TrainingJob) -> dict[str, Any]:
        """The answer of DescribeTrainingJob."""
        return replies.training_job_description(
            job.config,
            training_job,
            request=job.request,
            default_output=self._output(job),
            account=self.account,
        )

    def _output(self, job: Job) -> str:
        return str(self.session.job_directory(job.config.name) / "trials")
