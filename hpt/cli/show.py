"""What the command prints: tables for people, one JSON document for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hpt.job.config import JobConfig
from hpt.job.state import JobState, TrainingJob
from hpt.running.progress import duration, hyperparameters, number
from hpt.running.runner import TuningJobRunner
from hpt.sagemaker.reply.response import completion_details, overall_best
from hpt.sagemaker.request.convert import warm_start_request
from hpt.search.trial import ObjectiveType
from hpt.storage.base import JobRecord
from hpt.storage.place import command


def best_first(state: JobState, jobs: Sequence[TrainingJob]) -> list[TrainingJob]:
    """By final objective, best first; those without one last, in launch order."""
    sign = -1.0 if state.objective is ObjectiveType.MAXIMIZE else 1.0
    return sorted(jobs, key=lambda job: (job.value is None, sign * (job.value or 0.0), job.number))


def banner(runner: TuningJobRunner, root: Path) -> None:
    """What is about to run, and where its state is kept, on stderr."""
    config, limits = runner.config, runner.config.limits
    several = {f"{each.objective.type} {each.objective.metric}" for each in config.all_definitions}
    objective = " or ".join(sorted(several))
    jobs = f"{limits.max_jobs} training jobs" if limits.max_jobs else "training jobs until a limit ends it"
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


def job(config: JobConfig, record: JobRecord, state: JobState, directory: Path, *, as_json: bool) -> None:
    """One tuning job: how it stands, what ended it, its best training job and where the model lies."""
    if as_json:
        print_json(describe_document(config, record, state, directory))
        return
    root = directory.parent
    end = state.ended if state.ended is not None else time.time()
    counters = ", ".join(f"{count} {name}" for name, count in state.training_counters.items() if count)
    print(f"tuning job  {config.name}  {state.status}" + (f" ({state.criterion})" if state.criterion else ""))
    if state.failure_reason:
        print(f"reason      {state.failure_reason}")
    print(f"ran for     {duration(end - state.created)}")
    print(f"trained     {state.launched} training jobs: {counters or 'none'}")
    if config.warm_start is not None:
        given = ", ".join(f"{state.parents.get(name, 0)} of {name}" for name in config.warm_start.parents)
        print(f"warm start  results of parents, {config.warm_start.type}: {given}")
    if state.improvement.count:
        print(f"            the last {state.improvement.count} did not improve the best by 1 % or more")
    if state.converged is not None:
        when = datetime.fromtimestamp(state.converged).strftime("%Y-%m-%d %H:%M:%S")
        print(f"converged   {when}; further gains of more than 1 % are unlikely")
    for each in config.definitions:
        own = [job for job in state.jobs.values() if job.definition == each.name]
        reached = next((number(job.value) for job in best_first(state, own)), "-")
        print(f"  {each.name}: {len(own)} training jobs, best {each.objective.metric} {reached}")
    unusable = state.objective_counters["Failed"]
    if unusable:
        look = command(f"trials {config.name}", root)
        print(f"            {unusable} without a usable objective; see: {look}")
    if record.owner_pid is not None and not state.status.ended:
        print(f"process     {record.owner_pid}")
    elif not state.status.ended:
        print(f"            nobody runs it; go on with: {command(f'resume {config.name}', root)}")
    best = state.best
    if best is None:
        print("best        none yet")
        print(f"directory   {directory / 'trials'}")
        return
    definition = config.definition_of(best.definition)
    print(f"best        {best.name}")
    if config.definitions:
        print(f"  definition {definition.name}")
    print(f"  {definition.objective.metric} = {best.value!r}")
    for name, text in definition.space.format(best.config).items():
        print(f"  {name} = {text}")
    print(f"  model     {best.model or 'this training job left no model'}")
    print(f"  directory {directory / 'trials' / best.name}")


def trials(config: JobConfig, chosen: Sequence[TrainingJob], *, as_json: bool) -> None:
    if as_json:
        print_json([trial_document(config, trial) for trial in chosen])
        return
    rows = []
    for trial in chosen:
        start, end = trial.training_start or trial.created, trial.training_end or time.time()
        note = " ".join(trial.failure_reason.split())
        rows.append(
            (
                trial.name,
                *((trial.definition or "-",) if config.definitions else ()),
                trial.secondary,
                number(trial.value),
                duration(end - start),
                hyperparameters(trial.config),
                note,
            )
        )
    metrics = {each.objective.metric for each in config.all_definitions}
    objective = metrics.pop() if len(metrics) == 1 else "OBJECTIVE"
    which = ("DEFINITION",) if config.definitions else ()
    _table(("TRAINING JOB", *which, "STATUS", objective, "TIME", "HYPERPARAMETERS", "NOTE"), rows)


def trial_document(config: JobConfig, trial: TrainingJob) -> dict[str, Any]:
    """A training job as JSON data, in the service's words; beyond them `Model`, `Attempts`, `Metrics`."""
    definition = config.definition_of(trial.definition)
    document: dict[str, Any] = {
        "TrainingJobName": trial.name,
        "TrainingJobDefinitionName": trial.definition if config.definitions else None,
        "TrainingJobStatus": str(trial.status),
        "SecondaryStatus": trial.secondary,
        "ObjectiveStatus": str(trial.objective_status),
        "TunedHyperParameters": definition.space.format(trial.config),
        "CreationTime": trial.created,
        "TrainingStartTime": trial.training_start,
        "TrainingEndTime": trial.training_end,
        "FailureReason": trial.failure_reason or None,
        "Model": trial.model or None,
        "Attempts": trial.attempt,
        "Metrics": {name: value for name, (value, _) in trial.metrics.items()},
    }
    if trial.value is not None:
        kind = {"Type": str(definition.objective.type)} if config.definitions else {}
        document["FinalHyperParameterTuningJobObjectiveMetric"] = {
            **kind,
            "MetricName": definition.objective.metric,
            "Value": trial.value,
        }
    return {key: value for key, value in document.items() if value is not None}


def describe_document(
    config: JobConfig, record: JobRecord, state: JobState, directory: Path
) -> dict[str, Any]:
    """A tuning job as JSON data, in the service's words; beyond them its seed, criterion and directory."""
    document: dict[str, Any] = {
        "HyperParameterTuningJobName": config.name,
        "HyperParameterTuningJobStatus": str(state.status),
        "Strategy": config.strategy,
        "RandomSeed": config.seed,
        "CreationTime": state.created,
        "LastModifiedTime": state.modified,
        "HyperParameterTuningEndTime": state.ended,
        "TrainingJobStatusCounters": state.training_counters,
        "ObjectiveStatusCounters": state.objective_counters,
        "WarmStartConfig": None if config.warm_start is None else warm_start_request(config.warm_start),
        "CompletionCriterion": state.criterion or None,
        "TuningJobCompletionDetails": completion_details(state) or None,
        "FailureReason": state.failure_reason or None,
        "BestTrainingJob": trial_document(config, state.best) if state.best is not None else None,
        "OverallBestTrainingJob": overall_best(config, state),
        "Directory": str(directory),
        "OwnerPid": record.owner_pid,
    }
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
    """Aligned columns; a terminal gets colour and folding, a pipe gets every character."""
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
