"""One tuning job as this process handles it: follow it to its end, stop it, read its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpt.job.notes import STOP
from hpt.running.drive import Progress, drive
from hpt.running.result import TuningResult, stored_result
from hpt.running.runner import TuningJobRunner

if TYPE_CHECKING:
    from hpt.running.session import Session


class Run:
    """A stored tuning job. notes: messages about it, to be shown once."""

    def __init__(
        self,
        session: Session,
        name: str,
        *,
        notes: Sequence[str] = (),
        prepare: Callable[[Path], object] | None = None,
    ) -> None:
        """A handle on the job; nothing runs before `follow`.

        Parameters
        ----------
        session
            Holds the job.
        name
            The job's name.
        notes
            Messages about the job, to be shown once.
        prepare
            Called with the job's directory once this process runs the job, and no other.
        """
        self.name, self.notes = name, tuple(notes)
        self._session, self._prepare = session, prepare
        self._followed = False

    @property
    def directory(self) -> Path:
        """Where its logs and models are."""
        return self._session.job_directory(self.name)

    def follow(
        self,
        progress: Progress | None = None,
        begin: Callable[[TuningJobRunner], object] = lambda runner: None,
        *,
        for_good: bool = False,
    ) -> bool:
        """Run the job until it ends, or Ctrl-C or SIGTERM puts its trials down. True if it was interrupted.

        begin: called when this process has become its runner. for_good: as `drive` takes it.

        Raises:
            JobOwnedError: another living process runs it.
        """
        with self._session.take(self.name, progress=progress) as runner:
            if self._prepare is not None:
                self._prepare(self.directory)  # only now: another process may have begun with the same name
            runner.warm_up()
            begin(runner)
            self._followed = True
            return drive(runner, progress, for_good=for_good)

    def stop(self) -> None:
        """Ask the process that runs it to stop it for good."""
        self._session.storage.add_note(self.name, STOP)

    def result(self) -> TuningResult:
        """Its result, as it is stored; it is followed first if it was not yet."""
        if not self._followed:
            self.follow()
        return stored_result(self._session, self.name)
