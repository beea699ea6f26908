"""The CreateTrainingJob request of an attempt, and what a tuning job may ask for there."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hpt.errors import Violation
from hpt.executors.base import AttemptKey, Submission
from hpt.host.interpreter import VARIABLE as PYTHON
from hpt.job.config import (
    DEFAULT_GRACE_SECONDS,
    DEFAULT_MAX_RUNTIME,
    GRACE_VARIABLE,
    JobConfig,
    TrainingJobDefinition,
)
from hpt.job.isolation import CONTAINERS_VARIABLE, Containers
from hpt.job.program_kind import SOURCE_KEY, ProgramKind, quoted_as
from hpt.job.resources import VARIABLES
from hpt.job.uris import is_image, is_s3
from hpt.sagemaker.request.relaxations import LOCAL_ROLE

RULE = "sagemaker"
_LONGEST_NAME = 63
_MOST_METRICS = 40
_LONGEST_VALUE = 2500  # characters of a hyperparameter
IDENTITY = "hpt:identity"
_COPIED = (
    "RoleArn",
    "InputDataConfig",
    "VpcConfig",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
)
_OURS = frozenset({CONTAINERS_VARIABLE, GRACE_VARIABLE, PYTHON, *VARIABLES.values()})


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose. role: of training jobs whose request names none. keep_alive: seconds for which an
    instance is kept for the next training job (a warm pool), None for none.
    """

    role: str | None = None
    keep_alive: int | None = None


def remote_name(key: AttemptKey) -> str:
    """The name of the training job that an attempt begins."""
    if key.attempt == 1:
        return key.name
    suffix = f"-{key.attempt}"
    if len(key.name) + len(suffix) <= _LONGEST_NAME:
        return key.name + suffix
    digest = hashlib.blake2s(key.name.encode(), digest_size=4).hexdigest()
    return f"{key.name[: _LONGEST_NAME - len(suffix) - 9]}-{digest}{suffix}"


def first_attempt(name: str, remote: str) -> int | None:
    """The attempt that a training job of the service begins; None if it is not of training job `name`."""
    if remote == name:
        return 1
    number = remote.rpartition("-")[2]
    if not number.isdecimal() or int(number) < 2 or remote_name(AttemptKey(name, int(number))) != remote:
        return None
    return int(number)


def training_request(
    submission: Submission,
    body: Mapping[str, Any],
    tags: Mapping[str, str],
    options: Options,
    source: str | None = None,
) -> dict[str, Any]:
    """The request that begins an attempt.

    Parameters
    ----------
    submission
        The attempt.
    body
        The definition of its training job as the user's request has it.
    tags
        Of the tuning job.
    options
        What the user chose.
    source
        Where the program of script mode was put, if it was of this host.

    Returns
    -------
    dict
        CreateTrainingJob's; its tags identify the attempt.
    """
    definition = submission.definition
    hyperparameters = dict(submission.hyperparameters)
    if source is not None:
        hyperparameters[SOURCE_KEY] = quoted_as(hyperparameters[SOURCE_KEY], source)
    request: dict[str, Any] = {
        "TrainingJobName": remote_name(submission.key),
        "HyperParameters": hyperparameters,
        "AlgorithmSpecification": _algorithm(definition, body),
        **{name: copy.deepcopy(body[name]) for name in _COPIED if name in body},
        "OutputDataConfig": {**body.get("OutputDataConfig", {}), "S3OutputPath": definition.output_path},
        "ResourceConfig": instances(body)[0],
        "StoppingCondition": _stopping(submission),
    }
    if request.get("RoleArn", LOCAL_ROLE) == LOCAL_ROLE and options.role:
        request["RoleArn"] = options.role
    if options.keep_alive is not None:
        request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = options.keep_alive
    if definition.checkpoint_uri is not None:
        request["CheckpointConfig"] = {
            "S3Uri": checkpoints_of(submission),
            "LocalPath": definition.checkpoint_local_path,
        }
    if environment := {name: value for name, value in definition.environment.items() if name not in _OURS}:
        request["Environment"] = environment
    content = [submission.job, submission.key, hyperparameters, definition.training_image]
    identity = hashlib.blake2s(json.dumps(content, sort_keys=True).encode()).hexdigest()
    own = {
        IDENTITY: identity,
        "hpt:job": submission.job[:256],
        "hpt:training-job": submission.name,
        "hpt:attempt": str(submission.attempt),
    }
    request["Tags"] = [{"Key": key, "Value": value} for key, value in {**tags, **own}.items()]
    return request


