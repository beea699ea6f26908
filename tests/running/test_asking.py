"""Suggestions are made beside the steps of a job, which go on reading and judging meanwhile."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hpt.executors.simulated import Curve, SimulatedExecutor, VirtualClock
from hpt.job.config import JobConfig, ResourceLimits
from hpt.running import asking
from hpt.running.asking import Asking
from hpt.running.runner import TuningJobRunner
from hpt.search import events as ev
from hpt.search.history import History
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.strategies.base import Seed, Suggestion
from hpt.search.strategies.bayesian import BayesianStrategy
from hpt.search.strategies.random import RandomStrategy
from hpt.search.trial import Config
from hpt.search.tuner import Tuner
from hpt.storage.memory import MemoryStorage
from tests.running.simulated import SPACE, curves, job


class Slow:
    """A strategy that takes its time: until it is told to go on, or for so many seconds."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.seconds = seconds
        self.began, self.go_on = threading.Semaphore(0), threading.Event()

    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        self.began.release()
        self.go_on.wait(self.seconds)
        return RandomStrategy().suggest(history, count, seed)


class RealTime:
    """A job in real time, on curves whose seconds are divided by `speed`, with a strategy of a test's own."""

    def __init__(self, config: JobConfig, strategy: Any, speed: float = 1000.0) -> None:
        def faster(config: Config) -> Curve:
            curve = curves(config)
            return replace(curve, seconds=[each / speed for each in curve.durations])

        self.clock = VirtualClock(time.time(), time.monotonic)
        self.executor = SimulatedExecutor(faster, self.clock)
        self.storage = MemoryStorage()
        self.storage.create(config.name, {}, self.clock.now)
        self.lease = self.storage.acquire(config.name)
        self.polls: list[float] = []
        self.runner = TuningJobRunner(
            config, self.clock.now, [], self.storage, self.lease, self.executor, clock=self.clock
        )
        self.runner._asking._strategy = strategy
        poll = self.executor.poll

        def noted() -> Any:
            self.polls.append(time.monotonic())
            return poll()

        self.runner._reader._poll = noted

    @property
    def events(self) -> Sequence[ev.Event]:
        return self.storage.read(self.runner.config.name)[1]


def test_logs_are_read_while_a_suggestion_takes_long() -> None:
    strategy = Slow()
    made = RealTime(job(jobs=3, parallel=2), strategy)
    strategy.go_on.set()
    while len(made.runner.state.running) < 2:
        made.runner.step()
    strategy.go_on.clear()
    while made.runner.state.launched - len(made.runner.state.running) < 1:
        made.runner.step()
        made.runner.wait(0.01)
    made.polls.clear()
    reports = sum(each.reports for each in made.runner.state.running.values())
    began = time.monotonic()
    while time.monotonic() < began + 0.4:
        made.runner.step()
        made.runner.wait(10.0)  # no longer than until other news may have come
    assert len(made.polls) >= 5
    assert max(np.diff(made.polls)) < 0.25
    ended = sum(isinstance(event, ev.TrialEnded) for event in made.events)
    assert ended == 2 or sum(each.reports for each in made.runner.state.running.values()) > reports
    assert made.runner.state.launched == 2
    strategy.go_on.set()
    made.runner.run()
    made.runner.close()
    assert made.runner.state.training_counters["Completed"] == 3


def test_a_suggestion_is_started_when_it_is_ready_and_not_with_all_others() -> None:
    recorded = threading.Semaphore(1)
    launched: list[int] = []

    class Patient(RandomStrategy):
        def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
            assert recorded.acquire(timeout=30), "the trial before was not recorded"
            known.append(history.last_number)
            return super().suggest(history, count, seed)

    def observe(events: Sequence[ev.Event]) -> None:
        launched.append(sum(isinstance(event, ev.TrialCreated) for event in events))
        if launched[-1]:
            recorded.release()

    known: list[int] = []
    made = RealTime(job(jobs=6, parallel=6), Patient())
    made.runner.observe = observe
    made.runner.run()
    made.runner.close()
    assert [each for each in launched if each] == [1] * 6
    assert known == [*range(6)]  # each knows those before as running


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_one_slot_gives_what_ask_in_a_loop_gives(strategy: str) -> None:
    made = RealTime(job(strategy, jobs=8, parallel=1), None, speed=5000.0)
    made.runner._asking._strategy = RandomStrategy() if strategy == "Random" else BayesianStrategy()
    made.runner.run()
    made.runner.close()
    tuner = Tuner(SPACE, "Minimize", strategy, seed=5)
    for each in made.runner.state.jobs.values():
        [trial] = tuner.ask()
        assert (trial.number, dict(trial.config)) == (each.number, dict(each.config))
        tuner.tell(trial.number, each.value)


