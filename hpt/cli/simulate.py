"""`hpt simulate`: what a tuning job would decide, on learning curves from a file."""

from __future__ import annotations

import argparse
import json
import sys
import time
from argparse import Namespace
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpt.errors import InputError

if TYPE_CHECKING:
    from hpt.job.config import TuningJobConfig
    from hpt.running.simulation import Simulation
    from hpt.search.events import ParentResult

NOTICE = "this is a simulation: no program runs, values and times come from {curves}, and nothing is stored"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `hpt simulate`."""
    parser.add_argument("job", metavar="JOB", help="job file: .json, .yaml or .toml; its program is not run")
    parser.add_argument(
        "--curves",
        metavar="FILE",
        required=True,
        action="append",
        help="learning curves: .json or .csv table, or .py with a function curve(hyperparameters); in a job "
        "of several algorithms NAME=FILE for each definition",
    )
    for name, words in (
        ("failures", "share of attempts whose program fails"),
        ("losses", "share of attempts whose machine is lost"),
        ("stragglers", "share of attempts that run five times slower"),
    ):
        parser.add_argument(
            f"--{name}", type=float, default=0.0, metavar="SHARE", help=f"{words} (default: 0)"
        )

    for name, default, unit, words in (
        ("price", 1.0, "SHARE", "of a second on Spot capacity, as a share of the full price"),
        ("interruptions", 0.0, "RATE", "how often in an hour of running Spot capacity is withdrawn"),
        ("delay", 0.0, "SECONDS", "until there is Spot capacity, on average"),
    ):
        parser.add_argument(
            f"--{name}", type=float, default=default, metavar=unit, help=f"{words} (default: {default:g})"
        )
    parser.add_argument(
        "--charge",
        action="store_true",
        help="move the clock by the CPU time that the tuner takes as well; then no two runs are alike",
    )


def run(options: Namespace) -> int:
    """Simulate the job of a job file and say what came of it."""
    from hpt.cli import main as codes
    from hpt.executors.curves import load_curves
    from hpt.executors.simulated import Market, Trouble
    from hpt.job.state import JobStatus
    from hpt.running.progress import PlainProgress
    from hpt.running.session import Session
    from hpt.running.simulation import simulate
    from hpt.sagemaker.request.job_file import load_job_file
    from hpt.sagemaker.request.parse import parse_request

    request, base_dir = load_job_file(Path(options.job))
    config = parse_request(request, base_dir=base_dir, check_paths=False)
    files = _files(options.curves, config)
    tables = [load_curves(files[each.name], each.space) for each in config.all_definitions]
    curves = dict(zip(map(str, files), tables, strict=True)) if config.definitions else tables[0]
    trouble = Trouble(failures=options.failures, losses=options.losses, stragglers=options.stragglers)
    market = Market(options.price, options.interruptions, options.delay)
    given: list[ParentResult] = []
    if config.warm_start is not None:
        with closing(Session(options.state)) as session:
            config, given = session.inherit(config, 0.0)
    print(f"hpt: {NOTICE.format(curves=', '.join(options.curves))}", file=sys.stderr)
    progress = None if options.quiet else PlainProgress(sys.stderr)
    started = time.monotonic()
    simulation = simulate(
        config,
        curves,
        trouble=trouble,
        market=market,
        given=given,
        charge=options.charge,
        observe=lambda runner, events: None if progress is None else progress.update(runner, events),
    )
    if options.json:
        found = document(simulation, market.price)
        found |= {"TunerSeconds": simulation.thinking} if options.charge else {}  # else the document repeats
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _print(simulation, time.monotonic() - started, market.price)
    return codes.COMPLETED if simulation.state.status is JobStatus.COMPLETED else codes.FAILED


def _files(given: list[str], config: TuningJobConfig) -> dict[str | None, Path]:
    """The file of curves of every definition.

    Raises:
        InputError: a definition has none, or one that does not exist has.
    """
    if not config.definitions:
        return {config.definition.name: Path(given[-1])}
    names = [str(each.name) for each in config.definitions]
    files: dict[str | None, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or name not in names:
            raise InputError(f"--curves {text!r} is not NAME=FILE with one of the names {', '.join(names)}")
        files[name] = Path(path)
    for name in names:
        if name not in files:
            raise InputError(f"definition {name!r} has no curves; give --curves {name}=FILE")
    return {name: files[name] for name in names}


def document(simulation: Simulation, price: float = 1.0) -> dict[str, Any]:
    """What came of a simulated job, as JSON data in the service's words, and marked as simulated."""
    from hpt.sagemaker.reply.response import completion_details

    state, best = simulation.state, simulation.state.best
    found: dict[str, Any] = {
        "Simulated": True,
        "HyperParameterTuningJobName": simulation.config.name,
        "HyperParameterTuningJobStatus": str(state.status),
        "Strategy": simulation.config.strategy,
        "RandomSeed": simulation.config.seed,
        "CompletionCriterion": state.criterion,
        "TuningJobCompletionDetails": completion_details(state),
        "TrainingJobStatusCounters": state.training_counters,
        "ObjectiveStatusCounters": state.objective_counters,
        "SimulatedSeconds": state.ended,
        "SimulatedReports": _reports(simulation),
        "BusyShareOfSlots": simulation.busy,
    }
    training, billable = charges(simulation, price)
    found |= {"TrainingTimeInSeconds": training, "BillableTimeInSeconds": billable}
    if state.failure_reason:
        found["FailureReason"] = state.failure_reason
    if best is not None:
        found["BestTrainingJob"] = {
            "TrainingJobName": best.name,
            **({"TrainingJobDefinitionName": best.definition} if simulation.config.definitions else {}),
            "TunedHyperParameters": simulation.config.definition_of(best.definition).space.format(
                best.config
            ),
            "Value": best.value,
        }
    return found


