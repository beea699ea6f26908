"""What was chosen for each definition of a job: what runs, under which interpreter, where its code comes
from, and what an instance is here. `hpt tune --check` and `hpt describe` say it.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hpt.errors import InputError
from hpt.executors import checked
from hpt.executors.contract import is_remote
from hpt.executors.environments import PROJECT, store
from hpt.executors.script_mode import COMMAND, kind_of_names
from hpt.host.interpreter import VARIABLE, choose, inspect, is_named
from hpt.host.requirements import CONDA, REQUIREMENTS
from hpt.job.config import TrainingJobDefinition
from hpt.job.isolation import runs_as_image
from hpt.job.program_kind import ProgramKind, TrainingProgram

Line = tuple[str, str]
"""A label and what it labels; "" goes on with the one before."""

_LAUNCHERS = {
    "sagemaker_mpi_enabled": "MPI",
    "sagemaker_torch_distributed_enabled": "torchrun",
    "sagemaker_distributed_dataparallel_enabled": "SageMaker's data parallel library",
    "sagemaker_parameter_server_enabled": "a parameter server",
    "sagemaker_multi_worker_mirrored_strategy_enabled": "MultiWorkerMirroredStrategy",
}
"""Hyperparameters by which an estimator asks for a launcher of several processes."""


def choices(
    definition: TrainingJobDefinition,
    root: Path,
    manifest: Mapping[str, Any] | None = None,
    python: str | None = None,
    place: str = "this machine",
) -> Iterator[Line]:
    """What was chosen for a definition, a short line each.

    Parameters
    ----------
    definition
        The definition.
    root
        The state directory.
    manifest
        Of the snapshot of its program; None if there is none.
    python
        The interpreter that runs its program; by default the one that would run it now.
    place
        Where it runs.

    Yields
    ------
    tuple
        A label and a line.
    """
    program = definition.program
    for number, line in enumerate(_program(definition, program)):
        yield "" if number else "program", line
    if program.kind in (ProgramKind.SCRIPT, ProgramKind.FILE):
        yield from _interpreter(definition, program, python)
    if program.kind is ProgramKind.SCRIPT:
        for number, line in enumerate(_installs(definition, program, root, manifest)):
            yield "" if number else "installs", line
    if definition.instance_type != "local":
        each = "a process of it" if definition.instance_count == 1 else "a process of it each"
        yield "instance", f"{definition.instance_type}: {place}, as {each}"


def choices_document(
    definition: TrainingJobDefinition,
    root: Path,
    manifest: Mapping[str, Any] | None = None,
    python: str | None = None,
) -> dict[str, Any]:
    """The same as JSON data: the kind, and the lines under their labels. The arguments are `choices`'."""
    lines: dict[str, list[str]] = {}
    label = ""
    for each, line in choices(definition, root, manifest, python):
        label = each or label
        lines.setdefault(label, []).append(line)
    return {"definition": definition.name, "kind": str(definition.program.kind), **lines}


def _program(definition: TrainingJobDefinition, program: TrainingProgram) -> Iterator[str]:
    image = definition.training_image
    match program.kind:
        case ProgramKind.FUNCTION:
            yield "a function in Python"
        case ProgramKind.MODULE:
            yield f"the module {image.partition(':')[2].partition('?')[0]}"
        case ProgramKind.BUILT_IN if program.algorithm is not None:
            name = program.algorithm.name
            where = "" if image == name else f", in place of the image {image}"
            if runs_as_image(program.kind, image, definition.containers) is None:
                where = f" in the image {image} if this host has it, else in its place"
            yield f"the built-in algorithm {name}{where}"
        case ProgramKind.SCRIPT:
            yield f"the script {program.entry} of {program.source}"
            if runs_as_image(program.kind, image, definition.containers) is None:
                yield f"in the image {image} if this host has it, else in its place"
            else:
                yield f"in place of the image {image}, of which nothing is used"
            for key, launcher in _LAUNCHERS.items():
                if definition.hyperparameters.get(key, "").strip('"').lower() == "true":
                    yield f"as one process an instance: {key} asks for {launcher}, without effect here"
        case ProgramKind.IMAGE:
            yield f"the container image {image}"
        case _:
            yield image
    if program.ignored_entry:
        yield f"not the entry point {program.ignored_entry} of script mode: the image is a program itself"


def _interpreter(
    definition: TrainingJobDefinition, program: TrainingProgram, python: str | None
) -> Iterator[Line]:
    """For programs that Python runs, and for others if an interpreter is named."""
    named = is_named(definition.environment)
    script = program.kind is ProgramKind.SCRIPT or definition.training_image.endswith(".py")
    if not (named or script):
        return
    try:
        path = python or choose(definition.environment)
        version = platform.python_version() if path == sys.executable else inspect(path).version
    except InputError as error:
        yield "python", f"none that works: {error}"
        return
    why = ""
    if definition.environment.get(VARIABLE):
        why = f", as {VARIABLE} of its Environment says"
    elif path == sys.executable:
        why = ", the one of hpt"
    elif named:
        why = f", as {VARIABLE} says"
    yield "python", f"{version} at {path}{why}"


def _installs(
    definition: TrainingJobDefinition,
    program: TrainingProgram,
    root: Path,
    manifest: Mapping[str, Any] | None,
) -> Iterator[str]:
    where = f"once into an environment below {store(root)}"
    if manifest is None:
        if is_remote(program.source):
            yield f"what a {REQUIREMENTS} in the archive asks for, {where}"
        return
    names = {row[0] for row in manifest["files"]} | {row[0] for row in manifest["shared"]}
    kind = kind_of_names(names, program.entry)
    if kind == COMMAND:
        if REQUIREMENTS in names:
            yield f"nothing: {REQUIREMENTS} is for Python, and {program.entry} is a command"
        return
    listed = next((name for name in (REQUIREMENTS, *CONDA) if name in names), None)
    if PROJECT in names:
        also = f" and its {REQUIREMENTS}" if REQUIREMENTS in names else ""
        yield f"the project of its {PROJECT}{also}, {where}"
    elif listed in CONDA and is_named(definition.environment):
        yield f"nothing: the interpreter that {VARIABLE} names takes the place of {listed}"
    elif listed is not None:
        yield f"its {listed}, {where}"


def python_of(attempt: Path) -> str | None:
    """The interpreter of an attempt that was started; None if that cannot be known."""
    try:
        spec = checked.read_spec(str(attempt))
    except (OSError, checked.DamagedRecordError):
        return None
    return (spec or {}).get("program_python") or None