def identity_of(request: Mapping[str, Any]) -> str:
    """What tells the attempt of a request from any other."""
    return next(str(tag["Value"]) for tag in request["Tags"] if tag["Key"] == IDENTITY)


def checkpoints_of(submission: Submission) -> str | None:
    """Where an attempt's checkpoints are on S3: all attempts of a training job have one place."""
    definition = submission.definition
    if definition.checkpoint_uri is None or definition.own_checkpoints:
        return definition.checkpoint_uri
    return f"{definition.checkpoint_uri.rstrip('/')}/{submission.name}"


def instances(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The `ResourceConfig`s of a definition that may be asked for, in order of preference."""
    flexible = body.get("HyperParameterTuningResourceConfig")
    if flexible is None:
        return [dict(body["ResourceConfig"])] if "ResourceConfig" in body else []
    common = {
        to: flexible[name]
        for name, to in (("VolumeSizeInGB", "VolumeSizeInGB"), ("VolumeKmsKeyId", "VolumeKmsKeyId"))
        if name in flexible
    }
    if "InstanceConfigs" not in flexible:
        own = {name: flexible[name] for name in ("InstanceType", "InstanceCount") if name in flexible}
        return [{**common, **own}]
    return [{"VolumeSizeInGB": 30, **common, **each} for each in flexible["InstanceConfigs"]]


def _algorithm(definition: TrainingJobDefinition, body: Mapping[str, Any]) -> dict[str, Any]:
    given = body["AlgorithmSpecification"]
    metrics = [{"Name": each.name, "Regex": each.regex} for each in definition.metric_definitions]
    algorithm: dict[str, Any] = {
        "TrainingImage": definition.training_image,
        "TrainingInputMode": given.get("TrainingInputMode", "File"),
        "EnableSageMakerMetricsTimeSeries": False,
    }
    if metrics and len(metrics) <= _MOST_METRICS:
        algorithm["MetricDefinitions"] = metrics
    if definition.entrypoint:
        algorithm["ContainerEntrypoint"] = list(definition.entrypoint)
    if definition.arguments:
        algorithm["ContainerArguments"] = list(definition.arguments)
    return algorithm


def _stopping(submission: Submission) -> dict[str, int]:
    """Limits of what is left of a training job's time."""
    definition = submission.definition
    limit = DEFAULT_MAX_RUNTIME if definition.max_runtime_seconds is None else definition.max_runtime_seconds
    run = max(1, math.ceil(limit - submission.spent))
    stopping = {"MaxRuntimeInSeconds": run}
    if definition.spot:
        wait = definition.max_wait_seconds
        stopping["MaxWaitTimeInSeconds"] = run if wait is None else max(run, math.ceil(wait))
    return stopping


def definition_bodies(request: Mapping[str, Any]) -> dict[str | None, Mapping[str, Any]]:
    """The definitions of a request by their names; None where there is only one."""
    if "TrainingJobDefinitions" in request:
        return {body["DefinitionName"]: body for body in request["TrainingJobDefinitions"]}
    return {None: request["TrainingJobDefinition"]}


Broken = Callable[[str, str], Violation]


def refusals(config: JobConfig, request: Mapping[str, Any], options: Options) -> Iterator[Violation]:
    """What of a tuning job cannot be had from SageMaker, each with its fix.

    Parameters
    ----------
    config
        The job.
    request
        The request that it was read from, whose members are named.
    options
        What the user chose.

    Yields
    ------
    Violation
        One for each part.
    """
    bodies = definition_bodies(request)
    for number, definition in enumerate(config.all_definitions):
        body = bodies[definition.name if config.definitions else None]
        path = f"TrainingJobDefinitions[{number}]" if config.definitions else "TrainingJobDefinition"

        def broken(member: str, message: str, path: str = path) -> Violation:
            return Violation("ValidationException", f"{path}.{member}", RULE, message)

        if (reason := _no_image(definition)) is not None:
            yield broken("AlgorithmSpecification.TrainingImage", f"{definition.training_image!r} {reason}")
        yield from _not_on_s3(definition, broken)
        if not options.role and body.get("RoleArn", LOCAL_ROLE) == LOCAL_ROLE:
            yield broken(
                "RoleArn", "is missing, and SageMaker acts with it; give the ARN of an execution role"
            )
        yield from _no_instances(body, broken)
        yield from _of_this_host(definition, broken)
        for name, value in definition.hyperparameters.items():
            if len(value) > _LONGEST_VALUE:
                yield broken(
                    f"StaticHyperParameters.{name}",
                    f"has {len(value)} characters, and SageMaker takes {_LONGEST_VALUE}; put it into a file "
                    "of a channel",
                )


def _no_image(definition: TrainingJobDefinition) -> str | None:
    kind, image = definition.program.kind, definition.training_image
    if kind is ProgramKind.FUNCTION:
        return (
            "is a Python function, whose workers stay warm on this host; write it as a script for script "
            "mode, or run it on this host"
        )
    if kind is ProgramKind.MODULE or (kind is ProgramKind.FILE and not is_image(image)):
        return (
            "is a program of this host; name an image of a registry here, and the program as "
            "sagemaker_program in the folder sagemaker_submit_directory"
        )
    if not is_image(image) or "://" in image:
        return (
            "is no image of a registry; give its URI, such as ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG"
        )
    return None


def _not_on_s3(definition: TrainingJobDefinition, broken: Broken) -> Iterator[Violation]:
    for at, channel in enumerate(definition.channels):
        if not is_s3(channel.uri):
            yield broken(
                f"InputDataConfig[{at}].DataSource",
                f"{channel.uri!r} is on this host; copy it to S3, and give the s3:// URI",
            )
    if definition.output_path is None or not is_s3(definition.output_path):
        given = (
            "is missing" if definition.output_path is None else f"{definition.output_path!r} is on this host"
        )
        yield broken(
            "OutputDataConfig.S3OutputPath", f"{given}; give an s3:// URI, which receives the models"
        )
    if definition.checkpoint_uri is not None and not is_s3(definition.checkpoint_uri):
        yield broken(
            "CheckpointConfig.S3Uri", f"{definition.checkpoint_uri!r} is on this host; give an s3:// URI"
        )
    program = definition.program
    if program.kind is ProgramKind.SCRIPT and not program.source:
        yield broken(
            f"StaticHyperParameters.{SOURCE_KEY}",
            "is missing; give the folder of the program, or an s3:// URI",
        )


def _no_instances(body: Mapping[str, Any], broken: Broken) -> Iterator[Violation]:
    wanted = instances(body)
    types = [str(each["InstanceType"]) for each in wanted if "InstanceType" in each]
    types += [str(group["InstanceType"]) for each in wanted for group in each.get("InstanceGroups", ())]
    if not types:
        yield broken("ResourceConfig", "is missing; give InstanceType, InstanceCount and VolumeSizeInGB")
    for each in types:
        if not each.startswith("ml."):
            yield broken(
                "ResourceConfig.InstanceType",
                f"{each!r} is no type of SageMaker; use one such as ml.m5.large",
            )


def _of_this_host(definition: TrainingJobDefinition, broken: Broken) -> Iterator[Violation]:
    """Settings of programs that run on this host."""
    if definition.resources:
        yield broken(
            "ResourceConfig",
            "a training job gets what its instance has; choose an InstanceType, and leave out "
            "what one job is to get of it",
        )
    if definition.containers != Containers.AUTO:
        yield broken(
            f"Environment.{CONTAINERS_VARIABLE}", "every image runs in a container there; leave it out"
        )
    if definition.grace_seconds != DEFAULT_GRACE_SECONDS:
        yield broken(
            f"Environment.{GRACE_VARIABLE}",
            f"SageMaker gives a stopped program {DEFAULT_GRACE_SECONDS:g} s, not "
            f"{definition.grace_seconds:g}; leave it out",
        )
    if PYTHON in definition.environment:
        yield broken(f"Environment.{PYTHON}", "the interpreter is that of the image; leave it out")
