from __future__ import annotations

import struct
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from hpt.job.config import RESULT_METRIC, JobConfig
from hpt.job.rounding import as_float32
from hpt.job.state import STOP_REQUESTED, JobState
from hpt.sagemaker.reply.response import (
    Account,
    describe_response,
    training_job_description,
    training_job_entry,
    training_job_summary,
    tuning_job_summary,
)
from hpt.sagemaker.request.parse import parse_request, read_request
from hpt.search import events as ev
from hpt.search.trial import ObjectiveType, TrialStatus
from tests.sagemaker.request.samples import CONFIG, GONE, JOB, edit, multi, single

MODEL = ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")


def assert_is_reply(operation: str, reply: dict[str, Any]) -> None:
    """botocore's own shapes: required members, no unknown ones, types."""
    shape = MODEL.operation_model(operation).output_shape
    report = ParamValidator().validate(reply, shape)
    assert not report.has_errors(), report.generate_report()


READ = read_request(single(), strict=True)


@pytest.fixture
def config() -> JobConfig:
    return replace(READ.config, seed=11)


def started(number: int, time: float, eta: float) -> list[ev.Event]:
    name = f"xgb-1-{number:03}-0000000{number}"
    return [
        ev.TrialCreated(time, number, {"eta": eta, "max_depth": number}, name),
        ev.AttemptCreated(time, number, 1),
        ev.StatusChanged(time + 1, number, "Downloading"),
        ev.StatusChanged(time + 2, number, "Training"),
    ]


EVENTS: list[ev.Event] = [
    *started(1, 100.0, 0.1),
    *started(2, 101.0, 0.25),
    ev.MetricLogged(110.5, 1, 1, "validation:auc", 0.8, 20),
    ev.MetricLogged(111.5, 1, 1, "validation:auc", 0.9, 40),
    ev.MetricLogged(111.5, 1, 1, "train:auc", float("nan"), 60),
    ev.MetricLogged(111.6, 1, 1, RESULT_METRIC, 0.9, 80),
    ev.StatusChanged(112.0, 1, "Uploading"),
    ev.AttemptEnded(113.0, 1, 1, ev.AttemptOutcome.EXITED, 0),
    ev.TrialEnded(113.5, 1, TrialStatus.COMPLETED, 0.9, "Completed", model="/models/1/model.tar.gz"),
    ev.MetricLogged(114.0, 2, 1, "validation:auc", 0.95, 20),
    ev.AttemptEnded(115.0, 2, 1, ev.AttemptOutcome.EXITED, 1),
    ev.TrialEnded(115.25, 2, TrialStatus.FAILED, None, "Failed", "x" * 2000),
    *started(3, 116.0, 0.5),
    ev.TrialEnded(130.0, 3, TrialStatus.STOPPED, 0.7, "Stopped"),
    *started(4, 131.0, 0.3),
]


@pytest.fixture
def state() -> JobState:
    return JobState.fold(ObjectiveType.MAXIMIZE, 99.5, EVENTS)


def test_describe(config: JobConfig, state: JobState) -> None:
    reply = describe_response(config, state, request=READ.request, now=200.25)
    assert_is_reply("DescribeHyperParameterTuningJob", reply)
    assert {member: reply[member] for member in reply if member not in (CONFIG, JOB, "BestTrainingJob")} == {
        "HyperParameterTuningJobName": "xgb-1",
        "HyperParameterTuningJobArn": "arn:aws:sagemaker:local:000000000000:hyper-parameter-tuning-job/xgb-1",
        "HyperParameterTuningJobStatus": "InProgress",
        "CreationTime": 99.5,
        "LastModifiedTime": 133.0,
        "TrainingJobStatusCounters": {
            "Completed": 1,
            "InProgress": 1,
            "RetryableError": 0,
            "NonRetryableError": 1,
            "Stopped": 1,
        },
        "ObjectiveStatusCounters": {"Succeeded": 2, "Pending": 1, "Failed": 1},
        "ConsumedResources": {"RuntimeInSeconds": 100},
        "TuningJobCompletionDetails": {"NumberOfTrainingJobsObjectiveNotImproving": 1},
    }
    assert reply["BestTrainingJob"] == {
        "TrainingJobName": "xgb-1-001-00000001",
        "TrainingJobArn": "arn:aws:sagemaker:local:000000000000:training-job/xgb-1-001-00000001",
        "CreationTime": 100.0,
        "TrainingStartTime": 102.0,
        "TrainingEndTime": 113.5,
        "TrainingJobStatus": "Completed",
        "TunedHyperParameters": {"eta": "0.1", "max_depth": "1"},
        "ObjectiveStatus": "Succeeded",
        "FinalHyperParameterTuningJobObjectiveMetric": {
            "MetricName": "validation:auc",
            "Value": 0.8999999761581421,
        },
    }


