"""What an executor is given to run the present attempt of a training job."""

from __future__ import annotations

from hpt.executors.base import Submission
from hpt.job.config import NO_OBJECTIVE, OBJECTIVE_METRIC_KEY, JobConfig
from hpt.job.state import TrainingJob


def submission_of(config: JobConfig, job: TrainingJob, parallel: int, identity: str) -> Submission:
    """The submission of the present attempt.

    Parameters
    ----------
    config
        The tuning job.
    job
        The training job.
    parallel
        How many training jobs run at a time.
    identity
        Tells the tuning job from others of its name.

    Returns
    -------
    Submission
        The same after a restart, but for what the attempt has printed since.
    """
    definition = config.definition_of(job.definition)
    hyperparameters = {**definition.hyperparameters, **definition.space.format(job.config)}
    if definition.objective != NO_OBJECTIVE:
        hyperparameters[OBJECTIVE_METRIC_KEY] = definition.objective.metric
    return Submission(
        job.name, job.attempt, hyperparameters, definition, parallel, job.ran, job.cursor, identity
    )
