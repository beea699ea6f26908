"""`hpt simulate`: what a tuning job would decide, on learning curves from a file."""

from __future__ import annotations

import argparse
import json
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpt.runner import TuningJobRunner

NOTICE = "this is a simulation: no program runs, values and times come from {curves}, and nothing is stored"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `hpt simulate`."""
    parser.add_argument("job", metavar="JOB", help="job file: .json, .yaml or .toml; its program is not run")
    parser.add_argument(
        "--curves",
        metavar="FILE",
        required=True,
        help="learning curves: .json or .csv table, or .py with a function curve(hyperparameters)",
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


def run(options: Namespace) -> int:
    """Simulate the job of a job file and say what came of it."""
    from hpt.cli import main as codes
    from hpt.executors.curves import load_curves
    from hpt.executors.simulated import Market, Trouble
    from hpt.job_state import JobStatus
    from hpt.jobfile import load_job_file
    from hpt.progress import PlainProgress
    from hpt.sagemaker.request import parse_request
    from hpt.simulation import simulate

    request, base_dir = load_job_file(Path(options.job))
    config = parse_request(request, base_dir=base_dir, check_paths=False)
    curves = load_curves(Path(options.curves), config.definition.space)
    trouble = Trouble(failures=options.failures, losses=options.losses, stragglers=options.stragglers)
    market = Market(options.price, options.interruptions, options.delay)
    print(f"hpt: {NOTICE.format(curves=options.curves)}", file=sys.stderr)
    progress = None if options.quiet else PlainProgress(sys.stderr)
    started = time.monotonic()
    runner = simulate(
        config,
        curves,
        trouble=trouble,
        market=market,
        observe=lambda runner, events: None if progress is None else progress.update(runner, events),
    )
    if options.json:
        print(json.dumps(document(runner, market.price), indent=2, ensure_ascii=False))
    else:
        _print(runner, time.monotonic() - started, market.price)
    return codes.COMPLETED if runner.state.status is JobStatus.COMPLETED else codes.FAILED


def document(runner: TuningJobRunner, price: float = 1.0) -> dict[str, Any]:
    """What came of a simulated job, as JSON data in the service's words, and marked as simulated."""
    from hpt.sagemaker.response import completion_details

    state, best = runner.state, runner.state.best
    found: dict[str, Any] = {
        "Simulated": True,
        "HyperParameterTuningJobName": runner.config.name,
        "HyperParameterTuningJobStatus": str(state.status),
        "Strategy": runner.config.strategy,
        "RandomSeed": runner.config.seed,
        "CompletionCriterion": state.criterion,
        "TuningJobCompletionDetails": completion_details(state),
        "TrainingJobStatusCounters": state.training_counters,
        "ObjectiveStatusCounters": state.objective_counters,
        "SimulatedSeconds": state.ended,
        "SimulatedReports": _reports(runner),
    }
    training, billable = charges(runner, price)
    found |= {"TrainingTimeInSeconds": training, "BillableTimeInSeconds": billable}
    if state.failure_reason:
        found["FailureReason"] = state.failure_reason
    if best is not None:
        found["BestTrainingJob"] = {
            "TrainingJobName": best.name,
            "TunedHyperParameters": runner.config.definition.space.format(best.config),
            "Value": best.value,
        }
    return found


def charges(runner: TuningJobRunner, price: float) -> tuple[float, int]:
    """Seconds of training and of what is charged for them, over all training jobs that ended."""
    from hpt.billing import billable_seconds, training_seconds

    share = price if runner.config.definition.spot else 1.0
    times = [training_seconds(job.transitions) for job in runner.state.jobs.values() if job.status.ended]
    return sum(times), sum(billable_seconds(seconds, share) for seconds in times)


def _print(runner: TuningJobRunner, seconds: float, price: float) -> None:
    from hpt.billing import savings_percent
    from hpt.progress import duration

    state, definition = runner.state, runner.config.definition
    counters = ", ".join(f"{count} {name}" for name, count in state.training_counters.items() if count)
    print(f"simulated   {runner.config.name}  {state.status} ({state.criterion})")
    if state.failure_reason:
        print(f"reason      {state.failure_reason}")
    print(f"would take  {duration(state.ended or 0.0)}; simulated in {seconds:.1f} s")
    print(f"would train {state.launched} training jobs, {_reports(runner)} reports: {counters or 'none'}")
    training, billable = charges(runner, price)
    if definition.spot and training:
        preempted = sum(job.preempted for job in state.jobs.values())
        saved = savings_percent(billable, training)
        print(
            f"on spot     {preempted} interruptions; {billable} s charged of {training:.0f}, "
            f"{saved:.0f} % saved"
        )
    if state.best is not None:
        print(f"best        {state.best.name}")
        print(f"  {definition.objective.metric} = {state.best.value!r}")
        for name, text in definition.space.format(state.best.config).items():
            print(f"  {name} = {text}")


def _reports(runner: TuningJobRunner) -> int:
    return sum(job.reports for job in runner.state.jobs.values())
