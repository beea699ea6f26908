"""The client as its users see it: boto3's methods, answers, paginators, waiters and errors on real trials."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

import hpt
import hpt.client
from hpt.running.session import Session
from tests.client.conftest import Desk

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def code(raised: pytest.ExceptionInfo[ClientError]) -> str:
    return str(raised.value.response["Error"]["Code"])


def test_a_program_written_for_boto3_runs(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (tmp_path / "request.json").write_text(json.dumps(desk.request("By-Boto3", jobs=4)))
    environment = {**os.environ, "HPT_HOME": str(tmp_path / "home"), "AWS_PROFILE": "of nobody"}
    environment["PYTHONPATH"] = str(ROOT)
    run = subprocess.run(
        [sys.executable, str(HERE / "program.py"), str(tmp_path / "request.json")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert said["arn"] == "arn:aws:sagemaker:eu-west-1:000000000000:hyper-parameter-tuning-job/by-boto3"
    refusals = (said["taken"], said["stopped"], said["missing"])
    assert refusals == ("ResourceInUse", "ValidationException", "ResourceNotFound")
    assert (said["status"], said["counters"]["Completed"], said["later"]) == ("Completed", 4, True)
    assert said["values"] == sorted(said["values"]) and said["best"] == said["values"][0]
    assert set(said["hyperparameters"]) == {"x", "depth", "kind", "pause", "_tuning_objective_metric"}


class TestDescribe:
    def test_what_describe_answers(self, done: Desk) -> None:
        reply = done.describe("DONE-1")
        assert reply["HyperParameterTuningJobName"] == "Done-1"
        assert reply["HyperParameterTuningJobStatus"] == "Completed"
        assert reply["TrainingJobStatusCounters"]["Completed"] == 5
        assert reply["HyperParameterTuningJobConfig"]["RandomSeed"] == 0
        ranges = reply["HyperParameterTuningJobConfig"]["ParameterRanges"]
        assert ranges["ContinuousParameterRanges"][0] == {
            "Name": "x",
            "MinValue": "0",
            "MaxValue": "1.0",
            "ScalingType": "Auto",
        }
        definition = reply["TrainingJobDefinition"]
        assert definition["StaticHyperParameters"]["_tuning_objective_metric"] == "loss"
        assert definition["OutputDataConfig"]["KmsKeyId"] == ""
        assert definition["ResourceConfig"] == definition["HyperParameterTuningResourceConfig"]
        for member in ("FailureReason", "WarmStartConfig", "OverallBestTrainingJob", "Autotune"):
            assert member not in reply

    def test_times_are_those_of_boto3(self, done: Desk) -> None:
        reply = done.describe("done-1")
        created = reply["CreationTime"]
        assert created.tzinfo is not None and created.utcoffset() is not None
        assert reply["CreationTime"] < reply["HyperParameterTuningEndTime"] <= datetime.now(UTC)
        assert reply["LastModifiedTime"] == reply["HyperParameterTuningEndTime"]

    def test_a_training_job(self, done: Desk) -> None:
        best = done.describe("done-1")["BestTrainingJob"]
        reply = done.client.describe_training_job(TrainingJobName=best["TrainingJobName"])
        assert reply["TrainingJobArn"] == best["TrainingJobArn"]
        value = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        assert [metric["Value"] for metric in reply["FinalMetricDataList"]] == [value]
        transitions = reply["SecondaryStatusTransitions"]
        assert transitions[0]["Status"] == "Starting"
        assert transitions[-1]["Status"] == reply["SecondaryStatus"] == "Completed"
        for entry, following in pairwise(transitions):
            assert entry["EndTime"] == following["StartTime"]
        kinds = {
            done.client.describe_training_job(TrainingJobName=t["TrainingJobName"])["HyperParameters"]["kind"]
            for t in done.trials("done-1")
        }
        assert kinds <= {'"a"', "b"}  # values travel untouched


class TestLists:
    def test_pages_of_training_jobs(self, done: Desk) -> None:
        names = [trial["TrainingJobName"] for trial in done.trials("done-1")]
        assert len(names) == 5 and names == sorted(names)
        assert [t["TrainingJobName"] for t in done.trials("done-1", MaxResults=2)] == names
        backwards = done.trials("done-1", MaxResults=2, SortOrder="Descending", SortBy="CreationTime")
        assert [t["TrainingJobName"] for t in backwards] == names[::-1]
        first = done.client.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="done-1", MaxResults=5
        )
        assert "NextToken" not in first

    def test_orders_and_filters_of_training_jobs(self, done: Desk) -> None:
        by_value = done.trials(
            "done-1", SortBy="FinalObjectiveMetricValue", SortOrder="Descending", MaxResults=1
        )
        values = [t["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for t in by_value]
        assert values == sorted(values, reverse=True) and len(values) == 5
        assert len(done.trials("done-1", StatusEquals="Completed", SortBy="Status")) == 5
        assert done.trials("done-1", StatusEquals="Failed") == []

    def test_all_training_jobs(self, done: Desk) -> None:
        names = [trial["TrainingJobName"] for trial in done.trials("done-1")]
        reply = done.client.list_training_jobs(NameContains="DONE-1-00")["TrainingJobSummaries"]
        assert [entry["TrainingJobName"] for entry in reply] == names
        middle = reply[2]["CreationTime"]
        later = done.client.list_training_jobs(CreationTimeAfter=middle)["TrainingJobSummaries"]
        assert [entry["TrainingJobName"] for entry in later] == [
            entry["TrainingJobName"] for entry in reply if entry["CreationTime"] > middle
        ]
        for nothing in (
            {"CreationTimeBefore": reply[0]["CreationTime"]},
            {"LastModifiedTimeAfter": datetime.now(UTC)},
            {"StatusEquals": "Stopped"},
            {"WarmPoolStatusEquals": "Available"},
            {"NameContains": "other"},
        ):
            assert done.client.list_training_jobs(**nothing)["TrainingJobSummaries"] == []

    def test_search(self, done: Desk) -> None:
        def found(resource: str, *filters: tuple[str, str, str], **more: Any) -> list[Any]:
            expression = {
                "Filters": [dict(zip(("Name", "Operator", "Value"), f, strict=True)) for f in filters]
            }
            pages = done.client.get_paginator("search").paginate(
                Resource=resource, SearchExpression=expression, **more
            )
            return [result[resource] for page in pages for result in page["Results"]]

        best = done.describe("done-1")["BestTrainingJob"]["TrainingJobName"]
        ranked = found(
            "TrainingJob",
            ("Tags.team", "Equals", "blue"),
            SortBy="Metrics.loss",
            SortOrder="Ascending",
            MaxResults=2,
        )
        assert len(ranked) == 5 and ranked[0]["TrainingJobName"] == best
        assert ranked[0]["Tags"] == [{"Key": "team", "Value": "blue"}]
        [job] = found(
            "HyperParameterTuningJob", ("HyperParameterTuningJobConfig.Strategy", "Equals", "Random")
        )
        assert job["HyperParameterTuningJobName"] == "Done-1"
        assert found("HyperParameterTuningJob", ("CreationTime", "GreaterThan", "2090-01-01T00:00:00Z")) == []
        with pytest.raises(ClientError) as raised:
            found("Endpoint", ("EndpointName", "Equals", "x"))
        assert code(raised) == "ValidationException"


class TestStopping:
    def test_a_tuning_job(self, desk: Desk) -> None:
        desk.create("long", jobs=50, pause=0.5)
        desk.wait("long", until=lambda reply: reply["TrainingJobStatusCounters"]["InProgress"] == 2)
        assert "BestTrainingJob" not in desk.describe("long")
        reply = desk.client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="LONG")
        assert set(reply) == {"ResponseMetadata"}
        assert desk.describe("long")["HyperParameterTuningJobStatus"] in ("Stopping", "Stopped")
        ended = desk.wait("long")
        assert ended["HyperParameterTuningJobStatus"] == "Stopped"
        counters = ended["TrainingJobStatusCounters"]
        assert sum(counters.values()) == sum(ended["ObjectiveStatusCounters"].values())
        assert counters["InProgress"] == 0 and counters["Stopped"] >= 1
        for call, name in (
            (desk.client.stop_hyper_parameter_tuning_job, {"HyperParameterTuningJobName": "long"}),
            (desk.client.stop_training_job, {"TrainingJobName": desk.trials("long")[0]["TrainingJobName"]}),
        ):
            with pytest.raises(ClientError, match=r"is in status (Stopped|Completed)") as raised:
                call(**name)
            assert code(raised) == "ValidationException"

    def test_a_training_job(self, desk: Desk) -> None:
        desk.create("one-less", jobs=3, parallel=1, pause=1.5)  # long enough to be met while it trains
        desk.wait("one-less", until=lambda reply: reply["TrainingJobStatusCounters"]["InProgress"])
        first = desk.trials("one-less")[0]["TrainingJobName"]
        deadline = time.monotonic() + 60
        while desk.client.describe_training_job(TrainingJobName=first)["SecondaryStatus"] != "Training":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        desk.client.stop_training_job(TrainingJobName=first)
        reply = desk.wait("one-less")
        counters = reply["TrainingJobStatusCounters"]
        assert reply["HyperParameterTuningJobStatus"] == "Completed"
        assert (counters["Stopped"], counters["Completed"]) == (1, 2)
        training = desk.client.describe_training_job(TrainingJobName=first)
        assert training["TrainingJobStatus"] == training["SecondaryStatus"] == "Stopped"
        stopping = [t for t in training["SecondaryStatusTransitions"] if t["Status"] == "Stopping"]
        assert [t["StatusMessage"] for t in stopping] == ["Stopping the training job: a stop was requested"]

    def test_a_job_that_nobody_runs(self, desk: Desk) -> None:
        """A job of the command, its tuner gone: somebody is started to stop it."""
        from hpt.sagemaker.request.parse import parse_request

        session = Session(desk.state)
        session.create(parse_request(desk.request("orphan")))
        session.close()
        assert desk.describe("orphan")["HyperParameterTuningJobStatus"] == "InProgress"
        desk.client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="orphan")
        assert desk.wait("orphan")["HyperParameterTuningJobStatus"] == "Stopped"


def test_a_job_outlives_its_caller_and_a_dead_runner_is_replaced(desk: Desk) -> None:
    source = (
        "import sys, json, hpt.client\n"
        "hpt.client.SageMakerClient(sys.argv[1]).create_hyper_parameter_tuning_job(**json.load(sys.stdin))\n"
    )
    request = json.dumps(desk.request("lasting", jobs=6, pause=0.2))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-c", source, str(desk.state)], input=request, text=True, env=environment, check=True
    )
    session = Session(desk.state)
    deadline = time.monotonic() + 60
    while not (session.load("lasting")[2].launched and session.load("lasting")[1].owner_pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    owner = session.load("lasting")[1].owner_pid
    assert owner is not None and owner != os.getpid()
    assert os.getsid(owner) != os.getsid(0)
    os.kill(owner, signal.SIGKILL)
    reply = desk.wait("lasting")
    assert reply["HyperParameterTuningJobStatus"] == "Completed"
    assert sum(reply["TrainingJobStatusCounters"].values()) == 6
    runs = (desk.root / "runs").read_text().split()
    assert len(runs) == len(set(runs)) == 6
    session.close()


def test_deleting(desk: Desk) -> None:
    desk.create("gone", jobs=1, pause=0.3)
    with pytest.raises(ClientError, match="InProgress") as raised:
        desk.client.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="gone")
    assert code(raised) == "ValidationException"
    desk.wait("gone")
    [trial] = desk.trials("gone")
    desk.client.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="GONE")
    for call in (
        desk.client.describe_hyper_parameter_tuning_job,
        desk.client.delete_hyper_parameter_tuning_job,
    ):
        with pytest.raises(desk.client.exceptions.ResourceNotFound):
            call(HyperParameterTuningJobName="gone")
    assert desk.client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"] == []
    kept = desk.client.describe_training_job(TrainingJobName=trial["TrainingJobName"])
    assert kept["TrainingJobStatus"] == "Completed"
    assert len(desk.client.list_training_jobs()["TrainingJobSummaries"]) == 1
    desk.create("gone", jobs=1)
    desk.wait("gone")
    assert desk.trials("gone")[0]["TrainingJobName"] != trial["TrainingJobName"]
    assert len(desk.client.list_training_jobs()["TrainingJobSummaries"]) == 2


def test_tags(done: Desk) -> None:
    client = done.client
    arn = done.describe("done-1")["HyperParameterTuningJobArn"]
    trial = done.trials("done-1")[0]["TrainingJobArn"]

    def tags(resource: str) -> dict[str, str]:
        pages = client.get_paginator("list_tags").paginate(ResourceArn=resource)
        return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}

    assert tags(arn) == tags(trial) == {"team": "blue"}
    added = client.add_tags(
        ResourceArn=arn, Tags=[{"Key": "team", "Value": "red"}, {"Key": "ä b", "Value": ""}]
    )
    assert {tag["Key"] for tag in added["Tags"]} == {"team", "ä b"}
    assert (tags(arn), tags(trial)) == ({"team": "red", "ä b": ""}, {"team": "blue"})
    client.add_tags(ResourceArn=trial, Tags=[{"Key": "mine", "Value": "1"}])
    client.delete_tags(ResourceArn=trial, TagKeys=["team", "never there"])
    client.delete_tags(ResourceArn=arn, TagKeys=["ä b"])
    again = hpt.client.SageMakerClient(done.state)  # it is stored, not remembered
    assert again.list_tags(ResourceArn=trial)["Tags"] == [{"Key": "mine", "Value": "1"}]
    assert again.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "red"}]
    client.add_tags(ResourceArn=arn, Tags=[{"Key": f"k{i:02}", "Value": ""} for i in range(49)])
    with pytest.raises(ClientError, match="51") as raised:
        client.add_tags(ResourceArn=arn, Tags=[{"Key": "k50", "Value": ""}])
    assert code(raised) == "ValidationException"
    for missing in (f"{arn}-2", "arn:aws:sagemaker:local:000000000000:endpoint/done-1", f"{trial}x"):
        with pytest.raises(ClientError) as raised:
            client.list_tags(ResourceArn=missing)
        assert code(raised) == "ResourceNotFound"


def test_the_ways_to_a_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPT_HOME", str(tmp_path))
    for made in (
        hpt.client("sagemaker", region_name="eu-west-1"),
        hpt.client.client("sagemaker", "eu-west-1", endpoint_url="http://other", aws_access_key_id="x"),
        hpt.client.Session(region_name="eu-west-1").client("sagemaker"),
        hpt.client.session.Session(region_name="eu-west-1").client("sagemaker"),
    ):
        assert isinstance(made, hpt.client.SageMakerClient)
        assert made.meta.region_name == "eu-west-1" and "describe_training_job" in dir(made)
        assert made.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"] == []
        with pytest.raises(AttributeError):
            made.no_such_operation()
        made.close()
    other = hpt.client.client("s3", region_name="eu-west-1")
    assert other.meta.service_model.service_name == "s3"


def test_arguments_are_checked_by_botocore_itself(done: Desk) -> None:
    with pytest.raises(ParamValidationError, match="Unknown parameter"):
        done.client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="done-1", Extra=1)
    with pytest.raises(ParamValidationError, match="Missing required parameter"):
        done.client.create_hyper_parameter_tuning_job(HyperParameterTuningJobName="x")
