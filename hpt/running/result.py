"""The result of a tuning job, for a program in Python."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpt.errors import InputError, NoTrialSucceededError
from hpt.job.config import RESULT_METRIC
from hpt.job.plural import quantity
from hpt.job.state import JobStatus, Point
from hpt.job.view import AttemptView, JobView, TrialView
from hpt.running.belief import JobSearch
from hpt.running.tracebacks import last_traceback
from hpt.search import events as ev
from hpt.search.belief import BELIEF, BY, VALUE
from hpt.search.recording import check_choice
from hpt.search.trial import Config, Report, Trial

if TYPE_CHECKING:
    import pandas as pd

    from hpt.running.session import Session
    from hpt.storage.base import JobRecord

RAISE, WARN = "raise", "warn"


@dataclass(frozen=True, slots=True)
class TimedReport(Report):
    """An interim value of the objective, with its number in the trial, from 1, and when it was logged."""

    number: int = 0
    time: float = 0.0


@dataclass(frozen=True, slots=True, repr=False)
class TrialResult(Trial):
    """A trial of a tuning job, with what became of it. Times are seconds since the epoch.

    name: of its training job. start, end: when its program began to train and ended, None until then.
    duration: seconds from its start to its end, None until then. attempts: each with its times and its
    outcome. metrics: of each metric its last value. curves: of each metric every value, its time and its
    attempt. stop_reason: what stopped it before its end, "" for nothing; a stopping rule says more in
    `stopped_by`. traceback: the Python traceback with which a program without a usable value ended, "" if
    it left none. model: where its model lies, "" for none. believed, deviation: from `TuningResult.beliefs`,
    what the search believes of its configuration: the mean of the objective without noise, and its standard
    deviation.
    """

    reports: Sequence[TimedReport] = ()
    name: str = ""
    start: float | None = None
    end: float | None = None
    attempts: tuple[AttemptView, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    stop_reason: str = ""
    traceback: str = ""
    model: str = ""
    believed: float | None = None
    deviation: float | None = None

    @property
    def duration(self) -> float | None:
        return None if self.start is None or self.end is None else max(0.0, self.end - self.start)

    def __repr__(self) -> str:
        value = "no value" if self.value is None else f"{self.value:.6g}"
        return f"<trial {self.number}: {self.status}, {value}, {_short(self.config)}>"


@dataclass(frozen=True, slots=True, repr=False)
class TuningResult:
    """The result of a tuning job; of one that has not ended, how it stands.

    best_trial: None if no trial yielded a usable objective. trials: in launch order, each with its reports,
    times, attempts and what went wrong. completion_reason: what ended the job, `MaxNumberOfTrainingJobs` for
    one. failure_reason: why the job as a whole failed, or "". interrupted: it has not ended, and no process
    runs it. metric, objective: what is optimised.

    Under noise the best value is the luckiest: `best(by="belief")` has the trial that the search believes to
    be the best.
    """

    name: str
    status: str
    best_trial: TrialResult | None
    trials: tuple[TrialResult, ...]
    completion_reason: str
    failure_reason: str = ""
    directory: Path | None = None
    interrupted: bool = False
    metric: str = ""
    objective: str = ""
    search: JobSearch | None = field(default=None, repr=False, compare=False)

    def best(self, *, by: str = VALUE) -> TrialResult | None:
        """The best trial; None if no trial yielded a usable objective.

        by: `value`, or `belief`: the first of `beliefs`.

        Raises:
            InputError: `by` is not known.
        """
        if check_choice(by, "by", BY) == BELIEF:
            believed = self.beliefs()
            return believed[0] if believed else None
        return self.best_trial

    def beliefs(self) -> tuple[TrialResult, ...]:
        """The trials with a value and what the search believes of their configurations, `believed` and
        `deviation`, the best first; of more than 1,000 those of the best values.

        It comes from the model that proposes, or where none does, as in random search, from that of Bayesian
        search.
        """
        if self.search is None:
            return ()
        trials = {trial.number: trial for trial in self.trials}
        return tuple(
            replace(trials[number], believed=belief.mean, deviation=belief.deviation)
            for number, belief in self.search.beliefs().items()
        )

    @property
    def best_config(self) -> Config | None:
        return None if self.best_trial is None else self.best_trial.config

    @property
    def best_value(self) -> float | None:
        return None if self.best_trial is None else self.best_trial.value

    def to_dataframe(self, *, belief: bool = False) -> pd.DataFrame:
        """One row a trial, in launch order, with typed columns.

        `number`, `name`, `status`, `value`, `start` and `end` (UTC), `duration` (seconds), `attempts`,
        `reports` (how many), `stop_reason` with `stop_rule`, `stop_report`, `stop_value` and
        `stop_threshold`, `failure_reason` and `traceback`; a column for each
        hyperparameter by its name, `config.NAME` where that is taken; `metric.NAME` with the last value of
        each metric; `definition` in a multi-algorithm job. What a trial does not have is missing.

        belief: with columns `believed` and `deviation`, as `beliefs` has them.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        from hpt.running.tables import dataframe

        return dataframe(self.with_beliefs() if belief else self, belief=belief)

    def with_beliefs(self) -> TuningResult:
        """The same with what `beliefs` has of its trials."""
        believed = {trial.number: trial for trial in self.beliefs()}
        return replace(self, trials=tuple(believed.get(trial.number, trial) for trial in self.trials))

    def __repr__(self) -> str:
        status = "interrupted" if self.interrupted else self.status
        best = "no usable value"
        if self.best_trial is not None:
            best = f"best {self.metric} {self.best_trial.value:.6g} by trial {self.best_trial.number}"
        return f"<tuning job {self.name!r}: {status}, {quantity(len(self.trials), 'trial')}, {best}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the best trials in a table."""
        from hpt.running.tables import html

        return html(self)


