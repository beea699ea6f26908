"""What a job needs of other machines that is not sent to them."""

from __future__ import annotations

from collections.abc import Iterator

from hpt.errors import InputError
from hpt.executors.contract import is_remote, local_path
from hpt.executors.order import needs_files_of_the_host
from hpt.executors.places import is_installed
from hpt.job.config import JobConfig, TrainingJobDefinition
from hpt.job.program_kind import ProgramKind

LONG = 1800.0
"""Seconds of run time from which on a training job without checkpoints is likely to be interrupted."""


def check(config: JobConfig) -> None:
    """Raises InputError where a job cannot run on other machines."""
    if any(each.program.kind is ProgramKind.FUNCTION for each in config.all_definitions):
        raise InputError(
            "functions run on this host alone; put the function into a script that prints its metric, or "
            "leave the executor out"
        )


def notes(config: JobConfig) -> list[str]:
    """Messages about what has to be on every node, and what stays there."""
    return list(dict.fromkeys(note for each in config.all_definitions for note in _notes(each)))


def _notes(definition: TrainingJobDefinition) -> Iterator[str]:
    program = definition.program
    path = definition.training_image.removeprefix("file://")
    if program.kind is ProgramKind.FILE and is_installed(path):
        yield f"every node is to have the program {path}: it is part of a system, and is not sent"
    elif (path_there := needs_files_of_the_host(definition)) is not None and definition.snapshot is not None:
        yield f"every node is to have {path_there}"
    for channel in definition.channels:
        if not is_remote(channel.uri):
            yield (
                f"every node is to have channel {channel.name} at {local_path(channel.uri)}: local data is "
                "not sent; give an s3:// URI otherwise"
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
        yield "models stay on the nodes that trained them; give OutputDataConfig an s3:// URI to keep them"
