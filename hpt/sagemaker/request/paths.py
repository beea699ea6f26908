"""The members of a request that stand for the parts of a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hpt.job.naming import Place
from hpt.sagemaker.request.relaxations import REPEATS

if TYPE_CHECKING:
    from hpt.sagemaker.request.facts import Facts

_CONFIG = "HyperParameterTuningJobConfig"
_HYPERBAND = f"{_CONFIG}.StrategyConfig.HyperbandStrategyConfig"
_JOB = {
    "name": "HyperParameterTuningJobName",
    "strategy": f"{_CONFIG}.Strategy",
    "max_jobs": f"{_CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs",
    "max_parallel_jobs": f"{_CONFIG}.ResourceLimits.MaxParallelTrainingJobs",
    "max_runtime_seconds": f"{_CONFIG}.ResourceLimits.MaxRuntimeInSeconds",
    "hyperband": _HYPERBAND,
    "min_resource": f"{_HYPERBAND}.MinResource",
    "max_resource": f"{_HYPERBAND}.MaxResource",
    "repeats": f"{_CONFIG}.{REPEATS}",
    "early_stopping": f"{_CONFIG}.TrainingJobEarlyStoppingType",
    "warm_start": "WarmStartConfig",
    "parents": "WarmStartConfig.ParentHyperParameterTuningJobs",
}
_METRICS = "AlgorithmSpecification.MetricDefinitions"
_DEFINITION = {
    "definition_name": "DefinitionName",
    "training_image": "AlgorithmSpecification.TrainingImage",
    "metric_definitions": _METRICS,
    "metric_name": f"{_METRICS}[{{}}].Name",
    "metric_regex": f"{_METRICS}[{{}}].Regex",
    "hyperparameters": "StaticHyperParameters",
    "environment": "Environment",
    "channels": "InputDataConfig[{}].DataSource.S3DataSource.S3Uri",
    "input_data": "InputDataConfig",
    "channel_name": "InputDataConfig[{}].ChannelName",
    "content_type": "InputDataConfig[{}].ContentType",
    "compression": "InputDataConfig[{}].CompressionType",
    "instance_group_names": "InputDataConfig[{}].DataSource.S3DataSource.InstanceGroupNames",
    "instance_groups": "ResourceConfig.InstanceGroups",
    "instance_group": "ResourceConfig.InstanceGroups[{}].InstanceCount",
    "instance_group_name": "ResourceConfig.InstanceGroups[{}].InstanceGroupName",
    "input_mode": "InputDataConfig[{}].InputMode",
    "record_wrapper": "InputDataConfig[{}].RecordWrapperType",
    "distribution": "InputDataConfig[{}].DataSource.S3DataSource.S3DataDistributionType",
    "data_type": "InputDataConfig[{}].DataSource.S3DataSource.S3DataType",
    "attribute_names": "InputDataConfig[{}].DataSource.S3DataSource.AttributeNames",
    "output_path": "OutputDataConfig.S3OutputPath",
    "checkpoint_uri": "CheckpointConfig.S3Uri",
    "checkpoint_local_path": "CheckpointConfig.LocalPath",
    "max_runtime_seconds": "StoppingCondition.MaxRuntimeInSeconds",
    "max_wait_seconds": "StoppingCondition.MaxWaitTimeInSeconds",
}
_KEYED = ("hyperparameters", "environment")
"""Members that are maps."""

_NAMES = {
    "hyperparameters": "StaticHyperParameters",
    "max_runtime_seconds": "MaxRuntimeInSeconds",
    "definition.max_runtime_seconds": "MaxRuntimeInSeconds",
    "max_resource": "MaxResource",
    "spot": "EnableManagedSpotTraining",
    "metric_regex": "Regex",
    "definition": "TrainingJobDefinition",
    "definitions": "TrainingJobDefinitions",
    "stops_early": "'Auto'",
    "stop_late": "use Off",
}


def _instance_count(body: Mapping[str, Any]) -> str:
    """The member with the number of instances that counts."""
    if "ResourceConfig" in body or "HyperParameterTuningResourceConfig" not in body:
        grouped = body.get("ResourceConfig", {}).get("InstanceGroups")
        return "ResourceConfig.InstanceGroups" if grouped else "ResourceConfig.InstanceCount"
    several = "InstanceConfigs" in body["HyperParameterTuningResourceConfig"]
    first = "InstanceConfigs[0]." if several else ""
    return f"HyperParameterTuningResourceConfig.{first}InstanceCount"


class RequestNaming:
    """The paths and members of one request."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._definitions = facts.definitions

    def path(self, place: Place) -> str:
        if place.definition is None:
            return _JOB[place.field]
        definition = self._definitions[place.definition]
        match place.field:
            case "objective":
                return f"{definition.objective_path}.MetricName"
            case "direction":
                return f"{definition.objective_path}.Type"
            case "space":
                return definition.ranges_path
            case "instance_count":
                return f"{definition.path}.{_instance_count(definition.body)}"
            case "channels" if place.at is not None:
                channel = definition.body["InputDataConfig"][place.at]
                if "S3DataSource" not in channel["DataSource"]:
                    path = f"{definition.path}.InputDataConfig[{place.at}].DataSource"
                    return f"{path}.FileSystemDataSource.DirectoryPath"
            case "range" | "range_name":
                assert place.at is not None
                path = definition.ranges[place.at].path
                return path if place.field == "range" else f"{path}.Name"
        path = f"{definition.path}.{_DEFINITION[place.field].format(place.at)}"
        return f"{path}.{place.key}" if place.field in _KEYED and place.key is not None else path

    def name(self, field: str) -> str:
        return _NAMES[field]

    def metric_fix(self, definition: int, metric: str) -> str:
        alternative = (
            f" (regex= in Python), or its Name alone (metrics={{{metric!r}: None}}) if the program calls "
            "hpt.report"
        )
        return (
            f"add its Name and Regex to {self._definitions[definition].path}.{_METRICS}"
            f"{alternative if self._facts.paths else ''}"
        )
