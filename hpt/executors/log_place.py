"""Where on S3 the log of an attempt is kept, whose machine is not the tuner's and may be gone tomorrow.

    <output path>/<training job>/logs/<attempt>.log             where results go to S3
    <checkpoints>/.hpt/.logs/<training job>/<attempt>.log       else, where checkpoints do

That object holds the first part of a log; each further one has the offset at which it begins for an ending.

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

from hpt.executors import contract

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SECONDS_VARIABLE = "HPT_LOG_SECONDS"
"""The variable in a definition's environment with the seconds between copies of its logs."""

EVERY = 30.0
"""Seconds between copies of a log that grows."""

_HIDDEN = ".hpt/.logs"  # no training job has such a name, so none has its checkpoints there


def uri_of(content: Mapping[str, Any]) -> str | None:
    """The place of an attempt's log, given its order; None where nothing of it goes to S3."""
    last = f"{content['attempt']}.log"
    output, checkpoints = content["output_path"] or "", content["checkpoint_uri"] or ""
    if contract.is_remote(output):
        return f"{output.rstrip('/')}/{content['name']}/logs/{last}"
    if not contract.is_remote(checkpoints):
        return None
    own = (
        checkpoints.rstrip("/")
        if content.get("own_checkpoints")
        else f"{checkpoints.rstrip('/')}/{content['name']}"
    )
    return f"{own}/{_HIDDEN}/{content['name']}/{last}"


def shipped(spec: Mapping[str, Any]) -> str | None:
    """The place of the log where its machine is to bring it there; None otherwise."""
    return uri_of(spec) if spec.get("elsewhere") else None


def seconds_between(spec: Mapping[str, Any], variable: str, usual: float) -> float:
    """As the definition's environment says, at least one."""
    try:
        return max(1.0, float(spec["environment"].get(variable, "")))
    except ValueError:
        return usual
