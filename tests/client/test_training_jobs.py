"""Training jobs by themselves through a client, as programs written for boto3 run and follow them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

import hpt.client
from hpt.running.alone import training_session
from hpt.running.session import Session
from tests.client.conftest import COUNTED, ENDED, Desk
from tests.prerequisites import needs_host_names

ROLE = "arn:aws:iam::123456789012:role/Trainer"


class TrainingDesk(Desk):
    def training(self, name: str, *, program: str = str(COUNTED), pause: float = 0.0, **more: Any) -> str:
        specification = {
            "TrainingImage": program,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            **more.pop("AlgorithmSpecification", {}),
        }
        request = {
            "TrainingJobName": name,
            "AlgorithmSpecification": specification,
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": str(self.root / "models")},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            "HyperParameters": {"x": "0.5", "depth": "4", "kind": '"a"', "pause": str(pause)},
            "Environment": {"RUNS": str(self.root / "runs"), "HPT_GRACE_SECONDS": "5"},
            **more,
        }
        arn: str = self.client.create_training_job(**request)["TrainingJobArn"]
        return arn

    def look(self, name: str) -> dict[str, Any]:
        reply: dict[str, Any] = self.client.describe_training_job(TrainingJobName=name)
        return reply

    def finish(self, name: str) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while (reply := self.look(name))["TrainingJobStatus"] not in ENDED:
            assert time.monotonic() < deadline, reply
            time.sleep(0.05)
        return reply


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingDesk]:
    desk = TrainingDesk(tmp_path_factory.mktemp("training"))
    yield desk
    for summary in desk.client.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]:
        desk.client.stop_training_job(TrainingJobName=summary["TrainingJobName"])
        desk.finish(summary["TrainingJobName"])
    desk.client.close()


@pytest.fixture(scope="module")
def done(desk: TrainingDesk) -> dict[str, Any]:
    """The description of one that has completed."""
    desk.training("Done", Tags=[{"Key": "team", "Value": "blue"}], ProfilerConfig={"DisableProfiler": True})
    first = desk.look("done")
    assert (first["TrainingJobStatus"], first["HyperParameters"]["kind"]) == ("InProgress", '"a"')
    assert first["SecondaryStatusTransitions"][0]["Status"] == "Starting"
    desk.client.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName="Done", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    return desk.look("Done")


def error(raised: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    answer = raised.value.response["Error"]
    return answer["Code"], answer["Message"]


def test_what_describe_says(done: dict[str, Any], desk: TrainingDesk) -> None:
    assert done["TrainingJobName"] == "Done" and done["TrainingJobArn"].endswith(":training-job/done")
    assert done["TrainingJobStatus"] == done["SecondaryStatus"] == "Completed"
    assert "TuningJobArn" not in done and "FailureReason" not in done
    assert "_tuning_objective_metric" not in done["HyperParameters"]
    assert done["ModelArtifacts"]["S3ModelArtifacts"].endswith("/models/Done/output/model.tar.gz")
    assert done["ResourceConfig"]["InstanceCount"] == 1 and done["ProfilerConfig"] == {
        "DisableProfiler": True
    }
    [metric] = done["FinalMetricDataList"]
    assert (metric["MetricName"], round(metric["Value"], 4)) == ("loss", 0.0733)
    course = done["SecondaryStatusTransitions"]
    statuses = [each["Status"] for each in course]
    assert statuses == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(each["StatusMessage"] for each in course)
    assert all(each["EndTime"] == after["StartTime"] for each, after in pairwise(course))
    assert done["BillableTimeInSeconds"] == done["TrainingTimeInSeconds"] >= 1
    assert (desk.root / "runs").read_text().splitlines().count("Done") == 1


def test_lists_search_and_tags(done: dict[str, Any], desk: TrainingDesk) -> None:
    [listed] = desk.client.list_training_jobs(NameContains="done")["TrainingJobSummaries"]
    assert listed["TrainingJobArn"] == done["TrainingJobArn"] and listed["TrainingJobStatus"] == "Completed"
    assert desk.client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"] == []
    arn = done["TrainingJobArn"]
    desk.client.add_tags(ResourceArn=arn, Tags=[{"Key": "kept", "Value": "yes"}])
    desk.client.delete_tags(ResourceArn=arn, TagKeys=["team"])
    assert desk.client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "kept", "Value": "yes"}]
    found = desk.client.search(
        Resource="TrainingJob",
        SearchExpression={
            "Filters": [
                {"Name": "Tags.kept", "Operator": "Equals", "Value": "yes"},
                {"Name": "Metrics.loss", "Operator": "LessThan", "Value": "0.1"},
            ]
        },
    )["Results"]
    assert [each["TrainingJob"]["TrainingJobName"] for each in found] == ["Done"]


def test_its_log_is_read_as_that_of_a_container(done: dict[str, Any], desk: TrainingDesk) -> None:
    logs = hpt.client.client("logs", state=desk.state)
    group = "/aws/sagemaker/TrainingJobs"
    [stream] = logs.describe_log_streams(
        logGroupName=group, logStreamNamePrefix="Done/", orderBy="LogStreamName", limit=1
    )["logStreams"]
    name = stream["logStreamName"]
    assert name.startswith("Done/algo-1-")
    whole = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)
    messages = [each["message"] for each in whole["events"]]
    assert [each.split()[:2] for each in messages] == [["epoch", "1"], ["epoch", "2"], ["epoch", "3"]]
    times = [each["timestamp"] for each in whole["events"]]
    assert times == sorted(times)
    assert done["TrainingStartTime"].timestamp() * 1000 - 1000 <= times[0]
    again = logs.get_log_events(
        logGroupName=group, logStreamName=name, startFromHead=True, nextToken=whole["nextForwardToken"]
    )
    assert again["events"] == [] and again["nextForwardToken"] == whole["nextForwardToken"]
    for other, stream in ((group, "nobody/algo-1-1"), (group, "Done/algo-2-1"), ("/aws/lambda/x", name)):
        with pytest.raises(ClientError) as raised:
            logs.get_log_events(logGroupName=other, logStreamName=stream)
        assert error(raised)[0] == "ResourceNotFoundException"
    assert logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="nobody/")["logStreams"] == []
    with pytest.raises(ClientError) as raised:
        logs.delete_log_group(logGroupName=group)
    assert error(raised)[0] == "UnknownOperationException"
    logs.close()


def test_names_are_unique_among_all_training_jobs(done: dict[str, Any], desk: TrainingDesk) -> None:
    with pytest.raises(ClientError, match="must be unique") as raised:
        desk.training("DONE")
    assert error(raised)[0] == "ResourceInUse"


def test_one_that_does_not_exist(desk: TrainingDesk) -> None:
    for call in (
        desk.client.describe_training_job,
        desk.client.stop_training_job,
        desk.client.delete_training_job,
    ):
        with pytest.raises(ClientError) as raised:
            call(TrainingJobName="nobody")
        assert error(raised) == ("ValidationException", "Requested resource not found.")


def test_stop_and_delete(desk: TrainingDesk) -> None:
    desk.training("long", pause=30)
    with pytest.raises(ClientError, match="is in status InProgress"):
        desk.client.delete_training_job(TrainingJobName="long")
    desk.client.stop_training_job(TrainingJobName="long")
    reply = desk.finish("long")
    assert reply["TrainingJobStatus"] == reply["SecondaryStatus"] == "Stopped"
    with pytest.raises(ClientError, match="is in status Stopped") as raised:
        desk.client.stop_training_job(TrainingJobName="long")
    assert error(raised)[0] == "ValidationException"
    desk.client.delete_training_job(TrainingJobName="long")
    with pytest.raises(ClientError, match="resource not found"):
        desk.look("long")
    desk.training("LONG")  # the name is free again
    assert desk.finish("long")["TrainingJobStatus"] == "Completed"


def test_one_that_fails(desk: TrainingDesk) -> None:
    desk.training("bad", HyperParameters={"x": "much", "depth": "4", "kind": "a"})
    with pytest.raises(WaiterError):
        desk.client.get_waiter("training_job_completed_or_stopped").wait(
            TrainingJobName="bad", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
    reply = desk.look("bad")
    assert reply["TrainingJobStatus"] == reply["SecondaryStatus"] == "Failed"
    assert "exit code 2" in reply["FailureReason"]


def test_entry_point_and_arguments(desk: TrainingDesk) -> None:
    script = desk.root / "run.sh"
    script.write_text('#!/bin/sh\necho "loss=7;"\n[ "$*" = "--fast run" ]\n')
    script.chmod(0o755)
    more = {"ContainerEntrypoint": ["sh", "run.sh"], "ContainerArguments": ["--fast", "run"]}
    desk.training("entry", program=str(script), AlgorithmSpecification=more)
    desk.training("arguments", program=str(script), AlgorithmSpecification={"ContainerArguments": ["--slow"]})
    reply = desk.finish("entry")
    assert reply["TrainingJobStatus"] == "Completed", reply
    assert reply["AlgorithmSpecification"]["ContainerArguments"] == ["--fast", "run"]
    assert desk.finish("arguments")["TrainingJobStatus"] == "Failed"


@pytest.mark.slow
def test_checkpoints_lie_where_the_request_says(desk: TrainingDesk) -> None:
    script = desk.root / "count.sh"
    script.write_text('#!/bin/sh\necho "loss=1;"\ncd "$SAGEMAKER_BASE_DIR/checkpoints"\necho run >> runs\n')
    script.chmod(0o755)
    place = {"S3Uri": str(desk.root / "kept")}
    for name in ("first", "second"):  # the second goes on where the first ended
        desk.training(name, program=str(script), CheckpointConfig=place)
        assert desk.finish(name)["TrainingJobStatus"] == "Completed"
    assert (desk.root / "kept" / "runs").read_text() == "run\nrun\n"
    assert desk.look("second")["CheckpointConfig"]["S3Uri"] == place["S3Uri"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"AlgorithmSpecification": {"TrainingImage": "/nowhere/x.py"}},
            "AlgorithmSpecification.TrainingImage",
        ),
        ({"HyperParameters": {"x": "[" * 200}}, "HyperParameters.x: its value is nested"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 9}}, "EnableManagedSpot"),
        (
            {"AlgorithmSpecification": {"TrainingImage": "kmeans", "ContainerArguments": ["x"]}},
            "the built-in algorithm kmeans has an entry point of its own",
        ),
    ],
)
def test_what_is_refused_is_not_stored(desk: TrainingDesk, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message) as raised:
        desk.training("refused", **more)
    assert error(raised)[0] == "ValidationException"
    with pytest.raises(ClientError, match="resource not found"):
        desk.look("refused")


@pytest.mark.slow
def test_that_of_a_tuning_job_is_deleted_with_it_only(desk: TrainingDesk) -> None:
    desk.create("tuned", jobs=1, parallel=1)
    desk.wait("tuned")
    [trial] = desk.trials("tuned")
    with pytest.raises(ClientError, match="belongs to the tuning job tuned") as raised:
        desk.client.delete_training_job(TrainingJobName=trial["TrainingJobName"])
    assert error(raised)[0] == "ValidationException"
    with pytest.raises(ClientError, match="must be unique"):
        desk.training(trial["TrainingJobName"])


@pytest.mark.slow
def test_it_goes_on_without_its_client(tmp_path: Path) -> None:
    desk = TrainingDesk(tmp_path)
    desk.training("alone", pause=0.3)
    desk.client.close()
    own = training_session(Session(desk.state))
    deadline = time.monotonic() + 60
    while not own.load("alone")[2].status.ended:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert own.load("alone")[2].jobs[1].secondary == "Completed"
    assert json.loads((desk.state / ".training" / "alone" / "runner.json").read_text())["identity"]


@needs_host_names
def test_each_instance_has_a_stream_of_its_own(desk: TrainingDesk, tmp_path: Path) -> None:
    script = tmp_path / "train.sh"
    script.write_text('#!/bin/sh\necho "loss=1; of $SM_CURRENT_HOST"\n')
    script.chmod(0o755)
    two = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5}
    desk.training("Two", program=str(script), ResourceConfig=two)
    assert desk.finish("Two")["TrainingJobStatus"] == "Completed"
    logs, group = hpt.client.client("logs", state=desk.state), "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="Two/")["logStreams"]
    said = {}
    for name in (each["logStreamName"] for each in streams):
        page = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)
        said[name.rpartition("-")[0]] = [each["message"] for each in page["events"]]
    assert said == {f"Two/algo-{n}": [f"loss=1; of {f'algo-{n}'}"] for n in (1, 2)}
