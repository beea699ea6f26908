"""What training jobs on Spot nodes cost, by the examples of the service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpt.executors.base import AttemptKey, Submission
from hpt.executors.order import Order
from hpt.fleet import charges
from hpt.fleet.followed import Followed
from hpt.fleet.nodes import Node
from hpt.fleet.placements import Placement, Placements
from hpt.job.billing import savings_percent
from hpt.job.config import Objective, TrainingJobDefinition
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType

KEY = AttemptKey("job-001", 1)


@pytest.mark.parametrize(
    ("label", "share"),
    [("0.2", 0.2), ("1", 1.0), ("", 1.0), ("0", 1.0), ("1.5", 1.0), ("-1", 1.0), ("nan", 1.0), ("half", 1.0)],
)
def test_a_share_that_makes_no_sense_saves_nothing(label: str, share: float) -> None:
    assert charges.share_of(Node("a", labels={"price-share": label})) == share
    assert charges.share_of(Node("a", labels={"market": "spot"})) == 1.0


@pytest.mark.parametrize(
    ("share", "seconds", "charged", "saved"), [(0.2, 500.0, 100, 80), (0.35, 1200.0, 420, 65)]
)
def test_the_examples_of_the_service(share: float, seconds: float, charged: int, saved: float) -> None:
    found = charges.seconds_charged(share, {"Starting": 5.0, "Training": 10.0}, 10.0 + seconds)
    assert found == charged
    assert savings_percent(charged, seconds) == pytest.approx(saved)


def test_what_is_charged_begins_with_the_download_and_is_a_second_at_least() -> None:
    times = {"Starting": 0.0, "Downloading": 10.0, "Training": 60.0, "Uploading": 100.0}
    assert charges.seconds_charged(0.5, times, 110.0) == 50
    assert charges.seconds_charged(0.5, {"Training": 60.0}, 60.2) == 1
    assert charges.seconds_charged(0.5, {"Starting": 0.0}, 60.0) is None  # it waited, and never ran
    assert charges.seconds_charged(0.5, times, None) is None
    assert charges.seconds_charged(0.5, {"Training": 60.0}, 50.0) == 1  # clocks may differ


def followed(*, spot: bool = True, fresh: bool = True, **times: float) -> Followed:
    definition = TrainingJobDefinition(
        "/x", SearchSpace([ContinuousParameter("x", 0, 1)]), Objective("m", ObjectiveType.MINIMIZE), spot=spot
    )
    submission = Submission("job-001", 1, {}, definition)
    return Followed(submission, Order.of(submission), 0, fresh=fresh, times=times)


def test_jobs_that_ask_for_no_spot_capacity_are_told_no_saving() -> None:
    node = Placement("a", True, "10.0.0.1", 0.25, 100.0)
    assert charges.charged(followed(Training=100.0), node, 140.0) == 10
    assert charges.charged(followed(Training=100.0, spot=False), node, 140.0) is None
    assert charges.charged(followed(Training=100.0), None, 140.0) is None


def test_one_that_was_lost_while_no_tuner_looked_is_charged_from_its_placement() -> None:
    node = Placement("a", True, "10.0.0.1", 0.25, 100.0)
    assert charges.charged(followed(fresh=False), node, 140.0) == 10
    assert charges.charged(followed(fresh=True), node, 140.0) is None  # nothing of it ran
    assert charges.charged(followed(fresh=False), Placement("a", True), 140.0) is None  # an older record


def test_share_and_time_are_recorded_beside_what_earlier_versions_read(tmp_path: Path) -> None:
    node = Placement("a" * 56, True, "10.0.0.1", 0.25, 100.0)
    Placements(tmp_path).place(KEY, lambda: node)
    assert Placements(tmp_path).of(KEY) == node
    lines = [json.loads(line) for line in (tmp_path / "nodes.log").read_text().splitlines()]
    assert lines[1] == ["job-001", 1, "a" * 56, True, "10.0.0.1"]
    Placements(tmp_path).withdraw(KEY)
    other = Placement("b" * 56)
    assert Placements(tmp_path).place(KEY, lambda: other) == other
    assert Placements(tmp_path).of(KEY) == other