def test_a_slot_is_filled_as_soon_as_its_suggestion_is_ready() -> None:
    """However long the pause is that the job would make otherwise."""
    strategy = Slow(0.05)
    made = RealTime(job(jobs=1, parallel=1), strategy)
    began = time.monotonic()
    while not made.runner.state.launched:
        made.runner.step()
        if not made.runner.state.launched:
            made.runner.wait(60.0)
    assert time.monotonic() - began < 30
    made.runner.close()


def test_news_that_comes_in_meanwhile_takes_no_number_and_no_configuration_twice() -> None:
    space = SearchSpace([IntegerParameter("x", 0, 3), CategoricalParameter("y", [str(i) for i in range(5)])])
    config = job(jobs=100, parallel=6)
    config = replace(config, definition=replace(config.definition, space=space))
    strategy = Slow(0.003)
    made = RealTime(config, strategy, speed=20_000.0)

    def curve(config: Config) -> Curve:
        return Curve([1.0, 0.5], 0.002 + 0.001 * int(str(config["y"])))

    made.executor._curves = curve
    made.runner.run()
    made.runner.close()
    state = made.runner.state
    assert state.criterion == "SearchSpaceExhausted"
    assert [*state.jobs] == [*range(1, 21)]
    assert len({tuple(each.config.values()) for each in state.jobs.values()}) == 20


def test_what_a_strategy_raises_ends_the_runner_and_loses_nothing() -> None:
    class Broken:
        def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
            if history.last_number == 2:
                raise ArithmeticError("no idea")
            return RandomStrategy().suggest(history, count, seed)

    made = RealTime(job(jobs=4, parallel=4), Broken())
    with pytest.raises(ArithmeticError, match="no idea"):
        made.runner.run()
    made.runner.close()
    assert sum(isinstance(event, ev.TrialCreated) for event in made.events) <= 2
    made.storage.release(made.lease)
    lease = made.storage.acquire("sim")
    again = TuningJobRunner(
        made.runner.config, 0.0, made.events, made.storage, lease, made.executor, clock=made.clock
    )
    again.run()
    again.close()
    assert again.state.training_counters["Completed"] == 4
    assert [*again.state.jobs] == [1, 2, 3, 4]


@pytest.mark.parametrize("way", ["interrupt", "request_stop", "limit"])
def test_a_job_ends_while_a_suggestion_is_made_and_makes_nothing_of_it(way: str) -> None:
    strategy = Slow()
    config = job(jobs=None, parallel=2)  # type: ignore[arg-type]
    made = RealTime(
        replace(config, limits=ResourceLimits(None, 2, 0.4 if way == "limit" else None)), strategy
    )
    made.runner.step()
    assert strategy.began.acquire(timeout=10)
    began = time.monotonic()
    if way != "limit":
        getattr(made.runner, way)()
    made.runner.run()
    assert time.monotonic() - began < 5
    assert made.runner.finished and made.runner.state.launched == 0
    assert made.runner.state.status.ended == (way != "interrupt")
    strategy.go_on.set()
    made.runner.close()
    assert not any(isinstance(event, ev.TrialCreated) for event in made.events)


def test_closing_does_not_wait_for_a_strategy_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "CLOSING", 0.1)
    strategy = Slow()
    made = RealTime(job(jobs=3, parallel=2), strategy)
    made.runner.step()
    assert strategy.began.acquire(timeout=10)
    began = time.monotonic()
    made.runner.close()
    assert time.monotonic() - began < 5
    strategy.go_on.set()


def test_a_thread_that_nobody_asks_any_more_ends() -> None:
    asks = Asking(RandomStrategy(), 1)
    tuner = Tuner(SPACE, "Minimize", "Random", seed=1)
    while not [*asks.suggestions(1, lambda: tuner.history)]:
        asks.wait(1.0)
    thread = asks._thread
    assert thread is not None and thread.is_alive()
    del asks
    thread.join(10)
    assert not thread.is_alive()


