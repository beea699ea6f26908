"""The request that `hpt.job.tuning_job` stands for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from hpt.errors import InputError
from hpt.job import STRATEGIES, Channel
from hpt.sagemaker.convert import channel_request, ranges_of
from hpt.sagemaker.facts import CONFIG
from hpt.space import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
    Parameter,
    value_text,
)
from hpt.trial import ObjectiveType, Value

Place = str | os.PathLike[str]


def describe(
    *,
    name: str,
    program: Place,
    space: tuple[Parameter, ...],
    metric: str,
    objective: str,
    metrics: Mapping[str, str],
    channels: Mapping[str, Place | Channel],
    static: Mapping[str, Value],
    limits: Mapping[str, int | None],
    stopping: Mapping[str, int | None],
    retries: int | None,
    spot: bool,
    strategy: str,
    seed: int | None,
    environment: Mapping[str, Value],
    output: Place | None,
    checkpoints: Place | None,
    tags: Mapping[str, str],
    resources: Mapping[str, int | None],
    early_stopping: str,
    criteria: Mapping[str, object],
) -> dict[str, Any]:
    """A CreateHyperParameterTuningJob request, not checked yet; what was left out is left out of it.

    Raises:
        InputError: an argument has a type that no request could express.
    """
    for parameter in space:
        if not isinstance(parameter, ContinuousParameter | IntegerParameter | CategoricalParameter):
            raise InputError(
                f"space: {parameter!r} is not a parameter; use ContinuousParameter, IntegerParameter or "
                "CategoricalParameter"
            )
    config: dict[str, Any] = {
        "Strategy": _spelt(strategy, STRATEGIES),
        "HyperParameterTuningJobObjective": {
            "Type": _spelt(objective, tuple(ObjectiveType)),
            "MetricName": metric,
        },
        "ResourceLimits": {member: value for member, value in limits.items() if value is not None},
        "ParameterRanges": ranges_of(space),
        "TrainingJobEarlyStoppingType": _spelt(early_stopping, ("Off", "Auto")),
    }
    given = {member: value for member, value in resources.items() if value is not None}
    if given:
        config["StrategyConfig"] = {"HyperbandStrategyConfig": given}
    if criteria:
        config["TuningJobCompletionCriteria"] = dict(criteria)
    if seed is not None:
        config["RandomSeed"] = seed
    request: dict[str, Any] = {
        "HyperParameterTuningJobName": name,
        CONFIG: config,
        "TrainingJobDefinition": _definition(
            program, metrics, channels, static, stopping, environment, output, checkpoints
        ),
    }
    if retries is not None:
        request["TrainingJobDefinition"]["RetryStrategy"] = {"MaximumRetryAttempts": retries}
    if spot:
        request["TrainingJobDefinition"]["EnableManagedSpotTraining"] = spot
    if tags:
        request["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    return request


def _definition(
    program: Place,
    metrics: Mapping[str, str],
    channels: Mapping[str, Place | Channel],
    static: Mapping[str, Value],
    stopping: Mapping[str, int | None],
    environment: Mapping[str, Value],
    output: Place | None,
    checkpoints: Place | None,
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "AlgorithmSpecification": {
            "TrainingImage": _program(program),
            "MetricDefinitions": [{"Name": key, "Regex": regex} for key, regex in metrics.items()],
        },
        "StaticHyperParameters": _texts("static", static),
    }
    if channels:
        body["InputDataConfig"] = [_channel(channel, place) for channel, place in channels.items()]
    if output is not None:
        body["OutputDataConfig"] = {"S3OutputPath": os.fspath(output)}
    if checkpoints is not None:
        body["CheckpointConfig"] = {"S3Uri": os.fspath(checkpoints)}
    times = {member: seconds for member, seconds in stopping.items() if seconds is not None}
    if times:
        body["StoppingCondition"] = times
    if environment:
        body["Environment"] = _texts("environment", environment)
    return body


def _program(program: Place) -> Place:
    """A path object is always a path, also where a text of that spelling would name a built-in algorithm."""
    return program if isinstance(program, str) else f"file://{os.fspath(program).replace('%', '%25')}"


def _channel(name: str, place: Place | Channel) -> dict[str, Any]:
    if isinstance(place, Channel):
        return channel_request(place) | {"ChannelName": name}
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3Uri": os.fspath(place)}}}


def _texts(what: str, values: Mapping[str, Value]) -> dict[str, str]:
    texts = {}
    for name, value in values.items():
        plain = value.item() if hasattr(value, "item") else value  # NumPy's numbers print otherwise
        if not isinstance(plain, str | int | float):
            raise InputError(f"{what}: {name!r} is {value!r}; give a text, a number or a truth value")
        texts[name] = value_text(plain)
    return texts


def _spelt(text: str, known: Iterable[str]) -> str:
    """`text` as the request spells it, whatever its case; unchanged if it is not known."""
    return next((str(word) for word in known if isinstance(text, str) and word.lower() == text.lower()), text)
