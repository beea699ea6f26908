"""Where the logs of a training job can be read, whatever became of the machines that it ran on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hpt.executors import log_place
from hpt.executors.record import LOG
from hpt.fleet.registry import RAY
from hpt.job.config import TrainingJobDefinition
from hpt.job.view import AttemptView, TrialView
from hpt.running.chosen_executor import kept
from hpt.search.trial import TrialStatus

_OWN_ENDS = frozenset(map(str, TrialStatus))


def log_places(
    trial: TrialView,
    attempt: AttemptView,
    definition: TrainingJobDefinition,
    directory: Path,
    now: float,
) -> Sequence[str]:
    """Where the log of an attempt is, the nearest place first; empty where there is none.

    Parameters
    ----------
    trial, attempt
        The training job, and one of its attempts.
    definition
        What it runs.
    directory
        That of the tuning job.
    now
        In seconds since the epoch.

    Returns
    -------
    sequence of str
        The path of the log on this machine, as far as it was read, and the URI to which the node brought it.
    """
    places = []
    path = directory / "trials" / trial.name / "attempts" / str(attempt.number) / LOG
    if path.exists():
        places.append(str(path))
    found = kept(directory)
    if found is None or found[0] != RAY or not _was_brought(attempt, definition, now):
        return places
    uri = log_place.uri_of(
        {
            "name": trial.name,
            "attempt": attempt.number,
            "output_path": definition.output_path,
            "checkpoint_uri": definition.checkpoint_uri,
            "own_checkpoints": definition.own_checkpoints,
        }
    )
    return places if uri is None else [*places, uri]


def _was_brought(attempt: AttemptView, definition: TrainingJobDefinition, now: float) -> bool:
    """Whether its node had the time to bring its log to S3, if it printed anything."""
    if attempt.outcome in _OWN_ENDS:
        return True
    every = log_place.seconds_between(
        {"environment": definition.environment}, log_place.SECONDS_VARIABLE, log_place.EVERY
    )
    return (now if attempt.ended is None else attempt.ended) - attempt.created > 2 * every
