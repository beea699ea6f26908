"""The subcommands of `hpt`. Each function returns the exit code."""

from __future__ import annotations

import math
import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hpt.cli import check_metric, executors, fleet, show, simulate, slots, train, trials
from hpt.cli import exit_codes as codes
from hpt.cli.checked import checked
from hpt.cli.hints import HintedView, command
from hpt.cli.json_output import print_json
from hpt.errors import InputError, JobOwnedError, StorageError, StorageProblem
from hpt.fleet.registry import RAY, effective_members, runs_images
from hpt.job.config import JobConfig
from hpt.job.limits import STRICT_LIMITS
from hpt.job.plural import quantity
from hpt.job.state import JobState, JobStatus
from hpt.job.warm_start import WarmStart, WarmStartType
from hpt.running.alone import find, training_session
from hpt.running.drive import Progress
from hpt.running.progress import PlainProgress
from hpt.running.result import result_of
from hpt.running.run import Run
from hpt.running.runner import TuningJobRunner
from hpt.running.session import Again, Session
from hpt.search.belief import BELIEF
from hpt.search.strategies import canonical_name

if TYPE_CHECKING:
    from hpt.sagemaker.request.parse import JobRequest


def tune(options: Namespace) -> int:
    read = _read_job(options)
    if options.fleet is not None and not options.check:
        return fleet.tune(options, read)
    session = executors.session(options)
    most = STRICT_LIMITS.warm_start_jobs if options.strict else None
    if options.check:
        with closing(session):
            session.check_writable()
            _, notes = session.inherit(read.config, 0.0, warm_start_jobs=most)
            notes = (*notes, *session.place_notes(read.config, read.request))
        checked(
            read._replace(warnings=(*read.warnings, *notes)),
            session.root,
            as_json=options.json,
            here=not runs_images(options.executor),
        )
        return codes.COMPLETED
    with _interruptible(session, read.config.name):
        run = session.start(
            read.config,
            again=Again.NEXT if options.again else Again.NEVER,
            request=read.request,
            notes=read.warnings,
            warm_start_jobs=most,
        )
    with _interruptible(session, run.name):
        for note in run.notes:
            print(f"hpt: note: {note}", file=sys.stderr)
        return _follow(session, run, options)


def resume(options: Namespace) -> int:
    if options.fleet is not None:
        return fleet.go_on(options)
    session = executors.session(options)
    if (training := find(session, options.name)) is not None:
        return train.resume(training, options)
    config, _, state = session.load(options.name)
    if state.status.ended:
        raise InputError(f"tuning job {config.name} has ended ({state.status}); there is nothing to resume")
    with _interruptible(session, config.name):
        for note in (*session.program_notes(config.name), *session.stored_place_notes(config)):
            print(f"hpt: note: {note}", file=sys.stderr)
        return _follow(session, session.run(config.name), options)


def extend(options: Namespace) -> int:
    """Give a job that has ended a larger budget, and run it to its end."""
    if options.fleet is not None:
        return fleet.go_on(options)
    session = Session(options.state)
    train.refuse(session, options.name)
    config = session.extend(
        options.name,
        max_jobs=options.max_jobs,
        max_runtime_seconds=options.max_runtime,
        max_parallel_jobs=options.max_parallel,
    )
    with _interruptible(session, config.name):
        return _follow(session, session.run(config.name), options)


def stop(options: Namespace) -> int:
    if options.fleet is not None:
        return fleet.stop(options)
    session = Session(options.state)
    if (training := find(session, options.name)) is not None:
        return train.stop(training, options)
    config, record, state = session.load(options.name)
    if state.status.ended:
        raise InputError(f"tuning job {config.name} has ended ({state.status}); there is nothing to stop")
    run = session.run(config.name)
    run.stop()
    if options.no_wait and record.owner_pid is not None:
        _say(options, f"process {record.owner_pid} is stopping tuning job {config.name}")
        return codes.COMPLETED
    try:
        return _until_stopped(session, run, options)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; the request to stop tuning job {config.name} stays in force: "
            "the process that runs it, or resumes it, ends it"
        ) from None


