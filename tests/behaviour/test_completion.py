"""behaviour 8: what ends a tuning job. The jobs run on learning curves, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

import pytest

from hpt.executors.simulated import Curve
from hpt.job.completion import CompletionCriteria, Improvement, not_improving, reaches
from hpt.job.config import JobConfig, Objective, ResourceLimits, TrainingJobDefinition
from hpt.job.state import JobStatus
from hpt.job.view import JobView
from hpt.running.runner import TuningJobRunner
from hpt.running.simulation import simulate
from hpt.sagemaker.reply.document import completion_details
from hpt.sagemaker.request.parse import parse_request, to_request
from hpt.search.convergence import beta
from hpt.search.trial import ObjectiveType
from tests.sagemaker.request.samples import CONFIG, LIMITS, edit, single
from tests.search.stopping.courses import SPACE

FINALS = [0.800, 0.804, 0.810, 0.812, 0.795, 0.830, 0.829, 0.835]
COUNTERS = [0, 1, 2, 3, 4, 0, 1, 2]
"""The worked table of 8.4, Maximize."""


def job(
    finals: Sequence[float | list[float] | None],
    *,
    objective: str = "Maximize",
    parallel: int = 1,
    max_runtime: float | None = None,
    **criteria: Any,
) -> TuningJobRunner:
    """A job whose training jobs end with these values in launch order, each 100 s after its start.

    None prints nothing; a list is a whole course, one value every 100 s.
    """
    courses = iter(finals)

    def curves(config: object) -> Curve:
        final = next(courses)
        values = [] if final is None else final if isinstance(final, list) else [final]
        return Curve(values, 100.0)

    config = JobConfig(
        name="job",
        strategy="Random",
        seed=1,
        limits=ResourceLimits(len(finals), parallel, max_runtime),
        definition=TrainingJobDefinition("train", SPACE, Objective("m", ObjectiveType(objective))),
        completion=CompletionCriteria(**criteria),
    )
    return simulate(config, curves)


def ended(runner: TuningJobRunner) -> tuple[str, str, int]:
    return str(runner.state.status), runner.state.criterion, runner.state.launched


# -- 8.1, 8.2


def test_job_count_ends_the_job_and_stops_nothing() -> None:
    runner = job(FINALS, parallel=3)
    assert ended(runner) == ("Completed", "MaxNumberOfTrainingJobs", 8)
    assert runner.state.training_counters["Completed"] == 8


def test_runtime_ends_the_job_at_the_limit() -> None:
    runner = job([[0.1, 0.2, 0.3]] * 9, parallel=2, max_runtime=450.0)
    assert ended(runner) == ("Completed", "MaxRuntimeInSeconds", 4)
    assert runner.state.ended == 450.0
    assert [job.value for job in runner.state.jobs.values()] == [0.3, 0.3, 0.1, 0.1]


def test_a_criterion_stops_what_runs_and_the_job_ends_completed() -> None:
    runner = job([0.5, [0.1, 0.2, 0.3], 0.9, 0.9], parallel=2, target=0.9)
    assert ended(runner) == ("Completed", "TargetObjectiveMetricValue", 3)
    second = runner.state.jobs[2]
    assert (str(second.status), second.stop_reason) == ("Stopped", "TuningJobEnded")
    assert second.value == 0.2  # its last, usable objective
    assert runner.state.objective_counters == {"Succeeded": 3, "Pending": 0, "Failed": 0}


def test_a_stop_of_the_user_while_a_criterion_ends_the_job_ends_it_stopped() -> None:
    from dataclasses import replace

    from hpt.executors.simulated import Faults, SimulatedExecutor, VirtualClock, metric_definition
    from hpt.job.notes import STOP
    from hpt.storage.memory import MemoryStorage

    config = job([0.5], target=0.9).config
    definition = replace(config.definition, metric_definitions=(metric_definition("m"),))
    config = replace(config, definition=definition, limits=ResourceLimits(9, 2))
    clock, storage = VirtualClock(), MemoryStorage()
    storage.create("job", {}, 0.0)
    courses = iter([[0.9], [0.1] * 50])
    executor = SimulatedExecutor(
        lambda config: Curve(next(courses), 100.0), clock, faults=Faults(shutdown=60)
    )
    runner = TuningJobRunner(config, 0.0, [], storage, storage.acquire("job"), executor, clock=clock)
    runner.step()
    while runner.state.criterion != "TargetObjectiveMetricValue":
        executor.sleep(1)
        runner.step()
    assert runner.state.status is JobStatus.IN_PROGRESS  # until the training jobs in flight have ended
    storage.add_note("job", STOP)
    runner.step()
    assert runner.state.status is JobStatus.STOPPING
    runner.run(sleep=executor.sleep)
    assert ended(runner) == ("Stopped", "StopRequested", 2)


def test_any_one_of_several_criteria_ends_the_job() -> None:
    assert ended(job(FINALS, target=0.83, max_not_improving=3))[1:] == ("BestObjectiveNotImproving", 4)
    assert ended(job(FINALS, target=0.81, max_not_improving=3))[1:] == ("TargetObjectiveMetricValue", 3)
    assert ended(job(FINALS, target=0.9, max_not_improving=9, max_runtime=250.0))[1] == "MaxRuntimeInSeconds"


# -- 8.3


def test_target_is_compared_in_32_bits_and_inclusive() -> None:
    nine = 0.8999999761581421  # 0.9 as a 32-bit float
    assert reaches(0.9, nine, ObjectiveType.MAXIMIZE) and reaches(nine, 0.9, ObjectiveType.MAXIMIZE)
    assert reaches(0.9, 0.9, ObjectiveType.MINIMIZE)
    assert not reaches(0.8999, 0.9, ObjectiveType.MAXIMIZE)
    assert not reaches(0.9001, 0.9, ObjectiveType.MINIMIZE)
    assert reaches(1e39, 1e38, ObjectiveType.MAXIMIZE)  # beyond 32 bits


def test_target_looks_at_final_objectives_only() -> None:
    runner = job([[0.95, 0.5], [0.95, 0.5], 0.9, 0.1], target=0.9)
    assert ended(runner) == ("Completed", "TargetObjectiveMetricValue", 3)


def test_target_minimize() -> None:
    assert ended(job([0.5, 0.2, 0.1], objective="Minimize", target=0.2))[2] == 2


def test_a_failed_training_job_reaches_no_target() -> None:
    assert ended(job([None, nan, 0.5], target=0.1)) == ("Completed", "TargetObjectiveMetricValue", 3)


# -- 8.4


def test_counter_of_the_worked_table() -> None:
    improvement, found = Improvement(), []
    for value in FINALS:
        improvement = improvement.after(value, ObjectiveType.MAXIMIZE)
        found.append(improvement.count)
    assert found == COUNTERS
    assert improvement.best == 0.835
    for n in range(1, 9):
        assert not_improving(FINALS[:n], ObjectiveType.MAXIMIZE) == COUNTERS[n - 1]
        mirrored = [-value for value in FINALS[:n]]
        assert not_improving(mirrored, ObjectiveType.MINIMIZE) == COUNTERS[n - 1]


@pytest.mark.parametrize(("n", "launched"), [(3, 4), (4, 5)])
def test_the_job_ends_with_the_counter(n: int, launched: int) -> None:
    runner = job(FINALS, max_not_improving=n)
    assert ended(runner) == ("Completed", "BestObjectiveNotImproving", launched)


def test_five_go_on_to_the_end() -> None:
    assert ended(job(FINALS, max_not_improving=5)) == ("Completed", "MaxNumberOfTrainingJobs", 8)


def test_failed_objectives_do_not_count() -> None:
    finals = [0.8, None, nan, None, 0.8, None, 0.8, 0.8, 0.8]
    assert ended(job(finals, max_not_improving=3))[1:] == ("BestObjectiveNotImproving", 8)


def test_a_counter_that_was_full_between_two_looks_ends_the_job() -> None:
    """Five jobs end at the same moment; the counter is 3 after the fourth and 0 after the fifth."""
    runner = job([0.8, 0.8, 0.8, 0.8, 0.9, 0.9, 0.9], parallel=5, max_not_improving=3)
    assert ended(runner) == ("Completed", "BestObjectiveNotImproving", 5)


def test_of_a_best_of_zero_any_better_value_is_an_improvement() -> None:
    assert Improvement(0.0, 2).after(1e-9, ObjectiveType.MAXIMIZE) == Improvement(1e-9, 0)
    assert Improvement(0.0, 2).after(0.0, ObjectiveType.MAXIMIZE) == Improvement(0.0, 3)


def test_exactly_one_percent_is_an_improvement() -> None:
    assert Improvement(100.0, 2).after(101.0, ObjectiveType.MAXIMIZE) == Improvement(101.0, 0)
    assert Improvement(-100.0, 2).after(-101.0, ObjectiveType.MINIMIZE) == Improvement(-101.0, 0)
    assert Improvement(100.0, 2).after(100.99, ObjectiveType.MAXIMIZE) == Improvement(100.99, 3)


# -- 8.5


@pytest.mark.parametrize(("t", "squared"), [(20, 4.071), (100, 5.359)])
def test_width_of_the_band(t: int, squared: float) -> None:
    assert beta(t, 4) == pytest.approx(squared, abs=5e-4)


def test_convergence_ends_the_job_only_if_it_is_to() -> None:
    flat = [1.0] * 20
    runner = job(flat, complete_on_convergence=True)
    assert runner.state.criterion == "ConvergenceDetected"
    launched = runner.state.launched
    assert 12 <= launched < 20  # three completions in a row from the tenth on
    assert runner.state.converged == 100.0 * launched
    runner = job(flat, complete_on_convergence=False)
    assert ended(runner) == ("Completed", "MaxNumberOfTrainingJobs", 20)
    assert runner.state.converged == 100.0 * launched
    assert job(flat).state.converged is None


@pytest.mark.parametrize("value", [1e-6, 1e6, -3.0, 0.0])
def test_equal_objectives_converge_whatever_their_size(value: float) -> None:
    assert ended(job([value] * 20, complete_on_convergence=True)) == ("Completed", "ConvergenceDetected", 12)


# -- 8.6


def test_details_can_be_read_while_the_job_runs_and_after() -> None:
    runner = job(FINALS)
    assert completion_details(JobView(runner.config, runner.state)) == {
        "NumberOfTrainingJobsObjectiveNotImproving": 2
    }
    runner = job([1.0] * 20, complete_on_convergence=True)
    state = runner.state
    assert completion_details(JobView(runner.config, state)) == {
        "NumberOfTrainingJobsObjectiveNotImproving": state.launched - 1,
        "ConvergenceDetectedTime": state.converged,
    }
    runner = job([None])
    assert completion_details(JobView(runner.config, runner.state)) == {}


# -- the request


def test_every_criterion_is_read_and_told_again() -> None:
    criteria = {
        "TargetObjectiveMetricValue": 0.95,
        "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 7},
        "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
    }
    member = f"{CONFIG}.TuningJobCompletionCriteria"
    config = parse_request(edit(single(), {member: criteria}), strict=True)
    assert config.completion == CompletionCriteria(0.95, 7, True)
    assert to_request(config)[CONFIG]["TuningJobCompletionCriteria"] == criteria
    criteria["ConvergenceDetected"] = {"CompleteOnConvergence": "Disabled"}
    config = parse_request(edit(single(), {member: criteria}), strict=True)
    assert config.completion == CompletionCriteria(0.95, 7, False)
    assert parse_request(single(), strict=True).completion == CompletionCriteria()


@pytest.mark.parametrize(
    ("criteria", "ends"),
    [
        ({"TargetObjectiveMetricValue": 0.9}, True),
        ({"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}, True),
        ({"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}, True),
        ({"ConvergenceDetected": {"CompleteOnConvergence": "Disabled"}}, False),
        ({}, False),
    ],
)
def test_a_job_without_a_count_needs_a_criterion(criteria: dict[str, Any], ends: bool) -> None:
    from hpt.errors import ValidationError
    from tests.sagemaker.request.samples import GONE

    changes = {
        f"{LIMITS}.MaxNumberOfTrainingJobs": GONE,
        f"{CONFIG}.TuningJobCompletionCriteria": criteria,
    }
    if ends:
        assert parse_request(edit(single(), changes), strict=True).limits.max_jobs == 750
    else:
        with pytest.raises(ValidationError, match="nothing else ends a Bayesian search"):
            parse_request(edit(single(), changes), strict=True)
