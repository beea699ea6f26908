"""Where tuning jobs live on this machine, and how one is created, taken up and driven to its end."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from hpt.errors import InputError, JobExistsError, JobNotFoundError, StorageError, ValidationError
from hpt.executors.factory import LOCAL, make_executor
from hpt.job.config import TuningJobConfig
from hpt.job.document import from_document, to_document
from hpt.job.parents import Parent, inherit
from hpt.job.state import JobState
from hpt.metrics.pace import Pace
from hpt.running.runner import TuningJobRunner
from hpt.sagemaker.request import parent_rules
from hpt.search.events import Event, ParentResult
from hpt.storage.base import JobRecord
from hpt.storage.place import state_directory
from hpt.storage.sqlite import SQLiteStorage


class Progress(Protocol):
    """Shows a running job to a person."""

    def update(self, runner: TuningJobRunner, events: Sequence[Event]) -> None:
        """Called after every committed step."""
        ...

    def tick(self, runner: TuningJobRunner) -> None:
        """Called whenever the runner pauses."""
        ...

    def say(self, words: str) -> None:
        """Something the person in front of it should know now."""
        ...


class Session:
    """One state directory opened by this process. Looking into it makes nothing; creating a job makes it.

    ephemeral: nobody will resume its jobs, so training programs are stopped when this process dies.
    """

    def __init__(self, state: str | os.PathLike[str] | None = None, *, ephemeral: bool = False) -> None:
        self.root = state_directory(state)
        self._ephemeral = ephemeral
        try:
            is_file = self.root.exists() and not self.root.is_dir()
        except OSError as error:
            raise InputError(
                f"the state directory {self.root} cannot be looked at ({error.strerror}); "
                "name another with --state or $HPT_HOME"
            ) from error
        if is_file:
            raise InputError(
                f"the state directory {self.root} is a file; name another with --state or $HPT_HOME"
            )
        self.storage = SQLiteStorage(self.root)

    def close(self) -> None:
        self.storage.close()

    def job_directory(self, name: str) -> Path:
        return self.root / name.lower()

    def create(self, config: TuningJobConfig, *, warm_start_jobs: int | None = None) -> TuningJobConfig:
        """Store a new job, its seed drawn if it has none, with what its parents give. Starts nothing.

        warm_start_jobs: as `inherit` takes it.

        Raises:
            JobExistsError: the name is taken. ValidationError: as `inherit`.
        """
        if config.seed is None:
            config = replace(config, seed=secrets.randbits(31))
        created = time.time()
        config, events = self.inherit(config, created, warm_start_jobs=warm_start_jobs)
        self.storage.create(config.name, to_document(config), created, events)
        return config

    def inherit(
        self, config: TuningJobConfig, created: float, *, warm_start_jobs: int | None = None
    ) -> tuple[TuningJobConfig, list[ParentResult]]:
        """What a warm start begins with, as events of the time `created`, and the job with a note about them.

        warm_start_jobs: ask of the parents all that the service does, this being the most training jobs of
        them and the job together. None: whatever of their results has a place in the job's space is taken.

        Raises:
            ValidationError: there is no such parent, or it cannot be one.
        """
        if config.warm_start is None:
            return config, []
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
        return replace(config, warnings=(*config.warnings, note)), events

    def holds(self, name: str) -> bool:
        """Whether a job of that name, in any case, is stored."""
        return name.lower() in {record.name.lower() for record in self.storage.jobs()}

    def config(self, name: str) -> TuningJobConfig:
        return from_document(self.storage.read(name)[0].document)

    def load(self, name: str) -> tuple[TuningJobConfig, JobRecord, JobState]:
        """A job as it stands, for showing: nothing is taken over. Raises JobNotFoundError."""
        record, events = self.storage.read(name)
        config = from_document(record.document)
        return config, record, JobState.fold(config.objective_type, record.created, events)

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
            JobNotFoundError: no such job. JobOwnedError: another living process runs it.
        """
        lease = self.storage.acquire(name)
        try:
            record, events = self.storage.read(name)
            config = from_document(record.document)
            trials = self.job_directory(name) / "trials"
            executor = make_executor(LOCAL, trials, outlive=not self._ephemeral)
            try:
                runner = TuningJobRunner(
                    config,
                    record.created,
                    events,
                    self.storage,
                    lease,
                    executor,
                    boundary=boundary,
                    pace=Pace(READING),
                )
                if progress is not None:
                    runner.observe = lambda events: progress.update(runner, events)
                    runner.say = progress.say
                yield runner
            finally:
                executor.close()
        finally:
            with suppress(StorageError):  # a lease that cannot be given back ends with this process
                self.storage.release(lease)

    @contextmanager
    def open_or_create(
        self, config: TuningJobConfig, *, prepare: Callable[[Path], object], progress: Progress | None = None
    ) -> Iterator[TuningJobRunner]:
        """Take the job up where it was left, or create it. `prepare` is given its directory first.

        Raises:
            JobExistsError: the name is that of a job described otherwise; nothing was changed.
            JobOwnedError: another living process runs it; nothing was changed.
        """
        directory = self.job_directory(config.name)
        if created := not self.holds(config.name):
            directory.mkdir(parents=True, exist_ok=True)
            prepare(directory)  # before the job exists: whoever finds the job finds this done
            config = self.create(config)
            if progress is not None:
                for note in config.warnings:
                    progress.say(note)
        elif changed := differences(self.config(config.name), config):
            raise JobExistsError(
                f"a tuning job named {config.name!r} exists in {self.root} and was described otherwise: "
                f"{'; '.join(changed)}. Give what it was started with, or choose another name"
            )
        with self.take(config.name, progress=progress) as runner:
            if not created:
                prepare(directory)  # only now: until it was ours, another process may have been using it
            yield runner


