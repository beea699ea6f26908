"""Resources of training jobs in a request: members of its own in a job file, variables for all that follows.

The service has no such members. What stands in the `Environment` of a definition is kept and echoed by every
client, so a request that was described gives the same job when it is submitted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpt.errors import InputError, ValidationError, Violation
from hpt.job.resources import MEMBERS, VARIABLES, SlotResources, read_resources
from hpt.sagemaker.request.bodies import Body, with_bodies, with_variables
from hpt.sagemaker.request.shapes import CODE

_CONFIGS = ("ResourceConfig", "HyperParameterTuningResourceConfig")


def as_variables(request: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a request with valid shapes, with such members as variables.

    Raises:
        ValidationError: a member is invalid, or contradicts the variable.
    """
    broken: list[Violation] = []
    changed = with_bodies(request, lambda path, body: _moved(path, body, broken))
    if broken:
        raise ValidationError(broken)
    return changed


def with_resources(request: Mapping[str, Any], resources: SlotResources) -> dict[str, Any]:
    """A copy of a request, not yet checked, in which every definition asks for these resources."""
    variables = resources.variables()
    replaced = [MEMBERS[name] for name in MEMBERS if VARIABLES[name] in variables]

    def given(path: str, body: Body) -> Body:
        own = with_variables(body, variables)
        for config in _CONFIGS:
            if isinstance(own.get(config), Mapping):
                own[config] = {key: value for key, value in own[config].items() if key not in replaced}
        return own

    return with_bodies(request, given)


def _moved(path: str, body: Body, broken: list[Violation]) -> Body:
    own: dict[str, Any] = dict(body)
    for config in _CONFIGS:
        if config not in own:
            continue
        own[config] = dict(own[config])
        for field, member in MEMBERS.items():
            if member not in own[config]:
                continue
            string, environment = own[config].pop(member), own.get("Environment", {})
            place = ".".join(filter(None, [path, config, member]))
            try:
                asked = read_resources({VARIABLES[field]: string})
            except InputError as error:
                broken.append(Violation(CODE, place, "resources", str(error)))
                continue
            other = environment.get(VARIABLES[field])
            if other is not None and _read(VARIABLES[field], other) != asked:
                message = f"{string!r} contradicts {VARIABLES[field]} {other!r} in Environment; keep one"
                broken.append(Violation(CODE, place, "resources", message))
            own = with_variables(own, asked.variables())
        if not own[config]:
            del own[config]
    return own


def _read(variable: str, string: str) -> SlotResources | None:
    try:
        return read_resources({variable: string})
    except InputError:
        return None
