"""A checked request with its defaults filled in, the `TuningJobConfig` it means, and the way back.

`fill_in` is idempotent, and `to_config` reads nothing but what it wrote, so the request that Describe echoes
gives the same job when it is submitted again, from any directory.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any

from hpt.errors import InputError, ValidationError, Violation
from hpt.job.completion import CompletionCriteria
from hpt.job.config import (
    DEFAULT_RETRY_ATTEMPTS,
    GRACE_VARIABLE,
    OBJECTIVE_METRIC_KEY,
    Channel,
    EarlyStopping,
    HyperbandConfig,
    MetricDefinition,
    Objective,
    ResourceLimits,
    TrainingJobDefinition,
    TuningJobConfig,
    read_grace,
)
from hpt.job.tagged_line import tagged_pattern
from hpt.job.warm_start import WarmStart
from hpt.sagemaker.request.facts import CONFIG, KINDS, Definition, Facts, Range
from hpt.sagemaker.request.members import TABLE, stored_only
from hpt.sagemaker.request.relaxations import (
    DEFAULT_CHECKPOINT_PATH,
    DEFAULT_MAX_RUNTIME,
    LOCAL_LIMITS,
    LOCAL_ROLE,
    STRICT_LIMITS,
    resolve_uri,
)
from hpt.sagemaker.request.shapes import CODE
from hpt.search.space import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
    Parameter,
    SearchSpace,
    value_text,
)
from hpt.search.trial import ObjectiveType

_DEFINITION, _DEFINITIONS = "TrainingJobDefinition", "TrainingJobDefinitions"
_RESOURCES = ("ResourceConfig", "HyperParameterTuningResourceConfig")


def fill_in(facts: Facts, base_dir: str, home: str) -> dict[str, Any]:
    """The request with every default spelt out and every local path absolute, as JSON data.

    Left out is only what has no default: the seed, limits that are not set, and where the models go; and a
    `MaxResource` read from the epochs, which given would have training jobs stopped that reach it.
    """
    request = copy.deepcopy(dict(facts.request))
    config = request[CONFIG]
    config.setdefault("TrainingJobEarlyStoppingType", "Off")
    if facts.strategy == "Hyperband":
        config["StrategyConfig"] = {"HyperbandStrategyConfig": {"MinResource": 1, **facts.hyperband}}
    if facts.strategy == "Grid":
        config["ResourceLimits"].setdefault("MaxNumberOfTrainingJobs", facts.combinations)
    for definition, body in zip(facts.definitions, bodies(request), strict=True):
        _fill_ranges(body["HyperParameterRanges"] if facts.is_multi else config["ParameterRanges"])
        _fill_definition(body, definition, facts, base_dir, home)
    return request


def bodies(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The definitions of a request as it holds them, one or several."""
    several: list[dict[str, Any]] = request.get(_DEFINITIONS, [])
    return several or [request[_DEFINITION]]


def _fill_ranges(ranges: dict[str, Any]) -> None:
    for kind in KINDS:
        for declared in ranges.setdefault(f"{kind}ParameterRanges", []):
            if kind != "Categorical":
                declared.setdefault("ScalingType", "Auto")


