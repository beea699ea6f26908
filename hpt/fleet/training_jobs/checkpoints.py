"""How far the checkpoints of an attempt reach."""

from __future__ import annotations

from hpt.executors.base import Submission
from hpt.executors.s3_source import split_uri
from hpt.fleet.training_jobs.calls import Calls
from hpt.fleet.training_jobs.log import KeptLog
from hpt.fleet.training_jobs.request import checkpoints_of


def newest_checkpoint(calls: Calls, submission: Submission, began: float, log: KeptLog) -> int | None:
    """Where another attempt would continue, as `Exit.checkpoint`.

    The service copies checkpoints to S3 while the program runs, which dates them by whole seconds: a
    checkpoint covers what was printed until then, and is taken for up to a second older than it is.

    Parameters
    ----------
    calls
        To S3.
    submission
        The attempt.
    began
        When it began, by the service's clock.
    log
        What it printed, all of it.

    Returns
    -------
    int or None
        An offset of the log; 0 where the checkpoint is that of an earlier attempt, None without one.

    Raises
    ------
    RetryableError
        S3 does not answer.
    """
    place = checkpoints_of(submission)
    if place is None:
        return None
    bucket, prefix = split_uri(place.rstrip("/") + "/")
    newest: float | None = None
    for entry in calls.objects(bucket, prefix):
        if not entry["Key"].endswith(("/", ".sagemaker-uploading", ".sagemaker-uploaded")):
            made = entry["LastModified"].timestamp()
            newest = made if newest is None else max(newest, made)
    if newest is None:
        return None
    if newest < int(began):
        return 0
    return log.length_at(newest + calls.lead)
