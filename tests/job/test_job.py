from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpt.errors import InputError, ValidationError
from hpt.job.build import tuning_job
from hpt.job.config import (
    Channel,
    JobConfig,
    MetricDefinition,
    Objective,
    ResourceLimits,
    TrainingJobDefinition,
    read_grace,
)
from hpt.sagemaker.request.parse import parse_request
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.trial import ObjectiveType

SPACE = SearchSpace([ContinuousParameter("lr", 1e-4, 1, "Logarithmic")])
OBJECTIVE = Objective("auc", ObjectiveType.MAXIMIZE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("print('auc=0.5')")
    (tmp_path / "data.csv").write_text("1,2\n")
    return tmp_path


class TestFriendly:
    """`tuning_job` and a request describe the same job."""

    def test_everything_there_is_to_say(self, folder: Path) -> None:
        job = tuning_job(
            "mlp-1",
            program="train.py",
            space=[
                CategoricalParameter("act", ["relu", "tanh"]),
                ContinuousParameter("lr", "1e-4", 1, "logarithmic"),
                IntegerParameter("layers", 1, 4),
            ],
            metric="auc",
            objective="maximize",
            regex=r"auc=(\S+)",
            metrics={"loss": r"loss=(\S+)"},
            channels={"train": "data.csv", "test": Channel("x", "s3://bucket/test", "text/csv")},
            static={"epochs": 10, "momentum": 0.9, "nesterov": True, "seed": np.int64(3)},
            max_jobs=30,
            max_parallel_jobs=3,
            max_runtime_seconds=3600,
            max_trial_seconds=60,
            strategy="RANDOM",
            seed=7,
            environment={"OMP_NUM_THREADS": 1},
            output="models",
            checkpoints=folder / "checkpoints",
            tags={"team": "a"},
            grace_seconds=5,
            base_dir=folder,
        )
        request = {
            "HyperParameterTuningJobName": "mlp-1",
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "auc"},
                "ResourceLimits": {
                    "MaxNumberOfTrainingJobs": 30,
                    "MaxParallelTrainingJobs": 3,
                    "MaxRuntimeInSeconds": 3600,
                },
                "ParameterRanges": {
                    "ContinuousParameterRanges": [
                        {"Name": "lr", "MinValue": "0.0001", "MaxValue": "1.0", "ScalingType": "Logarithmic"}
                    ],
                    "IntegerParameterRanges": [{"Name": "layers", "MinValue": "1", "MaxValue": "4"}],
                    "CategoricalParameterRanges": [{"Name": "act", "Values": ["relu", "tanh"]}],
                },
                "RandomSeed": 7,
            },
            "TrainingJobDefinition": {
                "AlgorithmSpecification": {
                    "TrainingImage": str(folder / "train.py"),
                    "MetricDefinitions": [
                        {"Name": "auc", "Regex": r"auc=(\S+)"},
                        {"Name": "loss", "Regex": r"loss=(\S+)"},
                    ],
                },
                "StaticHyperParameters": {"epochs": "10", "momentum": "0.9", "nesterov": "true", "seed": "3"},
                "InputDataConfig": [
                    {
                        "ChannelName": "train",
                        "DataSource": {"S3DataSource": {"S3Uri": f"file://{folder}/data.csv"}},
                    },
                    {
                        "ChannelName": "test",
                        "DataSource": {"S3DataSource": {"S3Uri": "s3://bucket/test"}},
                        "ContentType": "text/csv",
                    },
                ],
                "OutputDataConfig": {"S3OutputPath": str(folder / "models")},
                "CheckpointConfig": {"S3Uri": str(folder / "checkpoints")},
                "StoppingCondition": {"MaxRuntimeInSeconds": 60},
                "Environment": {"OMP_NUM_THREADS": "1", "HPT_GRACE_SECONDS": "5"},
            },
            "Tags": [{"Key": "team", "Value": "a"}],
        }
        assert job == parse_request(request)
        assert job.definition.grace_seconds == 5
        assert job.definition.environment["OMP_NUM_THREADS"] == "1"

    def test_the_least_there_is_to_say(self) -> None:
        job = tuning_job(
            "xgb",
            program="xgboost",
            space=SearchSpace([ContinuousParameter("eta", 0, 1)]),
            metric="validation:auc",
            static={"num_round": 10},
            max_jobs=3,
        )
        assert job.definition.training_image == "xgboost"
        assert job.limits == ResourceLimits(3, 1, None)
        assert job.strategy == "Bayesian"
        assert "validation:auc" in [metric.name for metric in job.definition.metric_definitions]

    def test_relative_paths_start_at_the_current_folder(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(folder)
        job = tuning_job("a", program="./train.py", space=SPACE, metric="auc", regex="(.)", max_jobs=1)
        assert job.definition.training_image == str(folder / "train.py")

    def test_a_path_object_is_a_path_even_if_it_reads_like_a_built_in(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = folder / "xgboost"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        monkeypatch.chdir(folder)
        job = tuning_job("a", program=Path("xgboost"), space=SPACE, metric="auc", regex="(.)", max_jobs=1)
        assert job.definition.training_image == str(program)

    def test_every_violation_at_once(self, folder: Path) -> None:
        with pytest.raises(ValidationError) as caught:
            tuning_job(
                "my_job",
                program="train.py",
                space=SPACE,
                metric="auc",
                objective="best",
                strategy="magic",
                max_jobs=0,
                max_parallel_jobs=True,
                base_dir=folder,
            )
        assert [violation.path for violation in caught.value.violations] == [
            *("name", "strategy", "objective", "max_jobs", "max_parallel_jobs")
        ]

    def test_a_channel_of_another_form(self, folder: Path) -> None:
        given = Channel(
            "x",
            "s3://bucket/list",
            input_mode="Pipe",
            data_type="AugmentedManifestFile",
            attribute_names=["image-ref", "label"],  # type: ignore[arg-type]  # a list is fine too
            shuffle_seed=7,
        )
        job = tuning_job(
            "a",
            program="train.py",
            space=SPACE,
            metric="auc",
            regex="(.)",
            max_jobs=1,
            channels={"train": given},
            base_dir=folder,
        )
        assert job.definition.channels == (replace(given, name="train"),)
        assert hash(given) == hash(replace(given))
        with pytest.raises(InputError, match="shuffle_seed 'a' of channel 'x' is not an integer"):
            replace(given, shuffle_seed="a")

    @pytest.mark.parametrize(
        ("changes", "rule", "path"),
        [
            ({"regex": None}, "V05", "metric"),
            ({"regex": "no group"}, "metrics", "metrics['auc']"),
            ({"static": {"lr": 1}}, "V08", "space['lr']"),
            ({"max_jobs": None}, "end", "max_jobs"),
            ({"grace_seconds": -1}, "grace", "environment['HPT_GRACE_SECONDS']"),
            ({"strategy": "Hyperband"}, "V18", "max_resource"),
            ({"space": []}, "V03", "space"),
            ({"strategy": "grid", "max_jobs": None}, "V14", "space['lr']"),
            ({"space": [IntegerParameter("n", 1, 3)], "max_jobs": 4}, "V16", "max_jobs"),
            ({"strategy": "Random", "repeats": True}, "repeats", "repeats"),
            (
                {"strategy": "Hyperband", "max_resource": 9, "early_stopping": "auto"},
                *("V17", "early_stopping"),
            ),
            ({"strategy": "Hyperband", "max_resource": 3, "min_resource": 4}, "V19", "min_resource"),
            ({"max_resource": 3}, "V20", "min_resource and max_resource"),
            ({"max_wait_seconds": 60}, "V21", "max_wait_seconds"),
            ({"spot": True}, "V22", "max_wait_seconds"),
            (
                {"spot": True, "max_wait_seconds": 60, "max_trial_seconds": 61},
                *("V23", "max_wait_seconds"),
            ),
            ({"strategy": "Hyperband", "max_resource": 3, "warm_start": "a"}, "V28", "warm_start"),
            ({"environment": {f"A{i}": "" for i in range(49)}}, "V30", "environment"),
            ({"channels": {"train": "gs://bucket"}}, "uri", "channels['train']"),
            ({"program": "knn", "metric": "test:mse", "regex": None}, "required", "static['feature_dim']"),
            ({"max_trial_seconds": 2**31}, "time", "max_trial_seconds"),
            ({"channels": {"..": "/data"}}, "directories", "channels['..']"),
            ({"static": {"a=b": 1}}, "names", "static['a=b']"),
            ({"static": {"": 1}}, "names", "static['']"),
            ({"space": [IntegerParameter("a=b", 1, 99)]}, "names", "space['a=b']"),
            ({"static": {"a": "[" * 1200 + "]" * 1200}}, "passing", "static['a']"),
            ({"max_parallel_jobs": 1001}, "V31", "max_parallel_jobs"),
            ({"program": "registry.example.com/trainer:1", "containers": "never"}, "image", "program"),
            ({"program": "module:json.tool"}, "image", "program"),
            (
                {"channels": {"train": Channel("train", "/data", input_mode="Stream")}},
                *("inputs", "channels['train']"),
            ),
        ],
    )
    def test_rules(self, folder: Path, changes: dict[str, Any], rule: str, path: str) -> None:
        arguments: dict[str, Any] = {
            "program": "train.py",
            "space": SPACE,
            "metric": "auc",
            "regex": "(.)",
            "max_jobs": 1,
            "base_dir": folder,
        }
        tuning_job("a", **arguments)
        with pytest.raises(ValidationError) as caught:
            tuning_job("a", **{**arguments, **changes})
        [violation] = caught.value.violations
        assert (violation.rule, violation.path) == (rule, path)

    def test_metrics_name_the_metric_that_a_program_tells(self, folder: Path) -> None:
        arguments: dict[str, Any] = {
            "program": "train.py",
            "space": SPACE,
            "metric": "auc",
            "max_jobs": 1,
            "base_dir": folder,
        }
        with pytest.raises(
            ValidationError, match=r"give regex=, or metrics=\{'auc': None\} if the program calls hpt.repo"
        ):
            tuning_job("a", **arguments)
        with pytest.raises(
            InputError, match=r"metrics of 'a' is \['auc'\]; give \{name: regex\}, or \{name: N"
        ):
            tuning_job("a", **arguments, metrics=["auc"])
        assert tuning_job("a", **arguments, metrics={"auc": None}).definition.metric_definitions

    def test_values_no_request_could_express(self) -> None:
        with pytest.raises(
            InputError, match="static: 'layers' is \\[1, 2\\]; give a string, a number or a boolean"
        ):
            tuning_job("a", program="x", space=SPACE, metric="m", static={"layers": [1, 2]})  # type: ignore[dict-item]
        with pytest.raises(InputError, match="space: 'lr' is not a parameter"):
            tuning_job("a", program="x", space=["lr"], metric="m")  # type: ignore[list-item]


class TestRecords:
    """Illegal states cannot be built."""

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: MetricDefinition("", "(.)"), "a metric's name is ''"),
            (lambda: MetricDefinition("auc", "("), "metric 'auc': '\\(' is not a regular expression"),
            (lambda: MetricDefinition("auc", "auc=.*"), "metric 'auc': 'auc=\\.\\*' has no group"),
            (lambda: Objective("", ObjectiveType.MAXIMIZE), "the objective's metric is ''"),
            (
                lambda: Objective("auc", "up"),
                "objective type 'up' is not known; use one of Maximize, Minimize",
            ),
            (lambda: Channel("a/b", "/data"), "channel name 'a/b'"),
            (lambda: Channel("a", ""), "the place of channel 'a' is ''"),
            (lambda: ResourceLimits(0, 1), "max_jobs 0 is not an integer of at least 1"),
            (lambda: ResourceLimits(1, True), "max_parallel_jobs True is not an integer"),
            (lambda: ResourceLimits(1, 1, 0), "max_runtime_seconds 0 is not a number above 0"),
            (lambda: ResourceLimits(1, 1, math.nan), "max_runtime_seconds nan is not a number above 0"),
            (lambda: definition(training_image=""), "training_image is ''"),
            (lambda: definition(space=[]), "space \\[\\] is not a SearchSpace"),
            (lambda: definition(hyperparameters={"a": 1}), "hyperparameters: 'a' is 1; both"),
            (
                lambda: definition(hyperparameters={"lr": "1"}),
                "hyperparameter 'lr' is static and has a range",
            ),
            (lambda: definition(environment=[]), "environment \\[\\] is not a dict"),
            (lambda: definition(grace_seconds=-1), "grace_seconds -1 is not a number of at least 0"),
            (lambda: definition(channels=(Channel("a", "/"),) * 2), "two of the channels are named 'a'"),
            (
                lambda: definition(metric_definitions=(MetricDefinition("auc", "auc=(.)"),) * 2),
                "metric 'auc' has the regex 'auc=\\(.\\)' twice",
            ),
            (lambda: config(name="a_b"), "job name 'a_b' is not 1 to 32 letters"),
            (lambda: config(name="a" * 33), "is not 1 to 32 letters"),
            (lambda: config(strategy=""), "strategy is ''"),
            (lambda: config(seed=-1), "seed -1 is not an integer from 0"),
            (lambda: config(seed=2**64), "is not an integer from 0"),
            (lambda: config(seed=1.0), "seed 1.0 is not an integer"),
        ],
    )
    def test_refused(self, make: Any, message: str) -> None:
        with pytest.raises(InputError, match=message):
            make()

    def test_enum_texts_in_any_case(self) -> None:
        assert Objective("auc", "minimize").type is ObjectiveType.MINIMIZE  # type: ignore[arg-type]
        assert config(strategy="bayesian").strategy == "Bayesian"
        assert config(strategy="MyOwn").strategy == "MyOwn"

    def test_they_are_frozen(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            config().name = "b"  # type: ignore[misc]


def definition(**changes: Any) -> TrainingJobDefinition:
    return TrainingJobDefinition(
        **{"training_image": "/train.py", "space": SPACE, "objective": OBJECTIVE, **changes}
    )


def config(**changes: Any) -> JobConfig:
    plain = {"name": "a", "strategy": "Random", "definition": definition(), "limits": ResourceLimits(1, 1)}
    return JobConfig(**{**plain, **changes})


@pytest.mark.parametrize(("text", "seconds"), [("0", 0.0), ("2.5", 2.5), (" 30 ", 30.0)])
def test_grace(text: str, seconds: float) -> None:
    assert read_grace({"HPT_GRACE_SECONDS": text}) == seconds
    assert read_grace({}) == 120.0


@pytest.mark.parametrize("text", ["", "soon", "-1", "inf", "nan"])
def test_no_grace(text: str) -> None:
    with pytest.raises(InputError, match="is not a number of seconds of at least 0"):
        read_grace({"HPT_GRACE_SECONDS": text})
