"""`hpt trials`: the training jobs of a tuning job as a table, as JSON, as CSV, or some of them in full."""

from __future__ import annotations

import argparse
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hpt.cli import exit_codes as codes
from hpt.cli import train
from hpt.cli.hints import HintedView, command
from hpt.cli.json_output import print_json
from hpt.cli.show import belief, believed_document, interrupted, moment, print_table
from hpt.errors import InputError, UnknownTrialError
from hpt.executors import hosts
from hpt.executors.record import LOG
from hpt.host.terminal import printable
from hpt.job.lifecycle import PRIMARY
from hpt.job.plural import quantity
from hpt.job.view import JobView, TrialView
from hpt.running.jobs import is_simulated
from hpt.running.log_places import log_places
from hpt.running.progress import duration, hyperparameters, number, stopped
from hpt.running.result import TrialResult, TuningResult, result_of
from hpt.running.session import Session
from hpt.running.tables import write_csv
from hpt.sagemaker.reply.document import full_training_job_document
from hpt.search.belief import BELIEF
from hpt.storage.base import JobRecord

SHOWN_REPORTS = 10
ROOM = 36
"""Characters of a terminal's line that are for hyperparameters, where other columns can give way."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `hpt trials`, beside the name of the tuning job."""
    parser.add_argument(
        "trials",
        metavar="TRIAL",
        nargs="*",
        help="show these training jobs in full, with reports, attempts and traceback: their numbers or names",
    )
    parser.add_argument(
        "--sort",
        choices=["value", "number", BELIEF],
        default="value",
        help="order (default: value); belief: by what the search believes of the configurations, which is "
        "shown too: under noise the best value is the luckiest",
    )
    parser.add_argument(
        "--status",
        help="only training jobs of this status, secondary status or counter, such as Failed, Interrupted or "
        "NonRetryableError; upper or lower case",
    )
    parser.add_argument(
        "--csv",
        action="store_true",
        help="print one row a training job as CSV: hyperparameters, metrics, times, reasons, tracebacks",
    )


def run(options: Namespace) -> int:
    """Print the training jobs that the options select."""
    if options.csv and options.json:
        raise InputError("--csv and --json are two forms of the result; give one of them")
    session = Session(options.state)
    train.refuse(session, options.name)
    config, record, state = session.load(options.name)
    view = HintedView(config, state, session.root)
    selected = view.trials
    if options.trials:
        wanted = {_find(view, word).number for word in options.trials}
        selected = [trial for trial in selected if trial.number in wanted]
    if options.status is not None:
        selected = _of_status(view, selected, options.status)
    if options.sort != "number":
        selected = view.best_first(selected)
    plain = not (options.csv or options.json or options.trials)
    result = None
    if options.sort == BELIEF or not plain:
        result = result_of(session, options.name, view, record)
    if options.sort == BELIEF:
        assert result is not None
        result, selected = result.with_beliefs(), _by_belief(selected, result)
    if plain:
        table(
            view, selected, now=_now(view, record), simulated=is_simulated(record.document), believed=result
        )
        if interrupted(view, record):
            go_on = command(f"resume {config.name}", session.root)
            print(f"hpt: note: no process runs this tuning job; go on with: {go_on}", file=sys.stderr)
        return codes.COMPLETED
    assert result is not None
    if options.csv:
        numbers = [trial.number for trial in selected]
        by_belief, terminal = options.sort == BELIEF, sys.stdout.isatty()
        write_csv(result, numbers, sys.stdout, terminal=terminal, belief=by_belief)
        return codes.COMPLETED
    kept = {trial.number: trial for trial in result.trials}
    if options.json:
        place = session.job_directory(config.name)
        print_json([document(trial, kept[trial.number], _logs(view, trial, place)) for trial in selected])
    else:
        for i, trial in enumerate(selected):
            print("\n" if i else "", end="")
            simulated = is_simulated(record.document)
            in_full(trial, kept[trial.number], view, session.job_directory(config.name), simulated=simulated)
    return codes.COMPLETED


def _find(view: JobView, word: str) -> TrialView:
    """The training job of that number or name. Raises UnknownTrialError."""
    for trial in view.trials:
        if word.lower() == trial.name.lower() or word.lstrip("0") == str(trial.number):
            return trial
    there = {0: "it has none yet", 1: "there is number 1"}.get(
        view.launched, f"there are numbers 1 to {view.launched}"
    )
    raise UnknownTrialError(f"tuning job {view.name!r} has no training job {word!r}; {there}", number=word)


