"""`hpt train`: one training job of a job file in the foreground, and what there is to do with such jobs."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hpt.cli import exit_codes as codes
from hpt.cli import slots
from hpt.cli.hints import command
from hpt.cli.json_output import print_json
from hpt.cli.live_log import LiveLog
from hpt.cli.training_job import TrainingJobReport, report_document, show_report
from hpt.errors import InputError, JobExistsError, JobOwnedError
from hpt.job.config import JobConfig, TrainingJobDefinition
from hpt.job.program_kind import ProgramKind
from hpt.job.view import JobView
from hpt.running.alone import (
    STOP_IT,
    Chosen,
    alone,
    check_name,
    choose,
    find,
    free_name,
    read_assignments,
    training_session,
)
from hpt.running.run import Run
from hpt.running.runner import TuningJobRunner
from hpt.running.session import Session
from hpt.search.trial import TrialStatus

if TYPE_CHECKING:
    from hpt.sagemaker.request.parse import JobRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `hpt train`."""
    parser.add_argument("job", metavar="JOB", help="job file: .json, .yaml or .toml")
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="values of hyperparameters, also of static ones; all others are the middle of their ranges, on "
        "the scale of the range, and the first of the values of a categorical",
    )
    parser.add_argument(
        "--definition", metavar="NAME", help="which definition of a multi-algorithm job; the first by default"
    )
    parser.add_argument(
        "--name", help="name of the training job; by default that of the job file with -train, -train-2, ..."
    )
    slots.add_arguments(parser)


def run(options: Namespace) -> int:
    """Run one training job of a job file to its end and show what a tuning job would make of it."""
    given = read_assignments(options.set)
    read = _read(options)
    definition = _definition(read.config, options.definition)
    chosen, outside = choose(definition, given)
    session = training_session(Session(options.state))
    run, config = _begin(session, read.config, definition, chosen, options.name)
    with _interruptible(session, run.name):
        if not options.quiet:
            _banner(session, config, definition, chosen)
        for note in (*read.warnings, *outside, *run.notes):
            print(f"hpt: note: {note}", file=sys.stderr)
        tune = "" if read.config.alone else command(_tune(options), session.root)
        return _follow(session, run, options, chosen, tune=tune)


def _tune(options: Namespace) -> str:
    """The command that tunes what was trained, under the same conditions."""
    return shlex.join(["tune", options.job, *slots.given(options)])


@contextmanager
def _interruptible(session: Session, name: str) -> Iterator[None]:
    """Adds what became of the training job to a Ctrl-C outside the runner's loop, which handles its own."""
    try:
        yield
    except KeyboardInterrupt:
        if session.load(name)[2].status.ended:
            message = f"training job {name} has ended; see: {command(f'describe {name}', session.root)}"
        else:
            message = f"end it with: {command(f'stop {name}', session.root)}"
        raise KeyboardInterrupt(f"interrupted; {message}") from None


def _read(options: Namespace) -> JobRequest:
    from hpt.running.s3_places import check_s3
    from hpt.sagemaker.request.bodies import is_training_request
    from hpt.sagemaker.request.job_file import load_job_file
    from hpt.sagemaker.request.parse import Overrides, read_request
    from hpt.sagemaker.request.training import read_training_request

    request, base_dir = load_job_file(Path(options.job))
    overrides = Overrides(resources=slots.resources(options), containers=options.containers)
    if is_training_request(request):
        return read_training_request(request, base_dir=base_dir, check_s3=check_s3, overrides=overrides)
    return read_request(request, base_dir=base_dir, check_s3=check_s3, extended=True, overrides=overrides)


def _definition(config: JobConfig, name: str | None) -> TrainingJobDefinition:
    if name is None:
        return config.definition
    names = [str(each.name) for each in config.definitions]
    if not names:
        raise InputError(
            f"--definition {name!r}: {config.name} has one definition, without a name; leave it out"
        )
    if name not in names:
        raise InputError(
            f"--definition {name!r}: {config.name} has no such definition; use {' or '.join(names)}"
        )
    return config.definition_of(name)


def _begin(
    session: Session,
    config: JobConfig,
    definition: TrainingJobDefinition,
    chosen: tuple[Chosen, ...],
    name: str | None,
) -> tuple[Run, JobConfig]:
    """Store the training job, under a free name where none is given."""
    if name is not None:
        check_name(session, name)
    while True:
        own = alone(config, definition, name or free_name(session, config.name), chosen)
        try:
            return session.begin(own), own
        except JobExistsError:
            if name is not None:
                raise  # else another process has just taken it


