"""A job that has ended goes on with a larger budget, as if it had had it from the start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hpt
from hpt.errors import InputError, JobExistsError, JobOwnedError, StorageError
from hpt.job.completion import CompletionCriteria
from hpt.job.config import EarlyStopping, HyperbandConfig, JobConfig, ResourceLimits
from hpt.job.extension import extended, extension
from hpt.job.state import JobState
from hpt.job.view import JobView
from hpt.running.session import Session
from hpt.sagemaker.reply.document import tuning_job_document
from hpt.sagemaker.reply.response import describe_response, tuning_job_summary
from hpt.search import events as ev
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from tests.functions import functions
from tests.running.simulated import Simulated, job

SPACE = SearchSpace([ContinuousParameter("x", -1, 1), CategoricalParameter("kind", ["good", "bad"])])


def ended(config: JobConfig) -> Simulated:
    simulated = Simulated(config)
    simulated.run()
    simulated.release()
    return simulated


def extend(simulated: Simulated, pause: float = 1000.0, **limits: Any) -> ev.JobExtended:
    """Extend a stored job some time after its end, as another process would."""
    _, events = simulated.storage.read(simulated.config.name)
    state = JobState.fold(simulated.config.objective_type, 0.0, events)
    simulated.clock.now += pause
    event = extension(extended(simulated.config, events), state, simulated.clock(), **limits)
    lease = simulated.storage.acquire(simulated.config.name)
    state.apply(event)
    simulated.storage.append(lease, [event], state.summary())
    simulated.storage.release(lease)
    return event


def goes_on(simulated: Simulated, **limits: Any) -> Simulated:
    extend(simulated, **limits)
    simulated.take()
    simulated.run()
    simulated.release()
    return simulated


def trials(simulated: Simulated) -> list[tuple[Any, ...]]:
    return [
        (trial.number, dict(trial.config), str(trial.status), trial.value, trial.stopped_by)
        for trial in sorted(simulated.runner.history, key=lambda trial: trial.number)
    ]


def described(simulated: Simulated) -> tuple[JobConfig, JobState]:
    _, events = simulated.storage.read(simulated.config.name)
    config = extended(simulated.config, events)
    return config, JobState.fold(config.objective_type, 0.0, events)


@pytest.mark.parametrize(
    ("strategy", "changes"),
    [
        ("Random", {}),
        ("Bayesian", {}),
        ("Bayesian", {"early_stopping": EarlyStopping(min_trials=5)}),
        ("Hyperband", {"hyperband": HyperbandConfig(27)}),
    ],
)
def test_a_serial_job_goes_on_as_one_that_had_the_budget_from_the_start(
    strategy: str, changes: dict[str, Any]
) -> None:
    whole = ended(job(strategy, jobs=18, parallel=1, **changes))
    grown = goes_on(goes_on(ended(job(strategy, jobs=7, parallel=1, **changes)), max_jobs=12), max_jobs=18)
    assert trials(grown) == trials(whole)
    assert len(trials(grown)) == 18
    assert grown.runner.state.criterion == "MaxNumberOfTrainingJobs"


def test_the_extension_is_recorded_and_shown() -> None:
    simulated = ended(job(jobs=5, parallel=1))
    before = simulated.runner.state.summary()
    event = extend(simulated, max_jobs=9, max_parallel_jobs=3)
    config, state = described(simulated)
    assert (str(state.status), state.criterion, state.ended) == ("InProgress", "", None)
    assert config.limits == ResourceLimits(9, 3)
    assert JobView(config, state).extensions == (event,)
    response = describe_response(config, state)
    limits = {"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 3}
    assert response["HyperParameterTuningJobConfig"]["ResourceLimits"] == limits
    assert response["HyperParameterTuningJobStatus"] == "InProgress"
    assert "HyperParameterTuningEndTime" not in response
    [change] = tuning_job_document(JobView(config, state))["Extensions"]
    assert change["FormerResourceLimits"] == {"MaxNumberOfTrainingJobs": 5, "MaxParallelTrainingJobs": 1}
    listed = tuning_job_summary(simulated.config, 0.0, state.summary())
    assert (listed["ResourceLimits"], listed["HyperParameterTuningJobStatus"]) == (limits, "InProgress")
    assert (before["status"], before["limits"]) == ("Completed", None)
    simulated.take()
    simulated.run()
    counters = simulated.runner.state.training_counters
    assert (counters["Completed"], str(simulated.runner.state.status)) == (9, "Completed")


def test_a_target_that_was_reached_does_not_end_it_again() -> None:
    simulated = ended(job(jobs=30, parallel=1, completion=CompletionCriteria(target=0.2)))
    state = simulated.runner.state
    assert state.criterion == "TargetObjectiveMetricValue" and state.launched < 30
    goes_on(simulated, max_jobs=30)
    state = simulated.runner.state
    assert (state.criterion, state.launched) == ("MaxNumberOfTrainingJobs", 30)


def test_objectives_without_improvement_are_counted_anew() -> None:
    simulated = ended(job(jobs=60, parallel=1, completion=CompletionCriteria(max_not_improving=4)))
    state = simulated.runner.state
    first = state.launched
    assert (state.criterion, state.improvement.count) == ("BestObjectiveNotImproving", 4)
    best = state.improvement.best
    goes_on(simulated, max_jobs=60)
    state = simulated.runner.state
    assert state.criterion == "BestObjectiveNotImproving" and state.launched >= first + 4
    assert state.improvement.best is not None and best is not None and state.improvement.best <= best


def test_the_time_between_end_and_extension_is_no_run_time() -> None:
    config = job(jobs=100, parallel=1)
    config = replace(config, limits=ResourceLimits(100, 1, 1000.0))
    simulated = ended(config)
    state = simulated.runner.state
    assert state.criterion == "MaxRuntimeInSeconds"
    launched = state.launched
    with pytest.raises(
        InputError, match=r"max_runtime_seconds 1000 leaves no time: the job has run for \d+ s"
    ):
        extend(simulated, max_jobs=200)
    goes_on(simulated, pause=1e6, max_runtime_seconds=2000.0)
    state = simulated.runner.state
    assert state.criterion == "MaxRuntimeInSeconds" and state.launched > launched
    assert state.ended is not None and 1900 < state.ended - state.idle < 2300
    view = JobView(*described(simulated))
    assert view.busy(0.0) > 0.5


def test_what_cannot_go_on_says_why() -> None:
    simulated = ended(job(jobs=5, parallel=1))
    for limits, message in (
        ({}, "no limit is given"),
        ({"max_jobs": 4}, "max_jobs 4 is below the 5 of the job; a budget can only grow"),
        (
            {"max_jobs": 5},
            "max_jobs 5 leaves nothing to run: the job has launched 5 training jobs; give more",
        ),
        ({"max_parallel_jobs": 2}, "leaves nothing to run"),
        ({"max_runtime_seconds": 5.0}, "would limit a job that had no such limit"),
        ({"max_jobs": True}, "max_jobs True is not an integer"),
        ({"max_jobs": 9, "max_parallel_jobs": 0}, "max_parallel_jobs 0 is not an integer"),
    ):
        with pytest.raises(InputError, match=message):
            extend(simulated, **limits)
    small = SearchSpace([IntegerParameter("x", 0, 1), IntegerParameter("y", 0, 1)])
    simulated = ended(job("Bayesian", jobs=4, parallel=1, definition={"space": small}))
    with pytest.raises(InputError, match=r"every configuration of the space was tried \(4 training jobs\)"):
        extend(simulated, max_jobs=9)


def test_an_event_with_impossible_limits_is_damaged() -> None:
    event = ev.JobExtended(1.0, -1, 1, None, 5, 1, None)
    with pytest.raises(StorageError):
        extended(job(), [event])


# -- stored jobs of functions


def tune(state: Path, jobs: int, **changes: Any) -> hpt.TuningResult:
    options: dict[str, Any] = {
        "max_jobs": jobs,
        "seed": 3,
        "name": "grow",
        "state": state,
        "strategy": "Random",
    }
    return hpt.tune(functions.quadratic, SPACE, **options | changes)


def test_tune_of_the_same_name_with_a_larger_budget_goes_on(tmp_path: Path) -> None:
    first = tune(tmp_path, 2)
    again = tune(tmp_path, 4)
    assert [trial.config for trial in again.trials[:2]] == [trial.config for trial in first.trials]
    assert len(again.trials) == 4
    third = hpt.extend("grow", max_jobs=5, state=tmp_path)
    assert len(third.trials) == 5 and third.completion_reason == "MaxNumberOfTrainingJobs"
    whole = tune(tmp_path, 5, name="whole")
    assert [(t.config, t.value) for t in third.trials] == [(t.config, t.value) for t in whole.trials]
    with pytest.raises(JobExistsError, match=r"max_jobs is 5 there and 4 here"):
        tune(tmp_path, 4)
    with pytest.raises(JobExistsError, match="metric"):
        tune(tmp_path, 9, metric="other")


def test_a_job_that_was_stopped_goes_on_and_can_be_stopped_again(tmp_path: Path) -> None:
    tune(tmp_path, 2)
    session = Session(tmp_path)
    session.extend("grow", max_jobs=4)
    session.run("grow").stop()
    assert session.run("grow").result().status == "Stopped"
    session.extend("grow", max_jobs=4)  # killed right after: the next one takes it up
    session.close()
    session = Session(tmp_path)
    config, _, state = session.load("grow")
    assert (config.limits.max_jobs, str(state.status)) == (4, "InProgress")
    session.run("grow").stop()
    assert session.run("grow").result().status == "Stopped"
    session.extend("grow", max_jobs=4)
    result = session.run("grow").result()
    assert (result.status, len(result.trials)) == ("Completed", 4)
    session.close()


def test_clients_see_the_larger_budget(tmp_path: Path) -> None:
    client = hpt.client("sagemaker", state=tmp_path)

    def shown() -> list[tuple[str, int, int]]:
        described = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="grow")
        [listed] = client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
        assert sum(described["TrainingJobStatusCounters"].values()) == 2
        limits = described["HyperParameterTuningJobConfig"]["ResourceLimits"], listed["ResourceLimits"]
        return [
            (entry["HyperParameterTuningJobStatus"], *limit.values())
            for entry, limit in zip((described, listed), limits, strict=True)
        ]

    tune(tmp_path, 2)
    assert shown() == [("Completed", 2, 1)] * 2
    session = Session(tmp_path)
    session.extend("grow", max_jobs=3, max_parallel_jobs=2)
    session.close()
    assert shown() == [("InProgress", 3, 2)] * 2
    assert len(tune(tmp_path, 5, max_parallel_jobs=2).trials) == 5  # also of one that was not finished


def test_a_running_job_is_not_extended(tmp_path: Path) -> None:
    tune(tmp_path, 2)
    session = Session(tmp_path)
    lease = session.storage.acquire("grow")
    other = Session(tmp_path)
    with pytest.raises(JobOwnedError):
        other.extend("grow", max_jobs=9)
    session.storage.release(lease)
    assert len(other.load("grow")[2].extensions) == 0
    other.close()
    session.close()
