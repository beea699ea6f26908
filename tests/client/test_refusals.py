"""Every error code, its message, and that a refused request leaves nothing behind (behaviour 2.2, 15)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import hpt.client
from hpt.client import DEFAULT_LIMITS
from hpt.errors import StorageError
from hpt.running.session import Session
from hpt.sagemaker.request.parse import parse_request
from tests.client.conftest import Desk


def refused(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**request)
    error = raised.value.response["Error"]
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Code"], error["Message"]


def store(desk: Desk, name: str) -> None:
    """A tuning job that has not ended and that nobody runs."""
    session = Session(desk.state)
    session.create(parse_request(desk.request(name)))
    session.close()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, limits=replace(DEFAULT_LIMITS, open_jobs=2))


def changed(request: dict[str, Any], **limits: Any) -> dict[str, Any]:
    request = copy.deepcopy(request)
    request["HyperParameterTuningJobConfig"]["ResourceLimits"].update(limits)
    return request


def test_every_shape_violation_is_told_at_once(desk: Desk) -> None:
    request = changed(desk.request("x" * 33), MaxParallelTrainingJobs=2**31)
    request["HyperParameterTuningJobConfig"]["Strategy"] = "Guess"
    code, message = refused(desk.client.create_hyper_parameter_tuning_job, **request)
    assert code == "ValidationException"
    assert message.startswith("3 validation errors detected: Value at 'hyperParameterTuningJobName'")
    assert "'hyperParameterTuningJobConfig.strategy' failed to satisfy constraint: 'Guess'" in message
    assert "hyperParameterTuningJobConfig.resourceLimits.maxParallelTrainingJobs" in message
    assert not list(desk.state.glob("*/job.sqlite"))


def test_a_name_that_the_sdk_makes_of_a_program_says_what_to_give(desk: Desk) -> None:
    create = desk.client.create_hyper_parameter_tuning_job
    code, message = refused(create, **desk.request("my_train.py-261130-1443"))
    assert code == "ValidationException" and "base_tuning_job_name=" in message
    assert "base_tuning_job_name" not in refused(create, **desk.request("my_train.py"))[1]


def test_a_broken_rule(desk: Desk) -> None:
    request = desk.request("rule")
    request["HyperParameterTuningJobConfig"]["ParameterRanges"]["ContinuousParameterRanges"][0][
        "MinValue"
    ] = "2"
    code, message = refused(desk.client.create_hyper_parameter_tuning_job, **request)
    assert code == "ValidationException" and "ContinuousParameterRanges[0]" in message
    assert not list(desk.state.glob("*/job.sqlite"))


def test_a_taken_name_comes_before_limits(desk: Desk) -> None:
    store(desk, "taken")
    create = desk.client.create_hyper_parameter_tuning_job
    assert refused(create, **desk.request("TAKEN"))[0] == "ResourceInUse"
    beyond = changed(desk.request("Taken"), MaxParallelTrainingJobs=11)
    code, message = refused(create, **beyond)
    assert code == "ResourceInUse" and "'taken'" in message
    assert issubclass(desk.client.exceptions.ResourceInUse, ClientError)


@pytest.mark.parametrize(
    ("strategy", "limit", "most"),
    [
        ("Random", "MaxParallelTrainingJobs", 10),
        ("Random", "MaxNumberOfTrainingJobs", 750),
        ("Bayesian", "MaxNumberOfTrainingJobs", 750),
    ],
)
def test_quotas_and_raising_them(desk: Desk, strategy: str, limit: str, most: int) -> None:
    request = changed(desk.request("big"), **{limit: most + 1})
    request["HyperParameterTuningJobConfig"]["Strategy"] = strategy
    code, message = refused(desk.client.create_hyper_parameter_tuning_job, **request)
    assert code == "ResourceLimitExceeded" and str(most) in message
    raised = replace(DEFAULT_LIMITS, parallel=100, jobs=dict.fromkeys(DEFAULT_LIMITS.jobs, 20_000))
    assert parse_request(request, limits=raised).name == "big"
    within = changed(request, **{limit: most})
    assert parse_request(within, limits=DEFAULT_LIMITS).name == "big"


def test_open_jobs(desk: Desk) -> None:
    for name in ("a", "b"):
        store(desk, name)
    code, message = refused(desk.client.create_hyper_parameter_tuning_job, **desk.request("c"))
    assert code == "ResourceLimitExceeded"
    assert "is 2, with current utilization of 2 and a request delta of 1" in message
    assert not (desk.state / "c" / "job.sqlite").exists()


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("describe_hyper_parameter_tuning_job", {"HyperParameterTuningJobName": "none"}),
        ("stop_hyper_parameter_tuning_job", {"HyperParameterTuningJobName": "none"}),
        ("delete_hyper_parameter_tuning_job", {"HyperParameterTuningJobName": "none"}),
        ("list_training_jobs_for_hyper_parameter_tuning_job", {"HyperParameterTuningJobName": "none"}),
    ],
)
def test_a_tuning_job_that_does_not_exist(desk: Desk, operation: str, request_: dict[str, str]) -> None:
    code, message = refused(getattr(desk.client, operation), **request_)
    assert code == "ResourceNotFound" and message.startswith("Requested resource not found")
    with pytest.raises(desk.client.exceptions.ResourceNotFound):
        getattr(desk.client, operation)(**request_)


@pytest.mark.parametrize("operation", ["describe_training_job", "stop_training_job"])
@pytest.mark.parametrize("name", ["none", "none-001-00000000", "a-001-00000000"])
def test_a_training_job_that_does_not_exist(desk: Desk, operation: str, name: str) -> None:
    """Clients that ask whether it exists compare this code and message."""
    store(desk, "a")
    answer = refused(getattr(desk.client, operation), TrainingJobName=name)
    assert answer == ("ValidationException", "Requested resource not found.")


def test_lists_refuse_what_they_do_not_know(desk: Desk) -> None:
    listing = desk.client.list_hyper_parameter_tuning_jobs
    for request, words in (
        ({"MaxResults": 101}, "maxResults"),
        ({"SortBy": "Age"}, "sortBy"),
        ({"StatusEquals": "Done"}, "statusEquals"),
        ({"NameContains": "a b"}, "nameContains"),
        ({"NextToken": "x" * 8193}, "nextToken"),
        ({"NextToken": "made up"}, "NextToken"),
    ):
        code, message = refused(listing, **request)
        assert code == "ValidationException" and words in message


def test_operations_that_are_not_answered(desk: Desk) -> None:
    code, message = refused(desk.client.list_models)
    assert code == "UnknownOperationException" and "CreateHyperParameterTuningJob" in message


def test_pages_stay_whole_while_jobs_are_created(desk: Desk) -> None:
    for name in ("b1", "b2", "b3", "b4"):
        store(desk, name)
    listing = desk.client.list_hyper_parameter_tuning_jobs
    seen, token, ordinal = [], {}, 0
    while True:
        page = listing(MaxResults=1, NameContains="B", **token)
        seen += [each["HyperParameterTuningJobName"] for each in page["HyperParameterTuningJobSummaries"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
        ordinal += 1
        if ordinal < 4:
            for name in (f"a{ordinal}b", f"b{ordinal}-later"):
                store(desk, name)
    assert len(seen) == len(set(seen)) and {"b1", "b2", "b3", "b4"} <= set(seen)
    for other in ({"SortOrder": "Descending"}, {"NameContains": "b1"}, {"SortBy": "Status"}):
        first = listing(MaxResults=1, NameContains="b")["NextToken"]
        request = {"NameContains": "b", "MaxResults": 1, "NextToken": first, **other}
        assert refused(listing, **request)[0] == "ValidationException"
    by_time = [
        each["HyperParameterTuningJobName"]
        for page in desk.client.get_paginator("list_hyper_parameter_tuning_jobs").paginate(
            SortBy="CreationTime", SortOrder="Descending", MaxResults=3
        )
        for each in page["HyperParameterTuningJobSummaries"]
    ]
    assert by_time[-1] == "b1" and len(by_time) == 10
    status = listing(StatusEquals="InProgress", MaxResults=100)["HyperParameterTuningJobSummaries"]
    assert len(status) == 10 and len(listing()["HyperParameterTuningJobSummaries"]) == 10
    assert listing(StatusEquals="Completed")["HyperParameterTuningJobSummaries"] == []


def test_a_broken_state_is_the_services_fault(desk: Desk) -> None:
    store(desk, "broken")
    (desk.state / "broken" / "job.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(ClientError, match="damaged") as raised:
        desk.describe("broken")
    assert raised.value.response["Error"]["Code"] == "InternalFailure"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    with pytest.raises(StorageError):
        Session(desk.state).load("broken")


def test_a_runner_that_cannot_be_started_leaves_no_job(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(desk.root / "no python"))
    with pytest.raises(ClientError, match="no process could be started") as raised:
        desk.client.create_hyper_parameter_tuning_job(**desk.request("never"))
    assert raised.value.response["Error"]["Code"] == "InternalFailure"
    assert desk.client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"] == []


def test_strict_takes_no_local_places(tmp_path: Path) -> None:
    desk = Desk(tmp_path, strict=True)
    code, message = refused(desk.client.create_hyper_parameter_tuning_job, **desk.request("strict"))
    assert code == "ValidationException" and "s3OutputPath" in message
    assert isinstance(desk.client, hpt.client.SageMakerClient)
