"""What the command prints: tables for people, one JSON document for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hpt.cli import snapshots
from hpt.cli.hints import command
from hpt.job.plural import quantity
from hpt.job.view import JobView, TrialView
from hpt.running.progress import duration, hyperparameters, number
from hpt.running.runner import TuningJobRunner
from hpt.sagemaker.reply.document import full_training_job_document, tuning_job_document
from hpt.sagemaker.reply.response import overall_best
from hpt.storage.base import JobRecord


def banner(runner: TuningJobRunner, root: Path) -> None:
    """Print what is about to run and the state directory, on stderr."""
    config, limits = runner.config, runner.config.limits
    objectives = {f"{each.objective.type} {each.objective.metric}" for each in config.all_definitions}
    objective = " or ".join(sorted(objectives))
    jobs = "training jobs until a limit is reached"
    if limits.max_jobs:
        jobs = quantity(limits.max_jobs, "training job")
    print(
        f"{config.name}: {objective}, {jobs}, {limits.max_parallel_jobs} at a time, "
        f"{config.strategy}, seed {config.seed}; state in {root}",
        file=sys.stderr,
    )
    if runner.state.launched:
        running = len(runner.state.running)
        print(f"resuming: {runner.state.launched} launched, {running} to go on with", file=sys.stderr)


def jobs(records: Sequence[JobRecord], root: Path, *, as_json: bool) -> None:
    if as_json:
        print_json([_listing(record) for record in records])
        return
    if not records:
        there = "" if root.is_dir() else ", which does not exist yet"
        print(f"no tuning jobs in {root}{there}; start one with: {command('tune JOB', root)}")
        return
    rows = []
    for record in records:
        if record.problem is not None:
            rows.append((record.name, f"unreadable: {record.problem}", "-", "-", "-", "-"))
            continue
        listing = _listing(record)
        counters, best = listing["TrainingJobStatusCounters"], record.summary.get("best")
        rows.append(
            (
                record.name,
                listing["HyperParameterTuningJobStatus"],
                str(sum(counters.values())),
                number(best["value"]) if best else "-",
                datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M"),
                str(record.owner_pid or "-"),
            )
        )
    _table(("NAME", "STATUS", "JOBS", "BEST", "CREATED", "PROCESS"), rows)


def job(view: JobView, record: JobRecord, directory: Path, *, as_json: bool) -> None:
    """Print a tuning job: status, reason of its end, best training job and path of the model.

    Parameters
    ----------
    view
        The job.
    record
        Its record in the storage.
    directory
        Its directory.
    as_json
        Whether to print one JSON document."""
    if as_json:
        print_json(describe_document(view, record, directory))
        return
    config, root = view.config, directory.parent
    end = view.ended if view.ended is not None else time.time()
    print(f"tuning job  {view.name}  {view.status}" + (f" ({view.criterion})" if view.criterion else ""))
    if view.failure_reason:
        print(f"reason      {view.failure_reason}")
    print(f"ran for     {duration(end - view.created)}")
    print(f"trained     {quantity(view.launched, 'training job')}: {counters(view) or 'none'}")
    for label, line in snapshots.labelled("program", snapshots.taken(config, directory)):
        print(f"{label:<11} {line}")
    if config.warm_start is not None:
        given = ", ".join(
            f"{view.parent_results.get(name, 0)} of {name}" for name in config.warm_start.parents
        )
        print(f"warm start  results of parents, {config.warm_start.type}: {given}")
    if view.not_improving:
        last = f"{view.not_improving} " if view.not_improving > 1 else ""
        print(f"            the last {last}did not improve the best by 1 % or more")
    if view.converged is not None:
        when = datetime.fromtimestamp(view.converged).strftime("%Y-%m-%d %H:%M:%S")
        print(f"converged   {when}; further gains of more than 1 % are unlikely")
    for each in config.definitions:
        own = [trial for trial in view.trials if trial.definition == each.name]
        reached = next((number(trial.value) for trial in view.best_first(own)), "-")
        jobs = quantity(len(own), "training job")
        print(f"  {each.name}: {jobs}, best {each.objective.metric} {reached}")
    unusable = view.objective_counters["Failed"]
    if unusable:
        look = command(f"trials {config.name}", root)
        print(f"            {unusable} without a usable objective; see: {look}")
    if record.owner_pid is not None and not view.status.ended:
        print(f"process     {record.owner_pid}")
    elif not view.status.ended:
        print(f"            no process runs it; go on with: {command(f'resume {config.name}', root)}")
    if view.best is None:
        print("best        none yet")
        print(f"directory   {directory / 'trials'}")
        return
    best_trial(view.best)
    print(f"  model     {view.best.model or 'this training job left no model'}")
    place, files = snapshots.left(view.best, directory, config)
    if files:
        print(f"  left      {snapshots.left_line(files, place)}")
    print(f"  directory {directory / 'trials' / view.best.name}")


def counters(view: JobView) -> str:
    """`3 Completed, 1 Stopped`."""
    return ", ".join(f"{count} {name}" for name, count in view.training_counters.items() if count)


def best_trial(best: TrialView) -> None:
    """Print its name, its objective and its hyperparameters."""
    print(f"best        {best.name}")
    if best.definition is not None:
        print(f"  definition {best.definition}")
    print(f"  {best.metric} = {best.value!r}")
    for name, value in best.hyperparameters.items():
        print(f"  {name} = {value}")


def trials(view: JobView, selected: Sequence[TrialView], *, as_json: bool) -> None:
    """Print a table of training jobs, or their JSON documents."""
    if as_json:
        print_json([full_training_job_document(trial) for trial in selected])
        return
    multi = bool(view.config.definitions)
    rows = []
    for trial in selected:
        start, end = trial.training_start or trial.created, trial.training_end or time.time()
        rows.append(
            (
                trial.name,
                *((trial.definition or "-",) if multi else ()),
                trial.secondary,
                number(trial.value),
                duration(end - start),
                hyperparameters(trial.config),
                " ".join(trial.failure_reason.split()),
            )
        )
    metrics = {each.objective.metric for each in view.config.all_definitions}
    objective = metrics.pop() if len(metrics) == 1 else "OBJECTIVE"
    which = ("DEFINITION",) if multi else ()
    _table(("TRAINING JOB", *which, "STATUS", objective, "TIME", "HYPERPARAMETERS", "NOTE"), rows)


def describe_document(view: JobView, record: JobRecord, directory: Path) -> dict[str, Any]:
    """A tuning job as JSON data, with its directory and the process that runs it."""
    document = tuning_job_document(view) | {
        "OverallBestTrainingJob": overall_best(view),
        "Directory": str(directory),
        "OwnerPid": record.owner_pid,
        "ProgramSnapshots": snapshots.taken_documents(view.config, directory) or None,
    }
    if view.best is not None:
        place, files = snapshots.left(view.best, directory, view.config)
        if files:
            left = [{"Path": path, "Bytes": size} for path, size in files]
            document["BestTrainingJobLeft"] = {"Directory": str(place), "Files": left}
    return {key: value for key, value in document.items() if value is not None}


def _listing(record: JobRecord) -> dict[str, Any]:
    summary = record.summary
    if record.problem is not None:
        return {"HyperParameterTuningJobName": record.name, "Problem": record.problem}
    return {
        "HyperParameterTuningJobName": record.name,
        "HyperParameterTuningJobStatus": summary.get("status", "InProgress"),
        "CreationTime": record.created,
        "LastModifiedTime": summary.get("modified", record.created),
        "TrainingJobStatusCounters": summary.get("training_counters", {}),
        "ObjectiveStatusCounters": summary.get("objective_counters", {}),
        "OwnerPid": record.owner_pid,
    }


def print_json(document: object) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns; with colour and folding on a terminal, in full to a pipe."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(*header, box=None, header_style="bold", pad_edge=False)
        for row in rows:
            table.add_row(*row)
        Console().print(table)
        return
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
