"""Resources of training jobs in a request: members of its own in a job file, variables for all that follows.

The service has no such members. What stands in the `Environment` of a definition is kept and echoed by every
client, so a request that was described gives the same job when it is submitted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpt.errors import InputError, ValidationError, Violation
from hpt.job.resources import MEMBERS, VARIABLES, SlotResources, read_resources
from hpt.sagemaker.request.shapes import CODE

_CONFIGS = ("ResourceConfig", "HyperParameterTuningResourceConfig")


def as_variables(request: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a request with valid shapes, with such members as variables.

    Raises:
        ValidationError: a member is invalid, or contradicts the variable.
    """
    changed, broken = _with_bodies(request, _moved)
    if broken:
        raise ValidationError(broken)
    return changed


def with_resources(request: Mapping[str, Any], resources: SlotResources) -> dict[str, Any]:
    """A copy of a request, not yet checked, in which every definition asks for these resources."""
    variables = resources.variables()
    fields = [name for name in MEMBERS if VARIABLES[name] in variables]

    def given(path: str, body: Mapping[str, Any]) -> tuple[dict[str, Any], list[Violation]]:
        own = dict(body)
        for config in _CONFIGS:
            if isinstance(own.get(config), Mapping):
                own[config] = {
                    key: value
                    for key, value in own[config].items()
                    if key not in [MEMBERS[name] for name in fields]
                }
        environment = own.get("Environment", {})
        if isinstance(environment, Mapping):  # else it is refused soon
            own["Environment"] = {**environment, **variables}
        return own, []

    return _with_bodies(request, given)[0]


def _with_bodies(request: Mapping[str, Any], change: Any) -> tuple[dict[str, Any], list[Violation]]:
    changed, broken = dict(request), []
    if isinstance(body := changed.get("TrainingJobDefinition"), Mapping):
        changed["TrainingJobDefinition"], faults = change("TrainingJobDefinition", body)
        broken += faults
    if isinstance(bodies := changed.get("TrainingJobDefinitions"), list):
        pairs = [
            change(f"TrainingJobDefinitions[{i}]", body) if isinstance(body, Mapping) else (body, [])
            for i, body in enumerate(bodies)
        ]
        changed["TrainingJobDefinitions"] = [body for body, _ in pairs]
        broken += [fault for _, faults in pairs for fault in faults]
    return changed, broken


def _moved(path: str, body: Mapping[str, Any]) -> tuple[dict[str, Any], list[Violation]]:
    own: dict[str, Any] = dict(body)
    broken: list[Violation] = []
    for config in _CONFIGS:
        if config not in own:
            continue
        own[config] = dict(own[config])
        for field, member in MEMBERS.items():
            if member not in own[config]:
                continue
            string, environment = own[config].pop(member), own.get("Environment", {})
            try:
                asked = read_resources({VARIABLES[field]: string})
            except InputError as error:
                broken.append(Violation(CODE, f"{path}.{config}.{member}", "resources", str(error)))
                continue
            other = environment.get(VARIABLES[field])
            if other is not None and _read(VARIABLES[field], other) != asked:
                message = f"{string!r} contradicts {VARIABLES[field]} {other!r} in Environment; keep one"
                broken.append(Violation(CODE, f"{path}.{config}.{member}", "resources", message))
            own["Environment"] = {**environment, **asked.variables()}
        if not own[config]:
            del own[config]
    return own, broken


def _read(variable: str, string: str) -> SlotResources | None:
    try:
        return read_resources({variable: string})
    except InputError:
        return None
