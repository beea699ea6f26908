"""How a training job and a tuning job came to their end, from what is known of them."""

from __future__ import annotations

from math import isfinite

from hpt.executors.base import Exit
from hpt.job.config import RESULT_METRIC, JobConfig
from hpt.job.state import STOP_REQUESTED, JobState, JobStatus, TrainingJob
from hpt.search.events import BY_RULE, AttemptOutcome, StopReason
from hpt.search.numbers import counted
from hpt.search.trial import TrialStatus

MAX_JOBS = "MaxNumberOfTrainingJobs"
MAX_RUNTIME = "MaxRuntimeInSeconds"
NO_SUCCESS = "NoTrainingJobSucceeded"
"""The criterion of a tuning job that gave up, since every training job failed."""

FAILURES_WITHOUT_SUCCESS = 5
"""This many failed training jobs with none succeeded end the tuning job as Failed (behaviour 4.1)."""

_MOST_FROM_OUTSIDE = 5  # interruptions after which a stop that nobody decided is a loss


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


def end_of_trial(job: TrainingJob, exit: Exit) -> tuple[TrialStatus, str]:
    """The status and the secondary status of a training job that ended with an attempt."""
    if exit.timed_out:
        return TrialStatus.STOPPED, "MaxRuntimeExceeded"
    if exit.stopped or (job.stop_reason in BY_RULE and exit.exit_code != 0):
        return TrialStatus.STOPPED, last_status(job)  # what failed was to have ended before
    status = TrialStatus.COMPLETED if exit.exit_code == 0 else TrialStatus.FAILED
    return status, str(status)


def reason_of_rule(config: JobConfig, job: TrainingJob) -> StopReason:
    """Why the stopping rule stops a training job: it has used up its resource, or it is given up."""
    done = config.hyperband is not None and job.reports >= config.hyperband.max_resource
    return StopReason.MAX_RESOURCE if done else StopReason.RULE


def last_status(job: TrainingJob) -> str:
    """The last secondary status of a training job that was stopped."""
    return str(StopReason.WAIT) if job.stop_reason == StopReason.WAIT else "Stopped"


def without_value(job: TrainingJob, metric: str, exit: Exit | None) -> str:
    """Why a training job that did not fail has no value."""
    if job.training_start is None and (exit is None or exit.started is None):
        return "stopped before the program started"
    return f"printed no value of the objective metric {metric!r}"


def final_value(
    job: TrainingJob, status: TrialStatus, metric: str, exit: Exit | None, *, alone: bool
) -> tuple[float | None, str]:
    """The final objective of a training job that ends.

    Parameters
    ----------
    job
        The training job, every report of it taken.
    status
        What it ends as.
    metric
        The objective metric.
    exit
        How its last attempt ended; None if there was none.
    alone
        Whether it is no trial of a search, so that it did what it was to do, whatever it printed.

    Returns
    -------
    tuple
        The value, None if it has none that can be used, and then why, "" where the status says it.
    """
    if status is TrialStatus.FAILED:
        return None, ""
    value, _ = job.metrics.get(RESULT_METRIC) or job.metrics.get(metric) or (None, 0.0)
    if job.stop_reason in BY_RULE and job.reported is not None:
        value = job.reported  # what the rule judged
    if value is not None and isfinite(value):
        return value, ""
    if alone:
        return None, ""
    if value is None:
        return None, without_value(job, metric, exit)
    return None, f"the last value of the objective metric {metric!r} was {value}"


def hopeless(state: JobState) -> bool:
    """Whether so many training jobs failed, with none succeeded, that no more are started."""
    counters = state.objective_counters
    return counters["Failed"] >= FAILURES_WITHOUT_SUCCESS and not counters["Succeeded"]


def all_failed(state: JobState) -> bool:
    """Whether no training job succeeded, and none was merely stopped before it could report."""
    stopped, succeeded = state.training_counters["Stopped"], state.objective_counters["Succeeded"]
    return state.launched > 0 and not succeeded and not stopped


def end_of_job(config: JobConfig, state: JobState, criterion: str) -> tuple[JobStatus, str]:
    """The status of a tuning job that ends by a criterion, and why where it failed."""
    if criterion == STOP_REQUESTED:
        return JobStatus.STOPPED, ""
    if config.alone:  # its training job says more
        failed = state.jobs[1].status is TrialStatus.FAILED
        return JobStatus.FAILED if failed else JobStatus.COMPLETED, ""
    if criterion != NO_SUCCESS and not all_failed(state):
        return JobStatus.COMPLETED, ""
    attempts = counted(state.objective_counters["Failed"], "attempt")
    last = next((job.failure_reason for job in reversed(state.jobs.values()) if job.failure_reason), "")
    return JobStatus.FAILED, f"no training job succeeded after {attempts}" + (
        f"; the last one: {last}" if last else ""
    )
