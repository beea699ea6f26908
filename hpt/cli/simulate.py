"""`hpt simulate`: what a tuning job would decide, on learning curves from a file."""

from __future__ import annotations

import argparse
import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpt.errors import InputError, JobExistsError

if TYPE_CHECKING:
    from hpt.job.config import JobConfig
    from hpt.job.view import JobView
    from hpt.running.session import Session
    from hpt.running.simulation import Simulation
    from hpt.search.events import ParentResult

NOTICE = "this is a simulation: no program runs, values and times come from {curves}, and {kept}"

MOST_TRIALS = 20
"""The training jobs, the best ones, that are printed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `hpt simulate`."""
    parser.add_argument("job", metavar="JOB", help="job file: .json, .yaml or .toml; its program is not run")
    parser.add_argument(
        "--curves",
        metavar="FILE",
        required=True,
        action="append",
        help="learning curves: .json or .csv table, or .py with a function curve(hyperparameters); in a "
        "multi-algorithm job NAME=FILE for each definition",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the search, in place of the file's")
    parser.add_argument(
        "--name", help="keep the simulated job under this name, for `hpt trials NAME` and `hpt describe NAME`"
    )
    parser.add_argument("--csv", action="store_true", help="print one row a training job as CSV")
    for name, meaning in (
        ("failures", "share of attempts whose program fails"),
        ("losses", "share of attempts whose machine is lost"),
        ("stragglers", "share of attempts that run five times slower"),
    ):
        parser.add_argument(
            f"--{name}", type=float, default=0.0, metavar="SHARE", help=f"{meaning} (default: 0)"
        )

    for name, default, unit, meaning in (
        ("price", 1.0, "SHARE", "price of a second on Spot capacity, as a share of the full price"),
        ("interruptions", 0.0, "RATE", "interruptions of Spot capacity in an hour of running"),
        ("delay", 0.0, "SECONDS", "average waiting time for Spot capacity"),
    ):
        parser.add_argument(
            f"--{name}", type=float, default=default, metavar=unit, help=f"{meaning} (default: {default:g})"
        )
    parser.add_argument(
        "--charge",
        action="store_true",
        help="also advance the clock by the CPU time of the tuner; then every run differs",
    )


def run(options: Namespace) -> int:
    """Simulate the job of a job file and print the result."""
    from hpt.cli import exit_codes as codes
    from hpt.cli.json_output import print_json
    from hpt.executors.curves import load_curves
    from hpt.executors.simulated import Faults, Market
    from hpt.job.state import JobStatus
    from hpt.running.progress import PlainProgress
    from hpt.running.session import Session
    from hpt.running.simulation import simulate
    from hpt.running.tables import write_csv

    if options.csv and options.json:
        raise InputError("--csv and --json are two forms of the result; give one of them")
    config = _config(options)
    if options.name is not None:
        with closing(Session(options.state)) as session:
            _check_free(session, config.name)
    files = _files(options.curves, config)
    tables = [load_curves(files[each.name], each.space) for each in config.all_definitions]
    curves = dict(zip(map(str, files), tables, strict=True)) if config.definitions else tables[0]
    faults = Faults(failures=options.failures, losses=options.losses, stragglers=options.stragglers)
    market = Market(options.price, options.interruptions, options.delay)
    given: list[ParentResult] = []
    if config.warm_start is not None:
        with closing(Session(options.state)) as session:
            given, _ = session.inherit(config, 0.0)
    kept = "nothing is stored" if options.name is None else f"what came of it is kept as {config.name}"
    print(f"hpt: {NOTICE.format(curves=', '.join(options.curves), kept=kept)}", file=sys.stderr)
    progress = None if options.quiet else PlainProgress(sys.stderr)
    started = time.monotonic()
    simulation = simulate(
        config,
        curves,
        faults=faults,
        market=market,
        given=given,
        charge=options.charge,
        observe=lambda runner, events: None if progress is None else progress.update(runner, events),
    )
    if options.name is not None:
        with closing(Session(options.state)) as session:
            simulation.keep(session.storage, ", ".join(options.curves)[:256])
    if options.json:
        result = document(simulation, market.price)
        result |= {"TunerSeconds": simulation.thinking} if options.charge else {}  # else it is reproducible
        print_json(result)
    elif options.csv:
        numbers = [trial.number for trial in simulation.view.best_first()]
        write_csv(simulation.result, numbers, sys.stdout, terminal=sys.stdout.isatty())
    else:
        _print(simulation, time.monotonic() - started, market.price)
        _print_trials(simulation, options)
    succeeded = simulation.state.status is JobStatus.COMPLETED and simulation.state.best is not None
    return codes.COMPLETED if succeeded else codes.FAILED


def _config(options: Namespace) -> JobConfig:
    """The job of the job file, with what the options replace."""
    from hpt.sagemaker.request.facts import CONFIG
    from hpt.sagemaker.request.job_file import load_job_file
    from hpt.sagemaker.request.parse import Overrides, parse_request

    request, base_dir = load_job_file(Path(options.job))
    if options.seed is not None and isinstance(request.get(CONFIG), Mapping):
        request = {**request, CONFIG: {**request[CONFIG], "RandomSeed": options.seed}}
    overrides = Overrides(name=options.name)
    return parse_request(request, base_dir=base_dir, check_paths=False, overrides=overrides)


def _check_free(session: Session, name: str) -> None:
    """Raises JobExistsError where a job of that name is stored, before anything is simulated."""
    if session.holds(name):
        raise JobExistsError(
            f"a tuning job named {name!r} exists in {session.root}; choose another name",
            name=name,
        )


def _files(given: list[str], config: JobConfig) -> dict[str | None, Path]:
    """The file of curves of every definition.

    Raises:
        InputError: a definition has no file, or a file is given for an unknown definition.
    """
    if not config.definitions:
        return {config.definition.name: Path(given[-1])}
    names = [str(each.name) for each in config.definitions]
    files: dict[str | None, Path] = {}
    for argument in given:
        name, equals, path = argument.partition("=")
        if not equals or name not in names:
            raise InputError(
                f"--curves {argument!r} is not NAME=FILE with one of the names {', '.join(names)}"
            )
        files[name] = Path(path)
    for name in names:
        if name not in files:
            raise InputError(f"definition {name!r} has no curves; give --curves {name}=FILE")
    return {name: files[name] for name in names}


def document(simulation: Simulation, price: float = 1.0) -> dict[str, Any]:
    """The result of a simulated job as JSON data with the service's members, marked as simulated.

    price: of a second on Spot capacity, as a share of the full one.
    """
    from hpt.cli import trials
    from hpt.sagemaker.reply.document import tuning_job_document

    view = simulation.view
    training, billable = charges(view, price)
    document = {"Simulated": True} | tuning_job_document(view)
    if view.best is not None:
        document["BestTrainingJob"]["Value"] = view.best.value
    return document | {
        "SimulatedSeconds": view.ended,
        "SimulatedReports": _reports(view),
        "BusyShareOfSlots": simulation.busy,
        "TrainingTimeInSeconds": training,
        "BillableTimeInSeconds": billable,
        "TrainingJobs": [trials.document(view.trial(each.number), each) for each in simulation.result.trials],
    }


def charges(view: JobView, price: float) -> tuple[float, int]:
    """Seconds of training and seconds charged, over all training jobs that ended."""
    ended = [trial for trial in view.trials if trial.status.ended]
    return (
        sum((trial.training_seconds for trial in ended), 0.0),
        sum(trial.billable_seconds(price) for trial in ended),
    )


def _print(simulation: Simulation, seconds: float, price: float) -> None:
    from hpt.cli.show import best_trial, counters, without_success
    from hpt.job.billing import savings_percent
    from hpt.job.plural import quantity
    from hpt.running.progress import duration

    view = simulation.view
    print(f"simulated   {view.name}  {view.status} ({view.criterion})")
    if reason := view.failure_reason or without_success(view):
        print(f"reason      {reason}")
    print(f"seed        {view.config.seed}")
    print(f"would take  {duration(view.ended or 0.0)}; simulated in {seconds:.1f} s")
    jobs, reports = quantity(view.launched, "training job"), quantity(_reports(view), "report")
    print(f"would train {jobs}, {reports}: {counters(view) or 'none'}")
    busy, thinking = f"{100 * simulation.busy:.1f} %", f"{simulation.thinking:.2f} s"
    print(f"slots       busy {busy} of the time; the tuner took {thinking} of CPU time")
    training, billable = charges(view, price)
    if any(each.spot for each in view.config.all_definitions) and training:
        preempted = sum(trial.preempted for trial in view.trials)
        saved = savings_percent(billable, training)
        print(
            f"on spot     {quantity(preempted, 'interruption')}; {billable} s charged of "
            f"{training:.0f}, {saved:.0f} % saved"
        )
    if view.best is not None:
        best_trial(view.best)


def _print_trials(simulation: Simulation, options: Namespace) -> None:
    """The best training jobs, and where all of them are."""
    from hpt.cli import trials
    from hpt.cli.hints import command
    from hpt.storage.place import state_directory

    view = simulation.view
    shown = view.best_first()[:MOST_TRIALS]
    if shown:
        print()
        trials.table(view, shown, now=view.ended or 0.0, simulated=True)
    more = view.launched - len(shown)
    if options.name is not None:
        look = command(f"trials {view.name}", state_directory(options.state))
        print(f"{f'and {more} more; ' if more else ''}kept; see: {look}")
    elif more:
        print(f"and {more} more; --csv and --json give all, --name keeps them")


def _reports(view: JobView) -> int:
    return sum(len(trial.curves.get(trial.metric, ())) for trial in view.trials)
