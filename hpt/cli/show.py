"""What the command prints: tables for people, one JSON document for programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hpt.cli import snapshots
from hpt.cli.hints import command
from hpt.cli.json_output import print_json
from hpt.fleet.registry import PLACES, runs_images
from hpt.host.terminal import printable
from hpt.job.billing import savings_percent
from hpt.job.config import JobConfig, TrainingJobDefinition
from hpt.job.document import request_of
from hpt.job.plural import quantity
from hpt.job.state import JobStatus
from hpt.job.view import JobView, TrialView
from hpt.running.choices import choices, choices_document, python_of
from hpt.running.chosen_executor import kept
from hpt.running.jobs import is_simulated
from hpt.running.log_places import log_places
from hpt.running.progress import cut, duration, number
from hpt.running.resources import described
from hpt.running.result import TrialResult
from hpt.running.runner import TuningJobRunner
from hpt.running.snapshots import stored
from hpt.sagemaker.reply.document import tuning_job_document
from hpt.sagemaker.reply.response import overall_best
from hpt.sagemaker.request.convert import stored_only_note
from hpt.search.events import JobExtended
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
            problem = " ".join(record.problem.split())
            rows.append((record.name, f"unreadable: {problem}", "-", "-", "-", "-"))
            continue
        listing = _listing(record)
        counters, best = listing["TrainingJobStatusCounters"], record.summary.get("best")
        rows.append(
            (
                record.name,
                status_word(listing["HyperParameterTuningJobStatus"], record),
                str(sum(counters.values())),
                number(best["value"]) if best else "-",
                "simulated" if is_simulated(record.document) else moment(record.created)[:-3],
                str(record.owner_pid or "-"),
            )
        )
    print_table(("NAME", "STATUS", "JOBS", "BEST", "CREATED", "PROCESS"), rows)


def interrupted(view: JobView, record: JobRecord) -> bool:
    """Whether a job has not ended and no process runs it."""
    return record.owner_pid is None and not view.status.ended


def status_word(status: str, record: JobRecord) -> str:
    """The status of a job for people, who want to know too whether anything works on it."""
    if record.owner_pid is not None or JobStatus(status).ended:
        return status
    return "Interrupted" if status == JobStatus.IN_PROGRESS else f"{status}, interrupted"


def job(
    view: JobView,
    record: JobRecord,
    directory: Path,
    *,
    as_json: bool,
    believed: TrialResult | None = None,
) -> None:
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
        Whether to print one JSON document.
    believed
        The training job that the search believes to be the best, if that is to be shown."""
    if as_json:
        document = describe_document(view, record, directory)
        if believed is not None:
            document["BelievedBestTrainingJob"] = believed_best(view, believed)
        print_json(document)
        return
    config, root = view.config, directory.parent
    stands_still = interrupted(view, record)
    end = view.ended or (view.modified if stands_still else time.time())
    status = status_word(view.status, record)
    print(f"tuning job  {view.name}  {status}" + (f" ({view.criterion})" if view.criterion else ""))
    if reason := view.failure_reason or without_success(view):
        print(f"reason      {printable(reason)}")
    simulated = is_simulated(record.document)
    print(f"{'would take ' if simulated else 'ran for    '} {duration(end - view.created - view.idle)}")
    if simulated:
        print("            simulated: no program ran")
    print(f"trained     {quantity(view.launched, 'training job')}: {counters(view, record) or 'none'}")
    if (charged := _charged(view)) is not None:
        print(f"charged     {charged}")
    for change in view.extensions:
        print(f"extended    {_extension(change)}")
    for label, line in programs(view, record, directory):
        print(f"{label:<11} {printable(line)}")
    if config.warm_start is not None:
        given = ", ".join(
            f"{view.parent_results.get(name, 0)} of {name}" for name in config.warm_start.parents
        )
        print(f"warm start  results of parents, {config.warm_start.type}: {given}")
    for line in _progress(view):
        print(f"            {line}")
    if view.converged is not None:
        print(f"converged   {moment(view.converged)}; further gains of more than 1 % are unlikely")
    for each in config.definitions:
        own = [trial for trial in view.trials if trial.definition == each.name]
        reached = next((number(trial.value) for trial in view.best_first(own)), "-")
        jobs = quantity(len(own), "training job")
        print(f"  {each.name}: {jobs}, best {each.objective.metric} {reached}")
    unusable = view.objective_counters["Failed"]
    if unusable:
        look = command(f"trials {config.name}", root)
        print(f"            {unusable} without a usable objective; see: {look}")
    if stands_still:
        print(f"            no process runs it; go on with: {command(f'resume {config.name}', root)}")
    elif not view.status.ended:
        print(f"process     {record.owner_pid}")
    if view.best is None:
        print("best        none yet" if not view.status.ended else "best        none")
        print(f"directory   {directory / 'trials'}")
        return
    _with_files(view.best, directory, config, simulated=simulated)
    if believed is not None:
        _with_files(view.trial(believed.number), directory, config, believed, simulated=simulated)


