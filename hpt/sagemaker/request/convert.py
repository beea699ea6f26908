"""Conversion between valid requests and `JobConfig`.

`fill_in` adds the defaults to a request, so the request that Describe echoes gives the same job when it is
submitted again, from any directory. `to_request` makes a request for a job that was described otherwise.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from hpt.errors import InputError, ValidationError, Violation
from hpt.job.complete import complete
from hpt.job.completion import CompletionCriteria
from hpt.job.config import (
    DEFAULT_RETRY_ATTEMPTS,
    GRACE_VARIABLE,
    Channel,
    JobConfig,
    TrainingJobDefinition,
    early_stopping_word,
    read_grace,
)
from hpt.job.draft import KINDS, RANDOM_HYPERBAND, kind_of
from hpt.job.isolation import CONTAINERS_VARIABLE, read_containers
from hpt.job.resources import read_resources
from hpt.job.search_parameters import check_for_jobs
from hpt.job.warm_start import WarmStart
from hpt.sagemaker.request.facts import CONFIG, Facts, Range
from hpt.sagemaker.request.members import Row, stored_only
from hpt.sagemaker.request.relaxations import LOCAL_ROLE, REPEATS
from hpt.sagemaker.request.shapes import CODE
from hpt.search.space import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
    Parameter,
    SearchSpace,
    value_string,
)

_DEFINITION, _DEFINITIONS = "TrainingJobDefinition", "TrainingJobDefinitions"


def fill_in(facts: Facts, config: JobConfig) -> dict[str, Any]:
    """The request of `config` as JSON data, with every default filled in and every local path absolute.

    Members without a default stay out: the seed, limits that are not set, and the output path. So does a
    `MaxResource` read from the epochs: if given, it would stop training jobs that reach it.
    """
    request = copy.deepcopy(dict(facts.request))
    tuning = request[CONFIG]
    tuning.setdefault("TrainingJobEarlyStoppingType", _early_stopping(config))
    if config.hyperband is not None:
        resources = {"MinResource": config.hyperband.min_resource, **facts.hyperband}
        tuning["StrategyConfig"] = {"HyperbandStrategyConfig": resources}
    if not config.limits.max_jobs_is_quota:
        tuning["ResourceLimits"].setdefault("MaxNumberOfTrainingJobs", config.limits.max_jobs)
    for definition, body in zip(config.all_definitions, bodies(request), strict=True):
        _fill_ranges(body["HyperParameterRanges"] if facts.is_multi else tuning["ParameterRanges"])
        fill_definition(body, definition)
    return request


def _strategy(config: JobConfig) -> str:
    random = config.hyperband is not None and not config.hyperband.model_based
    return RANDOM_HYPERBAND if random else config.strategy


def bodies(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All definitions of a request."""
    definitions: list[dict[str, Any]] = request.get(_DEFINITIONS, [])
    return definitions or [request[_DEFINITION]]


def _fill_ranges(ranges: dict[str, Any]) -> None:
    for kind in KINDS:
        for declared in ranges.setdefault(f"{kind}ParameterRanges", []):
            if kind != "Categorical":
                declared.setdefault("ScalingType", "Auto")


def fill_definition(body: dict[str, Any], definition: TrainingJobDefinition) -> None:
    """Fill the defaults of a definition into its request."""
    body["StaticHyperParameters"] = dict(definition.hyperparameters)
    body.setdefault("RoleArn", LOCAL_ROLE)
    specification = body["AlgorithmSpecification"]
    specification.setdefault("TrainingInputMode", "File")
    specification["MetricDefinitions"] = _metrics(definition)
    specification["TrainingImage"] = definition.training_image
    for channel, read in zip(body.get("InputDataConfig", ()), definition.channels, strict=True):
        if "S3DataSource" in channel["DataSource"]:
            source = channel["DataSource"]["S3DataSource"]
            source.setdefault("S3DataType", read.data_type)
            source.setdefault("S3DataDistributionType", read.distribution)
            source["S3Uri"] = read.uri
        channel.setdefault("InputMode", read.input_mode)
        channel.setdefault("CompressionType", read.compression)
        channel.setdefault("RecordWrapperType", read.record_wrapper)
    output = body.get("OutputDataConfig", {})
    if definition.output_path is not None:
        output["S3OutputPath"] = definition.output_path
        output.setdefault("CompressionType", definition.output_compression)
    body.setdefault("StoppingCondition", {}).setdefault("MaxRuntimeInSeconds", definition.max_runtime_seconds)
    for flag in ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption"):
        body.setdefault(flag, False)
    body.setdefault("EnableManagedSpotTraining", definition.spot)
    if "CheckpointConfig" in body:
        body["CheckpointConfig"]["S3Uri"] = definition.checkpoint_uri
        body["CheckpointConfig"].setdefault("LocalPath", definition.checkpoint_local_path)


