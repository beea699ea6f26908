"""Managed spot training: the courses of a training job, its times, and what they cost (section 11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from hpt.errors import InputError
from hpt.executors.simulated import Curve, Faults, Market
from hpt.job.billing import billable_seconds, savings_percent, training_seconds
from hpt.job.config import JobConfig, Objective, ResourceLimits, TrainingJobDefinition
from hpt.job.state import JobState, TrainingJob
from hpt.running.runner import TuningJobRunner
from hpt.running.simulation import simulate
from hpt.search import events as ev
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType

SPACE = SearchSpace([ContinuousParameter("x", 0, 1)])
EPOCHS = 10


def job(*, jobs: int = 1, parallel: int = 1, **changes: Any) -> JobConfig:
    given = {"spot": True, "max_wait_seconds": 1e9, **changes}
    definition = TrainingJobDefinition("train.py", SPACE, Objective("loss", ObjectiveType.MINIMIZE), **given)
    return JobConfig("spot", "Random", definition, ResourceLimits(jobs, parallel), seed=11)


def run(config: JobConfig, market: Market, *, startup: float = 5.0) -> tuple[JobState, list[ev.Event]]:
    """Each training job prints ten values, one in 100 s."""
    recorded: list[ev.Event] = []

    def observe(runner: TuningJobRunner, events: Sequence[ev.Event]) -> None:
        recorded.extend(events)

    runner = simulate(
        config,
        lambda config: Curve([1.0 / (step + 1) for step in range(EPOCHS)], 100.0),
        faults=Faults(startup=startup),
        market=market,
        observe=observe,
    )
    counters = runner.state.training_counters
    assert sum(counters.values()) == sum(runner.state.objective_counters.values()) == runner.state.launched
    assert JobState.fold(ObjectiveType.MINIMIZE, 0.0, recorded).jobs == runner.state.jobs
    return runner.state, recorded


def course(each: TrainingJob) -> str:
    return " ".join(transition.secondary for transition in each.transitions)


def with_interruptions(count: int, market: Market, **changes: Any) -> TrainingJob:
    """A training job that lost its capacity so many times."""
    state, _ = run(job(jobs=200, parallel=50, **changes), market)
    return next(each for each in state.jobs.values() if each.preempted == count and each.status.ended)


ONE_IN_1000_S = Market(interruptions=3.6)
TO_TRAINING = "Starting Downloading Training"


class TestCourses:
    """11.2."""

    def test_no_interruption(self) -> None:
        state, _ = run(job(), Market(price=0.3))
        assert course(state.jobs[1]) == f"{TO_TRAINING} Uploading Completed"

    def test_one_interruption(self) -> None:
        each = with_interruptions(1, ONE_IN_1000_S)
        assert course(each) == f"{TO_TRAINING} Interrupted {TO_TRAINING} Uploading Completed"
        assert (str(each.status), each.value, each.lost) == ("Completed", 0.1, 0)

    def test_interrupted_then_waiting_too_long(self) -> None:
        """There is capacity in the first minutes and then none."""
        state, _ = run(
            job(jobs=300, parallel=100, max_wait_seconds=1500.0), Market(interruptions=36, delay=2000.0)
        )
        courses = {course(each): each for each in state.jobs.values()}
        each = courses[f"{TO_TRAINING} Interrupted Starting Stopping MaxWaitTimeExceeded"]
        assert str(each.status) == "Stopped"
        assert (each.training_end or 0.0) - each.created == 1500.0

    def test_never_launched(self) -> None:
        state, _ = run(job(max_wait_seconds=3600.0), Market(delay=1e9))
        each = state.jobs[1]
        assert course(each) == "Starting Stopping MaxWaitTimeExceeded"
        assert (str(each.status), str(each.objective_status)) == ("Stopped", "Failed")
        assert (each.training_start, training_seconds(each.transitions)) == (None, 0.0)

    def test_run_limit(self) -> None:
        state, _ = run(job(max_runtime_seconds=250.0), Market())
        each = state.jobs[1]
        assert course(each) == f"{TO_TRAINING} Stopping Uploading MaxRuntimeExceeded"
        assert (str(each.status), each.value, str(each.objective_status)) == ("Stopped", 0.5, "Succeeded")

    def test_the_run_limit_counts_the_running_segments_of_all_attempts(self) -> None:
        state, _ = run(job(jobs=50, parallel=50, max_runtime_seconds=1200.0), ONE_IN_1000_S)
        again = [each for each in state.jobs.values() if each.secondary == "MaxRuntimeExceeded"]
        assert again
        for each in again:
            assert each.preempted > 0
            assert training_seconds(each.transitions) == pytest.approx(1200.0)

    def test_the_wait_limit_covers_waiting_and_running_and_keeps_the_last_value(self) -> None:
        state, _ = run(job(max_wait_seconds=255.0), Market())
        each = state.jobs[1]
        assert course(each) == f"{TO_TRAINING} Stopping Uploading MaxWaitTimeExceeded"
        assert (each.value, str(each.objective_status)) == (0.5, "Succeeded")
        assert (each.training_end or 0.0) - each.created == 255.0

    def test_the_primary_status_stays_in_progress_and_the_slot_stays_taken(self) -> None:
        config = job(jobs=30, parallel=3)
        _, recorded = run(config, ONE_IN_1000_S)
        state = JobState(ObjectiveType.MINIMIZE, 0.0)
        interrupted = 0
        for event in recorded:
            state.apply(event)
            assert len(state.running) <= 3
            if isinstance(event, ev.AttemptEnded):
                assert event.outcome == ev.AttemptOutcome.PREEMPTED
                assert (state.running[event.number].secondary, str(state.running[event.number].status)) == (
                    "Interrupted",
                    "InProgress",
                )
                interrupted += 1
        assert interrupted > 0


class TestCheckpoints:
    """11.3."""

    def test_with_checkpoints_a_job_goes_on_where_it_was(self) -> None:
        each = with_interruptions(1, ONE_IN_1000_S, checkpoint_uri="/checkpoints")
        assert (each.reports, each.value) == (EPOCHS, 0.1)
        assert training_seconds(each.transitions) < 1100.0

    def test_without_them_it_restarts_from_zero(self) -> None:
        state, _ = run(job(jobs=100, parallel=50), ONE_IN_1000_S)
        once = [each for each in state.jobs.values() if each.preempted == 1]
        assert max(each.ran for each in once) > 100.0
        for each in once:
            assert each.reports == EPOCHS
            assert len(each.curves["loss"]) == int(each.ran / 100.0) + EPOCHS
            assert training_seconds(each.transitions) == pytest.approx(each.ran + 1000.0)
            assert each.value == 0.1


class TestTimesAndSavings:
    """11.4."""

    @pytest.mark.parametrize(("billable", "training", "percent"), [(100, 500, 80), (420, 1200, 65)])
    def test_savings(self, billable: int, training: int, percent: int) -> None:
        assert savings_percent(billable, training) == pytest.approx(percent)

    def test_training_time_is_the_sum_of_running_segments_without_waiting(self) -> None:
        state, _ = run(job(jobs=20, parallel=20), Market(interruptions=3.6, delay=600.0))
        for each in state.jobs.values():
            segments, since = 0.0, None
            for transition in each.transitions:
                if transition.secondary == "Training":
                    since = transition.start
                elif transition.secondary in ("Interrupted", "Completed") and since is not None:
                    segments, since = segments + transition.start - since, None
            assert training_seconds(each.transitions) == pytest.approx(segments)
            assert segments < (each.training_end or 0.0) - each.created

    @pytest.mark.parametrize(
        ("seconds", "price", "billable"),
        [(500.0, 0.2, 100), (1200.0, 0.35, 420), (10.1, 1.0, 11), (0.2, 0.1, 1), (0.0, 1.0, 1)],
    )
    def test_billable_is_the_price_of_training_rounded_up_and_one_at_least(
        self, seconds: float, price: float, billable: int
    ) -> None:
        assert billable_seconds(seconds, price) == billable

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: Market(price=0.0), "price 0.0 is not a share above 0 and up to 1; give one"),
            (lambda: Market(interruptions=-1), "interruptions -1 is not a number of 0 or more; give one"),
            (lambda: Market(delay=float("inf")), "delay inf is not a number of 0 or more; give one"),
            (
                lambda: job(spot=False),
                "max_wait_seconds is for spot capacity only; set spot, or leave it out",
            ),
        ],
    )
    def test_bad_arguments(self, make: Any, message: str) -> None:
        with pytest.raises(InputError) as caught:
            make()
        assert str(caught.value) == message


def test_the_market_depends_on_the_seed_alone() -> None:
    market = Market(interruptions=7.2, delay=30.0)
    config = job(jobs=20, parallel=4)
    assert run(config, market)[1] == run(config, market)[1]
    other = [each.preempted for each in run(replace(config, seed=12), market)[0].jobs.values()]
    assert other != [each.preempted for each in run(config, market)[0].jobs.values()]


def test_without_spot_the_market_has_no_say() -> None:
    config = job(spot=False, max_wait_seconds=None)
    state, _ = run(config, Market(interruptions=3600, delay=1e6))
    assert course(state.jobs[1]) == "Starting Training Completed"
    assert billable_seconds(training_seconds(state.jobs[1].transitions)) == 1000