def _short(config: Config, width: int = 100) -> str:
    values = ", ".join(
        f"{name}={f'{value:.6g}' if isinstance(value, float) else repr(value)}"
        for name, value in config.items()
    )
    return values if len(values) <= width else values[: width - 1] + "…"


def make_result(
    view: JobView,
    events: Sequence[ev.Event],
    directory: Path | None = None,
    *,
    runs: bool = False,
) -> TuningResult:
    """The result of a stored job, or how it stands.

    Parameters
    ----------
    view
        The job.
    events
        Its events, of which `view` is the fold.
    directory
        Its directory, in which the logs of its training jobs are; None: it has none.
    runs
        Whether a process runs the job.

    Returns
    -------
    TuningResult
        The result, with the tracebacks that are in the logs now.
    """
    reports, stopped = _reports(events)
    trials = {
        trial.number: _trial(trial, reports.get(trial.number, ()), stopped.get(trial.number), directory)
        for trial in view.trials
    }
    definition = view.config.definition
    return TuningResult(
        name=view.name,
        status=str(view.status),
        best_trial=None if view.best is None else trials[view.best.number],
        trials=tuple(trials[number] for number in sorted(trials)),
        completion_reason=view.criterion,
        failure_reason=view.failure_reason,
        directory=directory,
        interrupted=not runs and not view.status.ended,
        metric=definition.objective.metric if view.best is None else view.best.metric,
        objective=str(definition.objective.type),
        search=JobSearch(view.config, events),
    )


def stored_result(session: Session, name: str) -> TuningResult:
    """The result of a job of this state directory. Raises JobNotFoundError."""
    config, record, state = session.load(name)
    return result_of(session, name, JobView(config, state), record)


def result_of(session: Session, name: str, view: JobView, record: JobRecord) -> TuningResult:
    """The result of a job that was just loaded under a name; see `make_result`."""
    _, events = session.storage.read(name)
    directory, runs = session.job_directory(name), record.owner_pid is not None
    return make_result(view, events[: view.events], directory, runs=runs)


def _reports(events: Sequence[ev.Event]) -> tuple[dict[int, list[TimedReport]], dict[int, int]]:
    """The reports of each trial, and how many there were when it was decided to stop it."""
    reports: dict[int, list[TimedReport]] = {}
    stopped: dict[int, int] = {}
    for event in events:
        match event:
            case ev.Reported():
                own = reports.setdefault(event.number, [])
                own.append(TimedReport(event.resource, event.value, len(own) + 1, event.time))
            case ev.StopDecided() if event.reason != ev.StopReason.INTERRUPTED:
                stopped.setdefault(event.number, len(reports.get(event.number, ())))
    return reports, stopped


def _trial(
    trial: TrialView, reports: Sequence[TimedReport], stopped_after: int | None, directory: Path | None
) -> TrialResult:
    traceback = ""
    if directory is not None and trial.status.ended and trial.value is None and trial.attempts:
        traceback = last_traceback(directory / "trials" / trial.name, trial.attempts[-1].number)
    return TrialResult(
        number=trial.number,
        config=trial.config,
        status=trial.status,
        value=trial.value,
        reports=tuple(reports),
        definition=trial.definition,
        stopped_after=stopped_after,
        stopped_by=trial.stopped_by,
        failure_reason=trial.failure_reason,
        name=trial.name,
        start=trial.training_start,
        end=trial.training_end,
        attempts=trial.attempts,
        metrics={name: value for name, (value, _) in trial.latest.items() if name != RESULT_METRIC},
        curves={name: points for name, points in trial.curves.items() if name != RESULT_METRIC},
        stop_reason=trial.stop_reason,
        traceback=traceback,
        model=trial.model,
    )


def check_on_failure(on_failure: str) -> None:
    """Raises InputError if `settle` would not know it."""
    if on_failure not in (RAISE, WARN):
        raise InputError(f"on_failure is {on_failure!r}; use {RAISE!r} or {WARN!r}")


def settle(result: TuningResult, on_failure: str, *, level: int = 2) -> TuningResult:
    """The result of a job that has ended, if a trial of it has a usable value.

    Parameters
    ----------
    result
        The result.
    on_failure
        "raise" or "warn", for a job without such a trial.
    level
        How many calls above this one a warning points to.

    Returns
    -------
    TuningResult
        `result`.

    Raises
    ------
    NoTrialSucceededError
        No trial has a usable value, and `on_failure` is "raise".
    """
    if result.best_trial is not None or not JobStatus(result.status).ended:
        return result
    error = _no_success(result)
    if on_failure == RAISE:
        raise error
    notes: Sequence[Any] = getattr(error, "__notes__", ())
    warnings.warn("\n".join([str(error), *notes]), RuntimeWarning, stacklevel=level + 1)
    return result


def _no_success(result: TuningResult) -> NoTrialSucceededError:
    failed = [trial for trial in result.trials if trial.status.ended]
    reason = next((trial.failure_reason for trial in reversed(failed) if trial.failure_reason), "")
    what = (
        f"none of its {len(failed)} trials succeeded" if len(failed) > 1 else "its only trial did not succeed"
    )
    message = (
        f"tuning job {result.name!r} ended ({result.completion_reason}): {what if failed else 'no trial ran'}"
    )
    if reason:
        message += f"; the last reason: {reason}"
    message += "; fix that and tune again"
    if result.directory is not None:
        message += f" under another name, or after hpt.delete({result.name!r})"
    return NoTrialSucceededError(
        message,
        name=result.name,
        status=result.status,
        failures=len(failed),
        reason=reason,
        traceback=next((trial.traceback for trial in reversed(failed) if trial.traceback), ""),
        result=result,
    )