def to_config(facts: Facts, base_dir: str, home: str) -> JobConfig:
    """The job that a valid request describes.

    Raises:
        ValidationError: a range is not allowed in a search space.
    """
    draft = facts.draft
    definitions = tuple(
        replace(each, parameters=_space(given.ranges, given.ranges_path).parameters)
        for each, given in zip(draft.definitions, facts.definitions, strict=True)
    )
    return complete(replace(draft, definitions=definitions), base_dir=base_dir, home=home)


def warm_start_request(warm_start: WarmStart) -> dict[str, Any]:
    """A warm start as a request writes it."""
    parents = [{"HyperParameterTuningJobName": name} for name in warm_start.parents]
    return {"ParentHyperParameterTuningJobs": parents, "WarmStartType": str(warm_start.type)}


def _space(ranges: Iterable[Range], path: str) -> SearchSpace:
    parameters: list[Parameter] = []
    violations = []
    for declared in ranges:
        try:
            parameters.append(parameter := _parameter(declared))
            check_for_jobs(parameter)
        except InputError as error:
            violations.append(Violation(CODE, declared.path, "space", str(error)))
    if not violations:
        try:
            return SearchSpace(parameters)
        except InputError as error:
            violations.append(Violation(CODE, path, "space", str(error)))
    raise ValidationError(violations)


def _parameter(declared: Range) -> Parameter:
    body = declared.body
    match declared.kind:
        case "Categorical":
            return CategoricalParameter(body["Name"], body["Values"])
        case "Integer":
            return IntegerParameter(body["Name"], body["MinValue"], body["MaxValue"], declared.scaling)
        case _:
            return ContinuousParameter(body["Name"], body["MinValue"], body["MaxValue"], declared.scaling)


def stored_only_note(request: Mapping[str, Any], effective: Collection[str] = ()) -> tuple[str, ...]:
    """A warning about members of a filled-in request that have no effect here; none of a job without one.

    effective: names of members that have one where the job runs.
    """
    if not request:
        return ()
    own = {
        f"{path}.RoleArn"
        for path, body in zip(_paths(request), bodies(request), strict=True)
        if body.get("RoleArn") == LOCAL_ROLE
    }
    return _stored_note(
        path for path in stored_only(request) if path not in own and path.rpartition(".")[2] not in effective
    )


def stored_only_members(body: Mapping[str, Any], table: Mapping[str, Row]) -> tuple[str, ...]:
    """The same about the filled-in request of one training job."""
    own = {"RoleArn"} if body.get("RoleArn") == LOCAL_ROLE else set()
    return _stored_note(path for path in stored_only(body, table) if path not in own)


def _stored_note(paths: Iterable[str]) -> tuple[str, ...]:
    kept = list(paths)
    return (f"{_STORED_ONLY}: {', '.join(kept)}",) if kept else ()


_STORED_ONLY = "stored, but without effect on this machine"


def is_stored_only(warning: str) -> bool:
    """Whether a warning is about members that only other machines make something of."""
    return warning.startswith(_STORED_ONLY)


def _paths(request: Mapping[str, Any]) -> list[str]:
    definitions = request.get(_DEFINITIONS, [])
    return [f"{_DEFINITIONS}[{i}]" for i in range(len(definitions))] or [_DEFINITION]


