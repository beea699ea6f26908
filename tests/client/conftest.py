"""A client on a state directory of its own, whose every answer is held against botocore's model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

import hpt.client

COUNTED = Path(__file__).parent.parent / "programs" / "counted.py"
MODEL = ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")
ENDED = ("Completed", "Failed", "Stopped")


class Desk:
    """A client, requests to give it, and patience."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.root = root
        self.state = root / "state"
        self.client = hpt.client.SageMakerClient(self.state, **options)
        service = self.client._service
        answer = service.call

        def checked(operation: str, request: Any) -> dict[str, Any]:
            reply = answer(operation, request)
            shape = MODEL.operation_model(operation).output_shape
            if shape is None:
                assert reply == {}
            else:
                report = ParamValidator().validate(reply, shape)
                assert not report.has_errors(), f"{operation}: {report.generate_report()}"
            return reply

        service.call = checked

    def request(
        self, name: str, *, jobs: int = 4, parallel: int = 2, pause: float = 0.02, **more: Any
    ) -> dict[str, Any]:
        """What a program written for boto3 sends; only the places are local."""
        return {
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": parallel},
                "RandomSeed": 0,
                "ParameterRanges": {
                    "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1.0"}],
                    "IntegerParameterRanges": [{"Name": "depth", "MinValue": "1", "MaxValue": "9"}],
                    "CategoricalParameterRanges": [{"Name": "kind", "Values": ['"a"', "b"]}],
                },
            },
            "TrainingJobDefinition": {
                "AlgorithmSpecification": {
                    "TrainingImage": str(COUNTED),
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
                },
                "RoleArn": "arn:aws:iam::123456789012:role/Tuner",
                "OutputDataConfig": {"S3OutputPath": str(self.root / "models")},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
                "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
                "StaticHyperParameters": {"pause": str(pause)},
                "Environment": {"RUNS": str(self.root / "runs"), "HPT_GRACE_SECONDS": "5"},
            },
            **more,
        }

    def create(self, name: str, **options: Any) -> str:
        reply = self.client.create_hyper_parameter_tuning_job(**self.request(name, **options))
        arn: str = reply["HyperParameterTuningJobArn"]
        return arn

    def describe(self, name: str) -> dict[str, Any]:
        reply: dict[str, Any] = self.client.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        return reply

    def wait(self, name: str, *, until: Any = None, timeout: float = 120.0) -> dict[str, Any]:
        """The description once `until` holds of it, the job's end by default."""
        until = until or (lambda reply: reply["HyperParameterTuningJobStatus"] in ENDED)
        deadline = time.monotonic() + timeout
        while not until(reply := self.describe(name)):
            assert time.monotonic() < deadline, reply
            time.sleep(0.1)
        return reply

    def trials(self, name: str, **options: Any) -> list[dict[str, Any]]:
        pages = self.client.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
            HyperParameterTuningJobName=name, **options
        )
        return [summary for page in pages for summary in page["TrainingJobSummaries"]]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    for summary in desk.client.list_hyper_parameter_tuning_jobs(MaxResults=100)[
        "HyperParameterTuningJobSummaries"
    ]:
        if summary["HyperParameterTuningJobStatus"] not in ENDED:
            name = summary["HyperParameterTuningJobName"]
            desk.client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            desk.wait(name)
    desk.client.close()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """With one job, `Done-1`, that has completed five training jobs."""
    desk = Desk(tmp_path_factory.mktemp("done"))
    desk.create("Done-1", jobs=5, Tags=[{"Key": "team", "Value": "blue"}])
    desk.wait("done-1")
    yield desk
    desk.client.close()
