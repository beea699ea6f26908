"""The definitions of training jobs in a request, of whatever kind, and whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Body = Mapping[str, Any]


def is_training_request(request: Mapping[str, Any]) -> bool:
    """Whether a request, or a job file, describes one training job."""
    return "TrainingJobName" in request and "HyperParameterTuningJobName" not in request


def with_bodies(request: Mapping[str, Any], change: Callable[[str, Body], Body]) -> dict[str, Any]:
    """A copy of a request with changed definitions.

    change: is given the path of a definition, "" for a request that is one itself, and the definition.
    """
    if is_training_request(request):
        return dict(change("", request))
    changed = dict(request)
    if isinstance(body := changed.get("TrainingJobDefinition"), Mapping):
        changed["TrainingJobDefinition"] = change("TrainingJobDefinition", body)
    if isinstance(bodies := changed.get("TrainingJobDefinitions"), list):
        changed["TrainingJobDefinitions"] = [
            change(f"TrainingJobDefinitions[{i}]", body) if isinstance(body, Mapping) else body
            for i, body in enumerate(bodies)
        ]
    return changed


def with_variables(body: Body, variables: Mapping[str, str]) -> dict[str, Any]:
    """A copy of a definition with these variables in its environment."""
    environment = body.get("Environment", {})
    if not isinstance(environment, Mapping):  # it is refused soon
        return dict(body)
    return {**body, "Environment": {**environment, **variables}}
