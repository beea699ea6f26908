"""Whether this machine has what the training jobs of a tuning job are to get, and for how many at a time."""

from __future__ import annotations

import os

from hpt.errors import ValidationError, Violation
from hpt.executors.slots import Machine, too_much
from hpt.job.config import JobConfig, TrainingJobDefinition
from hpt.job.plural import quantity
from hpt.job.resources import show_size
from hpt.job.rules import INVALID


def places(config: JobConfig, machine: Machine | None = None) -> int | None:
    """How many training jobs of a tuning job can run at a time here, whichever they are; None: any number.

    Raises:
        ValidationError: not even one of some definition can.
    """
    machine = machine or Machine()
    most = []
    for definition in config.all_definitions:
        found = machine.places(definition.resources, definition.environment)
        if found == 0:
            reason = too_much(machine, definition.resources, definition.environment)
            named = f"definition {definition.name!r}: " if config.definitions else ""
            raise ValidationError([Violation(INVALID, "", "resources", f"{named}{reason}")])
        if found is not None:
            most.append(found)
    return min(most, default=None)


def resource_notes(config: JobConfig, machine: Machine | None = None) -> list[str]:
    """Messages about resources that do not suffice for what a job asks for, but for a part of it.

    Raises:
        ValidationError: as `places`.
    """
    if not any(definition.resources for definition in config.all_definitions):
        return []
    parallel, notes = config.limits.max_parallel_jobs, []
    most = places(config, machine)
    if most is not None and most < parallel:
        notes.append(
            f"{quantity(most, 'training job')} at a time in place of {parallel}: there are GPUs and"
            " cores for no more here"
        )
        parallel = most
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = max(definition.resources.memory_bytes or 0 for definition in config.all_definitions)
    if limit * parallel > total:
        together = f"{parallel} at a time may take " if parallel > 1 else "it may take "
        notes.append(
            f"the memory limit of {show_size(limit)} a training job is no protection: {together}"
            f"{show_size(limit * parallel)} of the {show_size(total)} of this machine"
        )
    return notes


def described(definition: TrainingJobDefinition) -> str:
    """What each training job of a definition gets, in words; "" for nothing in particular."""
    asked, parts = definition.resources, []
    if asked.gpus is not None:
        parts.append(quantity(asked.gpus, "GPU") if asked.gpus else "no GPU")
    if asked.cpus is not None:
        parts.append(f"{asked.cpus:g} core{'' if asked.cpus == 1 else 's'}")
    if asked.memory_bytes is not None:
        parts.append(f"{show_size(asked.memory_bytes)} of memory at most")
    return ", ".join(parts)
