"""CreateTrainingJob requests: each member has its row; the rules are those of a definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpt.errors import ValidationError
from hpt.job.config import NO_OBJECTIVE
from hpt.job.resources import SlotResources
from hpt.sagemaker.request.bodies import is_training_request
from hpt.sagemaker.request.members import NEWER_THAN_OLDEST_BOTOCORE, TRAINING_TABLE
from hpt.sagemaker.request.model import load_shapes
from hpt.sagemaker.request.parse import Overrides
from hpt.sagemaker.request.shapes import members
from hpt.sagemaker.request.training import CREATE_TRAINING_JOB, read_training_request

MEMBERS = set(members(load_shapes(), CREATE_TRAINING_JOB))
NEWER = {path.partition(".")[2] for path in NEWER_THAN_OLDEST_BOTOCORE}


def request(**more: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": "one",
        "AlgorithmSpecification": {
            "TrainingImage": "/usr/bin/env",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            **more.pop("AlgorithmSpecification", {}),
        },
        **more,
    }


def broken(content: dict[str, Any], **options: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        read_training_request(content, **options)
    return str(raised.value)


def covered_above(path: str) -> bool:
    """Whether a member above it is refused, kept whole or a map of strings."""
    return any(
        path.startswith((f"{outer}.", f"{outer}[", f"{outer}{{"))
        for outer, row in TRAINING_TABLE.items()
        if row.status == "refused" or row.whole or outer in ("HyperParameters", "Environment")
    )


def test_every_member_has_a_row() -> None:
    lists = {path.removesuffix("[]") for path in MEMBERS}
    without = {path for path in MEMBERS if path not in TRAINING_TABLE and not covered_above(path)}
    assert {path for path in without if path.removesuffix("[]") not in TRAINING_TABLE} == set()
    assert set(TRAINING_TABLE) - MEMBERS - lists <= NEWER | {"ServerlessJobConfig", "ModelPackageConfig"}


def test_the_defaults_are_those_of_a_tuning_job(tmp_path: Path) -> None:
    config, filled, warnings = read_training_request(request(), base_dir=tmp_path)
    assert config.alone and config.definition.objective == NO_OBJECTIVE
    assert config.definition.max_runtime_seconds == 86_400
    assert filled["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400}
    assert filled["AlgorithmSpecification"]["TrainingInputMode"] == "File"
    assert filled["HyperParameters"] == {} and warnings == ()
    again = read_training_request(filled, base_dir="/")
    assert again.config == config and again.request == filled


def test_an_objective_that_is_named_is_kept(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("1,2\n")
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "train.csv"}}}
    content = request(
        HyperParameters={"num_round": "2", "_tuning_objective_metric": "train:auc"}, InputDataConfig=[channel]
    )
    content["AlgorithmSpecification"] = {"TrainingImage": "xgboost"}
    config, filled, _ = read_training_request(content, base_dir=tmp_path)
    objective = config.definition.objective
    assert (objective.metric, str(objective.type)) == ("train:auc", "Maximize")
    assert config.definition.hyperparameters == {"num_round": "2"}
    assert filled["HyperParameters"] == content["HyperParameters"]
    assert "train:auc" in [each.name for each in config.definition.metric_definitions]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"HyperParameters": {"a": "[" * 200}}, "HyperParameters.a: its value is nested"),
        ({"Environment": {"HPT_GRACE_SECONDS": "soon"}}, "Environment.HPT_GRACE_SECONDS: 'soon' is not"),
        ({"TrainingJobName": "-"}, "TrainingJobName: '-' does not match"),
        ({"EnableManagedSpotTraining": True}, "StoppingCondition.MaxWaitTimeInSeconds: is missing"),
        ({"ModelPackageConfig": {"ModelPackageGroupArn": "x"}}, "ModelPackageConfig"),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "Tags: the key 'a'"),
        ({"AlgorithmSpecification": {"TrainingImage": "/nowhere"}}, "AlgorithmSpecification.TrainingImage"),
        (
            {"AlgorithmSpecification": {"MetricDefinitions": [{"Name": "loss", "Regex": "loss"}]}},
            "AlgorithmSpecification.MetricDefinitions[0].Regex: 'loss' has no group",
        ),
        (
            {"AlgorithmSpecification": {"TrainingImage": "knn", "ContainerEntrypoint": ["x"]}},
            "AlgorithmSpecification.ContainerEntrypoint: the built-in algorithm knn has an entry point",
        ),
    ],
)
def test_broken_rules_name_the_members_of_the_request(more: dict[str, Any], message: str) -> None:
    said = broken(request(**more))
    assert message in said and "TrainingJobDefinition" not in said


def test_a_program_is_needed() -> None:
    assert "AlgorithmSpecification: is missing" in broken({"TrainingJobName": "one"})
    for content in ({}, {"TrainingJobName": 3}, {"TrainingJobName": "one", "HyperParameters": []}):
        broken(content)


def test_strict_mode_reads_it_as_the_service_does() -> None:
    said = broken(request(), strict=True)
    assert "RoleArn: is missing" in said and "OutputDataConfig: is missing" in said
    role = "arn:aws:iam::123456789012:role/Trainer"
    output = {"S3OutputPath": "s3://bucket/out"}
    whole = request(RoleArn=role, OutputDataConfig=output, ResourceConfig={}, StoppingCondition={})
    whole["AlgorithmSpecification"]["TrainingInputMode"] = "File"
    assert "has 101 entries" in broken({**whole, "Environment": {f"V{i}": "1" for i in range(101)}})
    assert "is not an image that runs here" in broken(whole, strict=True)


def test_which_files_describe_a_training_job() -> None:
    assert is_training_request(request())
    assert not is_training_request({"HyperParameterTuningJobName": "one"})


def test_resources_of_a_job_file_and_of_a_caller() -> None:
    own = {"ResourceConfig": {"MemoryPerJob": "1G", "CpusPerJob": 2}}
    config = read_training_request(request(**own)).config
    assert config.definition.resources == SlotResources(cpus=2, memory_bytes=1 << 30)
    given = Overrides(resources=SlotResources(cpus=1), containers="never")
    config, filled, _ = read_training_request(request(**own), overrides=given)
    assert config.definition.resources == SlotResources(cpus=1, memory_bytes=1 << 30)
    assert (config.definition.containers, filled["Environment"]["HPT_CONTAINERS"]) == ("never", "never")
    assert "ResourceConfig.MemoryPerJob: memory 'much' is not a size" in broken(
        request(ResourceConfig={"MemoryPerJob": "much"})
    )