def test_describe_echoes_what_clients_read(config: JobConfig, state: JobState) -> None:
    reply = describe_response(config, state, request=READ.request)
    assert reply[CONFIG]["RandomSeed"] == 11
    assert reply[CONFIG]["TrainingJobEarlyStoppingType"] == "Off"
    assert reply[CONFIG]["ParameterRanges"]["CategoricalParameterRanges"] == []
    definition = reply[JOB]
    assert definition["StaticHyperParameters"] == {
        "num_round": "100",
        "eval_metric": "auc",
        "_tuning_objective_metric": "validation:auc",
    }
    compute = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10}
    assert definition["ResourceConfig"] == compute
    assert definition["HyperParameterTuningResourceConfig"] == compute
    assert definition["OutputDataConfig"]["KmsKeyId"] == ""
    assert len(definition["AlgorithmSpecification"]["MetricDefinitions"]) > 10
    assert "_tuning_objective_metric" not in READ.request[JOB]["StaticHyperParameters"]


def test_describe_of_a_job_without_request_or_output(config: JobConfig, state: JobState) -> None:
    bare = replace(config, definition=replace(config.definition, output_path=None))
    reply = describe_response(bare, state, default_output="/state/xgb-1/trials")
    assert_is_reply("DescribeHyperParameterTuningJob", reply)
    assert reply[JOB]["OutputDataConfig"] == {"S3OutputPath": "/state/xgb-1/trials", "KmsKeyId": ""}
    assert reply[JOB]["ResourceConfig"]["InstanceType"] == "ml.m5.large"


def test_a_job_that_has_only_begun(config: JobConfig) -> None:
    reply = describe_response(config, JobState(ObjectiveType.MAXIMIZE, 5.0))
    assert_is_reply("DescribeHyperParameterTuningJob", reply)
    absent = {"BestTrainingJob", "FailureReason", "HyperParameterTuningEndTime"}
    assert not absent & set(reply)
    assert reply["ConsumedResources"] == {"RuntimeInSeconds": 0}


def test_a_stopped_and_a_failed_job(config: JobConfig, state: JobState) -> None:
    state.apply(ev.JobStopRequested(140.0, STOP_REQUESTED))
    assert describe_response(config, state)["HyperParameterTuningJobStatus"] == "Stopping"
    state.apply(ev.TrialEnded(145.0, 4, TrialStatus.STOPPED))
    state.apply(ev.JobEnded(149.0, "Stopped", STOP_REQUESTED))
    assert describe_response(config, state)["HyperParameterTuningJobStatus"] == "Stopped"
    state = JobState(ObjectiveType.MAXIMIZE, 100.0)
    state.apply(ev.JobEnded(150.0, "Failed", "x", "no" * 1000))
    reply = describe_response(config, state, now=10_000)
    assert_is_reply("DescribeHyperParameterTuningJob", reply)
    assert reply["HyperParameterTuningJobStatus"] == "Failed"
    assert reply["HyperParameterTuningEndTime"] == 150.0
    assert reply["ConsumedResources"] == {"RuntimeInSeconds": 50}
    assert len(reply["FailureReason"]) == 1024


def test_names_in_arns_are_lower_case_and_belong_to_the_account(config: JobConfig, state: JobState) -> None:
    account = Account("eu-west-1", "123456789012", "aws-cn")
    reply = describe_response(replace(config, name="Xgb-2"), state, account=account)
    assert reply["HyperParameterTuningJobName"] == "Xgb-2"
    assert reply["HyperParameterTuningJobArn"] == (
        "arn:aws-cn:sagemaker:eu-west-1:123456789012:hyper-parameter-tuning-job/xgb-2"
    )


