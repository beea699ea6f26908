"""The operations that list: tuning jobs, training jobs, and Search over both (AMT 13.3 to 13.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from hpt.job.document import from_document, request_of
from hpt.job.notes import stop_requested
from hpt.job.state import JobState, JobStatus, TrainingJob
from hpt.sagemaker.reply import response as replies
from hpt.sagemaker.reply.paging import SortKey, take_page
from hpt.sagemaker.reply.tags import as_list, tags_of
from hpt.service.context import Context
from hpt.service.errors import VALIDATION, ServiceError
from hpt.service.expressions import check_expression, fits, look_up
from hpt.storage.base import JobRecord

Request = Mapping[str, Any]


def list_tuning_jobs(context: Context, request: Request) -> dict[str, Any]:
    entries = []
    for record in context.jobs.records():
        summary = record.summary or _unbegun(record)
        if not JobStatus(summary["status"]).ended and stop_requested(context.storage.notes(record.name)):
            summary = {**summary, "status": str(JobStatus.STOPPING)}
        entries.append((record, summary))
    chosen = [
        (record, summary)
        for record, summary in entries
        if _named(record.name, request)
        and request.get("StatusEquals", summary["status"]) == summary["status"]
        and _in_time(request, "CreationTime", record.created)
        and _in_time(request, "LastModifiedTime", summary["modified"])
    ]
    orders: dict[str, Callable[[tuple[JobRecord, Mapping[str, Any]]], SortKey]] = {
        "Name": lambda entry: entry[0].name,
        "Status": lambda entry: str(entry[1]["status"]),
        "CreationTime": lambda entry: entry[0].created,
    }
    page, token = take_page(
        chosen,
        key=orders[request.get("SortBy", "Name")],
        name=lambda entry: entry[0].name,
        descending=_descending(request),
        question={"Operation": "ListHyperParameterTuningJobs", **request},
    )
    summaries = [
        replies.tuning_job_summary(
            from_document(record.document),
            record.created,
            summary,
            request=request_of(record.document),
            account=context.account,
        )
        for record, summary in page
    ]
    return _paged("HyperParameterTuningJobSummaries", summaries, token)


def list_training_jobs_of_tuning_job(context: Context, request: Request) -> dict[str, Any]:
    job = context.find(request["HyperParameterTuningJobName"])
    sort_by = request.get("SortBy", "Name")
    chosen = _of_status(request, job.state.jobs.values())
    if sort_by == "FinalObjectiveMetricValue":
        chosen = [each for each in chosen if each.value is not None]
    page, token = take_page(
        chosen,
        key=_TRAINING_JOB_ORDERS[sort_by],
        name=lambda each: each.name,
        descending=_descending(request),
        question={"Operation": "ListTrainingJobsForHyperParameterTuningJob", **request},
    )
    summaries = [replies.training_job_summary(job.config, each, account=context.account) for each in page]
    return _paged("TrainingJobSummaries", summaries, token)


_TRAINING_JOB_ORDERS: dict[str, Callable[[TrainingJob], SortKey]] = {
    "Name": lambda job: job.name,
    "CreationTime": lambda job: job.created,
    "Status": lambda job: str(job.status),
    "FinalObjectiveMetricValue": lambda job: 0.0 if job.value is None else job.value,
}


def list_training_jobs(context: Context, request: Request) -> dict[str, Any]:
    jobs = (each for job in context.jobs.all(deleted=True) for each in job.state.jobs.values())
    chosen = [
        each
        for each in _of_status(request, jobs)
        if _named(each.name, request)
        and _in_time(request, "CreationTime", each.created)
        and _in_time(request, "LastModifiedTime", replies.last_modified(each))
        and not {"WarmPoolStatusEquals", "TrainingPlanArnEquals"} & request.keys()  # no job here has either
    ]
    page, token = take_page(
        chosen,
        key=_TRAINING_JOB_ORDERS[request.get("SortBy", "CreationTime")],
        name=lambda each: each.name,
        descending=_descending(request),
        question={"Operation": "ListTrainingJobs", **request},
    )
    entries = [replies.training_job_entry(each, account=context.account) for each in page]
    return _paged("TrainingJobSummaries", entries, token)


class _Found(NamedTuple):
    name: str
    record: dict[str, Any]


def search(context: Context, request: Request) -> dict[str, Any]:
    """Tuning jobs or training jobs that fit an expression. Those without the property sorted by come last."""
    resource = request["Resource"]
    if resource not in ("HyperParameterTuningJob", "TrainingJob"):
        raise ServiceError(
            VALIDATION,
            f"Resource {resource!r} is not kept here; search HyperParameterTuningJob or TrainingJob",
        )
    expression = request.get("SearchExpression", {})
    check_expression(expression)
    records = _tuning_jobs(context) if resource == "HyperParameterTuningJob" else _training_jobs(context)
    found = [each for each in records if fits(each.record, expression)]
    sort_by, order = request.get("SortBy", "LastModifiedTime"), request.get("SortOrder", "Descending")
    keys = {each.name: _first(look_up(each.record, sort_by)) for each in found}
    numeric = all(isinstance(key, int | float) for key in keys.values() if key is not None)

    def key(each: _Found) -> SortKey:
        value = keys[each.name]
        if numeric:
            last = float("-inf") if order == "Descending" else float("inf")
            return last if value is None else float(value)
        return "" if value is None else str(value)

    page, token = take_page(
        found,
        key=key,
        name=lambda each: each.name,
        descending=order == "Descending",
        question={"Operation": "Search", **request},
    )
    return _paged("Results", [{resource: each.record} for each in page], token)


def _tuning_jobs(context: Context) -> Iterator[_Found]:
    for job in context.jobs.all():
        record = context.describe(job)
        record["Tags"] = as_list(tags_of(job.config.tags, job.storage.notes(job.key)))
        yield _Found(job.config.name, record)


def _training_jobs(context: Context) -> Iterator[_Found]:
    for job in context.jobs.all(deleted=True):
        notes = job.storage.notes(job.key)
        for each in job.state.jobs.values():
            record = context.describe_training_job(job, each)
            record["Tags"] = as_list(tags_of(job.config.tags, notes, each))
            yield _Found(each.name, record)


def _first(values: list[Any]) -> Any:
    value = values[0] if values else None
    return value if isinstance(value, int | float | str | None) else None


def _paged(member: str, entries: list[dict[str, Any]], token: str | None) -> dict[str, Any]:
    return {member: entries} if token is None else {member: entries, "NextToken": token}


def _unbegun(record: JobRecord) -> Mapping[str, Any]:
    config = from_document(record.document)
    return JobState(config.objective_type, record.created).summary()


def _descending(request: Request) -> bool:
    return bool(request.get("SortOrder", "Ascending") == "Descending")


def _named(name: str, request: Request) -> bool:
    return str(request.get("NameContains", "")).lower() in name.lower()


def _in_time(request: Request, member: str, time: float) -> bool:
    """Whether a time passes the filters `<member>After` and `<member>Before`, exclusive on both sides.

    Times count to the microsecond, which is what a client was shown of them.
    """
    after, before = request.get(f"{member}After"), request.get(f"{member}Before")
    time = round(time, 6)
    return (after is None or time > after) and (before is None or time < before)


def _of_status(request: Request, jobs: Iterable[TrainingJob]) -> list[TrainingJob]:
    wanted = request.get("StatusEquals")
    return [job for job in jobs if wanted is None or str(job.status) == wanted]
