"""Which nodes the training jobs of a definition are to have, the most wanted first: its `InstanceConfigs`.

A wish is the type of an instance, as the label of a node says it, or any label of it as `NAME=VALUE`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hpt.fleet.nodes import Node
from hpt.fleet.training_jobs.request import instances
from hpt.job.config import TrainingJobDefinition

LOCAL = "local"


def wishes_of(request: Mapping[str, Any], definition: TrainingJobDefinition) -> list[str]:
    """The wishes of a definition. request: that of the job, with all its definitions."""
    bodies = request.get("TrainingJobDefinitions") or [request.get("TrainingJobDefinition") or {}]
    for body in bodies:
        if len(bodies) == 1 or body.get("DefinitionName") == definition.name:
            wanted = [each.get("InstanceType", LOCAL) for each in instances(body)]
            return [wish for wish in wanted if wish != LOCAL] or _alone(definition)
    return _alone(definition)


def _alone(definition: TrainingJobDefinition) -> list[str]:
    return [] if definition.instance_type == LOCAL else [definition.instance_type]


def unmet(nodes: Iterable[Node], wishes: Sequence[str]) -> str:
    """What to say where no node is one that was wished for; "" where one is."""
    alive = [node for node in nodes if node.alive]
    if not wishes or not alive or any(node.meets(wish) for node in alive for wish in wishes):
        return ""
    there = sorted({node.type for node in alive if node.type})
    return (
        f"no node of the cluster is {' or '.join(wishes)}, which the job asks for; its training jobs run on "
        f"other nodes{' (' + ', '.join(there) + ')' if there else ', which have no label instance-type'}"
    )
