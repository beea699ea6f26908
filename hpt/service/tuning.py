"""The operations on one tuning job: create, describe, stop, delete (behaviour 2.1, 12, 13)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from hpt.errors import HptError, JobExistsError, JobNotFoundError, ValidationError
from hpt.job.notes import STOP
from hpt.job.state import JobStatus
from hpt.running.s3_places import check_s3
from hpt.sagemaker.request.parse import JobRequest, read_request
from hpt.service.context import Context
from hpt.service.errors import LIMIT_EXCEEDED, VALIDATION, ServiceError, as_refusal, refusal

Request = Mapping[str, Any]


def create_tuning_job(context: Context, request: Request) -> dict[str, Any]:
    """Validate, store, and start a process that runs the job. A rejected request stores nothing."""
    config, filled, _ = _read(context, request)
    _refuse_taken(context, config.name)
    most = context.limits.warm_start_jobs
    context.session.inherit(config, time.time(), warm_start_jobs=most)  # parents come before limits
    with context.creating:
        _refuse_too_many(context)
        config = context.session.create(config, request=filled, warm_start_jobs=most, of_service=True)
    try:
        context.tuning.start(context.storage.record(config.name))
    except HptError:
        context.storage.delete(config.name)
        raise
    arn = context.account.arn("hyper-parameter-tuning-job", config.name)
    return {"HyperParameterTuningJobArn": arn}


def _read(context: Context, request: Request) -> JobRequest:
    try:
        return read_request(
            request,
            strict=context.strict,
            limits=context.limits,
            check_s3=check_s3 if context.check_s3 else None,
        )
    except ValidationError as error:
        answer = refusal(error)
        if answer.code == LIMIT_EXCEEDED:  # a name that is taken comes first (behaviour 2.2)
            _refuse_taken(context, request["HyperParameterTuningJobName"])
        raise answer from error


def _refuse_taken(context: Context, name: str) -> None:
    try:
        taken = context.storage.record(name).name
    except JobNotFoundError:
        return
    raise as_refusal(JobExistsError("the name is taken", name=taken))


def _refuse_too_many(context: Context) -> None:
    most = context.limits.open_jobs
    present = sum(
        not JobStatus(listed.record.summary.get("status", "InProgress")).ended
        for listed in context.jobs.listed()
    )
    if present >= most:
        raise ServiceError(
            LIMIT_EXCEEDED,
            f"The account-level service limit 'Number of tuning jobs that have not ended' is {most}, with "
            f"current utilization of {present} and a request delta of 1; stop a job, or raise open_jobs",
        )


def describe_tuning_job(context: Context, request: Request) -> dict[str, Any]:
    return context.describe(context.find(request["HyperParameterTuningJobName"]))


def stop_tuning_job(context: Context, request: Request) -> dict[str, Any]:
    """Request a stop of the job; start a runner if it has none."""
    job = context.find(request["HyperParameterTuningJobName"])
    status = job.state.status
    if status.ended:
        raise ServiceError(
            VALIDATION,
            f"The request was rejected because the hyper parameter tuning job is in status {status}.",
        )
    context.storage.add_note(job.config.name, STOP)
    if job.record.owner_pid is None:
        context.tuning.start(job.record)
    return {}


def delete_tuning_job(context: Context, request: Request) -> dict[str, Any]:
    """Delete the tuning job; its training jobs can still be described, its files stay."""
    job = context.find(request["HyperParameterTuningJobName"])
    name, status = job.config.name, job.state.status
    if not status.ended:
        raise ServiceError(
            VALIDATION,
            f"The request was rejected because the hyper parameter tuning job is in status {status}. "
            "Stop it and wait for its end first",
        )
    context.tuning.delete(name)
    return {}