def test_what_is_dropped_never_comes_back() -> None:
    strategy = Slow()
    asks = Asking(strategy, 1, patience=0.0)
    tuner = Tuner(SPACE, "Minimize", "Random", seed=1)
    assert [*asks.suggestions(1, lambda: tuner.history)] == [] and asks.outstanding
    assert strategy.began.acquire(timeout=10)
    asks.drop()
    assert not asks.outstanding
    tuner.ask()
    assert [*asks.suggestions(1, lambda: tuner.history)] == []
    strategy.go_on.set()
    made: list[ev.TrialCreated] = []
    while not made:
        asks.wait(1.0)
        made = [*asks.suggestions(1, lambda: tuner.history)]
    assert [each.number for each in made] == [2]
    asks.close()


def test_one_view_of_the_results_serves_for_a_few_suggestions_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is what a search would suggest that knows of the results what that view has."""
    known: list[int] = []

    class Noting(RandomStrategy):
        def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
            known.append(history.ended_count)
            return super().suggest(history, count, seed)

    for fresh, views in ((60.0, [0] * asking.FEW + [1] * 4), (0.0, [*range(20)])):
        monkeypatch.setattr(asking, "FRESH", fresh)
        known.clear()
        tuner = Tuner(SPACE, "Minimize", "Random", seed=1)
        twin = Tuner(SPACE, "Minimize", "Random", seed=1)
        asks = Asking(Noting(), 1, patience=60.0)
        made = asks.suggestions(20, lambda tuner=tuner: tuner.history)  # type: ignore[misc]
        for k, each in enumerate(made):
            assert [each] == twin.propose(1)
            tuner.apply(each)
            twin.apply(each)
            if fresh == 0.0 or k == asking.FEW - 1:
                tuner.tell(each.number, 0.5)
        assert known == views
        asks.close()


def test_where_no_thread_can_be_started_it_is_asked_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    made = RealTime(job(jobs=3, parallel=2), RandomStrategy(), speed=10_000.0)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    made.runner.run()
    made.runner.close()
    assert made.runner.state.training_counters["Completed"] == 3


def _read(history: History) -> list[object]:
    """All that a strategy may read of a history."""
    trials = [(t.number, dict(t.config), str(t.status), [*t.reports], t.value, t.definition) for t in history]
    arrays = [history.pending, history.y, history.noise]
    if not history.definitions:
        arrays += [history.X, history.failed]
    return [
        trials,
        *(each.tobytes() for each in arrays),
        [*history.observers],
        [*history.reporters(0)],
        history.last_number,
        history.distinct,
        len(history),
        [history.trial(t.number).status for t in history],
        [history.contains(t.config) for t in history] if not history.definitions else (),
        *(_read(history.of(name)) for name in history.definitions),
    ]


@pytest.mark.parametrize("several", [False, True])
def test_a_pinned_view_reads_the_same_in_another_thread_while_its_source_grows(several: bool) -> None:
    one = SearchSpace([ContinuousParameter("x", 0, 1)])
    tuner = Tuner({"a": one, "b": one} if several else one, "Minimize", "Random", seed=1)
    views: list[History] = []
    found: dict[int, list[object]] = {}
    done = threading.Event()

    def read() -> None:
        while not done.is_set() or len(found) < len(views):
            for view in views[len(found) :]:
                found[view.version] = _read(view)

    reader = threading.Thread(target=read)
    events: list[tuple[str, Any]] = []
    draw = random.Random(3)

    def change(tuner: Tuner, kind: str, what: Any) -> None:
        if kind == "ask":
            tuner.ask()
        elif kind == "report":
            tuner.report(what[0], what[1], what[2])
        elif kind == "forget":
            tuner.forget(what)
        else:
            tuner.tell(what[0], what[1], noise=what[2])

    reader.start()
    for _ in range(250):
        running = [trial.number for trial in tuner.history.running]
        kind = draw.choice(["ask", "ask", "report", "report", "tell", "forget"]) if running else "ask"
        number = draw.choice(running) if running else 0
        what = {
            "ask": None,
            "report": (number, draw.random(), 1 + len(tuner.history.trial(number).reports) if number else 0),
            "tell": (number, draw.choice([0.5, float("nan")]), 0.1),
            "forget": number,
        }[kind]
        events.append((kind, what))
        change(tuner, kind, what)
        views.append(tuner.history.pinned())
    done.set()
    reader.join(60)
    assert len(found) == len(views) == 250
    twin = Tuner({"a": one, "b": one} if several else one, "Minimize", "Random", seed=1)
    for (kind, what), view in zip(events, views, strict=True):
        change(twin, kind, what)
        assert found[view.version] == _read(twin.history), (kind, what)
