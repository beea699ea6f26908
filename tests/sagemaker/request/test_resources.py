"""GPUs, cores and memory in a job file, which the service's requests do not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hpt.errors import ValidationError
from hpt.job.resources import SlotResources
from hpt.sagemaker.request.convert import to_request
from hpt.sagemaker.request.parse import Overrides, parse_request, read_request
from hpt.sagemaker.request.shapes import SourceText

ALL = SlotResources(gpus=1, cpus=0.5, memory_bytes=8 << 30)


def request(resources: Mapping[str, Any] | None = None, **body: Any) -> dict[str, Any]:
    definition = {
        "AlgorithmSpecification": {
            "TrainingImage": "train.py",
            "MetricDefinitions": [{"Name": "loss", "Regex": r"loss=(\S+)"}],
        },
        **({} if resources is None else {"ResourceConfig": resources}),
        **body,
    }
    return {
        "HyperParameterTuningJobName": "j",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        "TrainingJobDefinition": definition,
    }


def read(document: Mapping[str, Any], **options: Any) -> Any:
    return read_request(document, check_paths=False, **options)


@pytest.mark.parametrize(
    "members",
    [
        {"GpusPerJob": 1, "CpusPerJob": 0.5, "MemoryPerJob": "8G"},
        {"GpusPerJob": "1", "CpusPerJob": "0.5", "MemoryPerJob": 8 << 30},
        {"GpusPerJob": SourceText("1", 1), "CpusPerJob": SourceText("0.5", 0.5), "MemoryPerJob": "8 GiB"},
    ],
)
def test_members_of_a_job_file_become_variables_that_every_client_knows(members: Mapping[str, Any]) -> None:
    found = read(
        request({"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1, **members})
    )
    assert found.config.definition.resources == ALL
    body = found.request["TrainingJobDefinition"]
    assert body["ResourceConfig"] == {
        "InstanceType": "ml.g5.xlarge",
        "InstanceCount": 1,
        "VolumeSizeInGB": 1,
    }
    assert body["Environment"] == ALL.variables()
    assert parse_request(found.request, check_paths=False) == found.config  # as Describe echoes it
    assert read(to_request(found.config)).config.definition == found.config.definition


def test_the_members_need_no_others() -> None:
    found = read(request({"GpusPerJob": 1}, Environment={"A": "b"}))
    assert found.config.definition.resources == SlotResources(gpus=1)
    assert found.request["TrainingJobDefinition"]["Environment"] == {"A": "b", "HPT_GPUS_PER_JOB": "1"}
    assert "ResourceConfig" not in found.request["TrainingJobDefinition"]


def test_an_instance_type_asks_for_nothing() -> None:
    found = read(request({"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}))
    assert found.config.definition.resources == SlotResources()


@pytest.mark.parametrize(
    ("members", "path", "message"),
    [
        ({"MemoryPerJob": "8X"}, "MemoryPerJob", "memory '8X' is not a size"),
        ({"MemoryPerJob": 8}, "MemoryPerJob", "memory '8' is less than the 32 MiB"),
        ({"GpusPerJob": -1}, "GpusPerJob", "gpus -1 is not an integer of at least 0"),
        ({"GpusPerJob": 1.5}, "GpusPerJob", "gpus '1.5' is not an integer"),
        ({"CpusPerJob": "nan"}, "CpusPerJob", "cpus nan is not a number above 0"),
        ({"CpusPerJob": [1]}, "CpusPerJob", "is a list; give a string"),
        ({"GpuPerJob": 1}, "GpuPerJob", "did you mean 'GpusPerJob'"),
    ],
)
def test_a_bad_member_is_named(members: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(request(members))
    [violation] = refused.value.violations
    assert violation.path == f"TrainingJobDefinition.ResourceConfig.{path}"
    assert message in violation.message


def test_a_member_that_contradicts_the_variable_is_refused() -> None:
    read(request({"MemoryPerJob": "1G"}, Environment={"HPT_MEMORY_PER_JOB": "1024M"}))
    with pytest.raises(ValidationError, match=r"'1G' contradicts HPT_MEMORY_PER_JOB '2G' in Environment"):
        read(request({"MemoryPerJob": "1G"}, Environment={"HPT_MEMORY_PER_JOB": "2G"}))


def test_the_service_has_no_such_members_but_takes_the_variables() -> None:
    complete = {
        "RoleArn": "arn:aws:iam::123456789012:role/r",
        "OutputDataConfig": {"S3OutputPath": "s3://b/out"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "AlgorithmSpecification": {
            "TrainingImage": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
            "TrainingInputMode": "File",
        },
        "StaticHyperParameters": {"num_round": "5"},
        "InputDataConfig": [
            {
                "ChannelName": name,
                "ContentType": "text/csv",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://b/{name}"}},
            }
            for name in ("train", "validation")
        ],
    }
    plain = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    with pytest.raises(ValidationError, match="GpusPerJob: is not a member"):
        read(request({**plain, "GpusPerJob": 1}, **complete), strict=True)
    given = request(plain, **complete, Environment=ALL.variables())
    tuning = given["HyperParameterTuningJobConfig"]
    tuning["HyperParameterTuningJobObjective"]["MetricName"] = "validation:rmse"
    tuning["ParameterRanges"]["ContinuousParameterRanges"][0]["Name"] = "eta"
    assert read(given, strict=True).config.definition.resources == ALL


@pytest.mark.parametrize("multi", [False, True])
def test_what_the_caller_gives_replaces_the_file(multi: bool) -> None:
    document = request({"GpusPerJob": 2, "CpusPerJob": 1}, Environment={"HPT_MEMORY_PER_JOB": "1G"})
    if multi:
        body = document.pop("TrainingJobDefinition")
        ranges = document["HyperParameterTuningJobConfig"].pop("ParameterRanges")
        objective = document["HyperParameterTuningJobConfig"].pop("HyperParameterTuningJobObjective")
        document["TrainingJobDefinitions"] = [
            {**body, "DefinitionName": name, "TuningObjective": objective, "HyperParameterRanges": ranges}
            for name in ("one", "two")
        ]
    given = SlotResources(gpus=1, memory_bytes=4 << 30)
    config = read(document, overrides=Overrides(resources=given)).config
    for definition in config.all_definitions:
        assert definition.resources == SlotResources(gpus=1, cpus=1, memory_bytes=4 << 30)
    assert "HPT_GPUS_PER_JOB" not in str(document)  # what was given is not changed