def _until_stopped(session: Session, run: Run, options: Namespace) -> int:
    """Run a job with a requested stop to its end, or wait for the process that runs it."""
    while True:
        try:
            code = _follow(session, run, options)
            return codes.COMPLETED if code == codes.STOPPED else code
        except JobOwnedError as owned:  # its owner reads the request in its next step
            _say(options, f"waiting for process {owned.pid} to stop tuning job {run.name}")
            while session.storage.read(run.name)[0].owner_pid is not None:
                time.sleep(0.2)
        if session.load(run.name)[2].status.ended:
            return _finish(session, run.name, options, stopped=codes.COMPLETED)


def list_jobs(options: Namespace) -> int:
    session = Session(options.state)
    if options.training_jobs:
        return train.list_jobs(training_session(session), as_json=options.json)
    show.jobs(session.jobs(logs=True), session.root, as_json=options.json)
    alone = 0 if options.json else len(training_session(session).storage.names())
    if alone:
        look = command("list --training-jobs", session.root)
        print(f"{quantity(alone, 'training job')} run by hpt train or a client; see: {look}")
    return codes.COMPLETED


def describe(options: Namespace) -> int:
    if options.fleet is not None:
        options = fleet.copied(options)
    session = Session(options.state)
    if (training := find(session, options.name)) is not None:
        if options.best == BELIEF:
            raise InputError(f"{options.name} is one training job and has no best; leave out --best")
        return train.describe(training, options)
    config, record, state = session.load(options.name)
    view = HintedView(config, state, session.root)
    believed = None
    if options.best == BELIEF:
        believed = result_of(session, options.name, view, record).best(by=BELIEF)
    show.job(
        view,
        record,
        session.job_directory(config.name),
        as_json=options.json,
        believed=believed,
    )
    return codes.COMPLETED


def delete(options: Namespace) -> int:
    """Delete jobs with their files, once the user agrees. All names are looked at before anything is done."""
    session = Session(options.state)
    jobs: dict[str, tuple[Session, str]] = {}
    for name in options.names:
        training = _found(session, name)
        kind, own = ("tuning job", session) if training is None else ("training job", training)
        jobs[_deletable(own, name)] = own, kind
    if not options.yes:
        _ask_to_delete(jobs)
    for name, (own, kind) in jobs.items():
        own.delete(name)
        _say(options, f"deleted {kind} {name}")
    if options.json:
        print_json({"Deleted": list(jobs)})
    return codes.COMPLETED


def _found(session: Session, name: str) -> Session | None:
    """As `find`; also of a job that cannot be read, which can be deleted all the same."""
    try:
        return find(session, name)
    except StorageError as error:
        if error.problem not in (StorageProblem.DAMAGED, StorageProblem.NEWER):
            raise
        return None if session.job_directory(name).exists() else training_session(session)


def _deletable(session: Session, name: str) -> str:
    """The name of a stored job as it was given to it; of one that cannot be read, as it was typed.

    Raises:
        JobNotFoundError: no job of that name is stored. JobOwnedError: a living process runs it.
    """
    try:
        record = session.storage.record(name)
    except StorageError as error:
        if error.problem in (StorageProblem.DAMAGED, StorageProblem.NEWER):
            return name.lower()
        raise
    if record.owner_pid is not None:
        raise JobOwnedError(
            f"tuning job {record.name!r} is run by process {record.owner_pid}; wait for it",
            record.owner_pid,
            name=record.name,
            root=str(session.root),
            reachable=True,
        )
    return record.name


def _ask_to_delete(jobs: Mapping[str, tuple[Session, str]]) -> None:
    """Raises InputError unless the answer on standard input is yes."""
    for name, (session, _) in jobs.items():
        print(f"{name}: {session.job_directory(name)}", file=sys.stderr)
    kinds = {kind for _, kind in jobs.values()}
    what = quantity(len(jobs), kinds.pop() if len(kinds) == 1 else "job")
    print(f"delete {what} with logs and models for good? [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline() if sys.stdin else ""
    if not answer.endswith("\n"):
        print(file=sys.stderr)
    if not answer:
        raise InputError("nobody answered, and nothing was deleted; add --yes to delete without a question")
    if answer.strip().lower() not in ("y", "yes"):
        raise InputError("nothing was deleted")


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "tune": tune,
    "train": train.run,
    "simulate": simulate.run,
    "check-metric": check_metric.run,
    "resume": resume,
    "extend": extend,
    "list": list_jobs,
    "describe": describe,
    "trials": lambda options: trials.run(options if options.fleet is None else fleet.copied(options)),
    "fleet": fleet.run,
    "delete": delete,
    "stop": stop,
}