def test_summaries_of_a_failed_and_a_running_job(config: JobConfig, state: JobState) -> None:
    summaries = [training_job_summary(config, job) for job in state.jobs.values()]
    assert_is_reply("ListTrainingJobsForHyperParameterTuningJob", {"TrainingJobSummaries": summaries})
    _, failed, _, running = summaries
    assert failed["FailureReason"] == "x" * 1024
    assert failed["ObjectiveStatus"] == "Failed"
    assert "FinalHyperParameterTuningJobObjectiveMetric" not in failed
    assert running["ObjectiveStatus"] == "Pending"
    assert "TrainingEndTime" not in running


def test_entries_of_the_list_of_all_training_jobs(state: JobState) -> None:
    entries = [training_job_entry(job) for job in state.jobs.values()]
    assert_is_reply("ListTrainingJobs", {"TrainingJobSummaries": entries})
    assert entries[0]["TrainingEndTime"] == entries[0]["LastModifiedTime"] == 113.5
    assert "TrainingEndTime" not in entries[3]


def test_several_definitions_are_named_everywhere() -> None:
    request = edit(
        multi(), {"TrainingJobDefinitions[1].StaticHyperParameters": {"num_round": "7", "alpha": "1"}}
    )
    read = read_request(request, strict=True)
    config = replace(read.config, seed=11)
    state = JobState(config.objective_type, 100.0)
    for number, name, value in ((1, "first", 0.7), (2, "second", 0.9)):
        for event in started(number, 100.0 + number, 0.1 * number):
            state.apply(replace(event, definition=name) if isinstance(event, ev.TrialCreated) else event)
        state.apply(ev.TrialEnded(120.0 + number, number, TrialStatus.COMPLETED, value))
    reply = describe_response(config, state, request=read.request)
    assert_is_reply("DescribeHyperParameterTuningJob", reply)
    assert JOB not in reply
    assert "HyperParameterTuningJobObjective" not in reply[CONFIG]
    first, second = reply["TrainingJobDefinitions"]
    assert (first["DefinitionName"], second["DefinitionName"]) == ("first", "second")
    assert second["StaticHyperParameters"]["_tuning_objective_metric"] == "validation:auc"
    assert second["TuningObjective"] == {"Type": "Maximize", "MetricName": "validation:auc"}
    assert second["HyperParameterRanges"]["ContinuousParameterRanges"][0]["ScalingType"] == "Auto"
    best = reply["BestTrainingJob"]
    assert best["TrainingJobDefinitionName"] == "second"
    assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "Type": "Maximize",
        "MetricName": "validation:auc",
        "Value": as_float32(0.9),
    }
    summaries = [training_job_summary(config, job) for job in state.jobs.values()]
    assert_is_reply("ListTrainingJobsForHyperParameterTuningJob", {"TrainingJobSummaries": summaries})
    assert [each["TrainingJobDefinitionName"] for each in summaries] == ["first", "second"]
    described = training_job_description(config, state.jobs[2], request=read.request)
    assert_is_reply("DescribeTrainingJob", described)
    assert described["HyperParameters"]["num_round"] == "7"
    assert_is_reply("DescribeHyperParameterTuningJob", describe_response(config, state))


COMPUTE = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10}
CHOICES = {
    "InstanceConfigs": [COMPUTE, {**COMPUTE, "InstanceType": "ml.c5.large"}],
    "AllocationStrategy": "Prioritized",
}


@pytest.mark.parametrize(
    ("given", "plain", "tuning"),
    [
        ({"ResourceConfig": COMPUTE}, COMPUTE, COMPUTE),
        ({"HyperParameterTuningResourceConfig": COMPUTE}, COMPUTE, COMPUTE),
        ({"HyperParameterTuningResourceConfig": CHOICES}, COMPUTE, CHOICES),
        (
            {"ResourceConfig": {**COMPUTE, "KeepAlivePeriodInSeconds": 60}},
            {**COMPUTE, "KeepAlivePeriodInSeconds": 60},
            COMPUTE,
        ),
    ],
)
def test_both_resource_configs_are_shown(
    config: JobConfig, state: JobState, given: dict[str, Any], plain: Any, tuning: Any
) -> None:
    definition = {key: value for key, value in READ.request[JOB].items() if key != "ResourceConfig"}
    echoing = {**READ.request, JOB: {**definition, **given}}
    reply = describe_response(config, state, request=echoing)
    assert_is_reply("DescribeHyperParameterTuningJob", reply)
    assert reply[JOB]["ResourceConfig"] == plain
    assert reply[JOB]["HyperParameterTuningResourceConfig"] == tuning


