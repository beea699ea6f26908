"""What an instance of a training job is on this machine, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpt.executors import host_names, hosts
from hpt.executors.environment import cores_for_each
from hpt.job.instances import processes
from hpt.job.plural import quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpt.job.config import TrainingJobDefinition


def told(definition: TrainingJobDefinition, parallel: int = 1) -> Iterator[str]:
    """Lines about the instances of each training job; none where it has one.

    Parameters
    ----------
    definition
        What runs.
    parallel
        How many training jobs run at a time.

    Yields
    ------
    str
        A line. Whether the hosts can find each other by name is tried for it.
    """
    asked, count = definition.instance_count, processes(definition)
    if asked == 1:
        return
    if count == 1:
        yield f"{asked} asked for; the program runs as one process, with all data and its share of the cores"
        return
    last = hosts.name_of(count)
    cores = quantity(cores_for_each(parallel * count), "core")
    yield f"{count} processes of the program on this machine, {hosts.FIRST} to {last}, of {cores} each"
    first = 1
    for group in definition.instance_groups:
        end = first + group.count - 1
        names = hosts.name_of(first) + (f" to {hosts.name_of(end)}" if group.count > 1 else "")
        yield f"group {group.name}: {names}"
        first = end + 1
    if host_names.are_possible():
        yield "these names are addresses of the loopback network, for the training job alone"
    else:
        yield (
            "no private /etc/hosts is possible here (mount namespaces are forbidden): the hosts are called "
            "by their loopback addresses"
        )
