"""Replies of Describe and List about a tuning job, with the members of behaviour 12 and 13.

Pure functions of the job's description and state. Times are seconds since the epoch with a fraction, as on
the wire. Metric values are rounded to 32-bit floats here and nowhere else. Members that do not apply are left
out.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import floor, isfinite
from pathlib import PurePosixPath
from typing import Any

from hpt.job.billing import billable_seconds, machine_seconds, training_seconds
from hpt.job.config import (
    DEFAULT_CHECKPOINT_PATH,
    DEFAULT_MAX_RUNTIME,
    NO_OBJECTIVE,
    OBJECTIVE_METRIC_KEY,
    RESULT_METRIC,
    JobConfig,
    ResourceLimits,
    TrainingJobDefinition,
)
from hpt.job.rounding import as_float32
from hpt.job.state import JobState, TrainingJob
from hpt.job.transitions import whole_course
from hpt.job.view import JobView, TrialView, trial_view
from hpt.job.warm_start import WarmStartType
from hpt.sagemaker.reply.document import completion_details, training_job_document
from hpt.sagemaker.request.convert import bodies, resource_limits, to_request
from hpt.sagemaker.request.facts import CONFIG
from hpt.sagemaker.request.relaxations import LOCAL_ROLE
from hpt.sagemaker.request.training import training_body

MAX_REASON = 1024
MAX_METRICS = 40
_DEFINITION, _DEFINITIONS = "TrainingJobDefinition", "TrainingJobDefinitions"


@dataclass(frozen=True, slots=True)
class Account:
    """The account in ARNs, with region and partition."""

    region: str = "local"
    number: str = "000000000000"
    partition: str = "aws"

    def arn(self, kind: str, name: str) -> str:
        """The ARN of the `training-job` or `hyper-parameter-tuning-job` of that name."""
        return f"arn:{self.partition}:sagemaker:{self.region}:{self.number}:{kind}/{name.lower()}"


LOCAL_ACCOUNT = Account()


def describe_response(
    config: JobConfig,
    state: JobState,
    *,
    request: Mapping[str, Any] | None = None,
    now: float | None = None,
    default_output: str = "",
    account: Account = LOCAL_ACCOUNT,
) -> dict[str, Any]:
    """The answer of DescribeHyperParameterTuningJob.

    Parameters
    ----------
    config, state
        The job.
    request
        The request that created it, to be echoed; None: a request made from `config`.
    now
        Seconds since the epoch, for the run time of a running job; its last change by default.
    default_output
        The output path of a job that has none.
    account
        The account in ARNs.

    Returns
    -------
    dict
        The reply, as JSON data.
    """
    job = JobView(config, state)
    request = _echo(config, request, default_output)
    if state.extensions:
        request[CONFIG]["ResourceLimits"] = resource_limits(config)
    end = state.ended if state.ended is not None else max(state.modified, now or 0.0)
    response: dict[str, Any] = {
        "HyperParameterTuningJobName": config.name,
        "HyperParameterTuningJobArn": account.arn("hyper-parameter-tuning-job", config.name),
        CONFIG: request[CONFIG],
        **{form: request[form] for form in (_DEFINITION, _DEFINITIONS) if form in request},
        "HyperParameterTuningJobStatus": str(state.status),
        "CreationTime": state.created,
        "LastModifiedTime": state.modified,
        "TrainingJobStatusCounters": dict(state.training_counters),
        "ObjectiveStatusCounters": dict(state.objective_counters),
        "ConsumedResources": {"RuntimeInSeconds": max(0, floor(end - state.created - state.idle))},
    }
    if state.ended is not None:
        response["HyperParameterTuningEndTime"] = state.ended
    if job.best is not None:
        response["BestTrainingJob"] = _summary(job.best, account)
    overall = overall_best(job, account=account)
    if overall is not None:
        response["OverallBestTrainingJob"] = overall
    response |= {member: request[member] for member in ("WarmStartConfig", "Autotune") if member in request}
    if state.failure_reason:
        response["FailureReason"] = state.failure_reason[:MAX_REASON]
    details = completion_details(job)
    if details:
        response["TuningJobCompletionDetails"] = details
    return response


def overall_best(job: JobView, *, account: Account = LOCAL_ACCOUNT) -> dict[str, Any] | None:
    """The best of a job and of parents with the same data and algorithm (behaviour 9.6)."""
    best, warm_start = job.overall_best, job.config.warm_start
    if warm_start is None or warm_start.type is not WarmStartType.IDENTICAL or best is None:
        return None
    if isinstance(best, TrialView):
        return _summary(best, account) | {"TuningJobName": job.name}
    summary: dict[str, Any] = {
        "TrainingJobName": best.name,
        "TrainingJobArn": account.arn("training-job", best.name),
        "TuningJobName": best.parent,
        "CreationTime": best.created,
        "TrainingStartTime": best.training_start,
        "TrainingEndTime": best.training_end,
        "TrainingJobStatus": str(best.status),
        "TunedHyperParameters": dict(best.hyperparameters),
        "ObjectiveStatus": "Succeeded",
        "FinalHyperParameterTuningJobObjectiveMetric": {
            "MetricName": job.config.definition.objective.metric,
            "Value": as_float32(best.value),
        },
    }
    return {member: value for member, value in summary.items() if value is not None}


def tuning_job_summary(
    config: JobConfig,
    created: float,
    summary: Mapping[str, Any],
    *,
    request: Mapping[str, Any] | None = None,
    account: Account = LOCAL_ACCOUNT,
) -> dict[str, Any]:
    """One entry of ListHyperParameterTuningJobs.

    Parameters
    ----------
    config
        The job.
    created
        When it was created, in seconds since the epoch.
    summary
        The result of `JobState.summary`; empty for a job without events.
    request, account
        As in `describe_response`.

    Returns
    -------
    dict
        The entry, as JSON data.
    """
    summary = summary or JobState(config.objective_type, created).summary()
    limits = dict(request[CONFIG]["ResourceLimits"]) if request else resource_limits(config)
    if summary["limits"] is not None:  # the job was extended
        limits = resource_limits(replace(config, limits=ResourceLimits(**summary["limits"])))
    entry: dict[str, Any] = {
        "HyperParameterTuningJobName": config.name,
        "HyperParameterTuningJobArn": account.arn("hyper-parameter-tuning-job", config.name),
        "HyperParameterTuningJobStatus": summary["status"],
        "Strategy": config.strategy,
        "CreationTime": created,
        "LastModifiedTime": summary["modified"],
        "TrainingJobStatusCounters": dict(summary["training_counters"]),
        "ObjectiveStatusCounters": dict(summary["objective_counters"]),
        "ResourceLimits": limits,
    }
    if summary["ended"] is not None:
        entry["HyperParameterTuningEndTime"] = summary["ended"]
    return entry


def training_job_summary(
    config: JobConfig, job: TrainingJob, *, account: Account = LOCAL_ACCOUNT
) -> dict[str, Any]:
    """A training job as Describe and List show it (behaviour 13.2), with its tuned hyperparameters."""
    return _summary(trial_view(config, job), account)


def _summary(trial: TrialView, account: Account) -> dict[str, Any]:
    summary = training_job_document(trial) | {"TrainingJobArn": account.arn("training-job", trial.name)}
    if trial.failure_reason:
        summary["FailureReason"] = trial.failure_reason[:MAX_REASON]
    final = summary.get("FinalHyperParameterTuningJobObjectiveMetric")
    if final is not None:
        final["Value"] = as_float32(final["Value"])
    return summary


def training_job_entry(job: TrainingJob, *, account: Account = LOCAL_ACCOUNT) -> dict[str, Any]:
    """One entry of ListTrainingJobs (behaviour 13.6)."""
    entry: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": account.arn("training-job", job.name),
        "CreationTime": job.created,
        "LastModifiedTime": last_modified(job),
        "TrainingJobStatus": str(job.status),
    }
    if job.training_end is not None:
        entry["TrainingEndTime"] = job.training_end
    return entry


def last_modified(job: TrainingJob) -> float:
    """When a training job last changed its status, in seconds since the epoch."""
    return job.transitions[-1].start if job.transitions else job.created


def training_job_description(
    config: JobConfig,
    job: TrainingJob,
    *,
    request: Mapping[str, Any] | None = None,
    default_output: str = "",
    account: Account = LOCAL_ACCOUNT,
) -> dict[str, Any]:
    """The answer of DescribeTrainingJob (behaviour 13.6).

    Metrics whose last value is NaN or infinite are left out.

    Parameters
    ----------
    config
        The tuning job, or the training job by itself.
    job
        The training job.
    request, default_output, account
        As in `describe_response`.

    Returns
    -------
    dict
        The reply, as JSON data.
    """
    definition = config.definition_of(job.definition)
    body = _body(config, definition, request, default_output)
    of = {} if config.alone else {"TuningJobArn": account.arn("hyper-parameter-tuning-job", config.name)}
    description: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": account.arn("training-job", job.name),
        **of,
        "ModelArtifacts": {"S3ModelArtifacts": _model_uri(job, body["OutputDataConfig"])},
        "TrainingJobStatus": str(job.status),
        "SecondaryStatus": job.secondary,
        "HyperParameters": {**body["StaticHyperParameters"], **definition.space.format(job.config)},
        "CreationTime": job.created,
        "LastModifiedTime": last_modified(job),
        "SecondaryStatusTransitions": _transitions(job),
        "FinalMetricDataList": [
            {"MetricName": name, "Value": as_float32(value), "Timestamp": time}
            for name, (value, time) in job.metrics.items()
            if isfinite(value) and name != RESULT_METRIC
        ][:MAX_METRICS],
    }
    for member in _SHARED:
        if member in body:
            description[member] = body[member]
    if "CheckpointConfig" in body:
        uri = body["CheckpointConfig"]["S3Uri"]
        if not definition.own_checkpoints:
            uri = f"{uri.rstrip('/')}/{job.name}"  # one folder for each training job
        description["CheckpointConfig"] = {**body["CheckpointConfig"], "S3Uri": uri}
    _add_times(description, job)
    if job.training_start is not None and job.training_end is not None:
        counts = training_seconds if job.charged is None else machine_seconds
        seconds = billable_seconds(counts(job.transitions))
        charged = seconds if job.charged is None else job.charged
        description |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": charged}
    if job.failure_reason:
        description["FailureReason"] = job.failure_reason[:MAX_REASON]
    return description


_SHARED = (
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "VpcConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "Environment",
    "RetryStrategy",
    *("DebugHookConfig", "DebugRuleConfigurations", "TensorBoardOutputConfig", "ExperimentConfig"),
    *(
        "ProfilerConfig",
        "ProfilerRuleConfigurations",
        "RemoteDebugConfig",
        "InfraCheckConfig",
        "MlflowConfig",
    ),
)
"""Members of a definition that the description of a training job repeats."""


def _body(
    config: JobConfig,
    definition: TrainingJobDefinition,
    given: Mapping[str, Any] | None,
    default_output: str,
) -> dict[str, Any]:
    """The definition of a training job as Describe shows it."""
    if config.alone and given:
        body = training_body(given)
        _echo_definition(definition, body, default_output)
        return body
    return bodies(_echo(config, given, default_output))[config.all_definitions.index(definition)]


def _echo(config: JobConfig, given: Mapping[str, Any] | None, default_output: str) -> dict[str, Any]:
    """The request as Describe shows it, with every member that clients read."""
    request = copy.deepcopy(dict(given)) if given else to_request(config)
    if config.seed is not None:
        request[CONFIG]["RandomSeed"] = config.seed
    for definition, body in zip(config.all_definitions, bodies(request), strict=True):
        _echo_definition(definition, body, default_output)
    return request


def _echo_definition(definition: TrainingJobDefinition, body: dict[str, Any], default_output: str) -> None:
    if definition.objective != NO_OBJECTIVE:
        body["StaticHyperParameters"][OBJECTIVE_METRIC_KEY] = definition.objective.metric
    body.setdefault("RoleArn", LOCAL_ROLE)
    body.setdefault("StoppingCondition", {}).setdefault("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME)
    output = body.setdefault("OutputDataConfig", {})
    output.setdefault("S3OutputPath", default_output)
    output.setdefault("KmsKeyId", "")
    _give_both_resource_configs(body)
    if "CheckpointConfig" in body:
        body["CheckpointConfig"].setdefault("LocalPath", DEFAULT_CHECKPOINT_PATH)


_INSTANCE = ("InstanceType", "InstanceCount", "VolumeSizeInGB")
_LOCAL_COMPUTE = {"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": 1}


def _give_both_resource_configs(body: dict[str, Any]) -> None:
    """Fill in both forms of the resources, because clients read either. The first of the choices counts."""
    plain, choices = body.get("ResourceConfig"), body.get("HyperParameterTuningResourceConfig")
    if plain is None:
        resources = dict(choices or {})
        resources |= next(iter(resources.pop("InstanceConfigs", [])), {})
        resources.pop("AllocationStrategy", None)
        body["ResourceConfig"] = _LOCAL_COMPUTE | resources
    elif "InstanceGroups" not in plain:
        body["ResourceConfig"] = _LOCAL_COMPUTE | plain
    if choices is None or not (choices.keys() & {*_INSTANCE, "InstanceConfigs"}):
        compute = body["ResourceConfig"]
        body["HyperParameterTuningResourceConfig"] = {
            member: compute[member] for member in (*_INSTANCE, "VolumeKmsKeyId") if member in compute
        }


def _transitions(job: TrainingJob) -> list[dict[str, Any]]:
    """Every transition with a message, which clients read unconditionally."""
    entries: list[dict[str, Any]] = []
    for transition in whole_course(job):
        if entries:
            entries[-1]["EndTime"] = transition.start
        entries.append(
            {
                "Status": transition.secondary,
                "StartTime": transition.start,
                "StatusMessage": transition.message,
            }
        )
    return entries


def _model_uri(job: TrainingJob, output: Mapping[str, Any]) -> str:
    """Where the model of a training job lies or would lie; clients expect a URI from the first reply on."""
    last = "model/" if output.get("CompressionType") == "NONE" else "model.tar.gz"
    model = job.model or f"{output['S3OutputPath'].rstrip('/')}/{job.name}/output/{last}"
    if not model.startswith("/"):
        return model
    return PurePosixPath(model).as_uri() + ("/" if model.endswith("/") else "")


def _add_times(target: dict[str, Any], job: TrainingJob) -> None:
    if job.training_start is not None:
        target["TrainingStartTime"] = job.training_start
    if job.training_end is not None:
        target["TrainingEndTime"] = job.training_end
