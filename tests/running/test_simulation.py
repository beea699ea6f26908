"""Whole jobs on learning curves: runner, storage, strategies and stopping rules as they are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from hpt.executors.simulated import Curve, Faults, SimulatedExecutor, VirtualClock, metric_definition
from hpt.job.completion import CompletionCriteria
from hpt.job.config import (
    EarlyStopping,
    HyperbandConfig,
    JobConfig,
    MetricDefinition,
    Objective,
    ResourceLimits,
    TrainingJobDefinition,
)
from hpt.job.decisions import make_search
from hpt.job.state import JobState
from hpt.job.transitions import whole_course
from hpt.job.view import trial_view
from hpt.running.runner import TuningJobRunner
from hpt.running.simulation import Simulation, simulate
from hpt.sagemaker.reply.document import full_training_job_document
from hpt.search import events as ev
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import Config, Decision, ObjectiveType
from hpt.search.tuner import Tuner
from hpt.storage.memory import MemoryStorage

SPACE = SearchSpace([ContinuousParameter("x", 0, 1), ContinuousParameter("y", 0, 1)])


def curves(config: Config) -> Curve:
    """Falls towards (x - 0.3)^2 + (y - 0.6)^2; what looks good early mostly is."""
    x, y = float(config["x"]), float(config["y"])
    floor = (x - 0.3) ** 2 + (y - 0.6) ** 2
    return Curve([floor + 0.5 / (step + 10 * x) for step in range(1, 82)], 10.0 + 5 * y)


def config(strategy: str = "Random", *, jobs: int = 100, parallel: int = 10, **changes: object) -> JobConfig:
    definition = TrainingJobDefinition(
        "train.py",
        SPACE,
        Objective("loss", ObjectiveType.MINIMIZE),
        metric_definitions=(MetricDefinition("loss", "loss=(.*)"),),
    )
    limits = ResourceLimits(jobs, parallel)
    return JobConfig("sim", strategy, definition, limits, seed=5, **changes)  # type: ignore[arg-type]


def run(config: JobConfig, faults: Faults | None = None) -> tuple[Simulation, list[ev.Event]]:
    recorded: list[ev.Event] = []

    def observe(runner: TuningJobRunner, events: Sequence[ev.Event]) -> None:
        recorded.extend(events)

    return simulate(config, curves, faults=faults or Faults(), observe=observe), recorded


def assert_replays(config: JobConfig, recorded: list[ev.Event]) -> None:
    """A tuner that knows nothing but the events before decides the same at every point."""
    strategy, rule = make_search(config)
    tuner = Tuner(SPACE, "Minimize", strategy, seed=config.seed, stopping_rule=rule)
    stopped: set[int] = set()
    for event, following in zip(recorded, [*recorded[1:], None], strict=True):
        if isinstance(event, ev.TrialCreated):
            [proposal] = tuner.propose(1)
            assert (proposal.number, dict(proposal.config)) == (event.number, dict(event.config))
        tuner.apply(event)
        if isinstance(event, ev.StopDecided):
            stopped.add(event.number)
        if isinstance(event, ev.Reported) and event.number not in stopped:
            stops = isinstance(following, ev.StopDecided) and following.reason in (
                ev.StopReason.RULE,
                ev.StopReason.MAX_RESOURCE,
            )
            assert (tuner.judge(event.number) is Decision.STOP) == stops


@pytest.mark.slow
def test_a_thousand_trials_of_hyperband_take_seconds() -> None:
    job = config(
        "Hyperband", jobs=1000, parallel=32, hyperband=HyperbandConfig(81, model_based=False, adaptive=False)
    )
    started = time.process_time()
    runner, recorded = run(job)
    assert time.process_time() - started < 30  # a few; hours if the clock were not simulated
    state = runner.state
    assert (str(state.status), state.criterion) == ("Completed", "MaxNumberOfTrainingJobs")
    reports = [job.reports for job in state.jobs.values()]
    assert 0 < sum(count == 81 for count in reports) < 100
    for each in state.jobs.values():  # the program ends with its 81st value, before a stop can reach it
        assert str(each.status) == ("Completed" if each.reports == 81 else "Stopped")
    assert sum(count == 1 for count in reports) > 400
    assert {*reports} <= {1, 3, 9, 27, 81}
    assert state.ended is not None and state.ended > 3600
    assert_replays(job, recorded)
    assert JobState.fold(ObjectiveType.MINIMIZE, 0.0, recorded).jobs == state.jobs


def test_a_training_job_that_used_up_its_resource_was_not_stopped_early() -> None:
    """Programs that would print 81 values are ended at 9, and given up at 1 and 3."""
    runner, recorded = run(config("Hyperband", jobs=60, hyperband=HyperbandConfig(9, model_based=False)))
    reasons: dict[int, set[str]] = {each.reports: set() for each in runner.state.jobs.values()}
    for each in runner.state.jobs.values():
        reasons[each.reports].add(str(each.stop_reason))
        assert (str(each.status), each.secondary) == ("Stopped", "Stopped")
        stopping = next(step for step in whole_course(each) if step.secondary == "Stopping")
        why = "it has reached MaxResource" if each.reports == 9 else "stopped early by the tuning job"
        assert stopping.message == f"Stopping the training job: {why}"
    assert reasons == {1: {"EarlyStopped"}, 3: {"EarlyStopped"}, 9: {"MaxResourceReached"}}
    found = trial_view(runner.config, runner.state.jobs[1])
    assert full_training_job_document(found)["StopReason"] == found.stop_reason
    assert JobState.fold(ObjectiveType.MINIMIZE, 0.0, recorded).jobs == runner.state.jobs


def test_the_median_rule_spares_reports_and_keeps_the_best() -> None:
    plain, _ = run(config())
    job = config(early_stopping=EarlyStopping())
    stopping, recorded = run(job)

    def reports(runner: Simulation) -> int:
        return sum(job.reports for job in runner.state.jobs.values())

    assert plain.state.training_counters["Completed"] == 100
    assert reports(plain) == 8100
    assert reports(stopping) < 5500
    assert plain.state.best is not None and stopping.state.best is not None
    assert stopping.state.best.value == plain.state.best.value
    assert any(isinstance(event, ev.StopDecided) for event in recorded)
    assert_replays(job, recorded)


def test_brackets_give_some_trials_more_time() -> None:
    one, _ = run(config("Hyperband", hyperband=HyperbandConfig(81, model_based=False)))
    several, recorded = run(config("Hyperband", hyperband=HyperbandConfig(81, brackets=5, model_based=False)))
    first = [job.reports for job in one.state.jobs.values()]
    other = [job.reports for job in several.state.jobs.values()]
    assert sum(count == 1 for count in other) < sum(count == 1 for count in first)
    assert sum(other) > sum(first)
    assert_replays(
        config("Hyperband", hyperband=HyperbandConfig(81, brackets=5, model_based=False)), recorded
    )


def test_faults_come_from_the_seed() -> None:
    faults = Faults(failures=0.2, losses=0.2, stragglers=0.2, startup=30.0, shutdown=15.0)
    job = config("Hyperband", jobs=200, hyperband=HyperbandConfig(81, model_based=False))
    first, recorded = run(job, faults)
    again, same = run(job, faults)
    assert recorded == same
    other, _ = run(replace(job, seed=6), faults)
    assert other.state.training_counters != first.state.training_counters
    lost = sum(job.lost for job in first.state.jobs.values())
    assert lost > 3
    assert first.state.training_counters["NonRetryableError"] > 3
    assert sum(first.state.training_counters.values()) == sum(first.state.objective_counters.values()) == 200
    assert_replays(job, recorded)
    late = [job for job in first.state.jobs.values() if len(job.curves.get("loss", ())) > job.reports]
    assert late  # values printed while a program was being stopped
    assert all(job.training_start == job.created + 30.0 for job in again.state.jobs.values() if not job.lost)


def test_a_program_that_prints_nothing_fails_the_job() -> None:
    runner = simulate(
        config("Hyperband", hyperband=HyperbandConfig(9, model_based=False), parallel=1),
        lambda config: Curve([], 1.0),
    )
    assert (str(runner.state.status), runner.state.criterion) == ("Failed", "NoTrainingJobSucceeded")
    assert "printed no value of the objective metric 'loss'" in runner.state.failure_reason


def test_a_program_that_goes_on_after_the_verdict_has_the_value_that_was_judged() -> None:
    runner = simulate(
        config("Hyperband", hyperband=HyperbandConfig(3, 3, model_based=False), jobs=1, parallel=1),
        lambda config: Curve([5.0, 4.0, 3.0, 2.0, 1.0, 0.0]),
        faults=Faults(shutdown=2.0),
    )
    [job] = runner.state.jobs.values()
    assert (str(job.status), job.reports, job.value) == ("Stopped", 3, 3.0)
    assert [point.value for point in job.curves["loss"]] == [5.0, 4.0, 3.0, 2.0, 1.0]
    assert job.stop_reason == ev.StopReason.MAX_RESOURCE


@pytest.mark.parametrize(
    ("epochs", "status", "reports"), [(2, "Completed", 2), (3, "Completed", 3), (6, "Completed", 6)]
)
def test_a_program_that_may_end_by_itself_is_never_stopped_at_max_resource(
    epochs: int, status: str, reports: int
) -> None:
    runner = simulate(
        config(
            "Hyperband",
            hyperband=HyperbandConfig(3, 3, stops_at_max=False, model_based=False),
            jobs=1,
            parallel=1,
        ),
        lambda config: Curve([float(value) for value in range(epochs)]),
    )
    [job] = runner.state.jobs.values()
    assert (str(job.status), job.reports) == (status, reports)


@pytest.mark.parametrize("parallel", [1, 7])
def test_a_job_limit_on_time_is_met_to_the_second(parallel: int) -> None:
    job = replace(config(), limits=ResourceLimits(None, parallel, 5000.0))
    runner, _ = run(job)
    assert (runner.state.ended, runner.state.criterion) == (5000.0, "MaxRuntimeInSeconds")


def test_the_deadline_of_a_training_job() -> None:
    job = config(jobs=3)
    job = replace(job, definition=replace(job.definition, max_runtime_seconds=60.0))
    runner, _ = run(job)
    for each in runner.state.jobs.values():
        assert (str(each.status), each.secondary) == ("Stopped", "MaxRuntimeExceeded")
        assert 4 <= each.reports <= 6
        assert each.value is not None


FEATURES = [
    config("Hyperband", jobs=25, parallel=1, hyperband=HyperbandConfig(81, brackets=2, model_based=False)),
    config("Hyperband", jobs=25, parallel=1, hyperband=HyperbandConfig(81, model_based=True)),
    config(
        "Hyperband", jobs=25, parallel=1, hyperband=HyperbandConfig(27, stops_at_max=False, model_based=False)
    ),
    config(
        "Hyperband",
        jobs=25,
        parallel=1,
        hyperband=HyperbandConfig(27, model_based=True, stops_at_max=False),
    ),
    config(
        jobs=25,
        parallel=1,
        early_stopping=EarlyStopping(min_trials=3),
        completion=CompletionCriteria(max_not_improving=8),
    ),
    config("Bayesian", jobs=25, parallel=1, completion=CompletionCriteria(target=0.02)),
    config("Bayesian", jobs=25, parallel=1, completion=CompletionCriteria(complete_on_convergence=False)),
]


@pytest.mark.slow
@pytest.mark.parametrize("job", FEATURES)
def test_a_job_cut_after_any_commit_goes_on_to_the_same_results(job: JobConfig) -> None:
    commits: list[list[ev.Event]] = []
    original = simulate(job, curves, observe=lambda runner, events: commits.append(list(events))).state
    trials = [(each.config, each.value, each.reports, each.status) for each in original.jobs.values()]
    definition = replace(job.definition, metric_definitions=(metric_definition("loss"),))
    for cut in range(0, len(commits), max(1, len(commits) // 12)):
        events = [event for commit in commits[:cut] for event in commit]
        clock = VirtualClock(max((event.time for event in events), default=0.0))
        storage = MemoryStorage()
        storage.create(job.name, {}, 0.0)
        executor = SimulatedExecutor(curves, clock, seed=job.seed or 0)
        runner = TuningJobRunner(
            replace(job, definition=definition),
            0.0,
            events,
            storage,
            storage.acquire(job.name),
            executor,
            clock=clock,
        )
        runner.run(sleep=executor.sleep)
        resumed = runner.state
        assert [(e.config, e.value, e.reports, e.status) for e in resumed.jobs.values()] == trials, cut
        assert (resumed.status, resumed.criterion) == (original.status, original.criterion)
        assert resumed.improvement == original.improvement
        assert (resumed.converged is None) == (original.converged is None)


def test_it_says_how_busy_the_slots_were_and_how_long_the_tuner_thought() -> None:
    job = config(jobs=4, parallel=2)
    simulation = simulate(job, lambda config: Curve([1.0], 10.0))
    assert (simulation.state.ended, simulation.busy) == (20.0, 1.0)
    assert 0 < simulation.thinking < 30
    three = simulate(config(jobs=3, parallel=2), lambda config: Curve([1.0], 10.0))
    assert (three.state.ended, three.busy) == (20.0, 0.75)
    late = simulate(job, lambda config: Curve([1.0], 10.0), faults=Faults(startup=10.0))
    assert (late.state.ended, late.busy) == (40.0, 0.5)


def test_time_that_the_tuner_thinks_is_charged_where_that_is_asked_for() -> None:
    """Of a CPU clock on which each look takes 10 ms, so that the test does not depend on the machine."""
    looks = 0

    def cpu() -> float:
        nonlocal looks
        looks += 1
        return looks / 100

    job = config(jobs=40, parallel=4)
    plain = simulate(job, lambda config: Curve([1.0], 10.0), cpu=cpu)
    assert (plain.state.ended, plain.busy) == (100.0, 1.0)
    charged = simulate(job, lambda config: Curve([1.0], 10.0), charge=True, cpu=cpu)
    assert charged.state.ended is not None and 100.5 < charged.state.ended < 110.0
    assert 0.9 < charged.busy < 0.995
    assert charged.state.training_counters["Completed"] == 40
    configs = [[each.config for each in one.state.jobs.values()] for one in (plain, charged)]
    assert configs[0] == configs[1]


def test_what_the_curves_take_is_not_the_tuners() -> None:
    began = time.process_time()

    def slow(config: Config) -> Curve:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        return Curve([1.0], 10.0)

    simulation = simulate(config(jobs=20, parallel=4), slow)
    assert simulation.thinking < time.process_time() - began - 20 * 0.05 + 0.01
