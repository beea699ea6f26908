"""Whether a tuning job can run as training jobs of SageMaker, asked before it is created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpt.errors import InputError, ValidationError
from hpt.fleet.training_jobs.request import Options, refusals
from hpt.job.config import JobConfig

LONG = 1800.0
"""Seconds of run time from which on a training job without checkpoints is likely to be interrupted."""

NAMES = ("role", "keep_alive", "interval")
"""The options of the executor."""

_LONGEST_KEPT = 3600


def options_of(given: Mapping[str, str]) -> tuple[Options, float]:
    """What the user chose, and the seconds between two looks at the service.

    Raises:
        InputError: a value is invalid.
    """
    keep_alive = given.get("keep_alive")
    if keep_alive is not None and not (keep_alive.isdecimal() and 1 <= int(keep_alive) <= _LONGEST_KEPT):
        raise InputError(
            f"keep_alive {keep_alive!r} is not an integer from 1 to {_LONGEST_KEPT}; give seconds for which "
            "an instance is kept"
        )
    role = given.get("role")
    if role is not None and not role.startswith("arn:"):
        raise InputError(f"role {role!r} is no ARN; give one, such as arn:aws:iam::123456789012:role/NAME")
    try:
        interval = float(given.get("interval", "5"))
    except ValueError:
        interval = 0.0
    if not 0 < interval <= 300:
        raise InputError(
            f"interval {given['interval']!r} is not a number above 0 and up to 300; give seconds"
        )
    return Options(role, None if keep_alive is None else int(keep_alive)), interval


def check(config: JobConfig, request: Mapping[str, Any], given: Mapping[str, str]) -> list[str]:
    """Messages about the job.

    Raises:
        ValidationError: part of it cannot be had there, with the fix. InputError: an option is invalid.
    """
    options, _ = options_of(given)
    violations = list(refusals(config, request, options))
    if violations:
        raise ValidationError(violations)
    notes = ["training jobs run in SageMaker, which bills their instances"]
    for definition in config.all_definitions:
        limit = definition.max_runtime_seconds
        if definition.spot and definition.checkpoint_uri is None and (limit is None or limit > LONG):
            notes.append(
                "training jobs without CheckpointConfig begin anew each time their instance is taken away, "
                "and long ones may never end; give an s3:// URI and have the program go on from there"
            )
        if definition.spot and options.keep_alive is not None:
            notes.append(
                "SageMaker keeps no instances of managed Spot training; keep_alive has no effect there"
            )
    return list(dict.fromkeys(notes))
