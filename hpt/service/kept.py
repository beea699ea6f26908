"""Jobs of one kind: the tuning jobs, or the training jobs by themselves; what is stored, cached and run."""

from __future__ import annotations

import time
from contextlib import suppress

from hpt.errors import HptError, JobNotFoundError, JobOwnedError, RetryableError
from hpt.job.document import is_of_service
from hpt.job.state import JobStatus
from hpt.job.summary import read_summary
from hpt.running.session import Session
from hpt.sagemaker.reply.response import Account
from hpt.service.jobs import Jobs
from hpt.service.launcher import Launcher
from hpt.storage.base import JobRecord
from hpt.storage.sqlite import SQLiteStorage

DELETE_SECONDS = 10.0
"""Seconds that the runner of a job that has ended may take to release it."""


class KeptJobs:
    """The jobs of one session, and the processes that run them. account: in ARNs."""

    def __init__(self, session: Session, account: Account) -> None:
        self.session = session
        self.jobs = Jobs(session, account)
        self.launcher = Launcher(session.root)

    @property
    def storage(self) -> SQLiteStorage:
        return self.session.storage

    def close(self) -> None:
        self.jobs.close()
        self.session.close()

    def ensure_runner(self, record: JobRecord) -> None:
        """Start a runner for a job of the service if its last runner died. If that fails, the next request
        tries again.
        """
        if record.owner_pid is None and not has_ended(record):
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
            return now.owner_pid is None and now.created == record.created and not has_ended(now)

        modified = read_summary(record.summary, record.created)["modified"]
        directory = self.session.job_directory(record.name)
        self.launcher.start(record.name, directory, record.created, modified, needed)

    def delete(self, name: str) -> None:
        """Delete a job that has ended, but not its files.

        Raises:
            JobNotFoundError: there is none. JobOwnedError: its runner does not release it.
        """
        deadline = time.monotonic() + DELETE_SECONDS
        while True:
            try:
                self.storage.delete(name)
            except JobOwnedError:  # its runner is about to end
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return


def has_ended(record: JobRecord) -> bool:
    """Whether a job has ended. Raises StorageError where its summary is damaged."""
    return JobStatus(read_summary(record.summary, record.created)["status"]).ended