def _of_status(view: JobView, trials: Sequence[TrialView], status: str) -> list[TrialView]:
    known = {word.lower(): word for word in (*PRIMARY, *PRIMARY.values(), *view.training_counters)}
    wanted = known.get(status.lower())
    if wanted is None:
        raise InputError(f"status {status!r} is not known; use one of {', '.join(sorted(known.values()))}")
    return [trial for trial in trials if wanted in _statuses(trial)]


def _statuses(trial: TrialView) -> set[str]:
    """The status, the secondary status and, once it has ended, the counter of a training job."""
    return {str(trial.status), trial.secondary, *([trial.counter] if trial.status.ended else [])}


def _by_belief(trials: Sequence[TrialView], result: TuningResult) -> list[TrialView]:
    """Those of which the search believes something first, the best of them before the others."""
    place = {trial.number: i for i, trial in enumerate(result.beliefs())}
    return sorted(trials, key=lambda trial: place.get(trial.number, len(place)))


def _now(view: JobView, record: JobRecord) -> float:
    """Until when training jobs that have not ended took time: a job that no process runs stands still."""
    return view.modified if record.owner_pid is None else time.time()


def table(
    view: JobView,
    selected: Sequence[TrialView],
    *,
    now: float,
    simulated: bool = False,
    believed: TuningResult | None = None,
) -> None:
    """Print a row for each training job.

    Parameters
    ----------
    view
        The tuning job.
    selected
        The training jobs, in the order of the rows.
    now
        The end of those that have not ended, in seconds since the epoch.
    simulated
        Whether time began at 0.
    believed
        The result with what the search believes, if that is to be shown.
    """
    beliefs = {} if believed is None else {trial.number: trial for trial in believed.trials}
    multi, again = bool(view.config.definitions), any(len(trial.attempts) > 1 for trial in selected)
    rows = []
    for trial in selected:
        start, end = trial.training_start or trial.created, trial.training_end or now
        rows.append(
            (
                trial.name,
                *((trial.definition or "-",) if multi else ()),
                trial.secondary,
                number(trial.value),
                *((belief(beliefs[trial.number]),) if beliefs else ()),
                duration(start) if simulated else moment(start)[5:],
                duration(end - start),
                str(len(trial.curves.get(trial.metric, ()))),
                *((str(len(trial.attempts)),) if again else ()),
                hyperparameters(trial.config),
                note(trial),
            )
        )
    metrics = {each.objective.metric for each in view.config.all_definitions}
    objective = metrics.pop() if len(metrics) == 1 else "OBJECTIVE"
    head = (
        "TRAINING JOB",
        *(("DEFINITION",) if multi else ()),
        "STATUS",
        objective,
        *(("BELIEVED",) if beliefs else ()),
        "STARTED",
        "TIME",
        "REPORTS",
    )
    header = (*head, *(("ATTEMPTS",) if again else ()), "HYPERPARAMETERS", "NOTE")
    if sys.stdout.isatty():
        _on_terminal(header, rows)
    else:
        print_table(header, rows)