def charges(simulation: Simulation, price: float) -> tuple[float, int]:
    """Seconds of training and of what is charged for them, over all training jobs that ended."""
    from hpt.job.billing import billable_seconds, training_seconds

    times, billable = 0.0, 0
    for job in simulation.state.jobs.values():
        if job.status.ended:
            seconds = training_seconds(job.transitions)
            spot = simulation.config.definition_of(job.definition).spot
            times, billable = times + seconds, billable + billable_seconds(seconds, price if spot else 1.0)
    return times, billable


def _print(simulation: Simulation, seconds: float, price: float) -> None:
    from hpt.job.billing import savings_percent
    from hpt.running.progress import duration

    state = simulation.state
    counters = ", ".join(f"{count} {name}" for name, count in state.training_counters.items() if count)
    print(f"simulated   {simulation.config.name}  {state.status} ({state.criterion})")
    if state.failure_reason:
        print(f"reason      {state.failure_reason}")
    print(f"would take  {duration(state.ended or 0.0)}; simulated in {seconds:.1f} s")
    print(f"would train {state.launched} training jobs, {_reports(simulation)} reports: {counters or 'none'}")
    busy, thinking = f"{100 * simulation.busy:.1f} %", f"{simulation.thinking:.2f} s"
    print(f"slots       busy {busy} of the time; the tuner took {thinking} of CPU time")
    training, billable = charges(simulation, price)
    if any(each.spot for each in simulation.config.all_definitions) and training:
        preempted = sum(job.preempted for job in state.jobs.values())
        saved = savings_percent(billable, training)
        print(
            f"on spot     {preempted} interruptions; {billable} s charged of {training:.0f}, "
            f"{saved:.0f} % saved"
        )
    if state.best is not None:
        definition = simulation.config.definition_of(state.best.definition)
        print(f"best        {state.best.name}")
        if simulation.config.definitions:
            print(f"  definition {definition.name}")
        print(f"  {definition.objective.metric} = {state.best.value!r}")
        for name, text in definition.space.format(state.best.config).items():
            print(f"  {name} = {text}")


def _reports(simulation: Simulation) -> int:
    return sum(job.reports for job in simulation.state.jobs.values())