def ranges_of(parameters: Iterable[Parameter]) -> dict[str, list[dict[str, Any]]]:
    """The `ParameterRanges` that declare these parameters. Order is kept among parameters of one kind."""
    ranges: dict[str, list[dict[str, Any]]] = {f"{kind}ParameterRanges": [] for kind in KINDS}
    for parameter in parameters:
        if isinstance(parameter, CategoricalParameter):
            values = [value_string(value) for value in parameter.values]
            ranges["CategoricalParameterRanges"].append({"Name": parameter.name, "Values": values})
            continue
        ranges[f"{kind_of(parameter)}ParameterRanges"].append(
            {
                "Name": parameter.name,
                "MinValue": repr(parameter.min),
                "MaxValue": repr(parameter.max),
                "ScalingType": str(parameter.scaling),
            }
        )
    return ranges


def to_request(config: JobConfig) -> dict[str, Any]:
    """A request that `parse_request` reads as `config` again; as JSON data.

    A space is read again with its continuous parameters first, then the integers, then the categoricals, and
    the values of a categorical as strings; a `config` that came from a request or `tuning_job` has that form
    already. Brackets, the reduction factor and the guards of early stopping are left out: a request has no
    members for them.
    """
    tuning: dict[str, Any] = {
        "Strategy": _strategy(config),
        "ResourceLimits": resource_limits(config),
        "TrainingJobEarlyStoppingType": _early_stopping(config),
        **_criteria(config.completion),
    }
    if config.hyperband is not None:
        resources = {"MinResource": config.hyperband.min_resource}
        if config.hyperband.stops_at_max:  # else it is read from the epochs again
            resources["MaxResource"] = config.hyperband.max_resource
        tuning["StrategyConfig"] = {"HyperbandStrategyConfig": resources}
    if config.seed is not None:
        tuning["RandomSeed"] = config.seed
    if config.repeats:
        tuning[REPEATS] = True
    request: dict[str, Any] = {"HyperParameterTuningJobName": config.name, CONFIG: tuning}
    if config.definitions:
        request[_DEFINITIONS] = [
            _body(definition, config)
            | {
                "TuningObjective": _objective(definition),
                "HyperParameterRanges": ranges_of(definition.space.parameters),
            }
            for definition in config.definitions
        ]
    else:
        tuning["HyperParameterTuningJobObjective"] = _objective(config.definition)
        tuning["ParameterRanges"] = ranges_of(config.definition.space.parameters)
        request[_DEFINITION] = _body(config.definition, config)
    if config.warm_start is not None:
        request["WarmStartConfig"] = warm_start_request(config.warm_start)
    if config.autotune:
        request["Autotune"] = {"Mode": "Enabled"}
    if config.tags:
        request["Tags"] = [{"Key": key, "Value": value} for key, value in config.tags.items()]
    return request


def resource_limits(config: JobConfig) -> dict[str, Any]:
    """The `ResourceLimits` of a job, as requested."""
    limits: dict[str, Any] = {"MaxParallelTrainingJobs": config.limits.max_parallel_jobs}
    if config.limits.max_jobs is not None and not config.limits.max_jobs_is_quota:
        limits["MaxNumberOfTrainingJobs"] = config.limits.max_jobs
    if config.limits.max_runtime_seconds is not None:
        limits["MaxRuntimeInSeconds"] = math.ceil(config.limits.max_runtime_seconds)
    return limits


def _early_stopping(config: JobConfig) -> str:
    return early_stopping_word(config.early_stopping)


def _metrics(definition: TrainingJobDefinition) -> list[dict[str, str]]:
    return [{"Name": metric.name, "Regex": metric.regex} for metric in definition.metric_definitions]


def _objective(definition: TrainingJobDefinition) -> dict[str, str]:
    return {"Type": str(definition.objective.type), "MetricName": definition.objective.metric}


