"""How far the checkpoints of an attempt reach."""

from __future__ import annotations

from typing import Any

from hpt.executors.base import Submission
from hpt.executors.s3_source import split_uri
from hpt.fleet.training_jobs.calls import Calls
from hpt.fleet.training_jobs.log import KeptLog
from hpt.fleet.training_jobs.request import checkpoints_of


def newest_checkpoint(
    calls: Calls, submission: Submission, began: float, log: KeptLog, ended: float | None = None
) -> int | None:
    """Where another attempt would continue, as `Exit.checkpoint`.

    The service copies checkpoints to S3 while the program runs, and dates them when it does: a checkpoint
    covers what was printed until then.

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
    ended
        When it ended, by the service's clock; None: what was copied later counts as well.

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
    more: dict[str, Any] = {}
    while True:
        page = calls.s3_call(lambda client: client.list_objects_v2(Bucket=bucket, Prefix=prefix, **more))
        for entry in page.get("Contents", ()):
            made = entry["LastModified"].timestamp()
            if not entry["Key"].endswith(("/", ".sagemaker-uploading", ".sagemaker-uploaded")):
                newest = made if newest is None else max(newest, made)
        if not page.get("IsTruncated"):
            break
        more = {"ContinuationToken": page["NextContinuationToken"]}
    if newest is None:
        return None
    if newest < int(began):
        return 0
    return log.length_at(min(newest + 1.0, ended or newest + 1.0) + calls.lead)
