"""The operations on one training job: create, describe, stop, delete (behaviour 12.2, 13.6).

One that a tuning job launched and one that was created by itself are described and stopped alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hpt.errors import HptError, JobExistsError, JobNotFoundError
from hpt.job.notes import STOP_TRAINING_JOB
from hpt.running.s3_places import check_s3
from hpt.sagemaker.request.training import read_training_request
from hpt.search.trial import TrialStatus
from hpt.service.context import Context
from hpt.service.errors import IN_USE, VALIDATION, ServiceError

Request = Mapping[str, Any]


def create_training_job(context: Context, request: Request) -> dict[str, Any]:
    """Validate, store, and start a process that runs it. A rejected request stores nothing."""
    config, filled, _ = read_training_request(
        request,
        strict=context.strict,
        limits=context.limits,
        check_s3=check_s3 if context.check_s3 else None,
    )
    training = context.training
    if context.holds_training_job(config.name):
        raise _taken(config.name)
    with context.creating:
        try:
            config = training.session.create(config, request=filled, of_service=True)
        except JobExistsError as error:
            raise _taken(error.name) from error
    try:
        training.start(training.storage.record(config.name))
    except HptError:
        training.storage.delete(config.name)
        raise
    return {"TrainingJobArn": context.account.arn("training-job", config.name)}


def _taken(name: str) -> ServiceError:
    return ServiceError(
        IN_USE, f"Training job names must be unique, and {name!r} exists; choose another name"
    )


def describe_training_job(context: Context, request: Request) -> dict[str, Any]:
    return context.describe_training_job(*context.find_training_job(request["TrainingJobName"]))


def stop_training_job(context: Context, request: Request) -> dict[str, Any]:
    """Request a stop of one training job; its tuning job, if it has one, goes on."""
    job, training_job = context.find_training_job(request["TrainingJobName"])
    if training_job.status.ended:
        raise ServiceError(
            VALIDATION,
            f"The request was rejected because the training job is in status {training_job.status}.",
        )
    if training_job.status is not TrialStatus.STOPPING:
        job.storage.add_note(job.key, {STOP_TRAINING_JOB: training_job.number})
    if job.config.alone and job.record.owner_pid is None:
        context.training.start(job.record)  # also one whose command was interrupted
    return {}


def delete_training_job(context: Context, request: Request) -> dict[str, Any]:
    """Delete a training job by itself that has ended; its files stay."""
    job, training_job = context.find_training_job(request["TrainingJobName"])
    if not job.config.alone:
        raise ServiceError(
            VALIDATION,
            f"The request was rejected because the training job belongs to the tuning job {job.config.name}, "
            "whose results it is part of. Delete the tuning job",
        )
    if not training_job.status.ended:
        raise ServiceError(
            VALIDATION,
            f"The request was rejected because the training job is in status {training_job.status}. "
            "Stop it and wait for its end first",
        )
    with suppress(JobNotFoundError):  # another client has just deleted it
        context.training.delete(job.config.name)
    return {}
