"""Whether an attempt that is found on disk is the one that a tuning job means.

A state directory may have been restored from a copy, or its database from one of another day: the training
job of that name then ran with another configuration, and its results are not those of this one.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpt.errors import ExecutorError, RetryableError
from hpt.executors import checked, contract, hosts, process
from hpt.executors.container_removal import remove_container
from hpt.host.private import make_directory

_IDENTITY = ("name", "attempt", "hyperparameters", "requested_image", "environment", "channels")
"""The members of a specification that say what runs. Where results go and how long it may take are not among
them, nor what depends on the installation."""

SET_ASIDE = ".set-aside"
"""The folder, beside the training jobs, of what was found and belongs to none of them."""

REASON = "reason"
_PATIENCE = 1.0


def digest(specification: Mapping[str, Any]) -> str:
    """Of what runs and for which tuning job, as hexadecimal digits."""
    content = {name: specification[name] for name in ("job", "program", *_IDENTITY)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def difference(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """How the specification that was found differs from the expected one, "" if it does not.

    One of an earlier version has no digest; its members are compared.
    """
    if expected["digest"] == found.get("digest", ""):
        return ""
    expected = json.loads(json.dumps(expected))
    for name in _IDENTITY:
        if expected[name] == found[name]:
            continue
        if isinstance(found[name], dict):
            parts = sorted(key for key in {*expected[name], *found[name]} if _at(expected, found, name, key))
            return f"{name.removesuffix('s')} {parts[0]!r} is {_at(expected, found, name, parts[0])}"
        return f"its {name.replace('_', ' ')} is {found[name]!r:.100} in place of {expected[name]!r:.100}"
    if "digest" not in found:
        return ""
    if expected["job"] == found.get("job") and expected["program"] != found.get("program"):
        return "it ran another snapshot of the program"
    return "it belongs to another tuning job"


def _at(expected: Mapping[str, Any], found: Mapping[str, Any], name: str, key: str) -> str:
    """How one entry of a mapping differs, "" if it does not."""
    here, there = found[name].get(key), expected[name].get(key)
    return "" if here == there else f"{here!r:.100} in place of {there!r:.100}"


def end_attempt(directory: str) -> None:
    """Kill an attempt that is not to be read: its supervisor, its program and all their processes.

    Raises:
        RetryableError: something of it still runs.
        ExecutorError: its container cannot be removed.
    """
    try:
        marker = checked.read_marker(directory)
    except checked.DamagedRecordError:
        marker = None
    marks = hosts.marks(directory) + ([] if marker is None else [marker["token"]])
    process.kill_supervisors(directory)
    remove_container(directory)
    give_up = time.monotonic() + _PATIENCE
    while process.kill_supervisors(directory) + process.kill_marked(*marks):
        if time.monotonic() > give_up:
            raise RetryableError(f"an attempt of another configuration still runs in {directory}")
        time.sleep(0.01)


def set_aside(root: Path, name: str, reason: str, checkpoint_uri: str | None) -> Path:
    """Move what was found of a training job, and its checkpoints, to where nothing reads it; returns where.

    Parameters
    ----------
    root
        The directory of training jobs.
    name
        The training job's.
    reason
        Why, to be noted beside it.
    checkpoint_uri
        Where checkpoints are kept.

    Raises
    ------
    ExecutorError
        It could not be moved.
    """
    try:
        place = _free(root / SET_ASIDE, name)
        (root / name).rename(place)
        (place / REASON).write_text(f"{reason}\n", encoding="utf-8", errors="backslashreplace")
        if checkpoint_uri is not None and not contract.is_remote(checkpoint_uri):
            kept = Path(contract.local_path(checkpoint_uri), name)
            if kept.is_dir():
                kept.rename(_free(kept.parent / SET_ASIDE, name))
    except OSError as error:
        raise ExecutorError(
            f"what was found of {name} belongs to another configuration and cannot be set aside:"
            f" {error.strerror}; move {root / name} away"
        ) from None
    return place


def _free(folder: Path, name: str) -> Path:
    """A path in a folder, which is made if needed, for another thing of that name."""
    make_directory(folder)
    number = 1
    while os.path.lexists(folder / f"{name}.{number}"):
        number += 1
    return folder / f"{name}.{number}"
