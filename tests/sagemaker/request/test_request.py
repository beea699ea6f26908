from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import ValidationError
from hpt.job.catalog import ALGORITHMS
from hpt.job.config import Channel, JobConfig, MetricDefinition, Objective, ResourceLimits
from hpt.job.document import from_document, to_document
from hpt.sagemaker.request.convert import ranges_of, stored_only_note
from hpt.sagemaker.request.parse import parse_request, read_request, to_request
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.trial import ObjectiveType
from tests.sagemaker.request.broken_rules import NAMES, SECOND
from tests.sagemaker.request.samples import (
    CONFIG,
    GONE,
    IMAGE,
    JOB,
    LIMITS,
    RANGES,
    channel,
    edit,
    grid,
    group,
    local,
    multi,
    single,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("print('auc=0.5')")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("1,2\n")
    return tmp_path


def refused(request: dict[str, Any], **options: Any) -> list[tuple[str, str, str, str]]:
    with pytest.raises(ValidationError) as caught:
        parse_request(request, **options)
    return [(each.code, each.path, each.rule, each.message) for each in caught.value.violations]


def test_a_service_request_in_strict_mode() -> None:
    config = parse_request(single(), strict=True)
    definition = config.definition
    assert (config.name, config.strategy, config.seed, dict(config.tags)) == ("xgb-1", "Bayesian", None, {})
    assert config.limits == ResourceLimits(20, 2, None)
    assert definition.space == SearchSpace(
        [ContinuousParameter("eta", 0.1, 0.5), IntegerParameter("max_depth", 1, 10)]
    )
    assert definition.objective == Objective("validation:auc", ObjectiveType.MAXIMIZE)
    assert definition.training_image == IMAGE
    assert definition.hyperparameters == {"num_round": "100", "eval_metric": "auc"}
    assert definition.channels == (
        Channel("train", "s3://bucket/train", "text/csv"),
        Channel("validation", "s3://bucket/validation", "text/csv"),
    )
    assert definition.output_path == "s3://bucket/output"
    assert (definition.max_runtime_seconds, definition.instance_type) == (3600, "ml.m5.large")


def test_a_built_in_brings_its_metrics_along() -> None:
    config, request, _ = read_request(single())
    own = (*ALGORITHMS[0].metric_definitions, ALGORITHMS[0].metric("train:auc"))  # eval_metric is auc
    expected = tuple(MetricDefinition(metric.name, metric.regex) for metric in own if metric is not None)
    assert config.definition.metric_definitions == expected
    echoed = request[JOB]["AlgorithmSpecification"]["MetricDefinitions"]
    assert echoed == [{"Name": metric.name, "Regex": metric.regex} for metric in expected]


def test_the_least_local_request(folder: Path) -> None:
    config, _, warnings = read_request(local(), base_dir=folder)
    definition = config.definition
    assert definition.training_image == str(folder / "train.py")
    assert definition.channels == (Channel("train", str(folder / "data" / "train.csv")),)
    assert definition.output_path is None
    assert definition.max_runtime_seconds == 86_400
    assert definition.grace_seconds == 120
    assert warnings == ()


def test_the_echo_has_every_default_and_the_texts_as_given(folder: Path) -> None:
    request = edit(local(), {f"{RANGES}.ContinuousParameterRanges[0].MinValue": "0.10"})
    echo = read_request(request, base_dir=folder).request
    assert echo[CONFIG]["ParameterRanges"] == {
        "ContinuousParameterRanges": [
            {"Name": "lr", "MinValue": "0.10", "MaxValue": "0.5", "ScalingType": "Auto"}
        ],
        "IntegerParameterRanges": [],
        "CategoricalParameterRanges": [],
    }
    assert echo[CONFIG]["TrainingJobEarlyStoppingType"] == "Off"
    assert echo[JOB]["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400}
    assert echo[JOB]["EnableManagedSpotTraining"] is False
    assert echo[JOB]["InputDataConfig"] == [
        {
            "ChannelName": "train",
            "DataSource": {
                "S3DataSource": {
                    "S3Uri": str(folder / "data" / "train.csv"),
                    "S3DataType": "S3Prefix",
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
            "InputMode": "File",
            "CompressionType": "None",
            "RecordWrapperType": "None",
        }
    ]
    assert json.loads(json.dumps(echo)) == echo


def test_the_callers_request_is_left_alone(folder: Path) -> None:
    request = local()
    parse_request(request, base_dir=folder)
    assert request == local()


PRIORITIZED = {
    "AllocationStrategy": "Prioritized",
    "InstanceConfigs": [
        {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5},
        {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5},
    ],
}
"""Instances as a tuning job may choose among: the first for which there is room."""

ROUND_TRIPS: list[dict[str, Any]] = [
    {},
    {f"{RANGES}.ContinuousParameterRanges[0].MinValue": "1.0e-1"},
    {f"{RANGES}.ContinuousParameterRanges[0].ScalingType": "Logarithmic"},
    {f"{RANGES}.CategoricalParameterRanges": [{"Name": "how", "Values": ["a", "512", ""]}]},
    {f"{CONFIG}.RandomSeed": 2**64 - 1},
    {
        f"{CONFIG}.Strategy": "Hyperband",
        f"{CONFIG}.StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 2, "MaxResource": 30}},
    },
    {f"{CONFIG}.Strategy": "Hyperband", f"{JOB}.StaticHyperParameters.epochs": "12"},
    {f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto"},
    {
        f"{CONFIG}.TuningJobCompletionCriteria": {
            "TargetObjectiveMetricValue": 0.1,
            "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 5},
            "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
        }
    },
    {f"{LIMITS}.MaxNumberOfTrainingJobs": GONE, f"{LIMITS}.MaxRuntimeInSeconds": 600},
    {"Tags": [{"Key": "team", "Value": "a"}, {"Key": "x", "Value": ""}]},
    {f"{JOB}.Environment": {"A": "1", "HPT_GRACE_SECONDS": "2.5"}},
    {f"{JOB}.CheckpointConfig": {"S3Uri": "checkpoints"}},
    {f"{JOB}.CheckpointConfig": {"S3Uri": "s3://bucket/c", "LocalPath": "/opt/ml/c"}},
    {f"{JOB}.OutputDataConfig": {"S3OutputPath": "models", "KmsKeyId": "key", "CompressionType": "GZIP"}},
    {f"{JOB}.DefinitionName": "mine"},
    {f"{JOB}.RetryStrategy": {"MaximumRetryAttempts": 30}},
    {
        f"{JOB}.EnableManagedSpotTraining": True,
        f"{JOB}.StoppingCondition": {"MaxRuntimeInSeconds": 3500, "MaxWaitTimeInSeconds": 3500},
    },
    {f"{JOB}.EnableManagedSpotTraining": True, f"{JOB}.StoppingCondition": {"MaxWaitTimeInSeconds": 90_000}},
    {f"{JOB}.RoleArn": "arn:aws:iam::123456789012:role/Tuner"},
    {f"{JOB}.VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}},
    {f"{JOB}.EnableNetworkIsolation": True},
    {f"{JOB}.ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}},
    {f"{JOB}.HyperParameterTuningResourceConfig": {"InstanceType": "local", "InstanceCount": 1}},
    {f"{JOB}.ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 5}},
    {
        f"{JOB}.ResourceConfig": {"InstanceGroups": [group("a"), group("b", 2)], "VolumeSizeInGB": 5},
        f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.InstanceGroupNames": ["b"],
    },
    {f"{JOB}.HyperParameterTuningResourceConfig": PRIORITIZED},
    {f"{JOB}.StaticHyperParameters": {"a": "1", "_tuning_objective_metric": "auc"}},
    {f"{JOB}.InputDataConfig[0].ContentType": "text/csv"},
]


@pytest.mark.parametrize("changes", ROUND_TRIPS)
def test_a_job_survives_every_way_of_writing_it_down(folder: Path, changes: dict[str, Any]) -> None:
    request = edit(local(), changes)
    config, echo, _ = read_request(request, base_dir=folder)
    assert parse_request(echo, base_dir="/") == config
    assert parse_request(to_request(config), base_dir="/") == config
    assert from_document(json.loads(json.dumps(to_document(config)))) == config


@pytest.mark.parametrize("request_", [single(), grid()])
def test_service_requests_survive_it_too(request_: dict[str, Any]) -> None:
    config, echo, _ = read_request(request_, strict=True)
    assert parse_request(echo, strict=True) == config
    assert parse_request(to_request(config), strict=True) == config


def test_to_request_writes_the_fields_not_the_memory_of_a_request(folder: Path) -> None:
    config = parse_request(local(), base_dir=folder)
    other = replace(
        config,
        name="other",
        seed=7,
        limits=ResourceLimits(9, 3, 60),
        definition=replace(
            config.definition,
            space=SearchSpace(
                [IntegerParameter("n", 1, 8, "Logarithmic"), CategoricalParameter("b", [True, 1.5])]
            ),
            grace_seconds=3.0,
            instance_type="ml.m5.large",
        ),
    )
    again = parse_request(to_request(other))
    assert (again.name, again.seed, again.limits) == ("other", 7, ResourceLimits(9, 3, 60))
    assert again.definition.grace_seconds == 3.0
    assert again.definition.instance_type == "ml.m5.large"
    assert again.definition.space == SearchSpace(
        [IntegerParameter("n", 1, 8, "Logarithmic"), CategoricalParameter("b", ["true", "1.5"])]
    )


def test_parameters_are_listed_by_kind_then_in_the_order_of_the_request(folder: Path) -> None:
    space = [
        CategoricalParameter("c", ["x"]),
        IntegerParameter("i", 1, 2),
        ContinuousParameter("b", 0, 1),
        ContinuousParameter("a", 0, 1),
    ]
    shuffled = dict(reversed(list(ranges_of(space).items())))
    config = parse_request(edit(local(), {RANGES: shuffled}), base_dir=folder)
    assert [parameter.name for parameter in config.definition.space.parameters] == ["b", "a", "i", "c"]


class TestLimits:
    """How many training jobs."""

    def test_a_grid_infers_its_size(self) -> None:
        config, echo, _ = read_request(edit(grid(), {f"{LIMITS}.MaxNumberOfTrainingJobs": GONE}))
        assert config.limits.max_jobs == 6
        assert echo[CONFIG]["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 6

    @pytest.mark.parametrize(("strict", "most"), [(True, 750), (False, 10_000)])
    def test_a_search_ended_by_time_is_capped_at_the_quota(self, strict: bool, most: int) -> None:
        changes = {f"{LIMITS}.MaxNumberOfTrainingJobs": GONE, f"{LIMITS}.MaxRuntimeInSeconds": 600}
        config, echo, _ = read_request(edit(single(), changes), strict=strict)
        assert config.limits == ResourceLimits(most, 2, 600)
        for request in (echo, to_request(config), to_request(from_document(to_document(config)))):
            assert "MaxNumberOfTrainingJobs" not in request[CONFIG]["ResourceLimits"]


class TestWarnings:
    """Said once, when the job is made."""

    def test_what_is_only_stored_is_named_in_one_warning(self) -> None:
        [warning] = read_request(single()).warnings
        assert warning == (
            "stored, but without effect on this machine: TrainingJobDefinition.RoleArn, "
            "TrainingJobDefinition.ResourceConfig.InstanceType, "
            "TrainingJobDefinition.ResourceConfig.VolumeSizeInGB"
        )

    def test_what_another_machine_makes_something_of_is_left_out(self) -> None:
        [warning] = stored_only_note(read_request(single()).request, {"InstanceType"})
        assert "RoleArn" in warning and "VolumeSizeInGB" in warning and "InstanceType" not in warning

    def test_names_that_differ_in_case_alone_share_a_variable(self) -> None:
        statics = {
            "TrainingJobDefinition.StaticHyperParameters": {"num_round": "1", "Epochs": "1", "EPOCHS": "2"}
        }
        [warning] = [each for each in read_request(edit(single(), statics)).warnings if "case" in each]
        assert "'Epochs' and 'EPOCHS'" in warning and "SM_HP_EPOCHS" in warning

    def test_a_metric_of_a_built_in_has_a_direction(self) -> None:
        path = f"{CONFIG}.HyperParameterTuningJobObjective"
        warnings = read_request(edit(single(), {f"{path}.Type": "Minimize"})).warnings
        assert (
            f"{path}.Type is Minimize, but validation:auc is better when it is larger; check the direction"
            in warnings
        )


class TestRefusals:
    """Nothing is made of a request that breaks a rule."""

    def test_shape_errors_come_together_and_alone(self) -> None:
        request = edit(local(), {f"{CONFIG}.Strategy": "Best", f"{JOB}.Environment": [], "Autotune": {}})
        found = refused(request, base_dir="/")
        assert [(rule, path) for _, path, rule, _ in found] == [
            ("shape", f"{CONFIG}.Strategy"),
            ("shape", f"{JOB}.Environment"),
            ("shape", "Autotune.Mode"),
        ]

    def test_the_first_broken_rule_comes_with_all_refusals_and_missing_files(self, folder: Path) -> None:
        request = edit(
            local(),
            {
                f"{RANGES}.ContinuousParameterRanges[0].MaxValue": "0.1",
                f"{JOB}.EnableNetworkIsolation": True,
                f"{JOB}.ResourceConfig": {"InstancePlacementConfig": {"EnableMultipleJobs": True}},
                f"{JOB}.AlgorithmSpecification.TrainingImage": "trian.py",
                f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.S3Uri": "file://data/test.csv",
            },
        )
        found = refused(request, base_dir=folder)
        assert [(rule, path) for _, path, rule, _ in found] == [
            ("V10", f"{RANGES}.ContinuousParameterRanges[0].MinValue"),
            ("unsupported", f"{JOB}.ResourceConfig.InstancePlacementConfig"),
            ("program", f"{JOB}.AlgorithmSpecification.TrainingImage"),
            ("path", f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.S3Uri"),
        ]
        assert found[2][3] == (
            f"'trian.py': trian.py does not exist; correct the path (relative ones start at the "
            f"job file); built-in algorithms are {NAMES}"
        )
        assert found[3][3] == (
            "'file://data/test.csv': file://data/test.csv does not exist; correct the path (relative "
            "ones start at the job file)"
        )

    def test_missing_files_can_be_left_unchecked(self) -> None:
        config = parse_request(local(), base_dir="/nowhere", check_paths=False)
        assert config.definition.training_image == "/nowhere/train.py"

    def test_output_that_is_a_file(self, folder: Path) -> None:
        request = edit(local(), {f"{JOB}.OutputDataConfig.S3OutputPath": "train.py"})
        [(_, path, rule, message)] = refused(request, base_dir=folder)
        assert (path, rule) == (f"{JOB}.OutputDataConfig.S3OutputPath", "path")
        assert message == "'train.py': train.py is a file; name a folder"

    def test_s3_is_asked_last_and_once_for_each_uri(self, folder: Path) -> None:
        asked: list[str] = []

        def check(uri: str) -> str | None:
            asked.append(uri)
            return "no AWS credentials were found; run: aws configure" if "train" in uri else None

        changes: dict[str, Any] = {
            f"{JOB}.InputDataConfig[0]": channel("train"),
            f"{JOB}.InputDataConfig[+]": channel("test"),
        }
        found = refused(edit(local(), changes), base_dir=folder, check_s3=check)
        assert found == [
            (
                "ValidationException",
                f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.S3Uri",
                "s3",
                "'s3://bucket/train': no AWS credentials were found; run: aws configure",
            )
        ]
        assert asked == ["s3://bucket/train", "s3://bucket/test"]
        asked.clear()
        refused(
            edit(local(), {**changes, f"{CONFIG}.Strategy": "Hyperband"}), base_dir=folder, check_s3=check
        )
        assert asked == []

    def test_ranges_beyond_what_a_space_can_hold(self, folder: Path) -> None:
        wide = [
            {"Name": "n", "MinValue": "0", "MaxValue": str(2**60)},
            {"Name": "", "MinValue": "0", "MaxValue": "1"},
        ]
        found = refused(edit(local(), {f"{RANGES}.IntegerParameterRanges": wide}), base_dir=folder)
        assert [(rule, path) for _, path, rule, _ in found] == [
            ("space", f"{RANGES}.IntegerParameterRanges[0]"),
            ("space", f"{RANGES}.IntegerParameterRanges[1]"),
        ]
        assert "2**52" in found[0][3]

    def test_strict_mode_takes_no_paths(self, folder: Path) -> None:
        rules = {path for _, path, _, _ in refused(local(), base_dir=folder, strict=True)}
        assert f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.S3Uri" in rules
        assert f"{JOB}.RoleArn" in rules


class TestSeveralDefinitions:
    @pytest.mark.parametrize("strict", [True, False])
    def test_each_is_read_with_its_own_parts(self, strict: bool) -> None:
        request = edit(
            multi(),
            {
                f"{SECOND}.HyperParameterRanges": {
                    "ContinuousParameterRanges": [{"Name": "gamma", "MinValue": "0", "MaxValue": "5"}]
                },
                f"{SECOND}.TuningObjective.MetricName": "validation:map",
                f"{SECOND}.StaticHyperParameters": {"num_round": "7"},
                f"{SECOND}.StoppingCondition.MaxRuntimeInSeconds": 60,
                f"{SECOND}.InputDataConfig": [
                    channel("train", "s3://other/train"),
                    channel("validation", "s3://other/validation"),
                ],
            },
        )
        config = parse_request(request, strict=strict)
        first, second = config.definitions
        assert config.definition is first
        assert (first.name, second.name) == ("first", "second")
        assert [each.name for each in second.space.parameters] == ["gamma"]
        assert [each.name for each in first.space.parameters] == ["eta", "max_depth"]
        assert second.objective == Objective("validation:map", ObjectiveType.MAXIMIZE)
        assert (second.hyperparameters, second.max_runtime_seconds) == ({"num_round": "7"}, 60)
        assert [each.uri for each in second.channels] == ["s3://other/train", "s3://other/validation"]
        assert first.hyperparameters["eval_metric"] == "auc"
        assert "validation:auc" in {metric.name for metric in second.metric_definitions}
        assert config.definition_of("second") is second
        assert list(config.space) == ["first", "second"]

    def test_it_is_written_and_stored_as_it_was_read(self) -> None:
        config, echo, _ = read_request(multi(), strict=True)
        assert parse_request(to_request(config), strict=True) == config
        assert parse_request(echo, strict=True) == config
        assert from_document(json.loads(json.dumps(to_document(config)))) == config
        assert parse_request(to_request(config)).definitions[1].space == config.definitions[1].space

    def test_the_grid_is_the_sum_of_the_products(self) -> None:
        values = [{"Name": "max_depth", "Values": ["3", "6", "9"]}]
        request = edit(
            multi(),
            {
                f"{CONFIG}.Strategy": "Grid",
                "TrainingJobDefinitions[0].HyperParameterRanges": {
                    "CategoricalParameterRanges": [*values, {"Name": "eta", "Values": ["0.1", "0.2"]}]
                },
                f"{SECOND}.HyperParameterRanges": {"CategoricalParameterRanges": values},
                f"{LIMITS}.MaxNumberOfTrainingJobs": GONE,
            },
        )
        assert parse_request(request).limits.max_jobs == 9
        [(_, _, rule, message)] = refused(edit(request, {f"{LIMITS}.MaxNumberOfTrainingJobs": 6}))
        assert rule == "V15"
        assert "9 combinations" in message

    def test_hyperband_takes_the_largest_number_of_epochs(self) -> None:
        request = edit(
            multi(),
            {
                f"{CONFIG}.Strategy": "Hyperband",
                "TrainingJobDefinitions[0].StaticHyperParameters.epochs": "27",
                f"{SECOND}.StaticHyperParameters.epochs": "81",
            },
        )
        config = parse_request(request)
        assert config.hyperband is not None
        assert (config.hyperband.min_resource, config.hyperband.max_resource) == (1, 81)

    def test_early_stopping_is_refused_as_the_service_does_unless_extended(self) -> None:
        request = edit(multi(), {f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto"})
        [(_, _, rule, _)] = refused(request)
        assert rule == "V27"
        config = parse_request(request, extended=True)
        assert config.early_stopping is not None
        assert from_document(to_document(config)) == config

    def test_a_space_without_ranges_is_refused(self) -> None:
        [(_, path, _, _)] = refused(edit(multi(), {f"{SECOND}.HyperParameterRanges": {}}))
        assert path == f"{SECOND}.HyperParameterRanges"


def test_a_config_made_by_hand_is_written_as_a_request(folder: Path) -> None:
    config = parse_request(local(), base_dir=folder)
    by_hand = JobConfig(config.name, config.strategy, config.definition, config.limits)
    assert parse_request(to_request(by_hand)) == parse_request(
        edit(local(), {f"{RANGES}.ContinuousParameterRanges[0].MinValue": "0.1"}), base_dir=folder
    )


def test_a_metric_may_have_several_patterns_each_once() -> None:
    request = edit(single(), {"TrainingJobDefinition.AlgorithmSpecification.TrainingImage": "train.py"})
    step = [{"Name": "step_time", "Regex": rf"- ([0-9.]+){unit}/step"} for unit in ("ms", "s", "ms")]
    metrics = [{"Name": "validation:auc", "Regex": r"auc=(\S+)"}, *step]
    request = edit(request, {"TrainingJobDefinition.AlgorithmSpecification.MetricDefinitions": metrics})
    config = parse_request(request, base_dir=Path("/"), check_paths=False)
    assert config.definition.metric_definitions == tuple(
        MetricDefinition(each["Name"], each["Regex"]) for each in metrics[:3]
    )
    assert from_document(to_document(config)) == config


def test_of_prioritised_choices_the_first_counts_and_all_are_kept(folder: Path) -> None:
    request = edit(local(), {f"{JOB}.HyperParameterTuningResourceConfig": PRIORITIZED})
    config, echo, _ = read_request(request, base_dir=folder)
    assert (config.definition.instance_type, config.definition.instance_count) == ("ml.m5.large", 2)
    assert echo[JOB]["HyperParameterTuningResourceConfig"] == PRIORITIZED


def test_the_instances_of_groups_add_up(folder: Path) -> None:
    groups = [group("a"), group("b", 2)]
    config = parse_request(
        edit(local(), {f"{JOB}.ResourceConfig": {"InstanceGroups": groups, "VolumeSizeInGB": 5}}),
        base_dir=folder,
    )
    assert config.definition.instance_count == 3
    assert [(each.name, each.count) for each in config.definition.instance_groups] == [("a", 1), ("b", 2)]


def test_instances_of_a_built_in_algorithm_get_a_note(folder: Path) -> None:
    _, _, notes = read_request(edit(single(), {f"{JOB}.ResourceConfig.InstanceCount": 2}), strict=True)
    [note] = [each for each in notes if "has no effect, since xgboost" in each]
    assert note.startswith(
        f"{JOB}.ResourceConfig.InstanceCount has no effect, since xgboost runs as one process"
    )