def _with_files(
    trial: TrialView,
    directory: Path,
    config: JobConfig,
    believed: TrialResult | None = None,
    *,
    simulated: bool,
) -> None:
    """Print a training job as `best_trial` does, and where its model and its files lie."""
    best_trial(trial, believed)
    if simulated:
        return
    print(f"  model     {trial.model or 'this training job left no model'}")
    code, files = snapshots.left(trial, directory, config)
    if files:
        print(f"  left      {snapshots.left_line(files, code)}")
    own = directory / "trials" / trial.name
    if kept(directory) is not None and trial.attempts:  # elsewhere all but what was brought here is lost
        definition = config.definition_of(trial.definition)
        for place in log_places(trial, trial.attempts[-1], definition, directory, time.time()):
            print(f"  log       {place}")
    if own.exists() or kept(directory) is None:
        print(f"  directory {own}")


def programs(view: JobView, record: JobRecord, directory: Path) -> Iterator[tuple[str, str]]:
    """What ran, and what of the request of a tuning job had no effect."""
    remote = kept(directory)
    kind = "" if remote is None else remote[0]
    if not is_simulated(record.document):
        if kind:
            yield "executor", f"{kind}: training jobs run on {PLACES[kind]}"
        for definition, manifest, python in _chosen(view, directory):
            if view.config.definitions:
                yield "definition", str(definition.name)
            if runs_images(kind):
                yield "image", definition.training_image
                yield "instance", definition.instance_type
            else:
                place = PLACES.get(kind, "this machine")
                yield from choices(definition, directory.parent, manifest, python, place)
            if gets := described(definition):
                yield ("gets", gets) if view.config.alone else ("each job", f"has {gets}")
    yield from snapshots.labelled("snapshot", snapshots.taken(view.config, directory))
    if view.config.alone:
        return
    yield from snapshots.labelled("note", iter(_without_effect(record, kind)))


def _without_effect(record: JobRecord, kind: str) -> tuple[str, ...]:
    """What of the request of a job has no effect. kind: of the executor of other machines, "" for none."""
    return () if runs_images(kind) else stored_only_note(request_of(record.document))


def _chosen(
    view: JobView, directory: Path
) -> Iterator[tuple[TrainingJobDefinition, Mapping[str, Any] | None, str | None]]:
    """Each definition with the manifest of its snapshot and the interpreter of its latest training job."""
    taken = {each.name: found for each, found in stored(view.config, directory)}
    for definition in view.config.all_definitions:
        last = next((each for each in reversed(view.trials) if each.definition == definition.name), None)
        python = None
        if last is not None and last.attempts:
            number = str(last.attempts[-1].number)
            python = python_of(directory / "trials" / last.name / "attempts" / number)
        found = taken.get(definition.name)
        yield definition, None if found is None else found.manifest, python


def without_success(view: JobView) -> str:
    """Why a job that ended, and did not fail, has no best training job; "" if it has one."""
    if not view.status.ended or view.best is not None:
        return ""
    if not view.launched:
        return "it ended before a training job was launched"
    last = next((trial.failure_reason for trial in reversed(view.trials) if trial.failure_reason), "")
    return f"no training job has a usable objective{f'; the last one: {last}' if last else ''}"


