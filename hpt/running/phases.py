"""The phases that an attempt goes through, as events of its training job."""

from __future__ import annotations

from collections.abc import Iterator

from hpt.executors.base import Update
from hpt.job.lifecycle import PHASES
from hpt.job.state import TrainingJob
from hpt.search import events as ev
from hpt.search.events import StopReason
from hpt.search.trial import TrialStatus

_SLACK = 1.0  # seconds, since sums of times are rounded


def entered_phases(job: TrainingJob, update: Update, limit: float | None) -> Iterator[ev.Event]:
    """The phases that an attempt went through since it was last looked at; each is to be applied before the
    next is asked for. limit: of the run time, in seconds.

    Once it is to stop, an earlier phase is not recorded any more. That it stops though nobody asked means
    that its time is up, or that somebody outside stops it.
    """
    for phase, time in sorted(update.times.items(), key=lambda entry: entry[1]):
        stopping = job.status is TrialStatus.STOPPING
        if phase == "Stopping" and not job.stop_reason and ran_out(job, update, time, limit):
            yield ev.StopDecided(time, job.number, StopReason.DEADLINE)
        elif phase not in PHASES or phase == "Stopping" or job.entered(phase):
            continue
        elif phase == "Uploading" or not stopping:
            yield ev.StatusChanged(time, job.number, phase)


def ran_out(job: TrainingJob, update: Update, time: float, limit: float | None) -> bool:
    """Whether the limit on run time, in seconds, explains that the attempt began to stop at `time`."""
    began = update.times.get("Training", time)
    return limit is not None and time - began + job.ran >= limit - _SLACK