def _fill_definition(
    body: dict[str, Any], definition: Definition, facts: Facts, base_dir: str, home: str
) -> None:
    statics = body.setdefault("StaticHyperParameters", {})
    statics.pop(OBJECTIVE_METRIC_KEY, None)  # every training job receives it anyway
    body.setdefault("RoleArn", LOCAL_ROLE)
    specification = body["AlgorithmSpecification"]
    specification.setdefault("TrainingInputMode", "File")
    metrics = specification.setdefault("MetricDefinitions", [])
    algorithm = facts.algorithm(definition)
    for metric in metrics:
        if "Regex" not in metric:  # the program reports it
            metric["Regex"] = tagged_pattern(metric["Name"])
    if algorithm is None:
        image = specification["TrainingImage"]
        specification["TrainingImage"] = resolve_uri(image, base_dir, home) or image
    else:
        given = {metric["Name"] for metric in metrics}
        metrics += [
            {"Name": metric.name, "Regex": metric.regex}
            for metric in algorithm.metric_definitions
            if metric.name not in given
        ]
    for channel in body.get("InputDataConfig", ()):
        source = channel["DataSource"]["S3DataSource"]
        source.setdefault("S3DataType", "S3Prefix")
        source.setdefault("S3DataDistributionType", "FullyReplicated")
        source["S3Uri"] = resolve_uri(source["S3Uri"], base_dir, home)
        channel.setdefault("InputMode", specification["TrainingInputMode"])
        channel.setdefault("CompressionType", "None")
        channel.setdefault("RecordWrapperType", "None")
    output = body.get("OutputDataConfig", {})
    if "S3OutputPath" in output:
        output["S3OutputPath"] = resolve_uri(output["S3OutputPath"], base_dir, home)
        output.setdefault("CompressionType", "GZIP")
    body.setdefault("StoppingCondition", {}).setdefault("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME)
    for flag in (
        "EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption",
        "EnableManagedSpotTraining",
    ):
        body.setdefault(flag, False)
    if "CheckpointConfig" in body:
        checkpoints = body["CheckpointConfig"]
        checkpoints["S3Uri"] = resolve_uri(checkpoints["S3Uri"], base_dir, home)
        checkpoints.setdefault("LocalPath", DEFAULT_CHECKPOINT_PATH)


def to_config(request: Mapping[str, Any], facts: Facts) -> TuningJobConfig:
    """The job that a filled-in request describes; `facts` are those of that request.

    Raises:
        ValidationError: a range is beyond what a search space can hold.
    """
    config = request[CONFIG]
    limits = config["ResourceLimits"]
    definitions = tuple(map(_definition, facts.definitions))
    return TuningJobConfig(
        name=request["HyperParameterTuningJobName"],
        strategy=config["Strategy"],
        definition=definitions[0],
        definitions=definitions if facts.is_multi else (),
        limits=ResourceLimits(
            max_jobs=limits.get("MaxNumberOfTrainingJobs", facts.limits.jobs[config["Strategy"]]),
            max_parallel_jobs=limits["MaxParallelTrainingJobs"],
            max_runtime_seconds=limits.get("MaxRuntimeInSeconds"),
        ),
        seed=config.get("RandomSeed"),
        tags={tag["Key"]: tag["Value"] for tag in request.get("Tags", ())},
        request=request,
        warnings=_warnings(request, facts),
        hyperband=_hyperband(facts),
        early_stopping=EarlyStopping() if config["TrainingJobEarlyStoppingType"] == "Auto" else None,
        completion=_completion(config.get("TuningJobCompletionCriteria", {})),
        warm_start=_warm_start(request.get("WarmStartConfig")),
    )


def _warm_start(given: Mapping[str, Any] | None) -> WarmStart | None:
    if given is None:
        return None
    parents = given["ParentHyperParameterTuningJobs"]
    return WarmStart([each["HyperParameterTuningJobName"] for each in parents], given["WarmStartType"])


def warm_start_request(warm_start: WarmStart) -> dict[str, Any]:
    """A warm start as a request writes it."""
    parents = [{"HyperParameterTuningJobName": name} for name in warm_start.parents]
    return {"ParentHyperParameterTuningJobs": parents, "WarmStartType": str(warm_start.type)}


def _hyperband(facts: Facts) -> HyperbandConfig | None:
    if facts.strategy != "Hyperband":
        return None
    assert facts.max_resource is not None  # V18
    given = "MaxResource" in facts.hyperband
    return HyperbandConfig(facts.max_resource, facts.hyperband["MinResource"], stops_at_max=given)


def _completion(criteria: Mapping[str, Any]) -> CompletionCriteria:
    convergence = criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence")
    return CompletionCriteria(
        target=criteria.get("TargetObjectiveMetricValue"),
        max_not_improving=criteria.get("BestObjectiveNotImproving", {}).get(
            "MaxNumberOfTrainingJobsNotImproving"
        ),
        complete_on_convergence=None if convergence is None else convergence == "Enabled",
    )


def _definition(definition: Definition) -> TrainingJobDefinition:
    body = definition.body
    specification = body["AlgorithmSpecification"]
    objective = definition.objective
    resources = body.get("ResourceConfig", body.get("HyperParameterTuningResourceConfig", {}))
    checkpoints = body.get("CheckpointConfig", {})
    return TrainingJobDefinition(
        training_image=specification["TrainingImage"],
        space=_space(definition.ranges, definition.ranges_path),
        objective=Objective(objective["MetricName"], ObjectiveType(objective["Type"])),
        name=body.get("DefinitionName"),
        hyperparameters=body["StaticHyperParameters"],
        metric_definitions=tuple(
            MetricDefinition(metric["Name"], metric["Regex"]) for metric in specification["MetricDefinitions"]
        ),
        channels=tuple(_channel(channel) for channel in body.get("InputDataConfig", ())),
        environment=body.get("Environment", {}),
        output_path=body.get("OutputDataConfig", {}).get("S3OutputPath"),
        checkpoint_uri=checkpoints.get("S3Uri"),
        checkpoint_local_path=checkpoints.get("LocalPath", DEFAULT_CHECKPOINT_PATH),
        max_runtime_seconds=body["StoppingCondition"]["MaxRuntimeInSeconds"],
        max_wait_seconds=body["StoppingCondition"].get("MaxWaitTimeInSeconds"),
        spot=body["EnableManagedSpotTraining"],
        retry_attempts=body.get("RetryStrategy", {}).get("MaximumRetryAttempts", DEFAULT_RETRY_ATTEMPTS),
        grace_seconds=read_grace(body.get("Environment", {})),
        instance_type=resources.get("InstanceType", "local"),
        instance_count=resources.get("InstanceCount", 1),
    )


def _channel(channel: Mapping[str, Any]) -> Channel:
    source = channel["DataSource"]["S3DataSource"]
    return Channel(
        name=channel["ChannelName"],
        uri=source["S3Uri"],
        content_type=channel.get("ContentType"),
        compression=channel["CompressionType"],
        input_mode=channel["InputMode"],
        record_wrapper=channel["RecordWrapperType"],
        distribution=source["S3DataDistributionType"],
    )


def _space(ranges: Iterable[Range], path: str) -> SearchSpace:
    parameters: list[Parameter] = []
    violations = []
    for declared in ranges:
        try:
            parameters.append(_parameter(declared))
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


def _warnings(request: Mapping[str, Any], facts: Facts) -> tuple[str, ...]:
    warnings = []
    own = {f"{each.path}.RoleArn" for each in facts.definitions if each.body["RoleArn"] == LOCAL_ROLE}
    kept = [path for path in stored_only(request) if path not in own]
    if kept:
        warnings.append(f"kept, but without effect on this machine: {', '.join(kept)}")
    for definition in facts.definitions:
        alike: dict[str, str] = {}
        for name in [*(declared.name for declared in definition.ranges), *definition.statics]:
            other = alike.setdefault(name.upper(), name)
            if other != name:
                warnings.append(
                    f"hyperparameters {other!r} and {name!r} differ in case alone: both are the variable "
                    f"SM_HP_{name.upper()}, which can hold one; read them from the arguments or the files"
                )
        algorithm = facts.algorithm(definition)
        wanted = definition.objective
        for metric in () if algorithm is None else algorithm.metric_definitions:
            if metric.name == wanted["MetricName"] and str(metric.direction) != wanted["Type"]:
                better = "larger" if metric.direction == "Maximize" else "smaller"
                warnings.append(
                    f"{definition.objective_path}.Type is {wanted['Type']}, but of {metric.name} the "
                    f"{better} value is the better one"
                )
    return tuple(warnings)


def ranges_of(parameters: Iterable[Parameter]) -> dict[str, list[dict[str, Any]]]:
    """The `ParameterRanges` that declare these parameters. Order is kept among parameters of one kind."""
    ranges: dict[str, list[dict[str, Any]]] = {f"{kind}ParameterRanges": [] for kind in KINDS}
    for parameter in parameters:
        if isinstance(parameter, CategoricalParameter):
            values = [value_text(value) for value in parameter.values]
            ranges["CategoricalParameterRanges"].append({"Name": parameter.name, "Values": values})
            continue
        kind = "Integer" if isinstance(parameter, IntegerParameter) else "Continuous"
        ranges[f"{kind}ParameterRanges"].append(
            {
                "Name": parameter.name,
                "MinValue": repr(parameter.min),
                "MaxValue": repr(parameter.max),
                "ScalingType": str(parameter.scaling),
            }
        )
    return ranges


def to_request(config: TuningJobConfig) -> dict[str, Any]:
    """A request that `parse_request` reads as `config` again; as JSON data.

    Members that are only stored are taken over from `config.request`, everything else is written from the
    fields. A space is read again with its continuous parameters first, then the integers, then the
    categoricals, and the values of a categorical as texts; a `config` that came from a request or
    `tuning_job` has that form already. Brackets, the reduction factor and the guards of early stopping are
    not told: a request has no members for them.
    """
    limits: dict[str, Any] = {"MaxParallelTrainingJobs": config.limits.max_parallel_jobs}
    if config.limits.max_jobs is not None and not _is_implied(config):
        limits["MaxNumberOfTrainingJobs"] = config.limits.max_jobs
    if config.limits.max_runtime_seconds is not None:
        limits["MaxRuntimeInSeconds"] = math.ceil(config.limits.max_runtime_seconds)
    tuning: dict[str, Any] = {
        "Strategy": config.strategy,
        "ResourceLimits": limits,
        "TrainingJobEarlyStoppingType": "Off" if config.early_stopping is None else "Auto",
        **_criteria(config.completion),
    }
    if config.hyperband is not None:
        resources = {"MinResource": config.hyperband.min_resource}
        if config.hyperband.stops_at_max:  # else it is read from the epochs again
            resources["MaxResource"] = config.hyperband.max_resource
        tuning["StrategyConfig"] = {"HyperbandStrategyConfig": resources}
    if config.seed is not None:
        tuning["RandomSeed"] = config.seed
    request: dict[str, Any] = {"HyperParameterTuningJobName": config.name, CONFIG: tuning}
    given = _given_bodies(config)
    if config.definitions:
        request[_DEFINITIONS] = []
        for definition, source in zip(config.definitions, given, strict=True):
            ranges = source.get("HyperParameterRanges", {})
            own = {
                "TuningObjective": _objective(definition),
                "HyperParameterRanges": _ranges_as_given(ranges, definition),
            }
            request[_DEFINITIONS].append(_body(definition) | own)
    else:
        tuning["HyperParameterTuningJobObjective"] = _objective(config.definition)
        ranges = config.request.get(CONFIG, {}).get("ParameterRanges", {})
        tuning["ParameterRanges"] = _ranges_as_given(ranges, config.definition)
        request[_DEFINITION] = _body(config.definition)
    if config.warm_start is not None:
        request["WarmStartConfig"] = warm_start_request(config.warm_start)
    if config.tags:
        request["Tags"] = [{"Key": key, "Value": value} for key, value in config.tags.items()]
    for source, into in zip(given, bodies(request), strict=True):
        _take_over_stored(source, into)
    return request


def _given_bodies(config: TuningJobConfig) -> list[Mapping[str, Any]]:
    """What the job's request says of each of its definitions, empty where it does not."""
    if not config.request:
        return [{} for _ in config.all_definitions]
    named = {body.get("DefinitionName"): body for body in bodies(config.request)}
    if not config.definitions:
        return [config.request.get(_DEFINITION, {})]
    return [named.get(definition.name, {}) for definition in config.definitions]


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


def _ranges_as_given(ranges: Mapping[str, Any], definition: TrainingJobDefinition) -> dict[str, Any]:
    """The ranges of the request in their own spelling (`0.10`), if they still are those of the space."""
    declared = [Range(kind, "", body) for kind in KINDS for body in ranges.get(f"{kind}ParameterRanges", ())]
    if declared and _space(declared, "") == definition.space:
        return copy.deepcopy(dict(ranges))
    return ranges_of(definition.space.parameters)


def _is_implied(config: TuningJobConfig) -> bool:
    """Whether the number of training jobs is the quota that a request got for naming none."""
    if not config.request or "MaxNumberOfTrainingJobs" in config.request[CONFIG]["ResourceLimits"]:
        return False
    quotas = [limits.jobs.get(config.strategy) for limits in (LOCAL_LIMITS, STRICT_LIMITS)]
    return config.limits.max_jobs in quotas


def _body(definition: TrainingJobDefinition) -> dict[str, Any]:
    environment = dict(definition.environment)
    if read_grace(environment) != definition.grace_seconds:
        environment[GRACE_VARIABLE] = repr(definition.grace_seconds)
    body: dict[str, Any] = {
        "StaticHyperParameters": dict(definition.hyperparameters),
        "AlgorithmSpecification": {
            "TrainingImage": definition.training_image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": metric.name, "Regex": metric.regex} for metric in definition.metric_definitions
            ],
        },
    }
    if definition.name is not None:
        body["DefinitionName"] = definition.name
    if definition.channels:
        body["InputDataConfig"] = [channel_request(channel) for channel in definition.channels]
    if definition.output_path is not None:
        body["OutputDataConfig"] = {"S3OutputPath": definition.output_path, "CompressionType": "GZIP"}
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
    if definition.retry_attempts != DEFAULT_RETRY_ATTEMPTS:
        body["RetryStrategy"] = {"MaximumRetryAttempts": definition.retry_attempts}
    if environment:
        body["Environment"] = environment
    if definition.instance_type != "local" or definition.instance_count != 1:
        count = definition.instance_count
        body["ResourceConfig"] = {"InstanceType": definition.instance_type, "InstanceCount": count}
    return body


def channel_request(channel: Channel) -> dict[str, Any]:
    """A channel as a request writes it."""
    source = {"S3DataType": "S3Prefix", "S3Uri": channel.uri, "S3DataDistributionType": channel.distribution}
    request: dict[str, Any] = {
        "ChannelName": channel.name,
        "DataSource": {"S3DataSource": source},
        "CompressionType": channel.compression,
        "RecordWrapperType": channel.record_wrapper,
        "InputMode": channel.input_mode,
    }
    if channel.content_type is not None:
        request["ContentType"] = channel.content_type
    return request


def _take_over_stored(body: Mapping[str, Any], into: dict[str, Any]) -> None:
    """Copy what is only stored (all of it lies in the definition), compute in the form it was given in."""
    if any(name in body for name in _RESOURCES):
        into.pop("ResourceConfig", None)
    for path, row in TABLE.items():
        prefix, *names = path.split(".")
        if prefix != _DEFINITION or not names:
            continue
        if row.status != "stored" and names[0] not in _RESOURCES:
            continue
        value: Any = body
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is not None:
            place = into
            for name in names[:-1]:
                place = place.setdefault(name, {})
            place[names[-1]] = copy.deepcopy(value)