def _charges(view: JobView) -> tuple[int, float, int] | None:
    """Seconds charged and seconds on machines of the attempts that ended, and interruptions; None where
    nobody says what is charged.
    """
    known = [trial for trial in view.trials if trial.charged is not None]
    if not known:
        return None
    charged, trained = sum(each.charged or 0 for each in known), sum(each.machine_seconds for each in known)
    return charged, trained, sum(trial.preempted for trial in view.trials)


def _charged(view: JobView) -> str | None:
    """What is charged for the training jobs, and what Spot capacity saves."""
    if (found := _charges(view)) is None:
        return None
    charged, trained, preempted = found
    saved = savings_percent(charged, trained) if trained else 0.0
    share = f", {saved:.0f} % saved" if saved >= 1 else ""
    often = f"; {quantity(preempted, 'interruption')}" if preempted else ""
    return f"{charged} s of {trained:.0f} s{share}, for each instance{often}"


def _charges_document(view: JobView) -> dict[str, Any] | None:
    """The same as JSON data."""
    if (found := _charges(view)) is None:
        return None
    charged, trained, preempted = found
    return {
        "TrainingTimeInSeconds": trained,
        "BillableTimeInSeconds": charged,
        "SavingsPercent": round(savings_percent(charged, trained), 2) if trained else 0.0,
        "Interruptions": preempted,
    }


def _progress(view: JobView) -> Iterator[str]:
    """Which training job is the best, and how long none has been better."""
    if view.best is None or not view.since_best:
        return
    since = quantity(view.since_best, "later final objective")
    yield f"training job {view.best.number} is the best; {since} {_is(view.since_best)} no better"
    if view.config.completion.max_not_improving is not None and view.not_improving:
        row = quantity(view.not_improving, "final objective")
        but = "" if view.not_improving <= view.since_best else "; the best did, but by less"
        yield f"{row} in a row did not improve on the best before by 1 % or more{but}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _extension(change: JobExtended) -> str:
    """`from 20 to 60 training jobs at 2026-11-30 22:05`."""
    what = []
    for unit, old, new in (
        ("training jobs", change.former_max_jobs, change.max_jobs),
        ("s of run time", change.former_max_runtime_seconds, change.max_runtime_seconds),
        ("at a time", change.former_max_parallel_jobs, change.max_parallel_jobs),
    ):
        if old != new:
            what.append(f"from {old:g} to {new:g} {unit}")
    when = datetime.fromtimestamp(change.time).strftime("%Y-%m-%d %H:%M:%S")
    return f"{', '.join(what) or 'within the same limits'} at {when}"


def moment(time: float) -> str:
    """`2026-11-30 21:50:25`, local time."""
    return datetime.fromtimestamp(time).strftime("%Y-%m-%d %H:%M:%S")


def counters(view: JobView, record: JobRecord | None = None) -> str:
    """`3 Completed, 1 Stopped`.

    record: of a stored job. Where no process runs it, nothing is in progress: what was not interrupted may
    still run without its tuner, and is unfinished.
    """
    words = {}
    if record is not None and interrupted(view, record):
        down = all(trial.secondary == "Interrupted" for trial in view.running)
        words = {"InProgress": "Interrupted" if down else "unfinished"}
    return ", ".join(
        f"{count} {words.get(name, name)}" for name, count in view.training_counters.items() if count
    )


def best_trial(best: TrialView, believed: TrialResult | None = None) -> None:
    """Print its name, its objective and its hyperparameters. believed: what the search believes of it, where
    it is the best by that."""
    print(f"{'best' if believed is None else 'believed':<11} {best.name}")
    if believed is not None:
        print(f"  believed to be the best: {best.metric} is {belief(believed)} without noise")
    if best.definition is not None:
        print(f"  definition {best.definition}")
    print(f"  {best.metric} = {best.value!r}")
    for name, value in best.hyperparameters.items():
        print(f"  {name} = {printable(value)}")