def _on_terminal(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a line for each row, cut at the width of the terminal, and below it a line with its note.

    Where it is narrow, the columns between the objective and the hyperparameters are left out.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    lines = [[printable(cell, keep="") for cell in row] for row in (header, *rows)]
    shown = list(range(len(header) - 2))
    widths = [max(len(line[i]) for line in lines) for i in shown]
    while len(shown) > 3 and sum(widths) + 2 * len(shown) + ROOM > console.width:
        del shown[-1], widths[-1]
    for i, line in enumerate(lines):
        cells = [line[column].ljust(width) for column, width in zip(shown, widths, strict=True)]
        own = Text("  ".join([*cells, line[-2]]).rstrip(), style="" if i else "bold")
        console.print(own, no_wrap=True, overflow="ellipsis", crop=True)
        if i and line[-1]:
            console.print(Text(f"    {line[-1]}", style="dim"), no_wrap=True, overflow="ellipsis", crop=True)


def note(trial: TrialView) -> str:
    """Why a training job was stopped, failed or has no value, in a line."""
    why = stopped(trial.stop_reason, trial.stopped_by)
    return "; ".join(part for part in (why, " ".join(trial.failure_reason.split())) if part)


Logs = Mapping[int, Sequence[str]]
"""The places of the logs of a training job's attempts, by their numbers."""


def _logs(view: JobView, trial: TrialView, directory: Path) -> Logs:
    definition = view.config.definition_of(trial.definition)
    now = time.time()
    found = {each.number: log_places(trial, each, definition, directory, now) for each in trial.attempts}
    return {number: places for number, places in found.items() if places}


def document(trial: TrialView, kept: TrialResult, logs: Logs | None = None) -> dict[str, Any]:
    """A training job as JSON data: what the service shows and what is kept of it beyond that. logs: where
    they can be read.
    """
    content = full_training_job_document(trial) | {
        "Number": kept.number,
        "Config": dict(kept.config),
        "DurationInSeconds": kept.duration,
        "Believed": believed_document(kept),
        "StopReason": kept.stop_reason or None,
        "StoppedBy": None
        if kept.stopped_by is None
        else {
            "Rule": kept.stopped_by.rule,
            "Report": kept.stopped_by.report,
            "Value": kept.stopped_by.value,
            "Threshold": kept.stopped_by.threshold,
        },
        "AttemptHistory": [
            {
                "Number": each.number,
                "CreationTime": each.created,
                "EndTime": each.ended,
                "Outcome": each.outcome,
                **({"Logs": list(logs[each.number])} if logs and each.number in logs else {}),
            }
            for each in kept.attempts
        ],
        "Reports": [
            {"Number": each.number, "Resource": each.resource, "Value": each.value, "Time": each.time}
            for each in kept.reports
        ],
        "Traceback": kept.traceback or None,
    }
    return {member: value for member, value in content.items() if value is not None}


def in_full(
    trial: TrialView, kept: TrialResult, view: JobView, directory: Path, *, simulated: bool = False
) -> None:
    """Print everything that is kept of a training job.

    Parameters
    ----------
    trial, kept
        The training job.
    view
        The tuning job.
    directory
        That of the tuning job.
    simulated
        Whether time began at 0.
    """
    clock = duration if simulated else moment
    print(f"training job {trial.name}  {trial.secondary} (number {trial.number} of {view.launched})")
    if trial.definition is not None:
        print(f"definition   {trial.definition}")
    if trial.failure_reason:
        print(f"reason       {printable(trial.failure_reason)}")
    if kept.believed is not None:
        print(f"believed     {belief(kept)}")
    if trial.stop_reason:
        print(f"stopped      {stopped(trial.stop_reason, trial.stopped_by)}")
    print(f"{trial.metric} = {'no value' if trial.value is None else repr(trial.value)}")
    for metric, value in kept.metrics.items():
        if metric != trial.metric:
            print(f"  {printable(metric, keep='')} = {value!r}")
    if kept.start is not None:
        end = "" if kept.end is None else f", ended {clock(kept.end)}, ran for {duration(kept.duration or 0)}"
        print(f"started      {clock(kept.start)}{end}")
    logs = {} if simulated else _logs(view, trial, directory)
    for each in kept.attempts if len(kept.attempts) > 1 else ():
        end = "goes on" if each.ended is None else f"{each.outcome} {clock(each.ended)}"
        print(f"  attempt {each.number}: {clock(each.created)}, {end}")
        for place in logs.get(each.number, ()) if each.number < len(kept.attempts) else ():
            print(f"    log {place}")
    print("hyperparameters")
    for name, string in trial.hyperparameters.items():
        print(f"  {name} = {printable(string, keep='')}")
    _print_reports(kept, clock)
    if kept.traceback:
        print("traceback")
        print("\n".join(f"  {line}" for line in printable(kept.traceback).splitlines()))
    for place in logs.get(len(kept.attempts), ()):
        print(f"log          {place}")
    last = directory / "trials" / trial.name / "attempts" / str(len(kept.attempts))
    if (last / LOG).exists():
        for name, path in hosts.logs(str(last)).items():
            print(f"  {name:<10} {path}")


def _print_reports(kept: TrialResult, clock: Callable[[float], str]) -> None:
    """The last reports: number, time and value."""
    if not kept.reports:
        return
    left_out = len(kept.reports) - SHOWN_REPORTS
    last = f", the last {SHOWN_REPORTS}" if left_out > 0 else ""
    print(f"{quantity(len(kept.reports), 'report')}{last}")
    for each in kept.reports[-SHOWN_REPORTS:]:
        print(f"  {each.number:>5}  {clock(each.time)}  {each.value!r}")
