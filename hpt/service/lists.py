"""The operations that list: tuning jobs, training jobs, and Search over both (behaviour 13.3 to 13.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from hpt.job.document import request_of
from hpt.job.state import JobState, JobStatus
from hpt.sagemaker.reply import response as replies
from hpt.sagemaker.reply.paging import SortKey, take_page
from hpt.sagemaker.reply.tags import as_list, tags_of
from hpt.service.context import Context
from hpt.service.errors import VALIDATION, ServiceError
from hpt.service.expressions import check_expression, fits, look_up
from hpt.service.jobs import Entry, Listed

Request = Mapping[str, Any]


def list_tuning_jobs(context: Context, request: Request) -> dict[str, Any]:
    jobs = []
    for listed in context.jobs.listed():
        context.tuning.ensure_runner(listed.record)
        summary = listed.record.summary or _unbegun(listed)
        if not JobStatus(summary["status"]).ended and listed.stopping:
            summary = {**summary, "status": str(JobStatus.STOPPING)}
        jobs.append((listed, summary))
    selected = [
        (listed, summary)
        for listed, summary in jobs
        if _named(listed.record.name, request)
        and request.get("StatusEquals", summary["status"]) == summary["status"]
        and _in_time(request, "CreationTime", listed.record.created)
        and _in_time(request, "LastModifiedTime", summary["modified"])
    ]
    orders: dict[str, Callable[[tuple[Listed, Mapping[str, Any]]], SortKey]] = {
        "Name": lambda entry: entry[0].record.name,
        "Status": lambda entry: str(entry[1]["status"]),
        "CreationTime": lambda entry: entry[0].record.created,
    }
    page, token = take_page(
        selected,
        key=orders[request.get("SortBy", "Name")],
        name=lambda entry: entry[0].record.name,
        descending=_descending(request),
        query={"Operation": "ListHyperParameterTuningJobs", **request},
    )
    summaries = [
        replies.tuning_job_summary(
            listed.config,
            listed.record.created,
            summary,
            request=request_of(listed.record.document),
            account=context.account,
        )
        for listed, summary in page
    ]
    return _paged("HyperParameterTuningJobSummaries", summaries, token)


def list_training_jobs_of_tuning_job(context: Context, request: Request) -> dict[str, Any]:
    job = context.find(request["HyperParameterTuningJobName"])
    sort_by = request.get("SortBy", "Name")
    with job.lock:
        selected = [trial for trial in job.state.jobs.values() if _of_status(str(trial.status), request)]
        if sort_by == "FinalObjectiveMetricValue":
            selected = [trial for trial in selected if trial.value is not None]
        page, token = take_page(
            selected,
            key=_TRAINING_JOB_ORDERS[sort_by],
            name=attrgetter("name"),
            descending=_descending(request),
            query={"Operation": "ListTrainingJobsForHyperParameterTuningJob", **request},
        )
        summaries = [replies.training_job_summary(job.config, each, account=context.account) for each in page]
    return _paged("TrainingJobSummaries", summaries, token)


_TRAINING_JOB_ORDERS: dict[str, Callable[[Any], SortKey]] = {
    "Name": attrgetter("name"),
    "CreationTime": attrgetter("created"),
    "Status": lambda job: str(job.status),
    "FinalObjectiveMetricValue": lambda job: 0.0 if job.value is None else job.value,
}
"""Of a TrainingJob or an Entry."""


def list_training_jobs(context: Context, request: Request) -> dict[str, Any]:
    selected: list[Entry] = []
    for job in context.all_with_training_jobs():
        selected += job.entries(context.account)
    if _FILTERS & request.keys():
        selected = [entry for entry in selected if _passes(entry, request)]
    page, token = take_page(
        selected,
        key=_TRAINING_JOB_ORDERS[request.get("SortBy", "CreationTime")],
        name=attrgetter("name"),
        descending=_descending(request),
        query={"Operation": "ListTrainingJobs", **request},
    )
    return _paged("TrainingJobSummaries", [dict(each.shown) for each in page], token)


_FILTERS = {
    *("NameContains", "StatusEquals", "WarmPoolStatusEquals", "TrainingPlanArnEquals"),
    *("CreationTimeAfter", "CreationTimeBefore", "LastModifiedTimeAfter", "LastModifiedTimeBefore"),
}


def _passes(entry: Entry, request: Request) -> bool:
    return (
        _of_status(entry.status, request)
        and _named(entry.name, request)
        and _in_time(request, "CreationTime", entry.created)
        and _in_time(request, "LastModifiedTime", entry.modified)
        and not {"WarmPoolStatusEquals", "TrainingPlanArnEquals"} & request.keys()  # no job here has either
    )


class _Match(NamedTuple):
    name: str
    record: dict[str, Any]


def search(context: Context, request: Request) -> dict[str, Any]:
    """Tuning jobs or training jobs that match an expression. Those without the sort property come last."""
    resource = request["Resource"]
    if resource not in ("HyperParameterTuningJob", "TrainingJob"):
        raise ServiceError(
            VALIDATION,
            f"Resource {resource!r} is not supported; search HyperParameterTuningJob or TrainingJob",
        )
    expression = request.get("SearchExpression", {})
    check_expression(expression)
    records = _tuning_jobs(context) if resource == "HyperParameterTuningJob" else _training_jobs(context)
    matches = [each for each in records if fits(each.record, expression)]
    sort_by, order = request.get("SortBy", "LastModifiedTime"), request.get("SortOrder", "Descending")
    keys = {each.name: _first(look_up(each.record, sort_by)) for each in matches}
    numeric = all(isinstance(key, int | float) for key in keys.values() if key is not None)

    def key(each: _Match) -> SortKey:
        value = keys[each.name]
        if numeric:
            last = float("-inf") if order == "Descending" else float("inf")
            return last if value is None else float(value)
        return "" if value is None else str(value)

    page, token = take_page(
        matches,
        key=key,
        name=lambda each: each.name,
        descending=order == "Descending",
        query={"Operation": "Search", **request},
    )
    return _paged("Results", [{resource: each.record} for each in page], token)


def _tuning_jobs(context: Context) -> Iterator[_Match]:
    for job in context.all_tuning_jobs():
        record = context.describe(job)
        record["Tags"] = as_list(tags_of(job.config.tags, job.notes))
        yield _Match(job.config.name, record)


def _training_jobs(context: Context) -> Iterator[_Match]:
    for job in context.all_with_training_jobs():
        with job.lock:
            described = [
                (context.describe_training_job(job, each), tags_of(job.config.tags, job.notes, each))
                for each in job.state.jobs.values()
            ]
        for record, tags in described:
            yield _Match(record["TrainingJobName"], {**record, "Tags": as_list(tags)})


def _first(values: list[Any]) -> Any:
    value = values[0] if values else None
    return value if isinstance(value, int | float | str | None) else None


def _paged(member: str, entries: list[dict[str, Any]], token: str | None) -> dict[str, Any]:
    return {member: entries} if token is None else {member: entries, "NextToken": token}


def _unbegun(listed: Listed) -> Mapping[str, Any]:
    return JobState(listed.config.objective_type, listed.record.created).summary()


def _descending(request: Request) -> bool:
    return bool(request.get("SortOrder", "Ascending") == "Descending")


def _named(name: str, request: Request) -> bool:
    return str(request.get("NameContains", "")).lower() in name.lower()


def _in_time(request: Request, member: str, time: float) -> bool:
    """Whether a time passes the filters `<member>After` and `<member>Before`, exclusive on both sides.

    Times are rounded to microseconds, as in replies.
    """
    after, before = request.get(f"{member}After"), request.get(f"{member}Before")
    time = round(time, 6)
    return (after is None or time > after) and (before is None or time < before)


def _of_status(status: str, request: Request) -> bool:
    return bool(request.get("StatusEquals", status) == status)