def _banner(
    session: Session, config: JobConfig, definition: TrainingJobDefinition, chosen: Sequence[Chosen]
) -> None:
    which = "" if definition.name is None else f"{definition.name}, "
    program, runs = definition.program, definition.training_image
    if program.kind is ProgramKind.SCRIPT:
        runs = f"{program.entry} of {program.source}"
    print(f"{config.name}: {which}{runs}; state in {session.top}", file=sys.stderr)
    middles = [f"{each.name}={each.value}" for each in chosen if each.source == "middle"]
    if middles:
        print(f"the middle of the ranges: {' '.join(middles)}", file=sys.stderr)


def resume(session: Session, options: Namespace) -> int:
    """Go on with a training job whose command was killed: its program may still run, or is started again."""
    config, _, state = session.load(options.name)
    if state.status.ended:
        raise InputError(f"training job {config.name} has ended; there is nothing to resume")
    with _interruptible(session, config.name):
        return _follow(session, session.run(config.name), options, ())


def describe(session: Session, options: Namespace) -> int:
    _show(session, options.name, options)
    return codes.COMPLETED


def stop(session: Session, options: Namespace) -> int:
    """Stop it for good: by the process that runs it, else here."""
    config, record, state = session.load(options.name)
    if state.status.ended:
        raise InputError(f"training job {config.name} has ended; there is nothing to stop")
    session.storage.add_note(config.name, STOP_IT)
    if options.no_wait and record.owner_pid is not None:
        if not options.quiet:
            print(f"hpt: process {record.owner_pid} is stopping training job {config.name}", file=sys.stderr)
        return codes.COMPLETED
    while not session.load(config.name)[2].status.ended:
        try:
            _follow(session, session.run(config.name), options, (), show=False)
        except JobOwnedError:
            time.sleep(0.2)
    _show(session, config.name, options)
    return codes.COMPLETED


def refuse(session: Session, name: str) -> None:
    """Raises InputError where a name is that of a training job by itself, in place of a tuning job's."""
    if find(session, name) is not None:
        look = command(f"describe {name}", session.root)
        raise InputError(f"{name!r} is a training job, and no tuning job; see: {look}")


def list_jobs(session: Session, *, as_json: bool) -> int:
    """Every training job by itself."""
    from hpt.cli.training_job import show_list

    show_list(session, as_json=as_json)
    return codes.COMPLETED


def _follow(
    session: Session,
    run: Run,
    options: Namespace,
    chosen: Sequence[Chosen],
    *,
    show: bool = True,
    tune: str = "",
) -> int:
    """Run a training job to its end.

    Parameters
    ----------
    session, run
        The training job.
    options
        Of the command.
    chosen
        Where its hyperparameters are from, where that is known.
    show
        Whether to show the report at the end.
    tune
        The command that tunes it, if it is known.

    Returns
    -------
    int
        The exit code: 0 if it completed and its objective was read.
    """
    log = None if options.quiet else LiveLog(sys.stderr, session.job_directory(run.name) / "trials")

    def begin(runner: TuningJobRunner) -> None:
        if log is not None:
            log.begin(runner)

    try:
        interrupted = run.follow(log, begin, for_good=True)
    finally:
        if log is not None:
            log.close()
    if interrupted:
        print(
            f"hpt: interrupted; go on with: {command(f'resume {run.name}', session.root)}, or end it with: "
            f"{command(f'stop {run.name}', session.root)}",
            file=sys.stderr,
        )
        return codes.INTERRUPTED
    if not show:
        return codes.COMPLETED
    report = _show(session, run.name, options, chosen, tune)
    if report.trial.status is TrialStatus.STOPPED:
        return codes.STOPPED
    good = report.trial.status is TrialStatus.COMPLETED and report.objective_read
    return codes.COMPLETED if good else codes.FAILED


def _show(
    session: Session, name: str, options: Namespace, chosen: Sequence[Chosen] = (), tune: str = ""
) -> TrainingJobReport:
    config, record, state = session.load(name)
    report = TrainingJobReport(JobView(config, state), record, session.job_directory(config.name), chosen)
    if options.json:
        print_json(report_document(report))
    else:
        show_report(report, tune=tune)
    return report
