"""The resource of a report is what the model has been trained for: it goes back with the checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hpt.executors.local import LocalExecutor
from hpt.executors.simulated import Curve, Faults, Market
from hpt.job.config import (
    EarlyStopping,
    HyperbandConfig,
    JobConfig,
    MetricDefinition,
    Objective,
    ResourceLimits,
    TrainingJobDefinition,
)
from hpt.job.state import JobState
from hpt.running.runner import TuningJobRunner
from hpt.search import events as ev
from hpt.search.events import from_json, to_json
from hpt.search.trial import Config, ObjectiveType
from hpt.storage.memory import MemoryStorage
from tests.running.simulated import SPACE, Simulated, job


def counting(config: Config) -> Curve:
    """The fraction of value n of 27 shows that it is the n-th that the model was trained for."""
    x = float(config["x"])
    return Curve([100.0 * x + step / 64 for step in range(1, 28)], 5.0 + 10 * float(config["y"]))


def counted(config: Config, value: float) -> float:
    return round(64 * (value - 100.0 * float(config["x"])), 6)


def check(events: Sequence[ev.Event], *, keeps: bool) -> tuple[int, int]:
    """Every report's resource is that of its model; how many reports came twice, and after an attempt that
    ended.
    """
    configs: dict[int, Config] = {}
    last: dict[int, float] = {}
    again = later = 0
    attempts: dict[int, int] = {}
    for event in events:
        if isinstance(event, ev.TrialCreated):
            configs[event.number] = event.config
        if isinstance(event, ev.AttemptCreated):
            attempts[event.number] = event.attempt
        if isinstance(event, ev.Reported):
            assert event.resource == counted(configs[event.number], event.value)
            again += event.resource <= last.get(event.number, 0)
            later += attempts[event.number] > 1
            last[event.number] = event.resource
    assert not (keeps and again)
    return again, later


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("model_based", [True, False])
def test_rungs_are_judged_at_real_epochs_after_losses(keeps: bool, model_based: bool) -> None:
    definition = {"retry_attempts": 9, "checkpoint_uri": "/tmp/c" if keeps else None}
    hyperband = HyperbandConfig(27, model_based=model_based)
    config = job("Hyperband", hyperband=hyperband, jobs=40, definition=definition)
    made = Simulated(config, curves=counting, faults=Faults(losses=0.4))
    state = made.run().state
    again, later = check(made.events, keeps=keeps)
    assert later > 10
    assert bool(again) == (not keeps)
    resources = {e.number: e.resource for e in made.events if isinstance(e, ev.Reported)}
    stopped = {e.number for e in made.events if isinstance(e, ev.StopDecided)}
    judged = {resources[number] for number in stopped}
    assert judged <= {1, 3, 9, 27}
    ended = [each for each in state.jobs.values() if str(each.status) == "Completed"]
    assert ended and all(each.reports == 27 for each in ended)
    assert JobState.fold(ObjectiveType.MINIMIZE, 0.0, made.events).jobs == state.jobs


@pytest.mark.parametrize("keeps", [True, False])
def test_the_median_rule_counts_the_steps_of_the_model(keeps: bool) -> None:
    definition = {"retry_attempts": 9, "checkpoint_uri": "/tmp/c" if keeps else None}
    config = job(early_stopping=EarlyStopping(min_trials=3), jobs=60, definition=definition)
    made = Simulated(config, curves=counting, faults=Faults(losses=0.4))
    made.run()
    check(made.events, keeps=keeps)
    assert any(isinstance(event, ev.StopDecided) for event in made.events)


@pytest.mark.parametrize("keeps", [True, False])
def test_preempted_attempts_go_back_as_well(keeps: bool) -> None:
    definition = {"spot": True, "max_wait_seconds": 1e6, "checkpoint_uri": "/tmp/c" if keeps else None}
    config = job("Hyperband", hyperband=HyperbandConfig(27), definition=definition)
    made = Simulated(config, curves=counting, market=Market(0.3, 30.0, 20.0))
    state = made.run().state
    assert sum(each.preempted for each in state.jobs.values()) > 10
    again, later = check(made.events, keeps=keeps)
    assert later and bool(again) == (not keeps)


@pytest.mark.parametrize("keeps", [True, False])
def test_interrupted_attempts_go_back_as_well(keeps: bool) -> None:
    definition = {"checkpoint_uri": "/tmp/c" if keeps else None}
    config = job("Hyperband", hyperband=HyperbandConfig(27), definition=definition)
    made = Simulated(config, curves=counting, faults=Faults(shutdown=7.0))
    for pause in (60.0, 120.0, 200.0):
        while made.clock.now < pause:
            made.runner.step()
            made.simulated.sleep(1.0)
        made.runner.interrupt()
        made.run()
        made.release()
        made.take()
    state = made.run().state
    assert sum(each.interrupted for each in state.jobs.values()) >= 5
    again, later = check(made.storage.read(config.name)[1], keeps=keeps)
    assert later and bool(again) == (not keeps)


def test_logs_of_earlier_versions_count_on() -> None:
    events: list[ev.Event] = [
        ev.TrialCreated(0.0, 1, {"x": 0.5, "y": 0.5}, "job-001"),
        ev.AttemptCreated(0.0, 1, 1),
        ev.MetricLogged(1.0, 1, 1, "loss", 1.0, 10),
        ev.Reported(1.0, 1, 1.0, 1.0),
        from_json(
            "AttemptEnded",
            '{"time":2.0,"number":1,"attempt":1,"outcome":"Lost","exit_code":null,"message":"gone"}',
        ),
        ev.AttemptCreated(3.0, 1, 2),
    ]
    assert JobState.fold(ObjectiveType.MINIMIZE, 0.0, events).jobs[1].reports == 1
    known = replace(events[4], reports=0)  # type: ignore[call-arg]
    assert from_json(*to_json(known)) == known
    again = JobState.fold(ObjectiveType.MINIMIZE, 0.0, [*events[:4], known, events[5]]).jobs[1]
    assert (again.reports, again.resumed, again.report_ends) == (0, 0, [])


PROGRAM = """#!{python}
import os, signal, sys, time
base, keeps = os.environ["SAGEMAKER_BASE_DIR"], os.environ["KEEPS"] == "1"
place = os.path.join(base, "checkpoints", "epoch")
begin = int(open(place).read()) if keeps and os.path.exists(place) else 0
for epoch in range(begin + 1, 10):
    time.sleep(0.9)
    print(f"epoch={{epoch}};", flush=True)
    if keeps and epoch != 3:
        with open(place + ".tmp", "w") as file:
            file.write(str(epoch))
        os.replace(place + ".tmp", place)
    if epoch == 3 and not os.path.exists(os.environ["ONCE"]):
        open(os.environ["ONCE"], "w").close()
        time.sleep(0.9)  # the log's index is written twice a second
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
"""


@pytest.mark.parametrize("keeps", [True, False])
def test_a_real_program_that_is_lost_counts_on_from_its_checkpoint(tmp_path: Path, keeps: bool) -> None:
    """Lost after its third epoch, whose checkpoint it had not written; stopped by Hyperband after the fourth
    that it trains for.
    """
    program = tmp_path / "train.py"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    definition = TrainingJobDefinition(
        str(program),
        SPACE,
        Objective("epoch", ObjectiveType.MAXIMIZE),
        metric_definitions=(MetricDefinition("epoch", "epoch=(.*?);"),),
        environment={"KEEPS": "1" if keeps else "0", "ONCE": str(tmp_path / "once")},
    )
    limits = ResourceLimits(1, 1)
    config = JobConfig("lost", "Hyperband", definition, limits, seed=1, hyperband=HyperbandConfig(4, 4))
    storage = MemoryStorage()
    storage.create(config.name, {}, 0.0)
    executor = LocalExecutor(tmp_path / "trials")
    runner = TuningJobRunner(config, 0.0, [], storage, storage.acquire(config.name), executor)
    runner.run()
    executor.close()
    _, events = storage.read(config.name)
    reported = [(event.value, event.resource) for event in events if isinstance(event, ev.Reported)]
    trained = [1, 2, 3, 3, 4] if keeps else [1, 2, 3, 1, 2, 3, 4]
    assert reported == [(epoch, epoch) for epoch in trained]
    [ended] = [event for event in events if isinstance(event, ev.AttemptEnded)]
    assert (ended.outcome, ended.reports) == ("Lost", 2 if keeps else 0)
    assert str(runner.state.jobs[1].status) == "Stopped"