def belief(trial: TrialResult) -> str:
    """`0.921 +- 0.004`, "-" where the search believes nothing."""
    if trial.believed is None or trial.deviation is None:
        return "-"
    return f"{number(trial.believed)} +- {trial.deviation:.2g}"


def believed_document(trial: TrialResult | None) -> dict[str, Any] | None:
    """What the search believes of a training job as JSON data; None if it believes nothing."""
    if trial is None or trial.believed is None:
        return None
    return {"Mean": trial.believed, "Deviation": trial.deviation}


def believed_best(view: JobView, believed: TrialResult) -> dict[str, Any]:
    """The training job that the search believes to be the best as JSON data."""
    trial = view.trial(believed.number)
    return {
        "TrainingJobName": trial.name,
        "TrainingJobDefinitionName": trial.definition,
        "TunedHyperParameters": dict(trial.hyperparameters),
        "MetricName": trial.metric,
        "Value": trial.value,
        "Believed": believed_document(believed),
    }


def describe_document(view: JobView, record: JobRecord, directory: Path) -> dict[str, Any]:
    """A tuning job as JSON data, with its directory and the process that runs it."""
    remote = kept(directory)
    kind = "" if remote is None else remote[0]
    document = tuning_job_document(view) | {
        "OverallBestTrainingJob": overall_best(view),
        "Directory": str(directory),
        "OwnerPid": record.owner_pid,
        "Interrupted": interrupted(view, record) or None,
        "Simulated": is_simulated(record.document) or None,
        "Executor": None if remote is None else {"Name": remote[0], "Options": dict(remote[1])},
        "Charges": _charges_document(view),
        "Programs": None
        if is_simulated(record.document) or runs_images(kind)
        else [
            choices_document(definition, directory.parent, manifest, python)
            for definition, manifest, python in _chosen(view, directory)
        ],
        "WithoutEffect": list(_without_effect(record, kind)) or None,
        "ProgramSnapshots": snapshots.taken_documents(view.config, directory) or None,
    }
    if view.best is not None:
        code, files = snapshots.left(view.best, directory, view.config)
        if remote is not None and view.best.attempts:
            definition = view.config.definition_of(view.best.definition)
            last = view.best.attempts[-1]
            document["BestTrainingJobLogs"] = (
                log_places(view.best, last, definition, directory, time.time()) or None
            )
        if files:
            left = [{"Path": path, "Bytes": size} for path, size in files]
            document["BestTrainingJobLeft"] = {"Directory": str(code), "Files": left}
    return {key: value for key, value in document.items() if value is not None}


def _listing(record: JobRecord) -> dict[str, Any]:
    summary = record.summary
    if record.problem is not None:
        return {"HyperParameterTuningJobName": record.name, "Problem": record.problem}
    status = summary.get("status", "InProgress")
    stands_still = record.owner_pid is None and not JobStatus(status).ended
    return {
        "HyperParameterTuningJobName": record.name,
        "HyperParameterTuningJobStatus": status,
        **({"Interrupted": True} if stands_still else {}),
        **({"Simulated": True} if is_simulated(record.document) else {}),
        "CreationTime": record.created,
        "LastModifiedTime": summary.get("modified", record.created),
        "TrainingJobStatusCounters": summary.get("training_counters", {}),
        "ObjectiveStatusCounters": summary.get("objective_counters", {}),
        "OwnerPid": record.owner_pid,
    }


WIDEST = 48
"""Characters to which a column is padded; a longer cell shifts the rest of its own row."""


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, whole: int = 1) -> None:
    """Print aligned columns; with colour and folding on a terminal, in full to a pipe.

    whole: how many columns a terminal does not fold.
    """
    header = [printable(cell, keep="") for cell in header]
    rows = [[printable(cell, keep="") for cell in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, header_style="bold", pad_edge=False)
        for i, title in enumerate(header):
            table.add_column(Text(title), no_wrap=i < whole, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cut(cell, 240)) for cell in row))  # a cell is no markup
        Console().print(table)
        return
    widths = [max([min(len(row[i]), WIDEST) for row in rows] + [len(header[i])]) for i in range(len(header))]
    for row in [header, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
