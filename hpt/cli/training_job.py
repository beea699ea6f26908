"""One training job by itself on one screen: how it ended, what its metric definitions read, what it left."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hpt.cli import snapshots
from hpt.cli.check_metric import NOTES_SECONDS, last_lines, nearest, report_on
from hpt.cli.hints import command
from hpt.cli.json_output import print_json
from hpt.cli.sample_log import read_sample
from hpt.cli.show import moment, print_table, programs
from hpt.errors import InputError
from hpt.executors import hosts
from hpt.executors.record import LOG
from hpt.host.terminal import printable
from hpt.job.config import NO_OBJECTIVE, MetricDefinition
from hpt.job.plural import quantity
from hpt.job.state import TrainingJob
from hpt.job.view import JobView, TrialView
from hpt.metrics.pace import Pace
from hpt.running.alone import Chosen
from hpt.running.progress import cut, duration
from hpt.running.session import Session
from hpt.running.snapshots import bytes_of, stored
from hpt.running.tracebacks import last_traceback
from hpt.sagemaker.reply.document import full_training_job_document
from hpt.search.trial import ObjectiveType, TrialStatus
from hpt.storage.base import JobRecord

LISTED = 6
"""Metrics, hyperparameters or files that have a line of their own."""

TRACEBACK_LINES = 6


@dataclass(frozen=True)
class TrainingJobReport:
    """What there is to say of a training job by itself.

    view: its job. record: of its job in the storage. directory: of its job. chosen: where its hyperparameters
    are from, where that is known.
    """

    view: JobView
    record: JobRecord
    directory: Path
    chosen: Sequence[Chosen] = ()

    @cached_property
    def trial(self) -> TrialView:
        return self.view.trial(1)

    @property
    def place(self) -> Path:
        """The directory of the training job."""
        return self.directory / "trials" / self.trial.name

    @property
    def log(self) -> Path:
        """The log of its last attempt."""
        return self.place / "attempts" / str(max(1, len(self.trial.attempts))) / LOG

    @property
    def instance_logs(self) -> dict[str, str]:
        """The logs of its instances by their names; none where it has one instance."""
        return hosts.logs(str(self.log.parent))

    @property
    def objective(self) -> str | None:
        """The metric that a tuning job would optimise, None if there is none."""
        named = self.view.config.definition.objective
        return None if named == NO_OBJECTIVE else named.metric

    @property
    def objective_read(self) -> bool:
        """Whether a value of the objective was read, or there is none."""
        return self.objective is None or self.trial.value is not None

    @cached_property
    def phases(self) -> list[tuple[str, float]]:
        """The seconds in each phase, over all attempts."""
        course = self.trial.transitions
        end = self.trial.training_end or (time.time() if self.record.owner_pid else self.view.modified)
        ends = [*(each.start for each in course[1:]), end]
        seconds: dict[str, float] = {}
        for each, until in zip(course, ends, strict=True):
            seconds[each.secondary] = seconds.get(each.secondary, 0.0) + max(0.0, until - each.start)
        last = course[-1].secondary if course else ""
        return [(name, took) for name, took in seconds.items() if name != last or not self.trial.status.ended]

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """What each metric definition read, the objective's first, as `hpt check-metric` has it; with the
        best value where it is known which is better.
        """
        definition = self.view.config.definition
        definitions = sorted(definition.metric_definitions, key=lambda each: each.name != self.objective)
        try:
            log = read_sample(str(self.log), definitions)
        except InputError:  # there is none yet, or not any more
            return [self._unread(each) for each in definitions]
        lines, pace = last_lines(log.end), Pace(NOTES_SECONDS, time.thread_time)
        built_in = definition.program.algorithm is not None
        reports = []
        for index, each in enumerate(definitions):
            if built_in and each.name != self.objective and not log.values[index]:
                reports.append(self._unread(each))
                continue
            report = report_on(each, index, log, lines, pace)
            if values := log.values[index]:
                report |= {"Best": self._best(each.name, values), "Min": min(values), "Max": max(values)}
            reports.append(report)
        return reports

    def _unread(self, definition: MetricDefinition) -> dict[str, Any]:
        return {"Name": definition.name, "Regex": definition.regex, "Matches": 0}

    def _best(self, metric: str, values: Sequence[float]) -> float | None:
        direction = None
        if metric == self.objective:
            direction = self.view.config.definition.objective.type
        elif (algorithm := self.view.config.definition.program.algorithm) is not None:
            known = algorithm.metric(metric)
            direction = None if known is None else known.direction
        if direction is None:
            return None
        return max(values) if direction is ObjectiveType.MAXIMIZE else min(values)

    def check_command(self, metrics: Sequence[Mapping[str, Any]]) -> str:
        """The command that tries these definitions on the log."""
        tried = [f"--metric={each['Name']}={each['Regex']}" for each in metrics]
        return shlex.join(["hpt", "check-metric", str(self.log), *tried])

    @cached_property
    def results(self) -> list[tuple[str, Path | str, list[tuple[str, int]]]]:
        """What it left: label, place and files (path, bytes)."""
        found: list[tuple[str, Path | str, list[tuple[str, int]]]] = []
        base = self.place / "ml"
        model = self.trial.model
        if model and not Path(model).is_dir():
            size = os.path.getsize(model) if os.path.isfile(model) else None  # noqa: PTH113, PTH202
            found.append(("model", model, [] if size is None else [("", size)]))
        for label, folder in (
            ("model", base / "model"),
            ("output", base / "output" / "data"),
            ("checkpoints", base / "checkpoints"),
        ):
            if label == "model" and found:
                continue
            if files := _files(folder):
                found.append((label, folder, files))
        code, left = snapshots.left(self.trial, self.directory, self.view.config)
        if left:
            found.append(("left", code, left))
        return found


def _files(folder: Path, most: int = 1000) -> list[tuple[str, int]]:
    """The regular files below a folder, at most so many."""
    found: list[tuple[str, int]] = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)  # noqa: PTH118
            try:
                size = os.lstat(path).st_size
            except OSError:
                continue
            found.append((os.path.relpath(path, folder), size))
            if len(found) == most:
                return found
    return found


def show_report(report: TrainingJobReport, *, tune: str = "") -> None:
    """Print it. tune: the command that tunes it, if it is known."""
    trial, lines = report.trial, _lines(report)
    status = trial.secondary
    if not trial.status.ended and report.record.owner_pid is None:
        status = f"{status}, interrupted"
    print(f"training job {trial.name}  {status}")
    for label, text in lines:
        print(f"{label:<13}{printable(text)}".rstrip())
    if (next_step := _next(report, tune)) is not None:
        print(f"{'next':<13}{next_step}")


def _lines(report: TrainingJobReport) -> Iterator[tuple[str, str]]:
    trial = report.trial
    if trial.failure_reason:
        yield "reason", " ".join(trial.failure_reason.split())
        yield from _traceback(report)
    if trial.stop_reason:
        yield "stopped", trial.stop_reason
    took = ", ".join(f"{name.lower()} {_seconds(seconds)}" for name, seconds in report.phases)
    total = sum(seconds for _, seconds in report.phases)
    yield "took", f"{_seconds(total)}{f': {took}' if took else ''}"
    for attempt in trial.attempts if len(trial.attempts) > 1 else ():
        yield "", f"attempt {attempt.number}: {attempt.outcome or 'goes on'}"
    yield from programs(report.view, report.record, report.directory)
    yield from _hyperparameters(report)
    yield from _metrics(report)
    label_shown = set()
    for label, place, files in report.results:
        label_shown.add(label)
        yield label, f"{place}{_listed(files)}"
    if trial.status is TrialStatus.COMPLETED and "model" not in label_shown:
        yield "model", "none: nothing was written to $SM_MODEL_DIR"
    if report.log.exists():
        yield "log", str(report.log)
        if own := report.instance_logs:
            names = ", ".join(Path(path).name for path in own.values())
            yield "", f"beside it, of each instance: {cut(names, 100)}"


def _traceback(report: TrainingJobReport) -> Iterator[tuple[str, str]]:
    """The end of the traceback with which it failed."""
    text = last_traceback(report.place, max(1, len(report.trial.attempts))).rstrip()
    for _, found in stored(report.view.config, report.directory):
        if found is not None:  # what is to be corrected is the program, and not its copy
            text = text.replace(str(report.place / "ml" / "code"), found.manifest["source"].rstrip("/"))
    lines = text.splitlines()
    if len(lines) > TRACEBACK_LINES:
        yield "", "…"
    for line in lines[-TRACEBACK_LINES:]:
        yield "", line


def _hyperparameters(report: TrainingJobReport) -> Iterator[tuple[str, str]]:
    """One a line with its source, as long as they are few."""
    values = report.view.config.definition.hyperparameters
    sources = {each.name: each.source for each in report.chosen}
    words = {"middle": "  (the middle of its range)", "given": "  (as given)"}
    label = "with"
    if len(values) <= LISTED:
        for name, value in values.items():
            yield label, f"{name} = {cut(value, 60)}{words.get(sources.get(name, ''), '')}"
            label = ""
        return
    for source, text in (("given", "as given"), ("middle", "middles of ranges"), ("", "")):
        own = [f"{name}={cut(value, 40)}" for name, value in values.items() if sources.get(name) == source]
        if source == "":
            own = [
                f"{name}={cut(value, 40)}"
                for name, value in values.items()
                if sources.get(name) not in ("given", "middle")
            ]
        if own:
            yield label, f"{' '.join(own)}{f'  ({text})' if text else ''}"
            label = ""


def _metrics(report: TrainingJobReport) -> Iterator[tuple[str, str]]:
    """What was read of each metric; of built-in algorithms only those with values, and the objective."""
    built_in = report.view.config.definition.program.algorithm is not None
    read = [each for each in report.metrics if each["Matches"]]
    unread = [each for each in report.metrics if not each["Matches"]]
    shown = read if len(read) <= LISTED else read[: LISTED - 1]
    label, last = "metrics", ""
    for i, each in enumerate(shown):
        yield label, _values(report, each)
        last = each.get("LastLine", "")
        if last and last not in [other.get("LastLine") for other in shown[i + 1 :]]:
            yield "", f"  last in: {cut(last, 100)}"
        yield from (("", f"  note: {note}") for note in _notes(each))
        label = ""
    if len(read) > len(shown):
        rest = read[len(shown) :]
        yield "", f"and {len(rest)} more: {cut(', '.join(each['Name'] for each in rest), 100)}"
    if not report.metrics:
        yield label, "none is defined"
    if not report.log.exists():
        return
    missing = unread if not built_in else [each for each in unread if each["Name"] == report.objective]
    for each in missing[:LISTED]:
        which = " (the objective)" if each["Name"] == report.objective else ""
        yield label, f"{each['Name']}{which}: no value was read by {each['Regex']}"
        label = ""
        if report.trial.status is not TrialStatus.FAILED:
            yield "", f"  nearest: {nearest(each)}"
    if missing and report.trial.status is not TrialStatus.FAILED:
        yield "", f"  try: {report.check_command(missing[:1])}"


def _values(report: TrainingJobReport, metric: Mapping[str, Any]) -> str:
    which = ""
    if metric["Name"] == report.objective:
        which = f" (the objective, {report.view.config.definition.objective.type})"
    best = f", best {metric['Best']!r}" if metric["Best"] is not None else ""
    if metric["Matches"] == 1:
        return f"{metric['Name']}{which}: one value, {metric['Last']!r}"
    span = "" if best else f", from {metric['Min']!r} to {metric['Max']!r}"
    return (
        f"{metric['Name']}{which}: {metric['Matches']} values, first {metric['First']!r}, "
        f"last {metric['Last']!r}{best}{span}"
    )


def _notes(metric: Mapping[str, Any]) -> Iterator[str]:
    if cut_short := metric.get("CutShort"):
        yield f"the group reads {cut_short['Read']} of {cut_short['Number']}"
    if missed := metric.get("Missed"):
        lines = quantity(missed["Lines"], "later line")
        yield f"{lines} matched without a number, the last: {missed['Line']}"
    if other := metric.get("AnotherMetric"):
        yield f"another metric is read as well: {other['Read']}"
    if several := metric.get("SeveralValues"):
        yield f"{len(several['Values'])} values on one line, each a report: {several['Line']}"
    if slow := metric.get("TooSlowLines"):
        yield f"{quantity(slow, 'line')} took too long and gave no value"


def _listed(files: Sequence[tuple[str, int]]) -> str:
    """`: model.pkl (1.2 MB), a.txt (3 bytes) and 4 more`."""
    if not files:
        return ""
    if files[0][0] == "":
        return f" ({bytes_of(files[0][1])})"
    shown = ", ".join(f"{name} ({bytes_of(size)})" for name, size in files[:3])
    return f": {shown}{f' and {len(files) - 3} more' if len(files) > 3 else ''}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else duration(seconds)


def _next(report: TrainingJobReport, tune: str) -> str | None:
    """What to type next."""
    trial, root = report.trial, report.directory.parent
    if not trial.status.ended:
        if report.record.owner_pid is None:
            return command(f"resume {trial.name}", root)
        return None
    if trial.status is TrialStatus.COMPLETED and report.objective_read:
        return tune or None
    if trial.status is TrialStatus.COMPLETED:
        return "correct the pattern, or what the program prints, and train again"
    return None


def report_document(report: TrainingJobReport) -> dict[str, Any]:
    """The same as JSON data."""
    sources = {each.name: each.source for each in report.chosen}
    document = full_training_job_document(report.trial) | {
        "HyperParameters": dict(report.view.config.definition.hyperparameters),
        "HyperParameterSources": sources or None,
        "TrainingImage": report.view.config.definition.training_image,
        "Objective": report.objective,
        "MetricDefinitions": report.metrics,
        "PhaseSeconds": dict(report.phases),
        "Results": [
            {
                "Kind": label,
                "Place": str(place),
                "Files": [{"Path": name, "Bytes": size} for name, size in files],
            }
            for label, place, files in report.results
        ],
        "Log": str(report.log) if report.log.exists() else None,
        "InstanceLogs": report.instance_logs or None,
        "Traceback": last_traceback(report.place, max(1, len(report.trial.attempts))) or None,
        "Directory": str(report.directory),
        "OwnerPid": report.record.owner_pid,
        "Interrupted": (report.record.owner_pid is None and not report.trial.status.ended) or None,
    }
    for member in ("TunedHyperParameters", "ObjectiveStatus"):
        document.pop(member, None)
    return {member: value for member, value in document.items() if value is not None}


def show_list(session: Session, *, as_json: bool) -> None:
    """Print a line for each training job by itself."""
    rows: list[tuple[str, ...]] = []
    documents: list[dict[str, Any]] = []
    for record in session.jobs(logs=True):
        if record.problem is not None:
            problem = " ".join(record.problem.split())
            rows.append((record.name, f"unreadable: {problem}", "-", "-", "-"))
            documents.append({"TrainingJobName": record.name, "Problem": record.problem})
            continue
        _, record, state = session.load(record.name)
        job = state.jobs[1]
        rows.append(
            (
                job.name,
                _status(job, record),
                _time(job),
                moment(job.created)[:-3],
                str(record.owner_pid or "-"),
            )
        )
        documents.append(
            {
                "TrainingJobName": job.name,
                "TrainingJobStatus": str(job.status),
                "SecondaryStatus": job.secondary,
                "CreationTime": job.created,
                "OwnerPid": record.owner_pid,
            }
        )
    if as_json:
        print_json(documents)
    elif rows:
        print_table(("TRAINING JOB", "STATUS", "TIME", "CREATED", "PROCESS"), rows)
    else:
        root = session.top
        print(f"no training job was run by itself in {root}; start one with: {command('train JOB', root)}")


def _status(job: TrainingJob, record: JobRecord) -> str:
    if job.status.ended or record.owner_pid is not None:
        return job.secondary
    return f"{job.secondary}, interrupted"


def _time(job: TrainingJob) -> str:
    if job.training_start is None or job.training_end is None:
        return "-"
    return duration(job.training_end - job.training_start)
