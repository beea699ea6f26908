"""How a training job and a tuning job came to their end, from what is known of them."""

from __future__ import annotations

from hpt.executors.base import Exit, Update
from hpt.job.state import JobState, TrainingJob
from hpt.search.events import AttemptOutcome, StopReason

FAILURES_WITHOUT_SUCCESS = 5
"""This many failed training jobs with none succeeded end the tuning job as Failed (behaviour 4.1)."""

_MOST_FROM_OUTSIDE = 5  # interruptions after which a stop that nobody decided is a loss
_SLACK = 1.0  # seconds, since sums of times are rounded


def ran_out(job: TrainingJob, update: Update, time: float, limit: float | None) -> bool:
    """Whether the limit on run time, in seconds, explains that the attempt began to stop at `time`."""
    began = update.times.get("Training", time)
    return limit is not None and time - began + job.ran >= limit - _SLACK


def taken_away(job: TrainingJob, exit: Exit) -> tuple[AttemptOutcome, int | None, str] | None:
    """Outcome, exit code and reason of an attempt that another may follow; None where its training job ended.

    A stop that the tuning job did not decide came from outside (a shutdown, another copy of the job) and
    counts as an interruption; one that comes again and again, as a loss.
    """
    if exit.outcome in (AttemptOutcome.LOST, AttemptOutcome.PREEMPTED):
        return AttemptOutcome(exit.outcome), None, exit.reason
    if not exit.stopped or exit.timed_out or job.stop_reason not in ("", StopReason.INTERRUPTED):
        return None
    if exit.by_user and not job.stop_reason:
        return None
    if not job.stop_reason and job.interrupted >= _MOST_FROM_OUTSIDE:
        return AttemptOutcome.LOST, None, "it was stopped from outside again and again"
    return AttemptOutcome.INTERRUPTED, exit.exit_code, ""


def last_status(job: TrainingJob) -> str:
    """The last secondary status of a training job that was stopped."""
    return str(StopReason.WAIT) if job.stop_reason == StopReason.WAIT else "Stopped"


def without_value(job: TrainingJob, metric: str, exit: Exit | None) -> str:
    """Why a training job that did not fail has no value."""
    if job.training_start is None and (exit is None or exit.started is None):
        return "stopped before the program started"
    return f"printed no value of the objective metric {metric!r}"


def hopeless(state: JobState) -> bool:
    """Whether so many training jobs failed, with none succeeded, that no more are started."""
    counters = state.objective_counters
    return counters["Failed"] >= FAILURES_WITHOUT_SUCCESS and not counters["Succeeded"]


def all_failed(state: JobState) -> bool:
    """Whether no training job succeeded, and none was merely stopped before it could report."""
    stopped, succeeded = state.training_counters["Stopped"], state.objective_counters["Succeeded"]
    return state.launched > 0 and not succeeded and not stopped