def _criteria(completion: CompletionCriteria) -> dict[str, Any]:
    criteria: dict[str, Any] = {}
    if completion.target is not None:
        criteria["TargetObjectiveMetricValue"] = completion.target
    if completion.max_not_improving is not None:
        count = completion.max_not_improving
        criteria["BestObjectiveNotImproving"] = {"MaxNumberOfTrainingJobsNotImproving": count}
    if completion.complete_on_convergence is not None:
        enabled = "Enabled" if completion.complete_on_convergence else "Disabled"
        criteria["ConvergenceDetected"] = {"CompleteOnConvergence": enabled}
    return {"TuningJobCompletionCriteria": criteria} if criteria else {}


def _body(definition: TrainingJobDefinition, config: JobConfig) -> dict[str, Any]:
    environment = dict(definition.environment)
    if read_grace(environment) != definition.grace_seconds:
        environment[GRACE_VARIABLE] = repr(definition.grace_seconds)
    if read_resources(environment) != definition.resources:
        environment |= definition.resources.variables()
    if read_containers(environment) != definition.containers:
        environment[CONTAINERS_VARIABLE] = definition.containers
    body: dict[str, Any] = {
        "StaticHyperParameters": dict(definition.hyperparameters),
        "AlgorithmSpecification": {
            "TrainingImage": definition.training_image,
            "TrainingInputMode": "File",
            "MetricDefinitions": _metrics(definition),
        },
        "RoleArn": LOCAL_ROLE,
    }
    if definition.name is not None:
        body["DefinitionName"] = definition.name
    if definition.channels:
        body["InputDataConfig"] = [channel_request(channel) for channel in definition.channels]
    if definition.output_path is not None:
        body["OutputDataConfig"] = {
            "S3OutputPath": definition.output_path,
            "CompressionType": definition.output_compression,
        }
    if definition.checkpoint_uri is not None:
        local = definition.checkpoint_local_path
        body["CheckpointConfig"] = {"S3Uri": definition.checkpoint_uri, "LocalPath": local}
    if definition.max_runtime_seconds is not None:
        body["StoppingCondition"] = {"MaxRuntimeInSeconds": math.ceil(definition.max_runtime_seconds)}
    if definition.max_wait_seconds is not None:
        wait = math.ceil(definition.max_wait_seconds)
        body.setdefault("StoppingCondition", {})["MaxWaitTimeInSeconds"] = wait
    if definition.spot:
        body["EnableManagedSpotTraining"] = True
    if definition.retry_attempts != DEFAULT_RETRY_ATTEMPTS or config.autotune:
        body["RetryStrategy"] = {"MaximumRetryAttempts": definition.retry_attempts}
    if environment:
        body["Environment"] = environment
    if definition.instance_groups:
        groups = [
            {
                "InstanceGroupName": group.name,
                "InstanceType": group.instance_type,
                "InstanceCount": group.count,
            }
            for group in definition.instance_groups
        ]
        body["ResourceConfig"] = {"InstanceGroups": groups, "VolumeSizeInGB": 1}
    elif definition.instance_type != "local" or definition.instance_count != 1:
        body["ResourceConfig"] = {
            "InstanceType": definition.instance_type,
            "InstanceCount": definition.instance_count,
            "VolumeSizeInGB": 1,
        }
    return body


def channel_request(channel: Channel) -> dict[str, Any]:
    """A channel as a request writes it."""
    source: dict[str, Any] = {
        "S3DataType": channel.data_type,
        "S3Uri": channel.uri,
        "S3DataDistributionType": channel.distribution,
    }
    if channel.attribute_names:
        source["AttributeNames"] = list(channel.attribute_names)
    if channel.instance_group_names:
        source["InstanceGroupNames"] = list(channel.instance_group_names)
    request: dict[str, Any] = {
        "ChannelName": channel.name,
        "DataSource": {"S3DataSource": source},
        "CompressionType": channel.compression,
        "RecordWrapperType": channel.record_wrapper,
        "InputMode": channel.input_mode,
    }
    if channel.content_type is not None:
        request["ContentType"] = channel.content_type
    if channel.shuffle_seed is not None:
        request["ShuffleConfig"] = {"Seed": channel.shuffle_seed}
    return request
