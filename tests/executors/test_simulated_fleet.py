"""Machines of a simulated fleet."""

from __future__ import annotations

from typing import Any

import pytest

from hpt.errors import InputError
from hpt.executors.simulated import Curve
from hpt.executors.simulated_fleet import Fleet, Machines, Pool
from hpt.job.config import JobConfig, Objective, ResourceLimits, TrainingJobDefinition
from hpt.running.simulation import Simulation, simulate
from hpt.search.events import AttemptEnded
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import Config, ObjectiveType


def run(fleet: Fleet, trials: int = 40, parallel: int = 10, **definition: Any) -> Simulation:
    """A job of trials of 60 s on a fleet."""

    def curve(config: Config) -> Curve:
        return Curve([float(config["x"]) + 1 / step for step in range(1, 7)], 10.0)

    given = TrainingJobDefinition(
        "/bin/train",
        SearchSpace([ContinuousParameter("x", 0, 1)]),
        Objective("loss", ObjectiveType.MINIMIZE),
        checkpoint_uri="/checkpoints",
        **definition,
    )
    config = JobConfig("fleet", "Random", given, ResourceLimits(trials, parallel), seed=3)
    return simulate(config, curve, fleet=fleet)


def machines(simulation: Simulation) -> Machines:
    assert simulation.machines is not None
    return simulation.machines


def test_training_jobs_wait_for_machines_that_boot() -> None:
    simulation = run(Fleet([Pool("a", 10, price=1.0)], boot=90.0))
    assert simulation.view.ended == pytest.approx(90 + 4 * 60)
    assert machines(simulation).launched == 10
    assert machines(simulation).cost == pytest.approx(10 * 330 / 3600)


def test_no_more_run_than_there_are_machines() -> None:
    simulation = run(Fleet([Pool("a", 2, slots=2)], boot=0.0))
    assert simulation.view.ended == pytest.approx(40 / 4 * 60)
    assert machines(simulation).launched == 2


def test_the_cheapest_pool_comes_first() -> None:
    fleet = Fleet([Pool("dear", 10, price=2.0), Pool("cheap", 4, price=1.0)], boot=0.0)
    assert machines(run(fleet)).cost == pytest.approx((4 * 1.0 + 6 * 2.0) * 240 / 3600)


def test_launches_beyond_a_burst_take_their_time() -> None:
    simulation = run(Fleet([Pool("a", 10)], boot=0.0, burst=5, rate=0.1, idle=1e6), trials=10)
    starts = sorted(trial.training_start or 0.0 for trial in simulation.view.trials)
    assert starts == pytest.approx([0.0] * 5 + [10.0, 20.0, 30.0, 40.0, 50.0])


def test_a_machine_that_is_taken_away_takes_all_that_runs_on_it() -> None:
    fleet = Fleet([Pool("spot", 3, slots=4, interruptions=30.0)], boot=10.0)
    simulation = run(fleet, spot=True)
    lost = [event for event in simulation.events if isinstance(event, AttemptEnded)]
    assert machines(simulation).lost > 3
    assert {event.outcome for event in lost} == {"Preempted"}
    assert len(lost) > machines(simulation).lost  # several at a time
    assert all(trial.status == "Completed" for trial in simulation.view.trials)
    assert [trial.reports for trial in simulation.view.trials] == [
        trial.reports for trial in run(Fleet([Pool("a", 10)])).view.trials
    ]


def test_the_same_seed_loses_the_same_machines() -> None:
    fleet = Fleet([Pool("spot", 3, slots=4, interruptions=30.0)], boot=10.0)
    first, second = (run(fleet, spot=True) for _ in range(2))
    assert first.events == second.events
    assert machines(first).cost == machines(second).cost


def test_what_may_not_be_interrupted_runs_on_demand() -> None:
    fleet = Fleet(
        [Pool("spot", 50, price=0.1, interruptions=60.0), Pool("on-demand", 2, price=1.0)], boot=0.0
    )
    simulation = run(fleet)
    assert machines(simulation).lost == 0
    assert machines(simulation).launched == 2


def test_idle_machines_are_given_back() -> None:
    simulation = run(Fleet([Pool("a", 10, price=1.0)], boot=0.0, idle=30.0), trials=11)
    assert simulation.view.ended == pytest.approx(120.0)
    assert machines(simulation).seconds == pytest.approx(9 * 90 + 120)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Pool("a", -1), "machines -1 of pool 'a'"),
        (lambda: Pool("a", 1, slots=0), "slots 0 of pool 'a'"),
        (lambda: Pool("a", 1, price=float("nan")), "price nan of pool 'a'"),
        (lambda: Fleet([]), "the fleet has no machines"),
        (lambda: Fleet([Pool("a", 1)], rate=0.0), "rate 0.0 is not a number"),
    ],
)
def test_impossible_fleets_are_refused(make: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        make()
