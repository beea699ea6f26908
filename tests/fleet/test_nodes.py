"""Which node a training job goes to."""

from __future__ import annotations

import re
import time

import pytest

from hpt.executors.base import AttemptKey, Exit
from hpt.fleet.followed import reason_there
from hpt.fleet.nodes import Node, cannot_begin, choose, why_none
from hpt.job.resources import SlotResources

ANY = SlotResources()


def node(name: str, cpus: float = 2, gpus: float = 0, used: int = 0, **labels: str) -> Node:
    given = {key.replace("_", "-"): value for key, value in labels.items()}
    made = Node(name, name, cpus, gpus, given)
    made.used = {AttemptKey(f"job-{number}", 1): ANY for number in range(used)}
    return made


def chosen(
    *nodes: Node, resources: SlotResources = ANY, types: tuple[str, ...] = (), **wishes: object
) -> str:
    found = choose(nodes, resources, types, **wishes)  # type: ignore[arg-type]
    return "" if found is None else found.id


def test_the_one_with_the_most_room_unless_there_is_none() -> None:
    assert chosen(node("a", used=1), node("b"), node("c", used=2)) == "b"
    assert chosen(node("a", used=2), node("b", used=2)) == ""


def test_wanted_types_come_first_in_their_order_and_others_last() -> None:
    nodes = [
        node("a", cpus=64, instance_type="c5.large"),
        node("b", instance_type="m5.large"),
        node("c", cpus=99),
    ]
    assert chosen(*nodes, types=("ml.m5.large", "ml.c5.large")) == "b"
    nodes[1].used = {AttemptKey("x", 1): ANY, AttemptKey("y", 1): ANY}
    assert chosen(*nodes, types=("ml.m5.large", "ml.c5.large")) == "a"
    assert chosen(nodes[2], types=("ml.m5.large",)) == "c"


def test_the_node_of_the_last_attempt_has_its_checkpoints() -> None:
    assert chosen(node("a", cpus=8), node("b", used=1), before="b") == "b"
    assert chosen(node("a", cpus=8), node("b", used=2), before="b") == "a"


def test_resources_are_counted_by_what_each_training_job_gets() -> None:
    big = node("a", cpus=8, gpus=2)
    two = SlotResources(gpus=1, cpus=3)
    assert big.most(two) == 2
    big.used = {AttemptKey("x", 1): two, AttemptKey("y", 1): two}
    assert big.free(two) == 0
    assert big.free(ANY) == 2
    assert big.free(SlotResources(cpus=0.5)) == 4


def test_nodes_that_leave_are_silent_or_could_not_be_used_get_none() -> None:
    leaving, silent, unfit, dead = (node(name) for name in "abcd")
    leaving.state = "rebalance"
    silent.ended_there.add(AttemptKey("x", 1))
    unfit.refuse()
    dead.alive = False
    assert chosen(leaving, silent, unfit, dead) == ""
    silent.end_came(AttemptKey("x", 1), "away")
    assert chosen(silent) == ""
    silent.end_came(AttemptKey("x", 1), "done")
    assert chosen(silent) == "b"


def test_often_interrupted_ones_wait_for_a_node_that_stays() -> None:
    spot, stays = node("a", cpus=8, market="spot"), node("b", market="on-demand", used=2)
    assert chosen(spot, stays, avoid_spot=True) == ""
    assert chosen(spot, node("head", cpus=0), avoid_spot=True) == "a"  # none that stays runs anything
    stays.used.clear()
    assert chosen(spot, stays, avoid_spot=True) == "b"


@pytest.mark.parametrize(
    ("nodes", "resources", "says"),
    [
        ([], ANY, "the cluster has no node yet; add one"),
        ([node("a", used=2)], ANY, ""),
        (
            [node("a"), node("b", cpus=4)],
            SlotResources(cpus=8, gpus=1),
            "no node of the cluster has the 8 CPUs and 1 GPUs of a training job; the largest has 4 CPUs and"
            " 0 GPUs. Ask for less, or add a larger node",
        ),
    ],
)
def test_what_never_fits_is_said(nodes: list[Node], resources: SlotResources, says: str) -> None:
    assert why_none(nodes, resources) == says


def test_silence_counts_from_the_first_question_without_an_answer() -> None:
    asked = node("a")
    assert asked.silent_for() == 0.0
    asked.begin_asking()
    asked.since = time.monotonic() - 5
    asked.begin_asking()
    assert asked.silent_for() >= 5


def test_a_label_may_be_wanted_in_place_of_a_type() -> None:
    nodes = [node("a", cpus=64, instance_type="c5.large"), node("b", rack="two")]
    assert chosen(*nodes, types=("rack=two", "c5.large")) == "b"
    assert chosen(*nodes, types=("rack=one", "ml.c5.large")) == "a"
    assert not node("c").meets("")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            "ModuleNotFoundError: No module named 'numba'",
            "its Python lacks the package 'numba'; install there",
        ),
        (
            "OSError: [Errno 28] No space left on device",
            "its disk is full .*make room there, or set HPT_NODE_",
        ),
        ("OSError: [Errno 122] Disk quota exceeded: '/x'", "its disk is full"),
        (
            "PermissionError: [Errno 13] Permission denied: '/x'",
            "set HPT_NODE_ROOT where `ray start` is called",
        ),
        ("ValueError: odd", "ValueError: odd; correct that there: it is tried again every 30 s"),
    ],
)
def test_why_a_node_cannot_be_used_comes_with_a_fix(error: str, says: str) -> None:
    assert re.search(says, cannot_begin(error))


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (
            Exit("Lost", None, "the disk is full; make room on it"),
            "node a: the disk is full; make room on it",
        ),
        (Exit("Exited", None, "/no/python does not exist"), "node a: /no/python does not exist"),
        (Exit("Exited", 1, "exit code 1"), "exit code 1"),
        (Exit("Exited", None, "stopped", stopped=True), "stopped"),
    ],
)
def test_what_a_node_is_to_blame_for_has_its_address(end: Exit, says: str) -> None:
    assert reason_there(end, "a") == says