_NOT_COMPARED = ("name", "warnings", "request", "HyperParameterTuningJobName")
_SEEDS = ("seed", "HyperParameterTuningJobConfig.RandomSeed")


def differences(stored: TuningJobConfig, given: TuningJobConfig) -> list[str]:
    """What two descriptions of a job, but for its name, disagree on, one text a member.

    In the words of their requests where those differ. A seed left open agrees with any.
    """
    return _differences(stored.request, given.request) or _differences(
        to_document(stored), to_document(given)
    )


def _differences(stored: Mapping[str, Any], given: Mapping[str, Any], path: str = "") -> list[str]:
    found = []
    for key in sorted(stored.keys() | given.keys()):
        if (not path and key in _NOT_COMPARED) or (path + key in _SEEDS and given.get(key) is None):
            continue
        found += _disagreements(stored.get(key), given.get(key), path + key)
    return found


def _disagreements(old: object, new: object, path: str) -> list[str]:
    if old == new:
        return []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return _differences(old, new, f"{path}.")
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [text for i, pair in pairs for text in _disagreements(*pair, f"{path}[{i}]")]
    return [f"{path} is {_brief(old)} there and {_brief(new)} here"]


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


READING = 0.04
"""Seconds a runner reads logs at a time before it sees to everything else."""

ENDING = "putting the running training jobs down with grace; Ctrl-C again ends them at once"


def drive(runner: TuningJobRunner, progress: Progress | None = None) -> bool:
    """Run a job until it ends or Ctrl-C or SIGTERM puts its trials down. True if it was interrupted.

    The first signal stops trials with their grace period, the second at once.
    """
    received: list[int] = []
    handled = 0

    def pause(seconds: float) -> None:
        nonlocal handled
        if progress is not None:
            progress.tick(runner)
        if len(received) > handled:
            handled = len(received)
            if handled == 1 and progress is not None and runner.state.running:
                progress.say(ENDING)
            runner.interrupt(now=handled > 1)
        else:
            time.sleep(seconds)

    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, lambda signum, frame: received.append(signum))
    try:
        runner.run(sleep=pause)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return bool(received) and not runner.state.status.ended
