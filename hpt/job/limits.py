"""Limits of one tuning job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from hpt.errors import InputError
from hpt.search.space import MAX_PARAMETERS, MAX_VALUES


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one job. jobs: training jobs by strategy; parallel: at once.

    parameters: ranges of one definition; values: of a categorical range. metrics: metric definitions of a
    training job. tuning_seconds: the least run time that may be set for the tuning job.
    hyperparameters: static, tuned and added ones together.
    training_seconds: the run time of one training job. open_jobs: tuning jobs that have not ended.
    requests_per_second: of all operations together; None admits any number. warm_start_jobs: training jobs of
    the parents of a warm start and of the job itself together.
    """

    jobs: Mapping[str, int]
    parallel: int
    parameters: int
    hyperparameters: int
    training_seconds: int
    open_jobs: int = 100
    requests_per_second: float | None = None
    warm_start_jobs: int = 750
    values: int = 30
    metrics: int = 40
    tuning_seconds: int = 120


STRICT_LIMITS = Limits(
    jobs=MappingProxyType({"Bayesian": 750, "Random": 750, "Grid": 750, "Hyperband": 750}),
    parallel=100,
    parameters=30,
    hyperparameters=100,
    training_seconds=28 * 86_400,
)
"""The service's quotas (behaviour 15), with the most training jobs at once that it grants on request."""

DEFAULT_LIMITS = replace(STRICT_LIMITS, parallel=10)
"""The service's default quotas."""

LOCAL_LIMITS = Limits(
    jobs=MappingProxyType(dict.fromkeys(STRICT_LIMITS.jobs, 10_000)),
    parallel=1000,
    parameters=MAX_PARAMETERS,
    hyperparameters=2000,
    training_seconds=2**31 - 1,
    values=MAX_VALUES,
    metrics=200,
    tuning_seconds=1,
)
"""The limits of local jobs, wide in every respect."""

NAMED_LIMITS: Mapping[str, Limits] = MappingProxyType({"local": LOCAL_LIMITS, "amt": DEFAULT_LIMITS})
"""Limits that a user chooses by name."""


def find_limits(given: Limits | str) -> Limits:
    """Limits themselves, or those of a name in upper or lower case.

    Raises:
        InputError: there is no such name.
    """
    if isinstance(given, Limits):
        return given
    found = NAMED_LIMITS.get(given.lower()) if isinstance(given, str) else None
    if found is None:
        raise InputError(f"limits {given!r} are not known; use {' or '.join(NAMED_LIMITS)}")
    return found
