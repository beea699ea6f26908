"""The result of a tuning job, for a program in Python."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hpt.search.trial import Config, Trial

if TYPE_CHECKING:
    from hpt.running.runner import TuningJobRunner


@dataclass(frozen=True, slots=True)
class TuningResult:
    """The result of a tuning job.

    best_trial: None if no trial yielded a usable objective. trials: in launch order, each with a
    `failure_reason` of its own. completion_reason: what ended the job, `MaxNumberOfTrainingJobs` for one.
    failure_reason: why the job as a whole failed, or "".
    """

    name: str
    status: str
    best_trial: Trial | None
    trials: tuple[Trial, ...]
    completion_reason: str
    failure_reason: str = ""
    directory: Path | None = None

    @property
    def best_config(self) -> Config | None:
        return None if self.best_trial is None else self.best_trial.config

    @property
    def best_value(self) -> float | None:
        return None if self.best_trial is None else self.best_trial.value


def result_of(runner: TuningJobRunner, directory: Path | None) -> TuningResult:
    """The outcome of a job that has ended (or was paused), from its folded state."""
    state = runner.state
    trials = {
        trial.number: replace(trial, failure_reason=state.jobs[trial.number].failure_reason)
        for trial in runner.history
    }
    best = None if state.best is None else trials[state.best.number]
    ordered = tuple(trials[number] for number in sorted(trials))
    return TuningResult(
        runner.config.name, str(state.status), best, ordered, state.criterion, state.failure_reason, directory
    )
