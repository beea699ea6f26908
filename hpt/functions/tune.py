"""`hpt.tune`: tune a Python function, each trial in a process of its own."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpt.errors import InputError
from hpt.executors.factory import FRESH, LOCAL
from hpt.functions import payload
from hpt.functions.channel import REPORT_PREFIX, RESULT_PREFIX
from hpt.functions.identity import Function
from hpt.functions.payload import TrainFunction
from hpt.job.completion import CompletionCriteria
from hpt.job.config import (
    RESULT_METRIC,
    EarlyStopping,
    HyperbandConfig,
    JobConfig,
    Objective,
    ResourceLimits,
)
from hpt.job.program_kind import FUNCTION_WORKER, ProgramKind, TrainingProgram
from hpt.job.resources import as_resources
from hpt.job.warm_start import as_warm_start
from hpt.running.dependencies import require_jobs
from hpt.running.result import TuningResult, check_on_failure, settle
from hpt.search.trial import ObjectiveType, parse_enum

if TYPE_CHECKING:
    from hpt.job.draft import DraftDefinition
    from hpt.job.resources import SlotResources
    from hpt.job.warm_start import WarmStart
    from hpt.running.run import Run
    from hpt.search.space import SearchSpace

_EXECUTORS = {"worker": LOCAL, "trial": FRESH}
_RAY = "ray"


def tune(
    train: TrainFunction,
    space: SearchSpace,
    *,
    metric: str = "objective",
    objective: str = "Maximize",
    strategy: str = "Bayesian",
    hyperband: HyperbandConfig | None = None,
    early_stopping: EarlyStopping | None = None,
    completion: CompletionCriteria | None = None,
    warm_start: WarmStart | str | Sequence[str] | None = None,
    max_jobs: int | None = None,
    max_parallel_jobs: int = 1,
    max_runtime_seconds: float | None = None,
    max_trial_seconds: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    state: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
    resources: SlotResources | Mapping[str, Any] | None = None,
    isolation: str = "worker",
    executor: str | None = None,
    address: str | None = None,
    repeats: bool = False,
    verbose: bool | None = None,
    on_failure: str = "raise",
) -> TuningResult:
    """Find the configuration for which `train` yields the best objective.

    `train(config, report)` runs in worker processes: `config` is a dict of typed values, `report(value)`
    hands in an interim value and may be called any number of times, from threads and child processes too;
    a returned number beats the last report. An exception fails the trial, not the job; so do NaN and no value
    at all. Any function will do: a lambda, a closure, one of a script, a notebook or a module. What it refers
    to in `__main__` is copied to the workers.

    A worker runs one trial after another, so that imports, and whatever the function keeps in memory, are
    paid once. Each trial has its own working directory, environment and log. After a crash, a stop by a
    signal, or a trial that leaves processes or much memory behind, a fresh worker takes over.

    Without `name` and `state` the job lives in a temporary directory and is deleted at the end, its logs too;
    `failure_reason` of each trial says what went wrong. With one it is kept under `state` and the same call
    resumes it after a crash or Ctrl-C.

    Parameters
    ----------
    train
        The function to tune.
    space
        The search space of its configurations.
    metric
        A name for what `train` reports and returns.
    objective
        `Maximize` or `Minimize`, in any case.
    strategy
        `Bayesian`, `Random`, `Hyperband`, `RandomHyperband` or `Grid`, in any case.
    hyperband
        How `strategy="Hyperband"` stops trials, which must report.
    early_stopping
        The median rule, if trials are to be stopped by it.
    completion
        What else ends the job, such as a target.
    warm_start
        Names of jobs under `state` that have ended and whose results this one begins with; a `WarmStart` says
        what they have in common with it. Such a job needs a `name`.
    max_jobs
        How many trials there are at most.
    max_parallel_jobs
        How many of them run at once.
    max_runtime_seconds
        Seconds after which the job ends.
    max_trial_seconds
        Seconds after which a trial is stopped; None: never.
    seed
        Makes the search repeatable; None draws one.
    name
        The job's name, under which it is kept.
    state
        The state directory; None: `$HPT_HOME`, else `~/.hpt`.
    environment
        Environment variables of the worker processes, beside those of this process.
    resources
        The GPUs, cores and memory of each trial, `{"gpus": 1, "cpus": 2, "memory_bytes": "8G"}`.
    isolation
        `worker`: workers run many trials; `trial`: each trial has a process of its own.
    executor
        `ray`: trials run on the nodes of a Ray cluster, each in a process of its own there. The function and
        the module that defines it are sent; packages that it imports are to be installed on the nodes.
    address
        Of the head of that cluster, `HOST:PORT`; None: `$RAY_ADDRESS`, else the one this host is part of.
    repeats
        Whether Bayesian search may try a configuration again where the objective is noisy and that teaches
        more than a new one. A finite space then ends the job only if its values do not differ.
    verbose
        None shows one line of progress on a terminal and in a notebook; True prints what happens to standard
        error, line by line; False shows nothing.
    on_failure
        What happens where the job ends without a usable value: "raise" NoTrialSucceededError, or "warn" and
        return the result.

    Returns
    -------
    TuningResult
        The best trial, all trials and why the job ended.

    Raises
    ------
    InputError
        An argument breaks its rule, or `train` cannot be pickled; nothing was started.
    JobExistsError
        `name` is that of a job with other arguments, or with a function of another name; nothing was changed.
    JobOwnedError
        Another living process runs the job; nothing was changed.
    NoTrialSucceededError
        The job has ended, now or earlier, and no trial of it has a usable value.
    MissingDependencyError
        `hpt[jobs]` is not installed, or Ray is not.
    KeyboardInterrupt
        After the running trials were interrupted with grace.
    """
    from hpt.job.complete import make
    from hpt.job.draft import Draft, DraftWarmStart
    from hpt.job.naming import tune_naming
    from hpt.running.session import Again, Session
    from hpt.search.strategies import canonical_name

    if os.environ.get("HPT_FUNCTION"):
        raise InputError(
            "hpt.tune was called within a worker process, by the function to tune or by a module that it "
            'imports; a module calls hpt.tune under `if __name__ == "__main__":`'
        )
    require_jobs("hpt.tune")
    check_on_failure(on_failure)
    _check(train, space)
    kind, options = _executor_of(isolation, executor, address)
    function = Function(train, payload.pack(train, space, elsewhere=kind == _RAY))
    inherits = as_warm_start(warm_start)
    if inherits is not None and name is None:
        raise InputError(
            "warm_start takes results of stored jobs; give this job a name, so that it is stored too"
        )
    ephemeral = name is None and state is None
    with ExitStack() as closing:
        root = None
        if ephemeral:
            root = Path(tempfile.mkdtemp(prefix="hpt-"))
            closing.callback(_discard, root)
        place = root if root is not None else state
        session = Session(place, ephemeral=ephemeral, executor=kind, options=options)
        closing.callback(session.close)
        job_name = name or f"tune-{secrets.token_hex(4)}"
        directory = session.job_directory(job_name)
        ResourceLimits(max_jobs, max_parallel_jobs, max_runtime_seconds)
        asked = as_resources(resources).variables()
        variables = {**(environment or {}), **asked, "HPT_FUNCTION": str(directory / payload.FILE)}
        direction = parse_enum(ObjectiveType, objective, "objective")
        draft = Draft(
            name=job_name,
            strategy=canonical_name(strategy),
            definitions=(_definition(space, Objective(metric, direction), variables, max_trial_seconds),),
            max_jobs=max_jobs,
            max_parallel_jobs=max_parallel_jobs,
            max_runtime_seconds=max_runtime_seconds,
            seed=seed,
            min_resource=None if hyperband is None else hyperband.min_resource,
            max_resource=None if hyperband is None else hyperband.max_resource,
            hyperband=hyperband,
            resources=hyperband is not None,
            early_stopping=early_stopping,
            completion=completion or CompletionCriteria(),
            warm_start=None if inherits is None else DraftWarmStart(inherits.parents, str(inherits.type)),
            modules=True,
            repeats=repeats,
        )
        config = make(draft, tune_naming(), base_dir="/", home="/")

        result = _follow(session.start(config, again=Again.SAME, prepare=function.store), verbose)
        return settle(replace(result, directory=None) if ephemeral else result, on_failure)


def _executor_of(isolation: str, executor: str | None, address: str | None) -> tuple[str, dict[str, str]]:
    """What runs the trials, and its options. Raises InputError."""
    if isolation not in _EXECUTORS:
        raise InputError(f"isolation {isolation!r} is not known; use one of {', '.join(_EXECUTORS)}")
    if executor is None and address is None:
        return _EXECUTORS[isolation], {}
    if executor != _RAY:
        what = (
            f"address {address!r} is that of a Ray cluster"
            if executor is None
            else (f"executor {executor!r} runs no functions")
        )
        raise InputError(f"{what}; give executor='ray', or leave both out to run on this host")
    return _RAY, {} if address is None else {"address": address}


def _definition(
    space: SearchSpace, objective: Objective, environment: Mapping[str, str], max_trial_seconds: float | None
) -> DraftDefinition:
    """A training job that calls the function; without `max_trial_seconds`, as long as it likes."""
    from hpt.job.draft import DraftDefinition, DraftMetric, ranges_of

    return DraftDefinition(
        training_image=FUNCTION_WORKER,
        objective=objective.metric,
        direction=str(objective.type),
        ranges=ranges_of(space.parameters),
        parameters=space.parameters,
        program=TrainingProgram(ProgramKind.FUNCTION),
        metrics=(
            DraftMetric(objective.metric, rf"^{re.escape(REPORT_PREFIX)}(\S+)$"),
            DraftMetric(RESULT_METRIC, rf"^{re.escape(RESULT_PREFIX)}(\S+)$"),
        ),
        environment=environment,
        max_runtime_seconds=max_trial_seconds,
        unlimited=True,
    )


def run(
    config: JobConfig,
    *,
    state: str | os.PathLike[str] | None = None,
    verbose: bool | None = None,
    on_failure: str = "raise",
) -> TuningResult:
    """Run a tuning job made by `hpt.job.tuning_job`, by hand or read from a request, to its end.

    The job is kept under `state` (default `$HPT_HOME`, else `~/.hpt`); the same call goes on with it after a
    crash or Ctrl-C, and answers at once when it has ended. verbose: as `tune` takes it.

    on_failure: what happens where the job ends without a usable value: "raise" NoTrialSucceededError, or
    "warn" and return the result.

    Raises:
        ValidationError: a new job breaks a rule, or its program, data or a place is not there or cannot be
            reached; nothing was started.
        JobExistsError: the name is that of a job with a different description. JobOwnedError: another living
            process runs it. Nothing was changed.
        NoTrialSucceededError: the job has ended, and no trial of it has a usable value.
        MissingDependencyError: `hpt[jobs]` is not installed.
        KeyboardInterrupt: after the running trials were interrupted with grace.
    """
    require_jobs("hpt.run")
    check_on_failure(on_failure)
    from hpt.running.session import Again, Session

    session = Session(state)
    try:
        return settle(_follow(session.start(config, again=Again.SAME), verbose), on_failure)
    finally:
        session.close()


def _follow(run: Run, verbose: bool | None) -> TuningResult:
    from hpt.functions.progress import shown

    with shown(verbose) as progress:
        if progress is not None:
            for note in run.notes:
                progress.say(note)
        interrupted = run.follow(progress)
    if interrupted:
        raise KeyboardInterrupt(f"tuning job {run.name} was interrupted with its trials")
    return run.result()


def _discard(root: Path) -> None:
    """Remove a temporary directory; one with many files by a process that nobody waits for."""
    if any(root.glob("*/trials")):
        command = 'rm -rf -- "$0" </dev/null >/dev/null 2>&1 &'
        try:
            subprocess.run(["/bin/sh", "-c", command, str(root)], check=True, start_new_session=True)
            return
        except (OSError, subprocess.SubprocessError):  # no shell: then here
            pass
    shutil.rmtree(root, ignore_errors=True)


def _check(train: object, space: object) -> None:
    from hpt.search.space import SearchSpace

    if not callable(train):
        raise InputError(f"train is {train!r}; it must be a function train(config, report)")
    if not isinstance(space, SearchSpace):
        raise InputError(f"space is {type(space).__name__}; it must be an hpt.SearchSpace")


__all__ = ["TuningResult", "run", "tune"]
