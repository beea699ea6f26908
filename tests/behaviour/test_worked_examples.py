"""Worked examples and statements that no other file of this folder is about, by section."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from hpt.executors.simulated import Curve, Faults
from hpt.job.config import JobConfig, Objective, ResourceLimits, TrainingJobDefinition
from hpt.job.state import JobState
from hpt.running.runner import TuningJobRunner
from hpt.running.simulation import simulate
from hpt.sagemaker.request.rules import check_rules
from hpt.search import events as ev
from hpt.search.space import CategoricalParameter, ContinuousParameter, SearchSpace
from hpt.search.strategies.grid import GridStrategy
from hpt.search.trial import Config, ObjectiveType
from hpt.search.tuner import Tuner
from tests.sagemaker.request.samples import CONFIG, JOB, LIMITS, RANGES, edit, facts, single

SPACE = SearchSpace([ContinuousParameter("x", 0, 1)])
Values = Callable[[Config], Sequence[float]]


def job(*, jobs: int = 5, parallel: int = 1, objective: str = "Maximize") -> JobConfig:
    definition = TrainingJobDefinition("train.py", SPACE, Objective("auc", ObjectiveType(objective)))
    return JobConfig("worked", "Random", definition, ResourceLimits(jobs, parallel), seed=3)


def run(config: JobConfig, values: Values, faults: Faults | None = None) -> tuple[JobState, list[ev.Event]]:
    recorded: list[ev.Event] = []

    def observe(runner: TuningJobRunner, events: Sequence[ev.Event]) -> None:
        recorded.extend(events)

    runner = simulate(
        config, lambda config: Curve(values(config)), faults=faults or Faults(), observe=observe
    )
    return runner.state, recorded


# -- 2 and 3: the request and its ranges


def test_more_in_parallel_than_in_all_is_refused_by_the_service_alone() -> None:
    request = edit(single(), {f"{LIMITS}.MaxNumberOfTrainingJobs": 3, f"{LIMITS}.MaxParallelTrainingJobs": 9})
    broken = check_rules(facts(request, strict=True))
    assert broken is not None and "9 is above the 3 training jobs" in broken.message
    assert check_rules(facts(request)) is None
    state, _ = run(job(jobs=3, parallel=9), lambda config: [0.5])
    assert state.launched == 3


@pytest.mark.parametrize("jobs", [120, 121])
def test_three_by_four_by_ten_are_120_combinations(jobs: int) -> None:
    ranges = {
        "IntegerParameterRanges": [
            {"Name": "a", "MinValue": "1", "MaxValue": "3"},
            {"Name": "c", "MinValue": "1", "MaxValue": "10"},
        ],
        "CategoricalParameterRanges": [{"Name": "b", "Values": ["1", "2", "3", "4"]}],
    }
    found = check_rules(
        facts(edit(single(), {RANGES: ranges, f"{LIMITS}.MaxNumberOfTrainingJobs": jobs}), strict=True)
    )
    if jobs == 120:
        assert found is None
    else:
        assert found is not None
        assert (found.rule, found.path) == ("V16", f"{LIMITS}.MaxNumberOfTrainingJobs")
        assert "120.0" in found.message and "121" in found.message


def test_the_minimal_valid_request() -> None:
    request = single()
    assert request[CONFIG]["HyperParameterTuningJobObjective"]["MetricName"] == "validation:auc"
    assert set(request[JOB]) >= {"AlgorithmSpecification", "OutputDataConfig", "StoppingCondition"}
    assert check_rules(facts(request, strict=True)) is None


def test_a_linear_range_is_mostly_its_last_decade() -> None:
    draws = ContinuousParameter("x", 0.0001, 1)
    above = [draws.decode(u) >= 0.1 for u in np.linspace(0, 1, 10_001)]
    assert np.mean(above) == pytest.approx(0.9, abs=1e-3)


# -- 4: strategies


@pytest.mark.parametrize(("parallel", "failed"), [(1, 5), (4, 8)])
def test_five_failures_and_no_success(parallel: int, failed: int) -> None:
    """Those that run when the fifth one fails end as well: eight, with four at once."""
    state, _ = run(job(jobs=20, parallel=parallel), lambda config: [0.1, 0.2, 0.3], Faults(failures=1.0))
    assert (str(state.status), state.launched) == ("Failed", failed)
    assert state.training_counters["NonRetryableError"] == failed
    assert state.failure_reason.startswith(f"no training job succeeded after {failed} attempts")


def test_failed_jobs_use_up_the_count() -> None:
    state, _ = run(job(jobs=30, parallel=2), lambda config: [0.1, 0.2], Faults(failures=0.3))
    counters = state.training_counters
    assert str(state.status) == "Completed"
    assert counters["NonRetryableError"] > 0
    assert counters["Completed"] + counters["NonRetryableError"] == state.launched == 30


def test_the_grid_of_the_example() -> None:
    space = SearchSpace(
        [
            CategoricalParameter("optimizer", ["sgd", "adam"]),
            CategoricalParameter("batch", ["32", "64", "128"]),
        ]
    )
    tuner = Tuner(space, "Maximize", GridStrategy(), seed=0)
    assert [tuple(trial.config.values()) for trial in tuner.ask(10)] == [
        ("sgd", "32"),
        ("sgd", "64"),
        ("sgd", "128"),
        ("adam", "32"),
        ("adam", "64"),
        ("adam", "128"),
    ]


def test_neither_count_nor_parallelism_changes_random_configurations() -> None:
    def configurations(**limits: int) -> list[Config]:
        state, _ = run(job(**limits), lambda config: [0.5])
        return [each.config for each in state.jobs.values()]

    few = configurations(jobs=5, parallel=1)
    assert configurations(jobs=9, parallel=1)[:5] == few
    assert configurations(jobs=9, parallel=4)[:5] == few


# -- 6: metrics


def test_the_last_value_is_the_final_objective() -> None:
    state, _ = run(job(jobs=1), lambda config: [0.71, 0.78, 0.76])
    assert state.jobs[1].value == 0.76


@pytest.mark.parametrize(
    ("values", "faults", "training", "objective"),
    [
        ([0.5], Faults(), "Completed", "Succeeded"),
        ([], Faults(), "Completed", "Failed"),
        ([0.5, 0.6], Faults(failures=1.0), "Failed", "Failed"),
    ],
)
def test_objective_status(values: list[float], faults: Faults, training: str, objective: str) -> None:
    state, recorded = run(job(jobs=1), lambda config: values, faults)
    assert (str(state.jobs[1].status), str(state.jobs[1].objective_status)) == (training, objective)
    assert state.objective_counters[objective] == sum(state.objective_counters.values()) == 1
    at_first = JobState.fold(ObjectiveType.MAXIMIZE, 0.0, recorded[:2])
    assert str(at_first.jobs[1].objective_status) == "Pending"


def test_objective_status_of_a_job_stopped_by_its_time() -> None:
    config = job(jobs=2)
    config = replace(config, definition=replace(config.definition, max_runtime_seconds=2.5))
    state, _ = run(config, lambda config: [0.1, 0.2, 0.3, 0.4])
    for each in state.jobs.values():
        assert (str(each.status), each.value, str(each.objective_status)) == ("Stopped", 0.2, "Succeeded")


@pytest.mark.parametrize("last", [nan, inf, -inf])
def test_a_last_value_that_is_no_number_fails_the_objective(last: float) -> None:
    def values(config: Config) -> list[float]:
        return [0.1, last] if float(config["x"]) < 0.5 else [last, 0.3]

    state, _ = run(job(jobs=10), values)
    finals = {each.value for each in state.jobs.values()}
    assert finals == {None, 0.3}
    assert state.best is not None and state.best.value == 0.3
    for each in state.jobs.values():
        assert str(each.status) == "Completed"
        assert (each.value is None) == (str(each.objective_status) == "Failed")


# -- 8: completion


def test_upper_bound_on_compute() -> None:
    """A tuning job of 7200 s with four training jobs at once uses no more than 4 x 7200 s of them."""
    config = replace(job(jobs=1000, parallel=4), limits=ResourceLimits(1000, 4, 7200))
    state, _ = run(config, lambda config: np.linspace(0, 1, 1000).tolist())
    used = sum((each.training_end or 0.0) - each.created for each in state.jobs.values())
    assert state.ended == 7200
    assert used * 2 <= 57_600  # on two instances each
