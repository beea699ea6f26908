"""Training jobs of SageMaker, run by a double of the service that starts their programs as processes."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpt.executors.base import Submission
from hpt.fleet.sagemaker_executor import SageMakerExecutor
from hpt.fleet.training_jobs.request import Options
from hpt.job.config import Objective, TrainingJobDefinition
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType
from hpt.testing.executors import ExecutorSuite, Make
from tests.fleet.double.sagemaker import IMAGE, REGION, ROLE, SageMakerDouble

pytest.importorskip("moto")

BODY: dict[str, Any] = {
    "TrainingJobDefinition": {
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    }
}

@pytest.fixture
def double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SageMakerDouble]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with SageMakerDouble(tmp_path / "machines").serve() as double:
        monkeypatch.setenv("AWS_ENDPOINT_URL", double.url)
        client = double.s3()
        client.create_bucket(Bucket="bucket")
        yield double
        for entry in client.list_objects_v2(Bucket="bucket").get("Contents", ()):
            client.delete_object(Bucket="bucket", Key=entry["Key"])


@pytest.fixture
def make_executor(double: SageMakerDouble, tmp_path: Path) -> Iterator[Callable[..., SageMakerExecutor]]:
    made = []

    def make(**options: Any) -> SageMakerExecutor:
        options = {"interval": 0.03, "settle": 0.15, **options}
        executor = SageMakerExecutor(tmp_path / f"host-{len(made)}" / "trials", BODY, Options(), **options)
        made.append(executor)
        return executor

    yield make
    for executor in made:
        executor.close()


def put_script(double: SageMakerDouble, script: str, name: str) -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        data = f"#!/bin/sh\n{script}\n".encode()
        entry = tarfile.TarInfo("train.sh")
        entry.size, entry.mode = len(data), 0o755
        tar.addfile(entry, io.BytesIO(data))
    double.s3().put_object(Bucket="bucket", Key=f"code/{name}.tar.gz", Body=packed.getvalue())
    return f"s3://bucket/code/{name}.tar.gz"


class TestSageMakerExecutor(ExecutorSuite):
    """Logs are lines of text there, exit codes of stopped programs are not told, and code comes from S3."""

    patience = 30.0

    @pytest.fixture
    def make(self, double: SageMakerDouble, make_executor: Make) -> Make:
        self.double = double
        return make_executor

    def submission(self, tmp_path: Path, script: str, name: str = "job-001", **changes: Any) -> Submission:
        source = put_script(self.double, script, name)
        static = {"sagemaker_program": "train.sh", "sagemaker_submit_directory": source}
        definition = TrainingJobDefinition(
            IMAGE,
            SearchSpace([ContinuousParameter("x", 0, 1)]),
            Objective("m", ObjectiveType.MAXIMIZE),
            hyperparameters=static,
            output_path="s3://bucket/models",
            **changes,
        )
        return Submission(name, 1, {**static, "x": "0.25"}, definition)
