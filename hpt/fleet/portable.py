"""What a job needs of other machines that is not sent to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from hpt.executors.channels import MANIFESTS
from hpt.executors.contract import is_remote, local_path
from hpt.executors.order import needs_files_of_the_host
from hpt.executors.places import is_installed
from hpt.fleet.fetching import LARGEST as MOST_LEFT
from hpt.fleet.parcels import LARGEST
from hpt.job.config import Channel, JobConfig, TrainingJobDefinition
from hpt.job.program_kind import ProgramKind

LONG = 1800.0
"""Seconds of run time from which on a training job without checkpoints is likely to be interrupted."""


def is_sent(channel: Channel) -> bool:
    """Whether the data of a channel is sent to the nodes: of this host, and no list of data elsewhere."""
    return not is_remote(channel.uri) and channel.data_type not in MANIFESTS


def notes(config: JobConfig) -> list[str]:
    """Messages about what has to be on every node, and what stays there."""
    return list(dict.fromkeys(note for each in config.all_definitions for note in _notes(each)))


def _kept_here(channel: Channel) -> str:
    """Why the data of a channel is not sent, "" if it is."""
    if not is_sent(channel):
        return "what a manifest lists is not sent"
    path = local_path(channel.uri)
    size = os.path.getsize(path) if os.path.isfile(path) else 0  # noqa: PTH113, PTH202, as below
    for place, _, names in os.walk(path, followlinks=True):
        for name in names:
            with suppress(OSError):
                size += os.stat(os.path.join(place, name)).st_size  # noqa: PTH116, PTH118, paths by thousands
        if size > LARGEST:
            return f"more than {LARGEST >> 30} GiB are not sent"
    return "" if os.path.exists(path) else "it is not on this host"  # noqa: PTH110


def _notes(definition: TrainingJobDefinition) -> Iterator[str]:
    program = definition.program
    path = definition.training_image.removeprefix("file://")
    if program.kind is ProgramKind.FILE and is_installed(path):
        yield f"every node is to have the program {path}: it is part of a system, and is not sent"
    elif (path_there := needs_files_of_the_host(definition)) is not None and definition.snapshot is not None:
        yield f"every node is to have {path_there}"
    for channel in definition.channels:
        if not is_remote(channel.uri) and (why := _kept_here(channel)):
            yield (
                f"every node is to have channel {channel.name} at {local_path(channel.uri)}: {why}; give an "
                "s3:// URI otherwise"
            )
    uri = definition.checkpoint_uri
    if uri is not None and not is_remote(uri):
        yield (
            f"checkpoints in {local_path(uri)} outlive their node only if every node shares that folder; "
            "give an s3:// URI otherwise"
        )
    elif uri is None:
        limit = definition.max_runtime_seconds
        if definition.spot and (limit is None or limit > LONG):
            yield (
                "training jobs without CheckpointConfig begin anew each time their machine is taken away, "
                "and long ones may never end; give an s3:// URI and have the program go on from there"
            )
    if definition.output_path is None or not is_remote(definition.output_path):
        yield (
            f"models of up to {MOST_LEFT >> 30} GiB come to this machine from the nodes that trained them; "
            "larger ones stay there: give OutputDataConfig an s3:// URI"
        )
