"""AddTags, ListTags and DeleteTags on tuning jobs and training jobs, by their ARN (behaviour 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hpt.job.state import TrainingJob
from hpt.sagemaker.reply.paging import take_page
from hpt.sagemaker.reply.tags import MAX_TAGS, as_list, change, merged, tags_of
from hpt.service.context import Context
from hpt.service.errors import TrainingJobNotFound, not_found
from hpt.service.jobs import Job

Request = Mapping[str, Any]
_ARN = re.compile(r"arn:[^:]*:sagemaker:[^:]*:\d{12}:(hyper-parameter-tuning-job|training-job)/(.+)")


def add_tags(context: Context, request: Request) -> dict[str, Any]:
    job, training_job = _resource(context, request["ResourceArn"])
    before = _tags(job, training_job)
    after = merged(before, request["Tags"])
    changes = {key: value for key, value in after.items() if before.get(key) != value}
    if changes:
        job.storage.add_note(job.key, change(changes, training_job.name if training_job else None))
    return {"Tags": as_list(after)}


def list_tags(context: Context, request: Request) -> dict[str, Any]:
    tags = as_list(_tags(*_resource(context, request["ResourceArn"])))
    page, token = take_page(
        tags,
        key=lambda tag: tag["Key"],
        name=lambda tag: tag["Key"],
        descending=False,
        query={"Operation": "ListTags", **request},
        default_size=MAX_TAGS,
    )
    return {"Tags": page} if token is None else {"Tags": page, "NextToken": token}


def delete_tags(context: Context, request: Request) -> dict[str, Any]:
    """Delete tags; unknown keys are ignored."""
    job, training_job = _resource(context, request["ResourceArn"])
    present = _tags(job, training_job)
    changes = dict.fromkeys(key for key in request["TagKeys"] if key in present)
    if changes:
        job.storage.add_note(job.key, change(changes, training_job.name if training_job else None))
    return {}


def _tags(job: Job, training_job: TrainingJob | None) -> dict[str, str]:
    return tags_of(job.config.tags, job.notes, training_job)


def _resource(context: Context, arn: str) -> tuple[Job, TrainingJob | None]:
    """The job that an ARN names. Region and account are ignored: a state directory has only one of each."""
    parts = _ARN.fullmatch(arn)
    if parts is None:
        raise not_found(f"{arn!r} is not the ARN of a tuning job or training job")
    if parts[1] == "training-job":
        try:
            return context.find_training_job(parts[2])
        except TrainingJobNotFound as error:  # an ARN has a code of its own
            raise not_found(f"no training job is named {parts[2]!r}") from error
    return context.find(parts[2]), None
