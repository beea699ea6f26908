"""A larger budget for a tuning job that has ended, or was interrupted: it goes on from its whole history.

What had ended the job does not end it again at once: a target that was reached and convergence that was
detected no longer count, the row of objectives without improvement is counted anew, and the time between the
end and the extension is no part of the run time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from hpt.errors import InputError, ValidationError
from hpt.job.complete import check_config
from hpt.job.config import JobConfig, ResourceLimits
from hpt.job.plural import quantity
from hpt.search.events import Event, JobExtended
from hpt.search.stored import build

if TYPE_CHECKING:
    from hpt.job.state import JobState


def limits_after(event: JobExtended) -> ResourceLimits:
    """The limits from the extension on. Raises StorageError where they cannot be limits."""
    fields = {
        "max_jobs": event.max_jobs,
        "max_parallel_jobs": event.max_parallel_jobs,
        "max_runtime_seconds": event.max_runtime_seconds,
    }
    return build(ResourceLimits, fields, "an extension of the tuning job")


def extended(config: JobConfig, events: Iterable[Event]) -> JobConfig:
    """The configuration with the limits that hold after these events."""
    last = None
    for event in events:
        if isinstance(event, JobExtended):
            last = event
    return config if last is None else replace(config, limits=limits_after(last))


def extension(
    config: JobConfig,
    state: JobState,
    time: float,
    *,
    max_jobs: int | None = None,
    max_runtime_seconds: float | None = None,
    max_parallel_jobs: int | None = None,
) -> JobExtended:
    """The event that gives a job, which nobody runs, a larger budget.

    Parameters
    ----------
    config
        The job with its present limits.
    state
        How it stands.
    time
        When it is extended, in seconds since the epoch.
    max_jobs, max_runtime_seconds, max_parallel_jobs
        The new limits on the whole job, what was used so far included; None: as before.

    Returns
    -------
    JobExtended
        To be recorded.

    Raises
    ------
    InputError
        The job cannot go on, the budget is not larger or leaves nothing to do.
    ValidationError
        The job would break a rule with these limits.
    """
    former = config.limits
    if max_jobs is None and max_runtime_seconds is None and max_parallel_jobs is None:
        raise InputError("no limit is given; give a larger max_jobs or max_runtime_seconds")
    limits = ResourceLimits(
        former.max_jobs if max_jobs is None else max_jobs,
        former.max_parallel_jobs if max_parallel_jobs is None else max_parallel_jobs,
        former.max_runtime_seconds if max_runtime_seconds is None else max_runtime_seconds,
    )
    _check_state(config, state)
    _check_larger(former, limits)
    _check_room(config, limits, state)
    _check_rules(config, limits)
    return JobExtended(
        max(time, state.modified),
        limits.max_jobs,
        limits.max_parallel_jobs,
        limits.max_runtime_seconds,
        former.max_jobs,
        former.max_parallel_jobs,
        former.max_runtime_seconds,
    )


def _check_state(config: JobConfig, state: JobState) -> None:
    job = f"tuning job {config.name}"
    if str(state.status) == "Failed":
        raise InputError(
            f"{job} has failed ({state.failure_reason}), and would fail again; fix the program and start "
            "another job"
        )
    if not state.status.ended and state.criterion:
        raise InputError(f"{job} is about to end ({state.criterion}); resume it to its end first")


def _check_rules(config: JobConfig, limits: ResourceLimits) -> None:
    """Raises ValidationError where the job breaks a rule by its new limits. One accepted before a rule
    came goes on all the same.
    """
    try:
        check_config(config)
    except ValidationError:
        return
    check_config(replace(config, limits=limits))


def _check_larger(former: ResourceLimits, limits: ResourceLimits) -> None:
    for name, old, new in (
        ("max_jobs", former.max_jobs, limits.max_jobs),
        ("max_runtime_seconds", former.max_runtime_seconds, limits.max_runtime_seconds),
    ):
        if new is None or new == old:
            continue
        if old is None:
            raise InputError(f"{name} {new} would limit a job that had no such limit; leave it out")
        if new < old:
            raise InputError(f"{name} {new} is below the {old} of the job; a budget can only grow")


def _check_room(config: JobConfig, limits: ResourceLimits, state: JobState) -> None:
    """Raises InputError where nothing is left to run within the limits."""
    if limits.max_jobs is not None and state.launched >= limits.max_jobs:
        raise InputError(
            f"max_jobs {limits.max_jobs} leaves nothing to run: the job has launched "
            f"{quantity(state.launched, 'training job')}; give more"
        )
    used = (state.modified if state.ended is None else state.ended) - state.created - state.idle
    if limits.max_runtime_seconds is not None and used >= limits.max_runtime_seconds:
        raise InputError(
            f"max_runtime_seconds {limits.max_runtime_seconds:g} leaves no time: the job has run for "
            f"{used:.0f} s; give more"
        )
    sizes = [definition.space.size for definition in config.all_definitions]
    combinations = None if None in sizes or config.repeats else sum(size or 0 for size in sizes)
    if state.criterion == EXHAUSTED or (combinations is not None and state.launched >= combinations):
        raise InputError(
            f"every configuration of the space was tried ({quantity(state.launched, 'training job')}); "
            "start a job with a larger space and this one as its parent"
        )


EXHAUSTED = "SearchSpaceExhausted"
"""The criterion of a job that has tried every configuration."""
