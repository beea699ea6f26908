"""`hpt.extend`: a larger budget for a stored tuning job."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hpt.running.dependencies import require_jobs

if TYPE_CHECKING:
    from hpt.running.result import TuningResult


def extend(
    name: str,
    *,
    max_jobs: int | None = None,
    max_runtime_seconds: float | None = None,
    max_parallel_jobs: int | None = None,
    state: str | os.PathLike[str] | None = None,
    verbose: bool = False,
) -> TuningResult:
    """Go on with a stored tuning job that has ended, or was interrupted, with a larger budget.

    It goes on from its whole history, with the function or program that it was started with: a serial job of
    random or Bayesian search suggests what it would have suggested with that budget from its start. What had
    ended it does not end it again at once: a target that was reached no longer counts, the row of objectives
    without improvement is counted anew, and the time between its end and now is no part of its run time.

    Parameters
    ----------
    name
        The job's name.
    max_jobs
        How many trials there are at most, those so far included; None: as before.
    max_runtime_seconds
        Seconds of run time after which the job ends, those so far included; None: as before.
    max_parallel_jobs
        How many trials run at once; None: as before.
    state
        The state directory; None: `$HPT_HOME`, else `~/.hpt`.
    verbose
        Whether progress is printed to standard error.

    Returns
    -------
    TuningResult
        That of the whole job.

    Raises
    ------
    InputError
        The job has failed, has tried every configuration, or the budget is smaller or leaves nothing to run;
        nothing was changed.
    JobNotFoundError
        No job has that name.
    JobOwnedError
        Another living process runs it; nothing was changed.
    MissingDependencyError
        `hpt[jobs]` is not installed.
    KeyboardInterrupt
        After the running trials were interrupted with grace.
    """
    require_jobs("hpt.extend")
    from hpt.functions.tune import _follow
    from hpt.running.session import Session

    session = Session(state)
    try:
        config = session.extend(
            name,
            max_jobs=max_jobs,
            max_runtime_seconds=max_runtime_seconds,
            max_parallel_jobs=max_parallel_jobs,
        )
        return _follow(session.run(config.name), verbose)
    finally:
        session.close()
