"""What each word of the `hpt` command does. Each returns the exit code."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

from hpt.cli import check_metric, show, simulate
from hpt.cli import main as codes
from hpt.cli.checked import checked
from hpt.cli.hints import HintedView, command
from hpt.errors import InputError, JobExistsError, JobOwnedError
from hpt.job.config import TuningJobConfig
from hpt.job.lifecycle import PRIMARY
from hpt.job.state import JobStatus
from hpt.job.view import TrialView
from hpt.job.warm_start import WarmStart, WarmStartType
from hpt.running.progress import PlainProgress
from hpt.running.session import Progress, Session, differences, drive
from hpt.search.strategies import canonical_name


def tune(options: Namespace) -> int:
    config = _read_job(options)
    if options.check:
        with closing(Session(options.state)) as session:
            config, _ = session.inherit(config, 0.0, warm_start_jobs=_warm_start_jobs(options))
        checked(config, as_json=options.json)
        return codes.COMPLETED
    session = Session(options.state)
    if options.again:
        config, resuming = _again(session, config)
    else:
        resuming = False
    with _interruptible(session, config.name):
        if not resuming:
            config = _create(session, config, options)
        for warning in config.warnings:
            print(f"hpt: note: {warning}", file=sys.stderr)
        return _run(session, config.name, options)


def resume(options: Namespace) -> int:
    session = Session(options.state)
    config, _, state = session.load(options.name)
    if state.status.ended:
        raise InputError(f"tuning job {config.name} has ended ({state.status}); there is nothing to resume")
    with _interruptible(session, config.name):
        return _run(session, config.name, options)


def stop(options: Namespace) -> int:
    session = Session(options.state)
    config, record, state = session.load(options.name)
    if state.status.ended:
        raise InputError(f"tuning job {config.name} has ended ({state.status}); there is nothing to stop")
    session.storage.request_stop(config.name)
    if options.no_wait and record.owner_pid is not None:
        _say(options, f"process {record.owner_pid} is stopping tuning job {config.name}")
        return codes.COMPLETED
    try:
        return _until_stopped(session, config.name, options)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; the request to stop tuning job {config.name} stays in force: "
            "the process that runs it, or resumes it, ends it"
        ) from None


def _until_stopped(session: Session, name: str, options: Namespace) -> int:
    """Run the job, of which a stop is requested, to its end, or wait for the process that does."""
    while True:
        try:
            code = _run(session, name, options)
            return codes.COMPLETED if code == codes.STOPPED else code
        except JobOwnedError as owned:  # its owner reads the request within a step
            _say(options, f"waiting for process {owned.pid} to stop tuning job {name}")
            while session.storage.read(name)[0].owner_pid is not None:
                time.sleep(0.2)
        if session.load(name)[2].status.ended:
            return _finish(session, name, options, stopped=codes.COMPLETED)


def list_jobs(options: Namespace) -> int:
    session = Session(options.state)
    show.jobs(session.storage.jobs(), session.root, as_json=options.json)
    return codes.COMPLETED


def describe(options: Namespace) -> int:
    session = Session(options.state)
    config, record, state = session.load(options.name)
    show.job(
        HintedView(config, state, session.root),
        record,
        session.job_directory(config.name),
        as_json=options.json,
    )
    return codes.COMPLETED


def trials(options: Namespace) -> int:
    session = Session(options.state)
    config, _, state = session.load(options.name)
    view = HintedView(config, state, session.root)
    chosen = view.trials
    if options.status is not None:
        known = {word.lower(): word for word in (*PRIMARY, *PRIMARY.values(), *view.training_counters)}
        wanted = known.get(options.status.lower())
        if wanted is None:
            raise InputError(
                f"status {options.status!r} is not known; use one of {', '.join(sorted(known.values()))}"
            )
        chosen = [trial for trial in chosen if wanted in _statuses(trial)]
    if options.sort == "value":
        chosen = view.best_first(chosen)
    show.trials(view, chosen, as_json=options.json)
    return codes.COMPLETED


def _statuses(trial: TrialView) -> set[str]:
    """The words for how a training job stands: its two statuses, and once it has ended its counter."""
    return {str(trial.status), trial.secondary, *([trial.counter] if trial.status.ended else [])}


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "tune": tune,
    "simulate": simulate.run,
    "check-metric": check_metric.run,
    "resume": resume,
    "list": list_jobs,
    "describe": describe,
    "trials": trials,
    "stop": stop,
}


def _read_job(options: Namespace) -> TuningJobConfig:
    from hpt.running.s3_places import check_s3
    from hpt.sagemaker.request.autotune import hand_over
    from hpt.sagemaker.request.convert import warm_start_request
    from hpt.sagemaker.request.job_file import load_job_file
    from hpt.sagemaker.request.parse import parse_request

    request, base_dir = load_job_file(Path(options.job))
    if options.name is not None:
        request = {**request, "HyperParameterTuningJobName": options.name}
    tuning = request.get("HyperParameterTuningJobConfig")
    if options.strategy is not None and isinstance(tuning, dict):
        tuning = {**tuning, "Strategy": canonical_name(options.strategy)}
        request = {**request, "HyperParameterTuningJobConfig": tuning}
    if options.warm_start:
        warm_start = WarmStart(options.warm_start, options.warm_start_type or WarmStartType.TRANSFER)
        request = {**request, "WarmStartConfig": warm_start_request(warm_start)}
    elif options.warm_start_type is not None:
        raise InputError("--warm-start-type is given without parents; add --warm-start NAME")
    if options.autotune:
        request = hand_over(request, options.keep_static)
    elif options.keep_static:
        raise InputError("--keep-static is given without --autotune; add it, or leave this out")
    return parse_request(
        request, base_dir=base_dir, strict=options.strict, check_s3=check_s3, extended=options.extended
    )


def _warm_start_jobs(options: Namespace) -> int | None:
    """As `Session.create` takes it."""
    from hpt.sagemaker.request.relaxations import STRICT_LIMITS

    return STRICT_LIMITS.warm_start_jobs if options.strict else None


def _create(session: Session, config: TuningJobConfig, options: Namespace) -> TuningJobConfig:
    try:
        return session.create(config, warm_start_jobs=_warm_start_jobs(options))
    except JobExistsError as error:
        ended = session.load(config.name)[2].status.ended
        raise JobExistsError(
            str(error), name=config.name, root=str(session.root), unfinished=not ended
        ) from error


@contextmanager
def _interruptible(session: Session, name: str) -> Iterator[None]:
    """Gives a Ctrl-C that meets the job outside the runner's loop, which sees to its own, words on what is
    left of it.
    """
    try:
        yield
    except KeyboardInterrupt:
        if not session.holds(name):
            words = f"tuning job {name} was not created"
        elif session.load(name)[2].status.ended:
            words = f"tuning job {name} has ended; see: {command(f'describe {name}', session.root)}"
        else:
            words = f"go on with: {command(f'resume {name}', session.root)}"
        raise KeyboardInterrupt(f"interrupted; {words}") from None


def _again(session: Session, config: TuningJobConfig) -> tuple[TuningJobConfig, bool]:
    """The configuration under the first name that is free or unfinished, and whether it is the latter.

    Raises:
        JobExistsError: the unfinished job was described otherwise.
    """
    taken = {record.name.lower(): record for record in session.storage.jobs()}
    for ordinal in count(1):
        suffix = "" if ordinal == 1 else f"-{ordinal}"
        name = config.name[: 32 - len(suffix)].rstrip("-") + suffix
        record = taken.get(name.lower())
        if record is None:
            return replace(config, name=name), False
        if not JobStatus(record.summary.get("status", "InProgress")).ended:
            if changed := differences(session.config(name), config):
                raise JobExistsError(
                    f"tuning job {record.name!r} is unfinished and was described otherwise: "
                    f"{'; '.join(changed)}",
                    name=record.name,
                    root=str(session.root),
                    differences=changed,
                )
            return replace(config, name=name), True
    raise AssertionError("unreachable")


def _run(session: Session, name: str, options: Namespace) -> int:
    progress = _progress(options)
    with session.take(name, progress=progress) as runner:
        if progress is not None:
            show.banner(runner, session.root)
        try:
            interrupted = drive(runner, progress)
        finally:
            close = getattr(progress, "close", None)
            if close is not None:
                close()
    if interrupted:
        running = len(runner.state.running)
        print(
            f"hpt: interrupted; {running} training job{'s' * (running != 1)} put down. "
            f"Go on with: {command(f'resume {runner.config.name}', session.root)}",
            file=sys.stderr,
        )
        return codes.INTERRUPTED
    return _finish(session, name, options)


def _finish(session: Session, name: str, options: Namespace, stopped: int = codes.STOPPED) -> int:
    config, record, state = session.load(name)
    show.job(
        HintedView(config, state, session.root),
        record,
        session.job_directory(config.name),
        as_json=options.json,
    )
    return {JobStatus.COMPLETED: codes.COMPLETED, JobStatus.STOPPED: stopped}.get(state.status, codes.FAILED)


def _progress(options: Namespace) -> Progress | None:
    if options.quiet:
        return None
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from hpt.cli.live import LiveProgress

        return LiveProgress()
    return PlainProgress(sys.stderr)


def _say(options: Namespace, words: str) -> None:
    if not options.quiet:
        print(f"hpt: {words}", file=sys.stderr)
