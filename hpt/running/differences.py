"""What two descriptions of a job disagree on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hpt.job.config import JobConfig, TrainingJobDefinition
from hpt.job.document import to_document
from hpt.sagemaker.request.convert import to_request


def differences(stored: JobConfig, given: JobConfig, *, in_request: bool = False) -> list[str]:
    """What two configurations, but for their names, disagree on, one string a member.

    in_request: name members as a request does, where it has one. A seed left open agrees with any, and a
    number of training jobs that was not requested agrees with any. Autotune only says how a description was
    made; its choices are compared. The metrics that a built-in algorithm brings along agree with any: another
    version may know more of them. What the program's files hold is no part of a description.
    """
    stored, given = _without_predefined(stored), _without_predefined(given)
    limits = given.limits
    if limits.max_jobs_is_quota and stored.limits.max_jobs is None:
        given = replace(given, limits=replace(limits, max_jobs=None))
    if given.seed is None:
        given = replace(given, seed=stored.seed)
    given = replace(given, name=stored.name, autotune=stored.autotune)
    variables = stored.definition.environment
    if "HPT_FUNCTION_MAIN" in variables:  # an earlier version stored how workers find the function there
        known = {name: variables[name] for name in ("HPT_FUNCTION_MAIN", "PYTHONPATH") if name in variables}
        definition = given.definition
        environment = {**definition.environment, **known}
        grace = stored.definition.grace_seconds
        definition = replace(definition, environment=environment, grace_seconds=grace)
        given = replace(given, definition=definition)
    if in_request and (changed := _differences(to_request(stored), to_request(given))):
        return changed
    return _differences(_compared(stored), _compared(given))


def growth(stored: JobConfig, given: JobConfig) -> dict[str, Any]:
    """The limits that `Session.extend` takes, where all that a description has beyond a stored job's is a
    larger budget; else empty.
    """
    old, new = stored.limits, given.limits
    if new.max_jobs_is_quota:
        return {}
    larger = {
        name: getattr(new, name)
        for name in ("max_jobs", "max_runtime_seconds")
        if None not in (getattr(old, name), getattr(new, name)) and getattr(new, name) > getattr(old, name)
    }
    before = {name: getattr(old, name) for name in (*larger, "max_parallel_jobs")}
    if not larger or differences(stored, replace(given, limits=replace(new, **before))):
        return {}
    return {**larger, "max_parallel_jobs": new.max_parallel_jobs}


def _without_predefined(config: JobConfig) -> JobConfig:
    def own(definition: TrainingJobDefinition) -> TrainingJobDefinition:
        algorithm = definition.program.algorithm
        known = () if algorithm is None else algorithm.metrics
        patterns = {(each.name, each.regex) for each in known}
        kept = tuple(m for m in definition.metric_definitions if (m.name, m.regex) not in patterns)
        return replace(definition, metric_definitions=kept)

    return replace(config, definition=own(config.definition), definitions=tuple(map(own, config.definitions)))


def _compared(config: JobConfig) -> dict[str, Any]:
    limits = replace(config.limits, max_jobs_is_quota=False)
    document = to_document(replace(config, limits=limits))
    for definition in document.get("definitions", [document.get("definition")]):
        del definition["snapshot"]
    return document


def _differences(stored: Mapping[str, Any], given: Mapping[str, Any], path: str = "") -> list[str]:
    return [
        difference
        for key in sorted(stored.keys() | given.keys())
        for difference in _disagreements(stored.get(key), given.get(key), path + key)
    ]


def _disagreements(old: object, new: object, path: str) -> list[str]:
    if old == new:
        return []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return _differences(old, new, f"{path}.")
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [difference for i, pair in pairs for difference in _disagreements(*pair, f"{path}[{i}]")]
    return [f"{path} is {_brief(old)} there and {_brief(new)} here"]


def _brief(value: object) -> str:
    string = repr(value)
    return string if len(string) <= 60 else string[:59] + "…"
