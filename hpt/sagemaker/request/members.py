"""The support of every member of a CreateHyperParameterTuningJob request: one table, one row for each member.

honoured: it works as the service documents. stored: it is stored and echoed, and has no effect here; one
warning names all such members of a request. refused: it is not supported yet, and never silently ignored.

A row may be restricted to some values; a member of a `refused` row may still be given empty, because then it
has no effect. A member below a refused one needs no row. Paths are spelt as in `shapes.members`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hpt.errors import Violation
from hpt.job.channel_rules import DATA_TYPES
from hpt.sagemaker.request.relaxations import REPEATS
from hpt.sagemaker.request.shapes import CODE, show

RULE = "unsupported"
_CONFIG = "HyperParameterTuningJobConfig"
_DEFINITION = "TrainingJobDefinition"
_DEFINITIONS = "TrainingJobDefinitions[]"


@dataclass(frozen=True, slots=True)
class Row:
    """status: the support of the member. only: the values that are honoured; `fix` is about all others.

    quiet: values of a stored member that have no effect anyway and cause no warning. fix: the fix for a
    refusal. whole: what is below it needs no rows.
    """

    status: Literal["honoured", "stored", "refused"]
    only: tuple[object, ...] = ()
    quiet: tuple[object, ...] = ()
    fix: str = ""
    whole: bool = False


HONOURED = Row("honoured")
STORED = Row("stored")
FLAG = Row("stored", quiet=(False,))


def _only(*values: object, fix: str) -> Row:
    return Row("honoured", only=values, fix=fix)


def _refused(fix: str) -> Row:
    return Row("refused", fix=fix)


_LEAVE_OUT = "leave it out"
_S3_PREFIX = "name a folder or file with S3DataType S3Prefix"
_SINGLE = "it belongs to TrainingJobDefinitions; give it under HyperParameterTuningJobConfig"


def _rows(prefix: str, rows: Mapping[str, Row]) -> Iterator[tuple[str, Row]]:
    for member, row in rows.items():
        yield f"{prefix}.{member}" if member else prefix, row


_RANGES = {
    "": HONOURED,
    **{
        f"{kind}{member}": HONOURED
        for kind in ("IntegerParameterRanges", "ContinuousParameterRanges")
        for member in ("", "[].Name", "[].MinValue", "[].MaxValue", "[].ScalingType")
    },
    **{f"CategoricalParameterRanges{member}": HONOURED for member in ("", "[].Name", "[].Values")},
    **{f"AutoParameters{member}": HONOURED for member in ("", "[].Name", "[].ValueHint")},
}

_TUNING = {
    "": HONOURED,
    "Strategy": HONOURED,
    "StrategyConfig": HONOURED,
    "StrategyConfig.HyperbandStrategyConfig": HONOURED,
    "StrategyConfig.HyperbandStrategyConfig.MinResource": HONOURED,
    "StrategyConfig.HyperbandStrategyConfig.MaxResource": HONOURED,
    "HyperParameterTuningJobObjective": HONOURED,
    "HyperParameterTuningJobObjective.Type": HONOURED,
    "HyperParameterTuningJobObjective.MetricName": HONOURED,
    "ResourceLimits": HONOURED,
    "ResourceLimits.MaxNumberOfTrainingJobs": HONOURED,
    "ResourceLimits.MaxParallelTrainingJobs": HONOURED,
    "ResourceLimits.MaxRuntimeInSeconds": HONOURED,
    "TrainingJobEarlyStoppingType": HONOURED,
    "TuningJobCompletionCriteria": HONOURED,
    "TuningJobCompletionCriteria.TargetObjectiveMetricValue": HONOURED,
    "TuningJobCompletionCriteria.BestObjectiveNotImproving": HONOURED,
    "TuningJobCompletionCriteria.BestObjectiveNotImproving.MaxNumberOfTrainingJobsNotImproving": HONOURED,
    "TuningJobCompletionCriteria.ConvergenceDetected": HONOURED,
    "TuningJobCompletionCriteria.ConvergenceDetected.CompleteOnConvergence": HONOURED,
    "RandomSeed": HONOURED,
    REPEATS: HONOURED,
}

_CHANNEL = {
    "": HONOURED,
    "[].ChannelName": HONOURED,
    "[].DataSource": HONOURED,
    "[].DataSource.S3DataSource": HONOURED,
    "[].DataSource.S3DataSource.S3DataType": _only(*DATA_TYPES, fix=_S3_PREFIX),
    "[].DataSource.S3DataSource.S3Uri": HONOURED,
    "[].DataSource.S3DataSource.S3DataDistributionType": HONOURED,
    "[].DataSource.S3DataSource.AttributeNames": HONOURED,
    "[].DataSource.S3DataSource.InstanceGroupNames": HONOURED,
    "[].DataSource.S3DataSource.ModelAccessConfig": _refused(_S3_PREFIX),
    "[].DataSource.S3DataSource.HubAccessConfig": _refused(_S3_PREFIX),
    "[].DataSource.FileSystemDataSource": HONOURED,
    "[].DataSource.FileSystemDataSource.FileSystemId": STORED,
    "[].DataSource.FileSystemDataSource.FileSystemAccessMode": STORED,
    "[].DataSource.FileSystemDataSource.FileSystemType": STORED,
    "[].DataSource.FileSystemDataSource.DirectoryPath": HONOURED,
    "[].DataSource.DatasetSource": _refused("copy the data set and give its place as S3DataSource"),
    "[].ContentType": HONOURED,
    "[].CompressionType": HONOURED,
    "[].RecordWrapperType": HONOURED,
    "[].InputMode": HONOURED,
    "[].ShuffleConfig": HONOURED,
    "[].ShuffleConfig.Seed": HONOURED,
}

_RESOURCES = {
    "": HONOURED,
    "InstanceType": STORED,
    "InstanceCount": HONOURED,
    "VolumeSizeInGB": STORED,
    "VolumeKmsKeyId": Row("stored", quiet=("",)),
    "KeepAlivePeriodInSeconds": Row("stored", quiet=(0,)),
    "InstanceGroups": HONOURED,
    "InstanceGroups[].InstanceType": HONOURED,
    "InstanceGroups[].InstanceCount": HONOURED,
    "InstanceGroups[].InstanceGroupName": HONOURED,
    "TrainingPlanArn": STORED,
    "InstancePlacementConfig": _refused(_LEAVE_OUT),
    "InstancePreferences": _refused("give InstanceType and InstanceCount"),
    "SelectedInstanceType": _refused("it is for replies only; leave it out"),
    "SelectedInstanceCount": _refused("it is for replies only; leave it out"),
}

_JOB = {
    "DefinitionName": HONOURED,
    "StaticHyperParameters": HONOURED,
    "AlgorithmSpecification": HONOURED,
    "AlgorithmSpecification.TrainingImage": HONOURED,
    "AlgorithmSpecification.TrainingInputMode": HONOURED,
    "AlgorithmSpecification.AlgorithmName": _refused(
        "give TrainingImage: a built-in algorithm or a local program"
    ),
    "AlgorithmSpecification.MetricDefinitions": HONOURED,
    "AlgorithmSpecification.MetricDefinitions[].Name": HONOURED,
    "AlgorithmSpecification.MetricDefinitions[].Regex": HONOURED,
    "RoleArn": STORED,
    "VpcConfig": STORED,
    "VpcConfig.SecurityGroupIds": STORED,
    "VpcConfig.Subnets": STORED,
    "OutputDataConfig": HONOURED,
    "OutputDataConfig.S3OutputPath": HONOURED,
    "OutputDataConfig.KmsKeyId": Row("stored", quiet=("",)),
    "OutputDataConfig.CompressionType": HONOURED,
    "StoppingCondition": HONOURED,
    "StoppingCondition.MaxRuntimeInSeconds": HONOURED,
    "StoppingCondition.MaxWaitTimeInSeconds": HONOURED,
    "StoppingCondition.MaxPendingTimeInSeconds": STORED,
    "EnableNetworkIsolation": FLAG,
    "EnableInterContainerTrafficEncryption": FLAG,
    "EnableManagedSpotTraining": HONOURED,
    "CheckpointConfig": HONOURED,
    "CheckpointConfig.S3Uri": HONOURED,
    "CheckpointConfig.LocalPath": HONOURED,
    "RetryStrategy": HONOURED,
    "RetryStrategy.MaximumRetryAttempts": HONOURED,
    "Environment": HONOURED,
}

_TUNING_RESOURCES = {
    "": HONOURED,
    "InstanceType": STORED,
    "InstanceCount": HONOURED,
    "VolumeSizeInGB": STORED,
    "VolumeKmsKeyId": Row("stored", quiet=("",)),
    "AllocationStrategy": HONOURED,
    "InstanceConfigs": HONOURED,
    "InstanceConfigs[].InstanceType": STORED,
    "InstanceConfigs[].InstanceCount": HONOURED,
    "InstanceConfigs[].VolumeSizeInGB": STORED,
}


def _definition_rows(prefix: str) -> dict[str, Row]:
    """The rows of the members that a definition has in either form."""
    return {
        **dict(_rows(prefix, _JOB)),
        **{f"{prefix}.InputDataConfig{member}": row for member, row in _CHANNEL.items()},
        **dict(_rows(f"{prefix}.ResourceConfig", _RESOURCES)),
        **dict(_rows(f"{prefix}.HyperParameterTuningResourceConfig", _TUNING_RESOURCES)),
    }


TABLE: Mapping[str, Row] = {
    "HyperParameterTuningJobName": HONOURED,
    **dict(_rows(_CONFIG, _TUNING)),
    **dict(_rows(f"{_CONFIG}.ParameterRanges", _RANGES)),
    _DEFINITION: HONOURED,
    **_definition_rows(_DEFINITION),
    f"{_DEFINITION}.TuningObjective": _refused(_SINGLE),
    f"{_DEFINITION}.HyperParameterRanges": _refused(_SINGLE),
    "TrainingJobDefinitions": HONOURED,
    **_definition_rows(_DEFINITIONS),
    f"{_DEFINITIONS}.TuningObjective": HONOURED,
    f"{_DEFINITIONS}.TuningObjective.Type": HONOURED,
    f"{_DEFINITIONS}.TuningObjective.MetricName": HONOURED,
    **dict(_rows(f"{_DEFINITIONS}.HyperParameterRanges", _RANGES)),
    "WarmStartConfig": HONOURED,
    "WarmStartConfig.ParentHyperParameterTuningJobs": HONOURED,
    "WarmStartConfig.ParentHyperParameterTuningJobs[].HyperParameterTuningJobName": HONOURED,
    "WarmStartConfig.WarmStartType": HONOURED,
    "Tags": HONOURED,
    "Tags[].Key": HONOURED,
    "Tags[].Value": HONOURED,
    "Autotune": HONOURED,
    "Autotune.Mode": HONOURED,
}
"""Every member of the request, by path."""

_KEPT_WHOLE = Row("stored", quiet=({}, []), whole=True)

TRAINING_TABLE: Mapping[str, Row] = {
    **{
        path.removeprefix(f"{_DEFINITION}."): row
        for path, row in _definition_rows(_DEFINITION).items()
        if not path.startswith((f"{_DEFINITION}.HyperParameterTuning", f"{_DEFINITION}.Static"))
        and path
        not in (f"{_DEFINITION}.DefinitionName", f"{_DEFINITION}.AlgorithmSpecification.AlgorithmName")
    },
    "TrainingJobName": HONOURED,
    "HyperParameters": HONOURED,
    **dict.fromkeys(("Tags", "Tags[].Key", "Tags[].Value"), HONOURED),
    "AlgorithmSpecification.AlgorithmName": TABLE[f"{_DEFINITION}.AlgorithmSpecification.AlgorithmName"],
    "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries": Row("stored", quiet=(True, False)),
    "AlgorithmSpecification.ContainerEntrypoint": HONOURED,
    "AlgorithmSpecification.ContainerArguments": HONOURED,
    "AlgorithmSpecification.TrainingImageConfig": _KEPT_WHOLE,
    "ServerlessJobConfig": _refused("give AlgorithmSpecification and ResourceConfig"),
    "ModelPackageConfig": _refused(_LEAVE_OUT),
    **dict.fromkeys(
        (
            *("DebugHookConfig", "DebugRuleConfigurations", "TensorBoardOutputConfig", "ExperimentConfig"),
            *("ProfilerConfig", "ProfilerRuleConfigurations", "RemoteDebugConfig", "InfraCheckConfig"),
            *("SessionChainingConfig", "MlflowConfig"),
        ),
        _KEPT_WHOLE,
    ),
}
"""Every member of CreateTrainingJob, by path."""

NEWER_THAN_OLDEST_BOTOCORE = frozenset(
    f"{prefix}.{member}"
    for prefix in (_DEFINITION, _DEFINITIONS)
    for member in (
        "InputDataConfig[].DataSource.DatasetSource",
        "InputDataConfig[].DataSource.S3DataSource.HubAccessConfig",
        "InputDataConfig[].DataSource.S3DataSource.ModelAccessConfig",
        "ResourceConfig.InstancePlacementConfig",
        "ResourceConfig.InstancePreferences",
        "ResourceConfig.SelectedInstanceCount",
        "ResourceConfig.SelectedInstanceType",
        "ResourceConfig.TrainingPlanArn",
    )
)
"""Rows of members that the oldest supported botocore does not know."""


def unsupported(request: Mapping[str, Any], table: Mapping[str, Row] = TABLE) -> tuple[Violation, ...]:
    """One violation for each part of the request that its row refuses, or that has no row."""
    return tuple(
        Violation(CODE, path, RULE, message)
        for path, generic, value in _present(request, table)
        if (message := _refusal(table.get(generic), value))
    )


def stored_only(request: Mapping[str, Any], table: Mapping[str, Row] = TABLE) -> tuple[str, ...]:
    """The paths of members that are stored but have no effect here, outermost only."""
    paths: list[str] = []
    for path, generic, value in _present(request, table):
        row = table.get(generic)
        if row is None or row.status != "stored" or value in row.quiet:
            continue
        if not any(path.startswith(f"{outer}.") for outer in paths):
            paths.append(path)
    return tuple(paths)


def _present(value: Mapping[str, Any], table: Mapping[str, Row]) -> Iterator[tuple[str, str, Any]]:
    """(path, path as in the table, value) of every given member, without those inside refused ones."""

    def below(value: Any, path: str, generic: str) -> Iterator[tuple[str, str, Any]]:
        entries: Iterable[tuple[str, str, Any]]
        if isinstance(value, list):
            for i, inner in enumerate(value):
                yield from below(inner, f"{path}[{i}]", f"{generic}[]")
            return
        if not isinstance(value, Mapping) or generic in _MAPS:
            return
        dot = "." if path else ""
        entries = ((f"{path}{dot}{key}", f"{generic}{dot}{key}", inner) for key, inner in value.items())
        for inner_path, inner_generic, inner in entries:
            yield inner_path, inner_generic, inner
            row = table.get(inner_generic)
            if row is not None and row.status != "refused" and not row.whole:
                yield from below(inner, inner_path, inner_generic)

    yield from below(value, "", "")


_MAPS = frozenset(
    f"{prefix}.{member}"
    for prefix in (_DEFINITION, _DEFINITIONS)
    for member in ("StaticHyperParameters", "Environment")
) | {"HyperParameters", "Environment"}


def _refusal(row: Row | None, value: object) -> str:
    """The message for a member with that value, "" if it is supported."""
    if row is None:
        return "is not known to this version of hpt, which must not ignore it; leave it out"
    if row.status == "refused":
        return "" if value in ({}, []) else f"is not supported yet; {row.fix}"
    if row.only and value not in row.only:
        return f"{show(value)} is not supported yet; {row.fix}"
    return ""
