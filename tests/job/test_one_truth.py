"""A job is one configuration, whoever describes it: a file, a client of the service, or Python."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import hpt.client
from hpt.job.build import Algorithm, tuning_job
from hpt.job.config import Channel, JobConfig
from hpt.job.document import from_document, request_of, to_document
from hpt.job.tagged_line import tagged_pattern
from hpt.job.warm_start import WarmStart
from hpt.running.differences import differences
from hpt.running.session import Session
from hpt.sagemaker.request.job_file import load_job_file
from hpt.sagemaker.request.parse import parse_request, to_request
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter
from hpt.service.launcher import Launcher
from tests.behaviour.stored import store

CONFIG = "HyperParameterTuningJobConfig"
RATE = ContinuousParameter("rate", 0.001, 1, "Logarithmic")
KIND = CategoricalParameter("kind", ["a", "b", "c"])
RATE_RANGE = {"Name": "rate", "MinValue": "0.001", "MaxValue": "1", "ScalingType": "Logarithmic"}
KIND_RANGE = {"Name": "kind", "Values": ["a", "b", "c"]}
LOSS = {"Name": "loss", "Regex": r"loss=(\S+)"}
SPECIFICATION = {"TrainingImage": "train.py", "MetricDefinitions": [LOSS]}
MINIMIZE = {"Type": "Minimize", "MetricName": "loss"}
PLAIN = {
    "program": "train.py",
    "metric": "loss",
    "objective": "minimize",
    "regex": r"loss=(\S+)",
    "output": "models",
}


@dataclass(frozen=True)
class Shape:
    """One job in both languages. tuning, request, definition: what is added to the least of a request."""

    arguments: dict[str, Any]
    tuning: dict[str, Any] = field(default_factory=dict)
    request: dict[str, Any] = field(default_factory=dict)
    definition: dict[str, Any] = field(default_factory=dict)
    jobs: int | None = 6

    def written(self) -> dict[str, Any]:
        limits = {"MaxParallelTrainingJobs": 2, "MaxNumberOfTrainingJobs": self.jobs}
        request: dict[str, Any] = {
            "HyperParameterTuningJobName": "job",
            CONFIG: {
                "Strategy": "Bayesian",
                "RandomSeed": 3,
                "ResourceLimits": {key: value for key, value in limits.items() if value is not None},
                **self.tuning,
            },
            **self.request,
        }
        if "TrainingJobDefinitions" not in request:
            request[CONFIG].setdefault("HyperParameterTuningJobObjective", MINIMIZE)
            ranges = {"ContinuousParameterRanges": [RATE_RANGE], "CategoricalParameterRanges": [KIND_RANGE]}
            request[CONFIG].setdefault("ParameterRanges", ranges)
            request["TrainingJobDefinition"] = {
                "AlgorithmSpecification": SPECIFICATION,
                "OutputDataConfig": {"S3OutputPath": "models"},
                **self.definition,
            }
        return request

    def described(self, folder: Path) -> JobConfig:
        given = {"space": [KIND, RATE], **PLAIN, "max_jobs": self.jobs, **self.arguments}
        return tuning_job("job", **given, max_parallel_jobs=2, seed=3, base_dir=folder)


def named(name: str, program: str) -> dict[str, Any]:
    return {
        "DefinitionName": name,
        "TuningObjective": MINIMIZE,
        "HyperParameterRanges": {"ContinuousParameterRanges": [RATE_RANGE]},
        "AlgorithmSpecification": {**SPECIFICATION, "TrainingImage": program},
        "StaticHyperParameters": {"depth": "3"},
        "OutputDataConfig": {"S3OutputPath": "models"},
    }


SHAPES = {
    "single": Shape({}),
    "everything": Shape(
        {
            "metrics": {"accuracy": None},
            "channels": {"train": "data.csv", "test": Channel("x", "s3://bucket/test", "text/csv")},
            "static": {"depth": 3, "nesterov": True, "momentum": 0.9},
            "max_runtime_seconds": 3600,
            "max_trial_seconds": 60,
            "retries": 4,
            "early_stopping": "auto",
            "target": 0.5,
            "max_not_improving": 5,
            "complete_on_convergence": False,
            "environment": {"THREADS": 1},
            "checkpoints": "checkpoints",
            "tags": {"team": "a"},
            "grace_seconds": 5,
        },
        tuning={
            "ResourceLimits": {
                "MaxParallelTrainingJobs": 2,
                "MaxNumberOfTrainingJobs": 6,
                "MaxRuntimeInSeconds": 3600,
            },
            "TrainingJobEarlyStoppingType": "Auto",
            "TuningJobCompletionCriteria": {
                "TargetObjectiveMetricValue": 0.5,
                "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 5},
                "ConvergenceDetected": {"CompleteOnConvergence": "Disabled"},
            },
        },
        request={"Tags": [{"Key": "team", "Value": "a"}]},
        definition={
            "AlgorithmSpecification": {
                "TrainingImage": "train.py",
                "MetricDefinitions": [LOSS, {"Name": "accuracy"}],
            },
            "StaticHyperParameters": {"depth": "3", "nesterov": "true", "momentum": "0.9"},
            "InputDataConfig": [
                {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "data.csv"}}},
                {
                    "ChannelName": "test",
                    "ContentType": "text/csv",
                    "DataSource": {"S3DataSource": {"S3Uri": "s3://bucket/test"}},
                },
            ],
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "RetryStrategy": {"MaximumRetryAttempts": 4},
            "Environment": {"THREADS": "1", "HPT_GRACE_SECONDS": "5"},
            "CheckpointConfig": {"S3Uri": "checkpoints"},
        },
    ),
    "no number of jobs": Shape(
        {"max_runtime_seconds": 600},
        tuning={"ResourceLimits": {"MaxParallelTrainingJobs": 2, "MaxRuntimeInSeconds": 600}},
        jobs=None,
    ),
    "multi-algorithm": Shape(
        {
            "program": None,
            "space": [RATE],
            "static": {"depth": 3},
            "algorithms": [Algorithm("one", "train.py"), Algorithm("two", "other.py", max_trial_seconds=9)],
        },
        request={
            "TrainingJobDefinitions": [
                named("one", "train.py"),
                {**named("two", "other.py"), "StoppingCondition": {"MaxRuntimeInSeconds": 9}},
            ]
        },
    ),
    "hyperband": Shape(
        {"strategy": "hyperband", "min_resource": 2, "max_resource": 9},
        tuning={
            "Strategy": "Hyperband",
            "StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 2, "MaxResource": 9}},
        },
    ),
    "hyperband by epochs": Shape(
        {"strategy": "hyperband", "static": {"epochs": 27}},
        tuning={"Strategy": "Hyperband"},
        definition={"StaticHyperParameters": {"epochs": "27"}},
    ),
    "grid": Shape(
        {"strategy": "grid", "space": [KIND, CategoricalParameter("deep", [True, False])]},
        tuning={
            "Strategy": "Grid",
            "ParameterRanges": {
                "CategoricalParameterRanges": [KIND_RANGE, {"Name": "deep", "Values": ["true", "false"]}]
            },
        },
        jobs=None,
    ),
    "spot": Shape(
        {"spot": True, "max_wait_seconds": 7200},
        definition={
            "EnableManagedSpotTraining": True,
            "StoppingCondition": {"MaxWaitTimeInSeconds": 7200},
        },
    ),
    "warm start": Shape(
        {"warm_start": WarmStart("old", "identical")},
        request={
            "WarmStartConfig": {
                "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "old"}],
                "WarmStartType": "IdenticalDataAndAlgorithm",
            }
        },
    ),
    "built-in": Shape(
        {
            "program": "xgboost",
            "metric": "validation:auc",
            "objective": "Maximize",
            "regex": None,
            "space": [IntegerParameter("max_depth", 1, 9), ContinuousParameter("eta", 0, 1)],
            "static": {"num_round": 10},
            "channels": {"train": "data.csv", "validation": "data.csv"},
        },
        tuning={
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:auc"},
            "ParameterRanges": {
                "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "1", "MaxValue": "9"}],
                "ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0", "MaxValue": "1"}],
            },
        },
        definition={
            "AlgorithmSpecification": {"TrainingImage": "xgboost"},
            "StaticHyperParameters": {"num_round": "10"},
            "InputDataConfig": [
                {"ChannelName": name, "DataSource": {"S3DataSource": {"S3Uri": "data.csv"}}}
                for name in ("train", "validation")
            ],
        },
    ),
    "autotune with hints": Shape(
        {
            "autotune": True,
            "strategy": "Bayesian",
            "space": None,
            "static": {"rate": 0.01, "depth": 8, "kind": "a", "momentum": 0.9, "seed": 5},
            "keep_static": ["seed"],
        },
        tuning={
            "ParameterRanges": {
                "AutoParameters": [
                    {"Name": "rate", "ValueHint": "0.01"},
                    {"Name": "depth", "ValueHint": "8"},
                    {"Name": "kind", "ValueHint": "a"},
                    {"Name": "momentum", "ValueHint": "0.9"},
                ]
            }
        },
        request={"Autotune": {"Mode": "Enabled"}},
        definition={"StaticHyperParameters": {"seed": "5"}},
        jobs=None,
    ),
    "autotune of a built-in": Shape(
        {
            "autotune": True,
            "program": "xgboost",
            "metric": "validation:auc",
            "objective": "Maximize",
            "regex": None,
            "space": None,
            "static": {"num_round": 10},
            "keep_static": ["num_round"],
            "channels": {"train": "data.csv", "validation": "data.csv"},
        },
        tuning={
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:auc"},
            "ParameterRanges": {},
        },
        request={"Autotune": {"Mode": "Enabled"}},
        definition={
            "AlgorithmSpecification": {"TrainingImage": "xgboost"},
            "StaticHyperParameters": {"num_round": "10"},
            "InputDataConfig": [
                {"ChannelName": name, "DataSource": {"S3DataSource": {"S3Uri": "data.csv"}}}
                for name in ("train", "validation")
            ],
        },
        jobs=None,
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("train.py", "other.py", "data.csv"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def as_boto3_has_it(request: dict[str, Any]) -> dict[str, Any]:
    """With what botocore itself asks for, and the service can do without."""
    request = json.loads(json.dumps(request))
    for body in request.get("TrainingJobDefinitions") or [request["TrainingJobDefinition"]]:
        body["RoleArn"] = "arn:aws:iam::000000000000:role/hpt-local"
        body["AlgorithmSpecification"]["TrainingInputMode"] = "File"
        for metric in body["AlgorithmSpecification"].get("MetricDefinitions", ()):
            metric.setdefault("Regex", tagged_pattern(metric["Name"]))
        body.setdefault("StoppingCondition", {})
        for channel in body.get("InputDataConfig", ()):
            channel["DataSource"]["S3DataSource"]["S3DataType"] = "S3Prefix"
    return request  # type: ignore[no-any-return]


def by_client(folder: Path, request: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> JobConfig:
    """What a client of the service stores; the process that would run it is not started."""
    monkeypatch.setattr(Launcher, "start", lambda *arguments, **options: None)
    client = hpt.client("sagemaker", state=folder / "state", check_s3=False)
    client.create_hyper_parameter_tuning_job(**as_boto3_has_it(request))
    client.close()
    with closing(Session(folder / "state")) as session:
        return session.config("job")


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_one_job_gives_equal_configurations(
    folder: Path, shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = shape.written()
    (folder / "job.json").write_text(json.dumps(request))
    (folder / "job.yaml").write_text(yaml.safe_dump(request))
    files = [
        parse_request(given, base_dir=base)
        for given, base in (load_job_file(folder / name) for name in ("job.json", "job.yaml"))
    ]
    described = shape.described(folder)
    assert files[0] == files[1] == described
    assert to_document(files[0]) == to_document(described)
    assert to_request(files[0]) == to_request(described)
    assert parse_request(to_request(described), base_dir="/", check_paths=False) == described
    if described.warm_start is not None:
        objective = {"Type": "Minimize", "MetricName": "loss"}
        image = str(folder / "train.py")
        same = {"TrainingJobDefinition.AlgorithmSpecification.TrainingImage": image}
        store(folder / "state", "old", {**same, f"{CONFIG}.HyperParameterTuningJobObjective": objective})
        request[CONFIG]["ParameterRanges"] = {
            "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}],
            "CategoricalParameterRanges": [{"Name": "kind", "Values": ["a", "b"]}],
        }
        request["TrainingJobDefinition"]["StaticHyperParameters"] = {"momentum": "0.9"}
        again = {"space": [ContinuousParameter("x", 0, 1), CategoricalParameter("kind", ["a", "b"])]}
        described = Shape({**shape.arguments, **again, "static": {"momentum": 0.9}}).described(folder)
    stored = by_client(folder, request, monkeypatch)
    assert stored == described
    assert differences(stored, described) == []


def test_repeats_are_a_member_that_only_files_have(folder: Path) -> None:
    shape = Shape({"repeats": True, "max_jobs": 6}, {"RepeatConfigurations": True})
    described = shape.described(folder)
    assert described.repeats
    assert parse_request(shape.written(), base_dir=folder) == described
    assert parse_request(to_request(described), base_dir="/", check_paths=False) == described


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_starting_a_configuration_changes_nothing_about_it(folder: Path, shape: Shape) -> None:
    from hpt.job.complete import check_config, completed

    config = shape.described(folder)
    check_config(config)
    assert completed(config) == config
    assert completed(config).limits.max_jobs_is_quota == config.limits.max_jobs_is_quota


def test_a_request_is_kept_beside_the_job_and_decides_nothing(folder: Path) -> None:
    config = parse_request(SHAPES["single"].written())
    document = to_document(config, {"Anything": "at all"})
    assert from_document(document) == config
    assert request_of(document) == {"Anything": "at all"}
    assert request_of(to_document(config)) == {}


def test_documents_of_version_0_1_0_are_read(folder: Path) -> None:
    """They held the request and warnings as parts of the configuration."""
    config = parse_request(SHAPES["single"].written())
    document = to_document(config) | {"request": {"HyperParameterTuningJobName": "job"}, "warnings": ["a"]}
    del document["autotune"], document["limits"]["max_jobs_is_quota"]
    assert from_document(json.loads(json.dumps(document))) == config
    assert request_of(document) == {"HyperParameterTuningJobName": "job"}
