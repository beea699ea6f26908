"""The request that `hpt.job.tuning_job` stands for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from hpt.errors import InputError
from hpt.job.config import GRACE_VARIABLE, STRATEGIES, Algorithm, Channel
from hpt.job.warm_start import WarmStart
from hpt.sagemaker.request.convert import channel_request, ranges_of, warm_start_request
from hpt.sagemaker.request.facts import CONFIG
from hpt.search.space import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
    Parameter,
    SearchSpace,
    value_text,
)
from hpt.search.trial import ObjectiveType, Value

Place = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Part:
    """What `hpt.job.tuning_job` was told of one definition."""

    program: Place
    space: tuple[Parameter, ...]
    metric: str
    objective: str
    metrics: Mapping[str, str | None]
    channels: Mapping[str, Place | Channel]
    static: Mapping[str, Value]
    max_trial_seconds: int | None
    retries: int | None
    spot: bool | None
    max_wait_seconds: int | None
    environment: Mapping[str, Value]
    output: Place | None
    checkpoints: Place | None
    name: str | None = None


def parts_of(
    algorithms: Sequence[Algorithm],
    job: Algorithm,
    objective: str,
    grace_seconds: float | None,
    needed: Sequence[str] = ("program", "space", "metric"),
) -> list[Part]:
    """The definitions of a job: those of its algorithms, or without any the one that the job itself is.

    Raises:
        InputError: what every definition needs is given neither by an algorithm nor by the job, or metrics
            are no mapping.
    """
    grace = {} if grace_seconds is None else {GRACE_VARIABLE: grace_seconds}
    parts = []
    for each in algorithms or (job,):
        if not isinstance(each, Algorithm):
            raise InputError(f"algorithms: {each!r} is not an Algorithm; make one with its name")
        own = {part.name: getattr(each, part.name) for part in fields(Algorithm)}
        for key, value in own.items():
            own[key] = getattr(job, key) if value is None else value
        for key in needed:
            if own[key] is None:
                raise InputError(f"{key} of {each.name!r} is missing; give it")
        if own["metrics"] is not None and not isinstance(own["metrics"], Mapping):
            raise InputError(
                f"metrics of {each.name!r} is {own['metrics']!r}; give {{name: regex}}, or {{name: None}} "
                "for a metric that the program tells by hpt.report"
            )
        space, regex = own.pop("space"), own.pop("regex")
        metrics = {} if regex is None else {own["metric"]: regex}
        own |= {
            "name": each.name if algorithms else None,
            "space": space.parameters if isinstance(space, SearchSpace) else tuple(space or ()),
            "metrics": {**metrics, **(own["metrics"] or {})},
            "environment": {**(own["environment"] or {}), **grace},
        }
        own |= {key: own[key] or {} for key in ("channels", "static")}
        parts.append(Part(objective=objective, **own))
    return parts


def describe(
    *,
    name: str,
    parts: Sequence[Part],
    limits: Mapping[str, int | None],
    strategy: str,
    seed: int | None,
    tags: Mapping[str, str],
    resources: Mapping[str, int | None],
    early_stopping: str | None,
    criteria: Mapping[str, object],
    warm_start: WarmStart | None,
) -> dict[str, Any]:
    """A CreateHyperParameterTuningJob request, not checked yet; what was left out is left out of it.

    parts: one without a name for the single form, else those of several definitions.

    Raises:
        InputError: an argument has a type that no request could express.
    """
    for parameter in (each for part in parts for each in part.space):
        if not isinstance(parameter, ContinuousParameter | IntegerParameter | CategoricalParameter):
            raise InputError(
                f"space: {parameter!r} is not a parameter; use ContinuousParameter, IntegerParameter or "
                "CategoricalParameter"
            )
    single = parts[0].name is None
    config: dict[str, Any] = {
        "Strategy": _spelt(strategy, STRATEGIES),
        **({"HyperParameterTuningJobObjective": _objective(parts[0])} if single else {}),
        "ResourceLimits": {member: value for member, value in limits.items() if value is not None},
        **({"ParameterRanges": ranges_of(parts[0].space)} if single else {}),
    }
    if early_stopping is not None:
        config["TrainingJobEarlyStoppingType"] = _spelt(early_stopping, ("Off", "Auto"))
    request: dict[str, Any] = {"HyperParameterTuningJobName": name, CONFIG: config}
    if single:
        request["TrainingJobDefinition"] = _definition(parts[0])
    else:
        request["TrainingJobDefinitions"] = [
            {
                "DefinitionName": part.name,
                "TuningObjective": _objective(part),
                "HyperParameterRanges": ranges_of(part.space),
                **_definition(part),
            }
            for part in parts
        ]
    given = {member: value for member, value in resources.items() if value is not None}
    if given:
        config["StrategyConfig"] = {"HyperbandStrategyConfig": given}
    if criteria:
        config["TuningJobCompletionCriteria"] = dict(criteria)
    if seed is not None:
        config["RandomSeed"] = seed
    if warm_start is not None:
        request["WarmStartConfig"] = warm_start_request(warm_start)
    if tags:
        request["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    return request


def _objective(part: Part) -> dict[str, str]:
    return {"Type": _spelt(part.objective, tuple(ObjectiveType)), "MetricName": part.metric}


def _definition(part: Part) -> dict[str, Any]:
    body: dict[str, Any] = {
        "AlgorithmSpecification": {
            "TrainingImage": _program(part.program),
            "MetricDefinitions": [
                {"Name": key} if regex is None else {"Name": key, "Regex": regex}
                for key, regex in part.metrics.items()
            ],
        },
        "StaticHyperParameters": _texts("static", part.static),
    }
    if part.channels:
        body["InputDataConfig"] = [_channel(channel, place) for channel, place in part.channels.items()]
    if part.output is not None:
        body["OutputDataConfig"] = {"S3OutputPath": os.fspath(part.output)}
    if part.checkpoints is not None:
        body["CheckpointConfig"] = {"S3Uri": os.fspath(part.checkpoints)}
    times = {
        "MaxRuntimeInSeconds": part.max_trial_seconds,
        "MaxWaitTimeInSeconds": part.max_wait_seconds,
    }
    if any(seconds is not None for seconds in times.values()):
        body["StoppingCondition"] = {
            member: seconds for member, seconds in times.items() if seconds is not None
        }
    if part.retries is not None:
        body["RetryStrategy"] = {"MaximumRetryAttempts": part.retries}
    if part.spot:
        body["EnableManagedSpotTraining"] = part.spot
    if part.environment:
        body["Environment"] = _texts("environment", part.environment)
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
