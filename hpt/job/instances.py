"""The instances of a training job: how many processes of its program run, and in which groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpt.errors import InputError
from hpt.job.checks import check_string, check_unique
from hpt.job.program_kind import ProgramKind, program_of
from hpt.search.numbers import check_count

if TYPE_CHECKING:
    from hpt.job.config import TrainingJobDefinition

MOST_INSTANCES = 100
"""Of a training job. Each is a process on one machine, with a loopback address out of a block of 256."""


@dataclass(frozen=True, slots=True)
class InstanceGroup:
    """Some of the instances of a training job, which a program can tell by the group's name."""

    name: str
    instance_type: str
    count: int

    def __post_init__(self) -> None:
        check_string("the name of an instance group", self.name)
        check_string(f"the instance type of group {self.name!r}", self.instance_type)
        check_count(f"the number of instances in group {self.name!r}", self.count)


def processes(definition: TrainingJobDefinition) -> int:
    """How many processes of the program run for a training job.

    A built-in algorithm is one, with all the data: instances on one machine would share its cores, which it
    uses all by itself. So is a function.
    """
    kind = program_of(definition.training_image, definition.hyperparameters).kind
    single = (ProgramKind.BUILT_IN, ProgramKind.FUNCTION, ProgramKind.MODULE)
    return 1 if kind in single else definition.instance_count


def check_instances(count: int, groups: Sequence[InstanceGroup]) -> None:
    """Raises InputError where the number of instances is not that of the groups, if there are any, or no
    number of instances at all.
    """
    check_count("instance_count", count)
    check_unique("instance group", [group.name for group in groups])
    total = sum(group.count for group in groups)
    if groups and count != total:
        raise InputError(
            f"instance_count {count} is not the {total} instances of the groups; leave it out, or correct it"
        )
