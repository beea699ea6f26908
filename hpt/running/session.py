"""The tuning jobs of a state directory: creating them, resuming them and running them to their end."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any

from hpt.errors import (
    InputError,
    JobExistsError,
    JobNotFoundError,
    StorageError,
    ValidationError,
)
from hpt.executors.factory import LOCAL
from hpt.fleet.registry import make_executor, runs_images
from hpt.fleet.setting import Setting
from hpt.host import state_parts
from hpt.job.complete import check_config, completed
from hpt.job.config import JobConfig
from hpt.job.config_warnings import config_warnings
from hpt.job.document import to_document
from hpt.job.extension import extended, extension
from hpt.job.notes import GO_ON, check_notes, stop_requested
from hpt.job.parents import Parent, combinations_left, inherit
from hpt.job.recorded import read_config, read_state
from hpt.job.state import JobState, JobStatus
from hpt.job.summary import read_summary
from hpt.metrics.pace import Pace
from hpt.running.chosen_executor import check_kind, chosen, is_remote, keep, kept
from hpt.running.chosen_executor import notes as chosen_notes
from hpt.running.deletion import check_nothing_runs
from hpt.running.differences import differences, growth
from hpt.running.drive import Progress
from hpt.running.job_clock import JobClock
from hpt.running.place import Place
from hpt.running.resources import places
from hpt.running.run import Run
from hpt.running.runner import TuningJobRunner
from hpt.running.snapshots import changed_since, require, take_all
from hpt.sagemaker.request import parent_rules
from hpt.sagemaker.request.convert import to_request
from hpt.search.events import Event, ParentResult, TrialCreated
from hpt.storage.base import JobRecord
from hpt.storage.place import (
    check_directory,
    check_writable,
    close_state,
    state_directory,
)
from hpt.storage.sqlite import SQLiteStorage


class Again(StrEnum):
    """What to do where the name of a job to start is taken.

    NEVER: refuse. SAME: go on with that job, or show how it ended, if its description is the same; extend
    it if all that is new is a larger budget; else refuse. NEXT: as SAME if it is unfinished, but never
    extended, else run as NAME-2, NAME-3, ...
    """

    NEVER = "never"
    SAME = "same"
    NEXT = "next"


class Session:
    """One state directory opened by this process. Looking into it makes nothing; creating a job makes it.

    ephemeral: nobody will resume its jobs, so training programs are stopped when this process dies, and
    commits do not wait for the disk. executor: what runs their training jobs, by its name in
    `hpt.fleet.registry`. options: of the executor.
    """

    def __init__(
        self,
        state: str | os.PathLike[str] | None = None,
        *,
        ephemeral: bool = False,
        executor: str = LOCAL,
        options: Mapping[str, str] | None = None,
    ) -> None:
        check_kind(executor)
        self.root = state_directory(state)
        self._ephemeral, self._executor, self._options = ephemeral, executor, options or {}
        check_directory(self.root)
        self.storage = SQLiteStorage(self.root, durable=not ephemeral)
        self.notes = close_state(self.root)
        """What the user should know about the state directory."""

    def close(self) -> None:
        self.storage.close()

    @property
    def top(self) -> Path:
        """The whole state directory, of which that of training jobs by themselves is a part."""
        return state_parts.whole(self.root)

    def check_writable(self) -> None:
        """Raises StateDirectoryError where no job can be kept."""
        check_writable(self.root)

    def job_directory(self, name: str) -> Path:
        return self.root / name.lower()

    def start(
        self,
        config: JobConfig,
        *,
        again: Again = Again.NEVER,
        request: Mapping[str, Any] | None = None,
        notes: Sequence[str] | None = None,
        warm_start_jobs: int | None = None,
        prepare: Callable[[Path], object] | None = None,
    ) -> Run:
        """Begin a tuning job, or take one up. It runs while the `Run` is followed.

        Parameters
        ----------
        config
            The job. Without a request its rules are checked here, its defaults are filled in, and the
            programs, data and places of a new job must exist.
        again
            What to do where the name is taken.
        request
            The request that `config` was read from by `read_request`, which has checked all that.
        notes
            Messages about the request, of its reader.
        warm_start_jobs
            As `inherit` takes it.
        prepare
            Called with the job's directory once this process runs the job, and no other; it may raise.

        Returns
        -------
        Run
            The job, to be followed.

        Raises
        ------
        ValidationError
            A rule is broken, something is not there, or a parent is missing or cannot be one.
        JobExistsError
            The name is that of another job, or of one with a different description; nothing was changed.
        """
        from hpt.running.presence import check_places

        if request is None:
            config = completed(config, base_dir=_working_directory(), home=os.path.expanduser("~"))  # noqa: PTH111
            notes = config_warnings(config) if notes is None else notes
        name, exists = self._place(config, again, in_request=request is not None)
        config = replace(config, name=name)
        if exists:
            if again is Again.SAME and (larger := growth(self.config(name), config)):
                self.extend(name, **larger)
            return Run(self, name, notes=(*(notes or ()), *self.program_notes(name)), prepare=prepare)
        check_writable(self.root)
        if request is None:
            check_config(config)
            if not runs_images(self._executor):
                check_places(config)
        try:
            config, inherited = self._create(config, request, warm_start_jobs)
        except JobExistsError as error:
            ended = self.load(name)[2].status.ended
            raise JobExistsError(str(error), name=name, root=str(self.root), unfinished=not ended) from error
        return Run(self, config.name, notes=(*(notes or ()), *inherited, *self.notes), prepare=prepare)

    def _place(self, config: JobConfig, again: Again, *, in_request: bool) -> tuple[str, bool]:
        """The name under which a job is run, and whether that is a stored job which goes on.

        Raises:
            JobExistsError: the stored job has a different description.
        """
        if again is Again.NEVER:
            return config.name, False
        taken = {record.name.lower(): record for record in self.jobs()}
        for ordinal in count(1):
            suffix = "" if ordinal == 1 else f"-{ordinal}"
            name = config.name[: 32 - len(suffix)].rstrip("-") + suffix
            record = taken.get(name.lower())
            if record is None:
                return name, False
            if record.problem is not None:
                raise StorageError(f"tuning job {record.name!r} cannot be read", reason=record.problem)
            ended = JobStatus(record.summary.get("status", "InProgress")).ended
            if again is Again.SAME or not ended:
                stored = self.config(name)
                if again is Again.SAME and growth(stored, config):
                    return record.name, True
                if changed := differences(stored, config, in_request=in_request):
                    raise JobExistsError(
                        f"a tuning job named {record.name!r} exists in {self.root} and was described "
                        f"otherwise: {'; '.join(changed)}. Give what it was started with, or choose another "
                        "name",
                        name=record.name,
                        root=str(self.root),
                        unfinished=not ended,
                        differences=changed,
                    )
                return record.name, True
        raise AssertionError("unreachable")

    def run(self, name: str) -> Run:
        """The stored job of that name, to be followed. Raises JobNotFoundError."""
        return Run(self, self.config(name).name)

    def begin(self, config: JobConfig, *, notes: Sequence[str] = ()) -> Run:
        """Store a new job that was checked, as `create` does, to be followed. notes: messages about it."""
        check_writable(self.root)
        config, more = self._create(config, None, None)
        return Run(self, config.name, notes=(*notes, *more, *self.notes))

    def create(
        self,
        config: JobConfig,
        *,
        request: Mapping[str, Any] | None = None,
        warm_start_jobs: int | None = None,
        of_service: bool = False,
    ) -> JobConfig:
        """Store a new job that was checked, its seed drawn if it has none, with the results of its parents
        and the snapshots of its programs. Starts nothing.

        request: as `start` takes it. warm_start_jobs: as `inherit` takes it. of_service: as `to_document`
        takes it.

        Raises:
            JobExistsError: the name is taken. ValidationError: as `inherit`. InputError: a program cannot be
            read.
        """
        return self._create(config, request, warm_start_jobs, of_service=of_service)[0]

    def _create(
        self,
        config: JobConfig,
        request: Mapping[str, Any] | None,
        warm_start_jobs: int | None,
        *,
        of_service: bool = False,
    ) -> tuple[JobConfig, tuple[str, ...]]:
        if config.seed is None:
            config = replace(config, seed=secrets.randbits(31))
        created = time.time()
        events: Sequence[Event]
        events, inherited = self.inherit(config, created, warm_start_jobs=warm_start_jobs)
        if config.alone:
            events = [TrialCreated(created, 1, {}, config.name)]
        notes: tuple[str, ...] = ()
        if not self.holds(config.name):  # else nothing is to be changed there
            short = self.place_notes(config, request)
            config, notes = take_all(config, self.top, self.job_directory(config.name))
            notes = (*short, *notes)
            keep(self.job_directory(config.name), self._executor, self._options)
        document = to_document(config, request, of_service=of_service)
        self.storage.create(config.name, document, created, events)
        JobClock(self.job_directory(config.name), created)  # from here on its time counts evenly
        return config, (*inherited, *notes)

    def place_notes(self, config: JobConfig, request: Mapping[str, Any] | None = None) -> list[str]:
        """Messages about where a new job runs, see `chosen_executor.notes`. request: as `start`."""
        return chosen_notes((self._executor, self._options), config, request)

    def stored_place_notes(self, config: JobConfig) -> list[str]:
        """The same about a stored job."""
        kind, options = kept(self.job_directory(config.name)) or (LOCAL, {})
        request = self.storage.record(config.name).document.get("request")
        return chosen_notes((kind, {**options, **self._options}), config, request)

    def program_notes(self, name: str) -> list[str]:
        """Messages about programs of a stored job that have changed since it was created."""
        return changed_since(self.config(name), self.top, self.job_directory(name))

    def inherit(
        self, config: JobConfig, created: float, *, warm_start_jobs: int | None = None
    ) -> tuple[list[ParentResult], tuple[str, ...]]:
        """The results that a warm start begins with, as events of the time `created`, and messages about
        them.

        warm_start_jobs: check the parents by all rules of the service; this is the maximum number of training
        jobs of the parents and the job together. None: take every result that fits the job's space.

        Raises:
            ValidationError: there is no such parent, or it cannot be one; by the rules of the service also
                where the parents leave fewer combinations than training jobs are asked for.
        """
        if config.warm_start is None:
            return [], ()
        parents = []
        for place, name in enumerate(config.warm_start.parents):
            try:
                parent, _, state = self.load(name)
            except JobNotFoundError as error:
                raise ValidationError([parent_rules.missing(place, name)]) from error
            parents.append(Parent(parent_rules.path_of(place), parent, state))
        broken = parent_rules.check_parents(config, parents, warm_start_jobs)
        if broken is not None:
            raise ValidationError([broken])
        events, note = inherit(config, parents, created)
        short = parent_rules.too_few_left(config, combinations_left(config, events))
        if short is None:
            return events, (note,)
        if warm_start_jobs is not None and not config.autotune:
            raise ValidationError([short])
        return events, (note, f"the job ends early: {short.message}")

    def holds(self, name: str) -> bool:
        """Whether a job of that name, in any case, is stored."""
        return name.lower() in {record.name.lower() for record in self.storage.jobs()}

    def jobs(self, *, logs: bool = False) -> list[JobRecord]:
        """Every stored job, by name; one that this version cannot read has its `problem`.

        logs: look at every event and note too, as `load` would; otherwise only at what a listing shows.
        """
        return [self._checked(record, logs) for record in self.storage.jobs()]

    def _checked(self, record: JobRecord, logs: bool) -> JobRecord:
        if record.problem is not None:
            return record
        try:
            read_config(record.name, record.document)
            summary = read_summary(record.summary, record.created) if record.summary else {}
            if logs:
                self.storage.check(record.name)
                check_notes(self.storage.notes(record.name))
        except (StorageError, InputError) as error:
            return replace(record, problem=str(error))
        return replace(record, summary=summary)

    def config(self, name: str) -> JobConfig:
        record, events = self.storage.read(name)
        return extended(read_config(record.name, record.document), events)

    def load(self, name: str) -> tuple[JobConfig, JobRecord, JobState]:
        """A job as it stands, for showing: nothing is taken over. Raises JobNotFoundError."""
        record, events = self.storage.read(name)
        check_notes(self.storage.notes(name))
        read_summary(record.summary, record.created)
        config = extended(read_config(record.name, record.document), events)
        return config, record, read_state(config, record.created, events)

    def delete(self, name: str) -> None:
        """Delete a job with everything that is kept of it: its results, logs and models. Jobs that began with
        its results keep them.

        Raises:
            JobNotFoundError: no such job. JobOwnedError: a living process runs it. InputError: one of its
            training jobs still runs, here or on other machines.
        """
        with suppress(StorageError):  # whether one that cannot be read can be deleted, the storage says
            self.storage.release(self.storage.acquire(name))
        state = None
        with suppress(StorageError):  # one that cannot be read can be deleted all the same
            _, _, state = self.load(name)
        check_nothing_runs(name, self.job_directory(name), state, alone=self.root != self.top)
        self.storage.delete(name, files=True)

    def extend(
        self,
        name: str,
        *,
        max_jobs: int | None = None,
        max_runtime_seconds: float | None = None,
        max_parallel_jobs: int | None = None,
    ) -> JobConfig:
        """Give a job that nobody runs, and that has ended or was interrupted, a larger budget. Runs nothing.

        Parameters
        ----------
        name
            The job.
        max_jobs, max_runtime_seconds, max_parallel_jobs
            As `extension` takes them.

        Returns
        -------
        JobConfig
            The job with its new limits.

        Raises
        ------
        InputError
            The job cannot go on so. JobNotFoundError: no such job.
        JobOwnedError
            Another living process runs it.
        """
        lease = self.storage.acquire(name)
        try:
            config, _, state = self.load(name)
            event = extension(
                config,
                state,
                time.time(),
                max_jobs=max_jobs,
                max_runtime_seconds=max_runtime_seconds,
                max_parallel_jobs=max_parallel_jobs,
            )
            if stop_requested(self.storage.notes(name)):
                self.storage.add_note(name, GO_ON)  # first: without the event it changes nothing
            state.apply(event)
            self.storage.append(lease, [event], state.summary())
        finally:
            self.storage.release(lease)
        return extended(config, [event])

    @contextmanager
    def take(
        self,
        name: str,
        *,
        progress: Progress | None = None,
        boundary: Callable[[str], None] = lambda name: None,
    ) -> Iterator[TuningJobRunner]:
        """Become the runner of a stored job, new or unfinished.

        Raises:
            JobNotFoundError: no such job. JobOwnedError: another living process runs it. StorageError: the
            snapshot of a program that is still to run is gone.
        """
        lease = self.storage.acquire(name)
        try:
            record, events = self.storage.read(name)
            config = read_config(record.name, record.document)
            read_state(config, record.created, events)  # before anything is started for a damaged job
            directory = self.job_directory(name)
            clock = JobClock(directory, max([record.created, *(event.time for event in events[-1:])]))
            kind, options = chosen(directory, self._executor, self._options)
            setting = Setting(
                directory / "trials",
                not self._ephemeral,
                clock,
                lambda message: runner.say(message),
                options,
                record.document.get("request") or to_request(config),
            )
            executor = make_executor(kind, setting)
            try:
                keep(directory, kind, options)
                runner = TuningJobRunner(
                    config,
                    record.created,
                    events,
                    self.storage,
                    lease,
                    executor,
                    clock=clock,
                    check=Place(directory, name).check,
                    boundary=boundary,
                    pace=Pace(READING),
                )
                if not runner.state.status.ended and not stop_requested(self.storage.notes(name)):
                    require(config, self.job_directory(name))
                    runner.places = None if is_remote(kind) else places(runner.config)
                if progress is not None:
                    runner.observe = lambda events: progress.update(runner, events)
                    runner.say = progress.say
                with closing(runner):
                    yield runner
            finally:
                executor.close()
        finally:
            with suppress(StorageError):  # a lease that cannot be given back ends with this process
                self.storage.release(lease)


READING = 0.04
"""Seconds a runner reads logs at a time before it handles everything else."""


def _working_directory() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # deleted, which is of no concern to a job without relative paths
        return "/"
