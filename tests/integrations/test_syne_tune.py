"""Searches of Syne Tune's schedulers: spaces, batches, failures, pending trials."""

from __future__ import annotations

import pickle
from datetime import datetime

import pytest

pytest.importorskip("syne_tune")

from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import (
    choice,
    finrange,
    logfinrange,
    lograndint,
    loguniform,
    ordinal,
    qrandint,
    quniform,
    randint,
    reverseloguniform,
    uniform,
)
from syne_tune.optimizer.schedulers.single_objective_scheduler import SingleObjectiveScheduler

from hpt.integrations.syne_tune import HptSearcher

SPACE = {
    "x": uniform(-1, 1),
    "rate": loguniform(1e-4, 1),
    "momentum": reverseloguniform(0.5, 0.99),
    "n": randint(2, 5),
    "width": lograndint(1, 100),
    "kind": choice(["a", "b"]),
    "size": ordinal([8, 16, 32]),
    "f": finrange(0.1, 0.5, 5),
    "lf": logfinrange(1, 64, 4, cast_int=True),
    "q": quniform(0, 1, 0.25),
    "qn": qrandint(4, 16, 4),
    "epochs": 9,
}


def loss(config):
    return (config["x"] - 0.3) ** 2 + (config["n"] - 3) ** 2 + (config["kind"] == "b") + config["size"] / 32


@pytest.mark.parametrize("minimise", [True, False])
def test_a_scheduler_runs_trials_in_parallel_with_failures(minimise):
    sign = 1 if minimise else -1
    points = [{**HptSearcher(SPACE, random_seed=5).suggest(), "x": 0.9}]
    searcher = HptSearcher(SPACE, points, random_seed=1)
    scheduler = SingleObjectiveScheduler(SPACE, metric="loss", do_minimize=minimise, searcher=searcher)
    running, best = [], 1e9
    for number in range(40):
        suggestion = scheduler.suggest()
        trial = Trial(trial_id=number, config=suggestion.config, creation_time=None)
        assert suggestion.config.keys() == SPACE.keys() and suggestion.config["epochs"] == 9
        assert suggestion.config["q"] in (0, 0.25, 0.5, 0.75, 1) and suggestion.config["qn"] in (4, 8, 12, 16)
        assert suggestion.config["f"] in SPACE["f"].values and suggestion.config["lf"] in SPACE["lf"].values
        scheduler.on_trial_add(trial)
        running.append(trial)
        if len(running) == 4:
            trial = running.pop(number % 3)
            if trial.trial_id % 7 == 5:
                scheduler.on_trial_error(trial)
                continue
            value = loss(trial.config)
            best = min(best, value)
            scheduler.on_trial_result(trial, {"loss": sign * (value + 1)})
            scheduler.on_trial_complete(trial, {"loss": sign * value})
    assert searcher._tuner.trials[0].config["x"] == 0.9
    assert best < 0.3
    assert len(searcher._tuner.history.running) == 3
    assert len(searcher._tuner.history.failed) == sum(
        str(trial.status) == "Failed" for trial in searcher._tuner.trials
    )


def test_a_pickled_searcher_goes_on_and_a_finite_space_ends():
    space = {"n": randint(1, 6), "c": 1}
    searcher = HptSearcher(space, random_seed=1)
    for k in range(3):
        searcher.on_trial_complete(k, searcher.suggest(), float(k))
    twin = pickle.loads(pickle.dumps(searcher))
    rest = [searcher.suggest() for _ in range(4)]
    assert rest == [twin.suggest() for _ in range(4)]
    assert rest[3] is None and None not in rest[:3]


def test_trials_of_others_are_recorded_with_their_first_news():
    searcher = HptSearcher({"x": uniform(0, 1)}, random_seed=1)
    searcher.on_trial_result(7, {"x": 0.25}, 3.0)
    searcher.on_trial_complete(7, {"x": 0.25}, 2.0)
    searcher.on_trial_error(8)
    searcher.on_trial_complete(9, {"x": 25}, 2.0)
    assert [(trial.id, trial.value) for trial in searcher._tuner.trials] == [("7", 2.0)]


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_trials_that_a_scheduler_stops_are_values_at_a_resource(kind):
    """Stopped trials are told of by nothing but their reports; they must not stay pending."""
    from syne_tune.optimizer.scheduler import SchedulerDecision
    from syne_tune.optimizer.schedulers.asha import AsynchronousSuccessiveHalving
    from syne_tune.optimizer.schedulers.median_stopping_rule import MedianStoppingRule

    space = {"x": uniform(-5, 10), "y": uniform(0, 15)}
    searcher = HptSearcher(space, random_seed=2)
    if kind == "asha":
        scheduler = AsynchronousSuccessiveHalving(
            space, metric="loss", searcher=searcher, time_attr="epoch", max_t=9, random_seed=2
        )
    else:
        inner = SingleObjectiveScheduler(space, metric="loss", searcher=searcher, random_seed=2)
        scheduler = MedianStoppingRule(inner, time_attr="epoch", grace_time=2, metric="loss")
    stopped, best = 0, float("inf")
    for k in range(30):
        trial = Trial(k, scheduler.suggest().config, datetime.now())
        scheduler.on_trial_add(trial)
        final = (trial.config["x"] - 2) ** 2 + (trial.config["y"] - 7) ** 2
        for epoch in range(1, 10):
            result = {"loss": final + 9 / epoch, "epoch": epoch}
            if scheduler.on_trial_result(trial, result) == SchedulerDecision.STOP:
                stopped += 1
                scheduler.on_trial_remove(trial)
                break
        else:
            scheduler.on_trial_complete(trial, result)
        best = min(best, final)
    assert stopped > 5 and best < 0.1
