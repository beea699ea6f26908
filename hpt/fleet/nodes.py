"""The nodes of a cluster as a tuner knows them, and which of them a training job goes to."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpt.executors.base import AttemptKey
from hpt.job.resources import SlotResources

MARKET, SPOT = "market", "spot"
"""The label of a node that its provider may take away, and its value."""

TYPE_LABELS = ("instance-type", "ray.io/instance-type", "node.kubernetes.io/instance-type")
"""Labels that may hold the type of a node, the first that is there."""

_UNREACHED_FOR = 30.0  # seconds for which a node that cannot be used gets no training job


@dataclass
class Node:
    """One node. greeted: its agent serves this tuner. asking: it was asked something and has not answered;
    since: for how long it has not, on the monotonic clock; again: when to ask again. acknowledged: the number
    of its last news. state: what its agent says of its end. drained: the cluster takes it out of service, and
    its agent was told. programs: the snapshots and parcels that are there. ended_there: attempts that were
    given up while it was silent, and are to be ended; ending: of those, the ones that it was told. used: the
    attempts that it has.
    """

    id: str
    address: str = ""
    cpus: float = 0.0
    gpus: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    alive: bool = True
    why: str = ""
    greeted: bool = False
    asking: bool = False
    since: float | None = None
    again: float = 0.0
    acknowledged: int = 0
    state: str = ""
    unfit_until: float = 0.0
    programs: set[str] = field(default_factory=set)
    drained: bool = False
    ended_there: set[AttemptKey] = field(default_factory=set)
    ending: set[AttemptKey] = field(default_factory=set)
    used: dict[AttemptKey, SlotResources] = field(default_factory=dict)

    def begin_asking(self) -> None:
        self.asking = True
        self.since = time.monotonic() if self.since is None else self.since

    def silent_for(self) -> float:
        """Seconds since it was asked something that it has not answered."""
        return 0.0 if self.since is None else time.monotonic() - self.since

    def end_came(self, key: AttemptKey, how: str) -> None:
        """The answer to the request to end an attempt that was given up; one that failed is made again."""
        self.ending.discard(key)
        if how == "done":
            self.ended_there.discard(key)

    @property
    def spot(self) -> bool:
        return self.labels.get(MARKET) == SPOT

    @property
    def type(self) -> str:
        return next((self.labels[name] for name in TYPE_LABELS if name in self.labels), "")

    def meets(self, wish: str) -> bool:
        """Whether it is of a type, with or without SageMaker's `ml.`, or has a label, given as NAME=VALUE."""
        name, is_label, value = wish.partition("=")
        if is_label:
            return self.labels.get(name) == value
        return bool(self.type) and self.type.removeprefix("ml.") == wish.removeprefix("ml.")

    def take(self, row: Mapping[str, Any]) -> None:
        """What a look at the cluster says of it. One that was dead stays so."""
        self.address, self.cpus, self.gpus = row["address"], row["cpus"], row["gpus"]
        self.labels, self.why = row["labels"], row["why"]
        self.alive = self.alive and row["alive"]

    def refuse(self) -> None:
        """Give it no training job for a while, and ask it nothing."""
        self.unfit_until = self.again = time.monotonic() + _UNREACHED_FOR
        self.since = None

    def most(self, resources: SlotResources) -> int:
        """How many training jobs with these resources it holds when it is empty."""
        return _fit(self.cpus, self.gpus, resources)

    def free(self, resources: SlotResources) -> int:
        """How many more it takes now."""
        if not self.alive or self.ended_there or self.state or time.monotonic() < self.unfit_until:
            return 0
        cpus = self.cpus - sum(_cpus(each) for each in self.used.values())
        gpus = self.gpus - sum(each.gpus or 0 for each in self.used.values())
        return _fit(cpus, gpus, resources)


def _cpus(resources: SlotResources) -> float:
    """A training job that says nothing takes one core of a cluster, as any task of Ray does."""
    return 1.0 if resources.cpus is None else float(resources.cpus)


def _fit(cpus: float, gpus: float, resources: SlotResources) -> int:
    count = int((cpus + 1e-9) // _cpus(resources))
    if resources.gpus:
        count = min(count, int((gpus + 1e-9) // resources.gpus))
    return max(0, count)


def choose(
    nodes: Iterable[Node],
    resources: SlotResources,
    wishes: Sequence[str] = (),
    *,
    before: str = "",
    avoid_spot: bool = False,
) -> Node | None:
    """The node for a training job; None while none has room.

    Parameters
    ----------
    nodes
        All there are.
    resources
        What it gets.
    wishes
        Types of instance or labels that it is for, the most wanted first. Other nodes come last.
    before
        The node of its last attempt, which may have its checkpoints.
    avoid_spot
        Whether it has been interrupted so often that it is to run where it is not taken away, if there is
        such a node at all.

    Returns
    -------
    Node or None
        The first by these wishes, then the one with the most room.
    """
    known = list(nodes)
    fixed = avoid_spot and any(node.alive and not node.spot and node.most(resources) for node in known)
    able = [node for node in known if node.free(resources) > 0 and not (fixed and node.spot)]

    def rank(node: Node) -> tuple[bool, int, int]:
        place = next((place for place, wish in enumerate(wishes) if node.meets(wish)), len(wishes))
        return node.id != before, place, -node.free(resources)

    return min(able, key=rank, default=None)


def why_none(nodes: Iterable[Node], resources: SlotResources) -> str:
    """Why no node will ever take a training job, as a message with the fix; "" if one will."""
    alive = [node for node in nodes if node.alive]
    if not alive:
        return "the cluster has no node yet; add one"
    if any(node.most(resources) for node in alive):
        return ""
    asked = [f"{_cpus(resources):g} CPUs"] + ([f"{resources.gpus} GPUs"] if resources.gpus else [])
    largest = max(alive, key=lambda node: (node.gpus, node.cpus))
    return (
        f"no node of the cluster has the {' and '.join(asked)} of a training job; the largest has "
        f"{largest.cpus:g} CPUs and {largest.gpus:g} GPUs. Ask for less, or add a larger node"
    )


def cannot_begin(error: str) -> str:
    """Why no agent runs on a node, as a message with the fix. error: Python's line about it, or Ray's."""
    if (lacks := re.search(r"No module named '([^']+)'", error)) is not None:
        return f"its Python lacks the package {lacks[1]!r}; install there what hpt needs (pip install hpt)"
    if "No space left on device" in error or "quota exceeded" in error:
        return (
            f"its disk is full ({error}); make room there, or set HPT_NODE_ROOT where `ray start` is called "
            "to a folder of another disk"
        )
    if "Permission denied" in error or "Read-only file system" in error:
        return f"{error}; set HPT_NODE_ROOT where `ray start` is called to a folder that it can write to"
    return f"{error}; correct that there: it is tried again every {_UNREACHED_FOR:g} s"


def lacks(node: Node, facts: Mapping[str, Any]) -> str:
    """What of this tuner's hpt does not run on a node, as a message; "" if all does. facts: as its agent has
    said them.
    """
    if facts["native"]:
        return ""
    return (
        f"node {node.address} (Python {facts['python']}, {facts['machine']}) cannot load hpt's engine"
        " as it was built for this host: programs that import it fail there, all others run"
    )
