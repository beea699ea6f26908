"""Optuna's own conformance suite, and studies as users run them."""

from __future__ import annotations

import math

import pytest

optuna = pytest.importorskip("optuna", minversion="5.0")

from optuna.testing.pytest_samplers import (  # noqa: E402
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)

import hpt  # noqa: E402
from hpt.integrations.optuna import HptPruner, HptSampler  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)


class TestHptSampler(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self):
        return HptSampler


def branin(trial):
    x, y = trial.suggest_float("x", -5, 10), trial.suggest_float("y", 0, 15)
    return (
        (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
        + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x)
        + 10
    )


def params_of(study):
    return [trial.params for trial in study.trials]


def test_a_study_finds_the_optimum_and_a_seed_repeats_it():
    studies = [optuna.create_study(sampler=HptSampler(seed=3)) for _ in range(2)]
    for study in studies:
        study.optimize(branin, n_trials=40)
    assert studies[0].best_value < 0.41
    assert params_of(studies[0]) == params_of(studies[1])


def test_it_suggests_what_a_tuner_would_ask_for_once_the_space_is_known():
    space = hpt.SearchSpace(
        [hpt.ContinuousParameter("x", -5, 10, "Linear"), hpt.ContinuousParameter("y", 0, 15, "Linear")]
    )
    study = optuna.create_study(sampler=HptSampler(seed=3))
    study.optimize(branin, n_trials=20)
    tuner = hpt.Tuner(space, "Minimize", seed=3)
    for trial in study.trials:
        if trial.number:
            [asked] = tuner.ask()
            assert asked.config == trial.params
            tuner.tell(asked.number, trial.value)
        else:
            tuner.record(trial.params, value=trial.value)


def test_a_study_in_storage_goes_on_in_another_process(tmp_path):
    """A new sampler of the same seed, over a new connection, suggests what the kept one would."""
    url = f"sqlite:///{tmp_path}/study.db"
    whole = optuna.create_study(sampler=HptSampler(seed=1))
    whole.optimize(branin, n_trials=14)
    optuna.create_study(study_name="s", storage=url)
    for _ in range(7):
        part = optuna.load_study(study_name="s", storage=url, sampler=HptSampler(seed=1))
        part.optimize(branin, n_trials=2)
    assert params_of(part) == params_of(whole)


def test_several_processes_get_different_configurations(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    optuna.create_study(study_name="s", storage=url).optimize(branin, n_trials=1)
    workers = [optuna.load_study(study_name="s", storage=url, sampler=HptSampler()) for _ in range(4)]
    for _ in range(4):
        trials = [worker.ask() for worker in workers]  # all have begun before any has parameters
        for worker, trial in zip(workers, trials, strict=True):
            worker.tell(trial, branin(trial))
    found = [(trial.params["x"], trial.params["y"]) for trial in workers[0].trials]
    apart = [abs(a[0] - b[0]) + abs(a[1] - b[1]) for k, a in enumerate(found) for b in found[:k]]
    assert min(apart) > 0.01


def test_spaces_that_change_failures_pruned_and_enqueued_trials():
    def objective(trial):
        kind = trial.suggest_categorical("kind", [None, "1", True])
        rate = trial.suggest_float("rate", 1e-5, 1, log=True)
        if kind is None:
            rate *= trial.suggest_float("momentum", 0.5, 0.99)
        units = trial.suggest_int("units", 16, 128, step=16)
        for step in range(3):
            trial.report(rate + step, step)
            if trial.number % 5 == 4:
                raise optuna.TrialPruned
        if trial.number % 7 == 6:
            raise RuntimeError("out of memory")
        if trial.number % 9 == 8:
            return math.nan
        return abs(math.log(rate / 1e-3)) + units / 128 + (kind is not True)

    study = optuna.create_study(sampler=HptSampler(seed=2))
    study.enqueue_trial({"kind": "1", "rate": 0.5, "units": 128})
    study.optimize(objective, n_trials=60, catch=RuntimeError)
    assert study.trials[0].params["kind"] == "1"
    assert study.best_params["kind"] is True and study.best_params["units"] == 16
    assert study.best_value < 0.3
    assert all(trial.params["units"] % 16 == 0 for trial in study.trials)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_directions(direction):
    sign = 1 if direction == "minimize" else -1
    study = optuna.create_study(sampler=HptSampler(seed=1), direction=direction)
    study.optimize(lambda trial: sign * trial.suggest_float("x", -3, 3) ** 2, n_trials=20)
    assert abs(study.best_params["x"]) < 0.05


def test_a_finite_space_is_tried_once_before_it_repeats():
    study = optuna.create_study(sampler=HptSampler(seed=1))
    study.optimize(lambda trial: trial.suggest_int("x", 0, 7) + trial.suggest_int("y", 0, 1), n_trials=20)
    assert len({tuple(trial.params.values()) for trial in study.trials[:16]}) == 16


def test_threads():
    study = optuna.create_study(sampler=HptSampler(seed=1))
    study.optimize(branin, n_trials=30, n_jobs=3)
    assert len(study.trials) == 30 and study.best_value < 2


@pytest.mark.parametrize("rule", [None, hpt.SuccessiveHalving(20)], ids=["median", "halving"])
def test_the_pruner_stops_what_is_hopeless(rule):
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        for step in range(20):
            trial.report(x + 1 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return x

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1), pruner=HptPruner(rule))
    study.optimize(objective, n_trials=60)
    pruned = [trial for trial in study.trials if trial.state is optuna.trial.TrialState.PRUNED]
    done = [trial.value for trial in study.trials if trial.state is optuna.trial.TrialState.COMPLETE]
    assert len(pruned) > 10
    assert sum(done) / len(done) < sum(t.params["x"] for t in pruned) / len(pruned)
    assert min(done) == min(trial.params["x"] for trial in study.trials)


def test_the_values_of_an_enqueued_trial_are_held_and_the_others_proposed():
    """Where y is best depends on x: the model is asked for y given x."""

    def objective(trial):
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        kind = trial.suggest_categorical("kind", ["a", None])
        return (y - 0.2 - 0.6 * x) ** 2 + (x - 0.9) ** 2 + (kind is None)

    study = optuna.create_study(sampler=HptSampler(seed=1))
    study.optimize(objective, n_trials=25)
    for _ in range(4):
        study.enqueue_trial({"x": 0.25, "kind": None})
    study.optimize(objective, n_trials=4)
    held = [trial.params for trial in study.trials[25:]]
    assert [(params["x"], params["kind"]) for params in held] == [(0.25, None)] * 4
    assert min(abs(params["y"] - 0.35) for params in held) < 0.05
    assert len({params["y"] for params in held}) == 4
    study.enqueue_trial({"x": 7.0, "y": "high"})  # what lies outside is Optuna's own affair
    with pytest.warns(UserWarning, match="out of range"):
        study.optimize(objective, n_trials=1, catch=(TypeError, ValueError))
    study.optimize(objective, n_trials=1)
    assert study.trials[-1].state is optuna.trial.TrialState.COMPLETE
