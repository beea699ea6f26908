"""The job that a request describes, as a draft for the rules of all jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hpt.job.completion import CompletionCriteria
from hpt.job.config import DEFAULT_CHECKPOINT_PATH, early_stopping_of
from hpt.job.draft import (
    Draft,
    DraftChannel,
    DraftDefinition,
    DraftGroup,
    DraftMetric,
    DraftRange,
    DraftWarmStart,
)
from hpt.sagemaker.request.relaxations import REPEATS

if TYPE_CHECKING:
    from hpt.sagemaker.request.facts import Definition, Facts


def draft_of_request(facts: Facts) -> Draft:
    """The draft of a request with valid shapes, without its parameters, see `convert`."""
    request, config, limits = facts.request, facts.config, facts.resource_limits
    return Draft(
        name=request["HyperParameterTuningJobName"],
        strategy=facts.strategy,
        definitions=tuple(_definition(facts, each) for each in facts.definitions),
        multi=facts.is_multi,
        max_jobs=limits.get("MaxNumberOfTrainingJobs"),
        max_parallel_jobs=limits["MaxParallelTrainingJobs"],
        max_runtime_seconds=limits.get("MaxRuntimeInSeconds"),
        seed=config.get("RandomSeed"),
        tags={tag["Key"]: tag["Value"] for tag in request.get("Tags", ())},
        min_resource=facts.hyperband.get("MinResource"),
        max_resource=facts.hyperband.get("MaxResource"),
        random_proposals=facts.random_proposals,
        repeats=config.get(REPEATS, False),
        resources="HyperbandStrategyConfig" in config.get("StrategyConfig", {}),
        early_stopping=early_stopping_of(config.get("TrainingJobEarlyStoppingType", "Off")),
        completion=_completion(config.get("TuningJobCompletionCriteria", {})),
        warm_start=_warm_start(request.get("WarmStartConfig")),
        autotune=facts.is_auto,
        limits=facts.limits,
        paths=facts.paths,
    )


def _warm_start(given: Mapping[str, Any] | None) -> DraftWarmStart | None:
    if given is None:
        return None
    listed = given["ParentHyperParameterTuningJobs"]
    parents = tuple(each.get("HyperParameterTuningJobName", "") for each in listed)
    return DraftWarmStart(parents, given["WarmStartType"])


def _completion(criteria: Mapping[str, Any]) -> CompletionCriteria:
    convergence = criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence")
    return CompletionCriteria(
        target=criteria.get("TargetObjectiveMetricValue"),
        max_not_improving=criteria.get("BestObjectiveNotImproving", {}).get(
            "MaxNumberOfTrainingJobsNotImproving"
        ),
        complete_on_convergence=None if convergence is None else convergence == "Enabled",
    )


def _definition(facts: Facts, definition: Definition) -> DraftDefinition:
    body = definition.body
    resources = _resources(body)
    groups = tuple(
        DraftGroup(
            each.get("InstanceGroupName", ""), each.get("InstanceType", ""), each.get("InstanceCount", 0)
        )
        for each in resources.get("InstanceGroups", ())
    )
    checkpoints = body.get("CheckpointConfig", {})
    condition = body.get("StoppingCondition", {})
    mode = body["AlgorithmSpecification"].get("TrainingInputMode", "File")
    return DraftDefinition(
        training_image=definition.image,
        objective=definition.objective.get("MetricName"),
        direction=definition.objective.get("Type"),
        ranges=tuple(DraftRange(each.kind, each.name, each.size) for each in definition.ranges),
        program=facts.program(definition),
        name=body.get("DefinitionName"),
        hyperparameters=definition.statics,
        metrics=tuple(DraftMetric(each["Name"], each.get("Regex")) for each in definition.metrics),
        channels=tuple(_channel(each, mode) for each in body.get("InputDataConfig", ())),
        environment=body.get("Environment", {}),
        output_path=body.get("OutputDataConfig", {}).get("S3OutputPath"),
        output_compression=body.get("OutputDataConfig", {}).get("CompressionType", "GZIP"),
        checkpoint_uri=checkpoints.get("S3Uri"),
        checkpoint_local_path=checkpoints.get("LocalPath", DEFAULT_CHECKPOINT_PATH),
        max_runtime_seconds=condition.get("MaxRuntimeInSeconds"),
        max_wait_seconds=condition.get("MaxWaitTimeInSeconds"),
        spot=body.get("EnableManagedSpotTraining", False),
        retry_attempts=body.get("RetryStrategy", {}).get("MaximumRetryAttempts"),
        instance_type=groups[0].instance_type if groups else resources.get("InstanceType", "local"),
        instance_count=sum(each.count for each in groups) if groups else resources.get("InstanceCount", 1),
        instance_groups=groups,
    )


def _resources(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The resources that count: of several choices the first, as this machine always has room for it."""
    if "ResourceConfig" in body:
        plain: Mapping[str, Any] = body["ResourceConfig"]
        return plain
    choices: Mapping[str, Any] = body.get("HyperParameterTuningResourceConfig", {})
    return next(iter(choices.get("InstanceConfigs", ())), choices)


def _channel(channel: Mapping[str, Any], mode: str) -> DraftChannel:
    source = channel["DataSource"].get("S3DataSource", {})
    mounted = channel["DataSource"].get("FileSystemDataSource", {})  # here: a directory of this machine
    return DraftChannel(
        name=channel["ChannelName"],
        uri=source.get("S3Uri", mounted.get("DirectoryPath")),
        content_type=channel.get("ContentType"),
        compression=channel.get("CompressionType", "None"),
        input_mode=channel.get("InputMode", mode),
        record_wrapper=channel.get("RecordWrapperType", "None"),
        distribution=source.get("S3DataDistributionType", "FullyReplicated"),
        data_type=source.get("S3DataType", "S3Prefix"),
        attribute_names=tuple(source.get("AttributeNames", ())),
        shuffle_seed=channel.get("ShuffleConfig", {}).get("Seed"),
        instance_group_names=tuple(source.get("InstanceGroupNames", ())),
    )