def test_a_listing_of_jobs(config: JobConfig, state: JobState) -> None:
    entry = tuning_job_summary(config, state.created, state.summary())
    assert_is_reply("ListHyperParameterTuningJobs", {"HyperParameterTuningJobSummaries": [entry]})
    assert entry["Strategy"] == "Bayesian"
    assert entry["ResourceLimits"] == {"MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 2}
    assert "HyperParameterTuningEndTime" not in entry
    state.apply(ev.TrialEnded(145.0, 4, TrialStatus.STOPPED))
    state.apply(ev.JobEnded(150.0, "Completed", "x"))
    assert tuning_job_summary(config, 1.0, state.summary())["HyperParameterTuningEndTime"] == 150.0


class TestTrainingJob:
    """DescribeTrainingJob."""

    def test_a_completed_one(self, config: JobConfig, state: JobState) -> None:
        reply = training_job_description(config, state.jobs[1])
        assert_is_reply("DescribeTrainingJob", reply)
        assert reply["HyperParameters"] == {
            "num_round": "100",
            "eval_metric": "auc",
            "eta": "0.1",
            "max_depth": "1",
            "_tuning_objective_metric": "validation:auc",
        }
        assert reply["ModelArtifacts"] == {"S3ModelArtifacts": "file:///models/1/model.tar.gz"}
        assert reply["FinalMetricDataList"] == [
            {"MetricName": "validation:auc", "Value": 0.8999999761581421, "Timestamp": 111.5}
        ]
        assert (reply["TrainingTimeInSeconds"], reply["BillableTimeInSeconds"]) == (12, 12)
        assert reply["TuningJobArn"].endswith(":hyper-parameter-tuning-job/xgb-1")

    def test_a_model_that_is_stored_as_files(self, config: JobConfig, state: JobState) -> None:
        plain = replace(config.definition, output_path="/out", output_compression="NONE")
        job = replace(state.jobs[1], model="/out/job/output/model/")
        kept = replace(config, definition=plain)
        reply = training_job_description(kept, job)
        assert reply["ModelArtifacts"] == {"S3ModelArtifacts": "file:///out/job/output/model/"}
        reply = training_job_description(kept, replace(job, model=None))
        assert reply["ModelArtifacts"] == {"S3ModelArtifacts": f"file:///out/{job.name}/output/model/"}

    def test_each_transition_ends_where_the_next_starts(self, config: JobConfig, state: JobState) -> None:
        transitions = training_job_description(config, state.jobs[1])["SecondaryStatusTransitions"]
        assert [entry["Status"] for entry in transitions] == [
            "Starting",
            "Downloading",
            "Training",
            "Uploading",
            "Completed",
        ]
        for entry, following in pairwise(transitions):
            assert entry["EndTime"] == following["StartTime"]
        assert "EndTime" not in transitions[-1]

    def test_a_running_and_a_failed_one(self, config: JobConfig, state: JobState) -> None:
        for number in (2, 4):
            reply = training_job_description(config, state.jobs[number])
            assert_is_reply("DescribeTrainingJob", reply)
        assert "TrainingTimeInSeconds" not in reply
        assert reply["SecondaryStatus"] == "Training"

    def test_checkpoints_lie_in_a_place_of_their_own(self, state: JobState) -> None:
        request = edit(
            single(), {f"{JOB}.CheckpointConfig": {"S3Uri": "s3://bucket/c/"}, f"{JOB}.RoleArn": GONE}
        )
        reply = training_job_description(parse_request(request), state.jobs[1])
        assert_is_reply("DescribeTrainingJob", reply)
        assert reply["CheckpointConfig"] == {
            "S3Uri": "s3://bucket/c/xgb-1-001-00000001",
            "LocalPath": "/opt/ml/checkpoints/",
        }


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (0.9, 0.8999999761581421),
        (0.1, 0.10000000149011612),
        (0.0, 0.0),
        (-3.5, -3.5),
        (1e300, float("inf")),
        (-1e300, float("-inf")),
    ],
)
def test_values_are_shown_as_32_bit_floats(value: float, rounded: float) -> None:
    assert as_float32(value) == rounded
    assert struct.unpack("<f", struct.pack("<f", rounded))[0] == rounded
