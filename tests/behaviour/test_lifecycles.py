"""Retries and the classes of failures (sections 2.7, 12.2 and 12.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpt.executors.simulated import Curve, Faults
from hpt.job.build import tuning_job
from hpt.job.config import JobConfig, Objective, ResourceLimits, TrainingJobDefinition
from hpt.job.state import JobState
from hpt.running.runner import TuningJobRunner
from hpt.running.session import Session
from hpt.running.simulation import simulate
from hpt.search import events as ev
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType

SPACE = SearchSpace([ContinuousParameter("x", 0, 1)])


def job(*, jobs: int = 40, parallel: int = 4, **changes: Any) -> JobConfig:
    definition = TrainingJobDefinition(
        "train.py", SPACE, Objective("loss", ObjectiveType.MINIMIZE), **changes
    )
    return JobConfig("retries", "Random", definition, ResourceLimits(jobs, parallel), seed=2)


def run(config: JobConfig, faults: Faults) -> tuple[JobState, list[ev.Event]]:
    """Each training job prints four values, one in 10 s."""
    recorded: list[ev.Event] = []

    def observe(runner: TuningJobRunner, events: Sequence[ev.Event]) -> None:
        recorded.extend(events)

    runner = simulate(
        config, lambda config: Curve([4.0, 3.0, 2.0, 1.0], 10.0), faults=faults, observe=observe
    )
    return runner.state, recorded


@pytest.mark.parametrize("attempts", [1, 3, 30])
def test_infrastructure_errors_are_retried_so_many_times(attempts: int) -> None:
    """With every machine lost each job is started 1 + attempts times, then it has failed, to be retried by
    whoever wants to: `RetryableError`."""
    state, _ = run(job(jobs=3, retry_attempts=attempts), Faults(losses=1.0))
    for each in state.jobs.values():
        assert (each.attempt, each.lost) == (1 + attempts, 1 + attempts)
        assert (str(each.status), each.retryable) == ("Failed", True)
        assert each.failure_reason.startswith(f"the infrastructure failed {1 + attempts} times")
    assert state.training_counters["RetryableError"] == 3
    assert str(state.status) == "Failed"


def test_a_retried_job_goes_back_to_starting() -> None:
    state, _ = run(job(retry_attempts=30), Faults(losses=0.5))
    assert state.training_counters["Completed"] == state.launched == 40
    for each in state.jobs.values():
        course = [transition.secondary for transition in each.transitions]
        again = ["Starting", "Training", "Restarting"] * each.lost
        assert course == [*again, "Starting", "Training", "Completed"]
    assert max(each.lost for each in state.jobs.values()) > 1


def test_time_limits_cover_all_attempts_together() -> None:
    state, _ = run(job(retry_attempts=30, max_runtime_seconds=55.0), Faults(losses=0.7))
    late = [each for each in state.jobs.values() if each.secondary == "MaxRuntimeExceeded"]
    assert late
    for each in state.jobs.values():
        assert each.ran <= 55.0
        assert (each.training_end or 0.0) - each.created <= 55.0 + 1e-9
        assert str(each.status) in ("Completed", "Stopped")


def test_what_a_program_does_wrong_is_not_retried() -> None:
    state, _ = run(job(jobs=20, retry_attempts=30), Faults(failures=0.6))
    failed = [each for each in state.jobs.values() if str(each.status) == "Failed"]
    assert failed and all((each.attempt, each.retryable) == (1, False) for each in failed)
    assert state.training_counters["NonRetryableError"] == len(failed)
    assert state.training_counters["RetryableError"] == 0


def test_counters_add_up_after_every_event() -> None:
    config = job(retry_attempts=2, max_runtime_seconds=60.0)
    config = replace(config, limits=ResourceLimits(40, 5, 400.0))
    _, recorded = run(config, Faults(failures=0.2, losses=0.6, stragglers=0.3))
    state = JobState(ObjectiveType.MINIMIZE, 0.0)
    for event in recorded:
        state.apply(event)
        ended = state.launched - len(state.running)
        assert sum(state.training_counters.values()) == state.launched
        assert sum(state.objective_counters.values()) == state.launched
        assert state.objective_counters["Succeeded"] + state.objective_counters["Failed"] == ended
        assert state.training_counters["InProgress"] == len(state.running)
    kinds = [kind for kind, count in state.training_counters.items() if count]
    assert {"Completed", "RetryableError", "NonRetryableError", "Stopped"} <= set(kinds)


OUT_OF_MEMORY = """\
import os, signal
os.kill(os.getpid(), signal.SIGKILL)  # what the kernel does when memory runs out
"""


def test_out_of_memory_is_the_programs_failure(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(OUT_OF_MEMORY)
    config = tuning_job(
        "oom",
        program=tmp_path / "train.py",
        space=SPACE,
        metric="loss",
        regex="loss=(.*)",
        max_jobs=1,
        retries=5,
        seed=0,
    )
    session = Session(tmp_path / "state")
    session.create(config)
    with session.take("oom") as runner:
        runner.run()
    [each] = runner.state.jobs.values()
    session.close()
    assert runner.state.training_counters["NonRetryableError"] == 1
    assert (each.attempt, each.lost, each.retryable) == (1, 0, False)
    assert "out-of-memory" in each.failure_reason