def _read_job(options: Namespace) -> JobRequest:
    from hpt.running.s3_places import check_s3
    from hpt.sagemaker.request.convert import is_stored_only, stored_only_note
    from hpt.sagemaker.request.job_file import load_job_file
    from hpt.sagemaker.request.parse import Overrides, read_request

    request, base_dir = load_job_file(Path(options.job))
    warm_start = None
    if options.warm_start:
        warm_start = WarmStart(options.warm_start, options.warm_start_type or WarmStartType.TRANSFER)
    elif options.warm_start_type is not None:
        raise InputError("--warm-start-type is given without parents; add --warm-start NAME")
    if options.keep_static and not options.autotune:
        raise InputError("--keep-static is given without --autotune; add it, or leave this out")
    overrides = Overrides(
        name=options.name,
        strategy=None if options.strategy is None else canonical_name(options.strategy),
        warm_start=warm_start,
        autotune=options.keep_static if options.autotune else None,
        resources=slots.resources(options),
        containers=options.containers,
    )
    read = read_request(
        request,
        base_dir=base_dir,
        strict=options.strict,
        limits=options.limits,
        check_s3=check_s3,
        check_paths=not runs_images(options.executor),
        extended=options.extended,
        overrides=overrides,
    )
    if options.executor == executors.LOCAL and options.fleet is None:
        return read
    other = tuple(each for each in read.warnings if not is_stored_only(each))
    if runs_images(options.executor):  # what has no effect on this host has one there
        return read._replace(warnings=other)
    kind = options.executor if options.fleet is None else RAY
    return read._replace(warnings=(*stored_only_note(read.request, effective_members(kind)), *other))


@contextmanager
def _interruptible(session: Session, name: str) -> Iterator[None]:
    """Adds a message about the job to a Ctrl-C outside the runner's loop, which handles its own."""
    try:
        yield
    except KeyboardInterrupt:
        if not session.holds(name):
            message = f"tuning job {name} was not created"
        elif session.load(name)[2].status.ended:
            message = f"tuning job {name} has ended; see: {command(f'describe {name}', session.root)}"
        else:
            message = f"go on with: {command(f'resume {name}', session.root)}"
        raise KeyboardInterrupt(f"interrupted; {message}") from None


def _follow(session: Session, run: Run, options: Namespace) -> int:
    progress = _progress(options)

    def begin(runner: TuningJobRunner) -> None:
        if progress is not None:
            show.banner(runner, session.root)

    try:
        interrupted = run.follow(progress, begin)
    finally:
        close = getattr(progress, "close", None)
        if close is not None:
            close()
    if interrupted:
        config, _, state = session.load(run.name)
        print(
            f"hpt: interrupted; {quantity(len(state.running), 'training job')} stopped. "
            f"{_time_left(config, state)}Go on with: {command(f'resume {run.name}', session.root)}",
            file=sys.stderr,
        )
        return codes.INTERRUPTED
    return _finish(session, run.name, options)


def _time_left(config: JobConfig, state: JobState) -> str:
    """That the time until a job is resumed counts, where its run time is limited."""
    limit = config.limits.max_runtime_seconds
    if limit is None:
        return ""
    left = max(0, math.ceil(state.created + limit - time.time()))
    return (
        f"The time until it goes on counts towards its MaxRuntimeInSeconds of {limit:g}: "
        f"{quantity(left, 'second')} left. "
    )


def _finish(session: Session, name: str, options: Namespace, stopped: int = codes.STOPPED) -> int:
    config, record, state = session.load(name)
    show.job(
        HintedView(config, state, session.root),
        record,
        session.job_directory(config.name),
        as_json=options.json,
    )
    if state.status is JobStatus.STOPPED:
        return stopped
    return codes.COMPLETED if state.status is JobStatus.COMPLETED and state.best is not None else codes.FAILED


def _progress(options: Namespace) -> Progress | None:
    if options.quiet:
        return None
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from hpt.cli.live import LiveProgress

        return LiveProgress()
    return PlainProgress(sys.stderr)


def _say(options: Namespace, message: str) -> None:
    if not options.quiet:
        print(f"hpt: {message}", file=sys.stderr)
