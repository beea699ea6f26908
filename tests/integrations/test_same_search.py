"""Through every adapter a search is that of `hpt.Tuner`: the same configurations, one after the other."""

from __future__ import annotations

import math

import pytest

import hpt

TRIALS = 24
KINDS = ["a", "b", "c"]
SPACE = hpt.SearchSpace(
    [
        hpt.ContinuousParameter("x", -5.0, 10.0, "Linear"),
        hpt.ContinuousParameter("rate", 1e-4, 1.0, "Logarithmic"),
        hpt.IntegerParameter("n", 1, 40, "Linear"),
        hpt.CategoricalParameter("kind", KINDS),
    ]
)


def loss(config):
    return (
        ((config["x"] - 2) / 5) ** 2
        + math.log10(config["rate"] / 0.01) ** 2
        + config["n"] / 40
        + (config["kind"] != "b")
    )


def native(seed, space=SPACE):
    tuner = hpt.Tuner(space, "Minimize", seed=seed)
    for _ in range(TRIALS):
        [trial] = tuner.ask()
        tuner.tell(trial.number, loss(trial.config))
    return [trial.config for trial in tuner.trials]


def check(found, seed, space=SPACE):
    """Sums may be rounded differently where values pass through a host's own scale."""
    expected = native(seed, space)
    assert [config["kind"] for config in found] == [config["kind"] for config in expected]
    for name in ("x", "rate", "n"):
        assert [config[name] for config in found] == pytest.approx(
            [config[name] for config in expected], rel=1e-5
        )


def ordered(names):
    by_name = {parameter.name: parameter for parameter in SPACE.parameters}
    return hpt.SearchSpace([by_name[name] for name in names])


def test_optuna():
    optuna = pytest.importorskip("optuna", minversion="5.0")
    from hpt.integrations.optuna import HptSampler

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial):
        return loss(
            {
                "x": trial.suggest_float("x", -5, 10),
                "rate": trial.suggest_float("rate", 1e-4, 1, log=True),
                "n": trial.suggest_int("n", 1, 40),
                "kind": trial.suggest_categorical("kind", KINDS),
            }
        )

    study = optuna.create_study(sampler=HptSampler(seed=4))
    study.optimize(objective, n_trials=TRIALS)
    check([trial.params for trial in study.trials], 4, ordered(["kind", "n", "rate", "x"]))


def test_ray_tune():
    tune = pytest.importorskip("ray.tune")
    from hpt.integrations.ray import HptSearch

    space = {
        "x": tune.uniform(-5, 10),
        "rate": tune.loguniform(1e-4, 1),
        "n": tune.randint(1, 41),
        "kind": tune.choice(KINDS),
    }
    search, found = HptSearch(space, "loss", "min", seed=4), []
    for k in range(TRIALS):
        found.append(search.suggest(str(k)))
        search.on_trial_complete(str(k), {"loss": loss(found[-1]), "training_iteration": 1})
    check(found, 4)


def test_nevergrad():
    ng = pytest.importorskip("nevergrad")
    from hpt.integrations.nevergrad import HptOptimizer

    space = ng.p.Dict(
        x=ng.p.Scalar(lower=-5, upper=10),
        rate=ng.p.Log(lower=1e-4, upper=1),
        n=ng.p.Scalar(lower=1, upper=40).set_integer_casting(),
        kind=ng.p.Choice(KINDS),
    )
    optimizer, found = HptOptimizer(space, budget=TRIALS), []
    for _ in range(TRIALS):
        candidate = optimizer.ask()
        found.append(candidate.value)
        optimizer.tell(candidate, loss(candidate.value))
    names = [name.strip("/").split("[")[0].split("#")[0] for name in found[0]]
    check(found, optimizer._tuner.seed, ordered(names))


def test_syne_tune():
    config_space = pytest.importorskip("syne_tune.config_space")
    from hpt.integrations.syne_tune import HptSearcher

    space = {
        "x": config_space.uniform(-5, 10),
        "rate": config_space.loguniform(1e-4, 1),
        "n": config_space.randint(1, 40),
        "kind": config_space.choice(KINDS),
    }
    searcher, found = HptSearcher(space, random_seed=4), []
    for k in range(TRIALS):
        found.append(searcher.suggest())
        searcher.on_trial_complete(k, found[-1], loss(found[-1]))
    check(found, 4)


def test_ax():
    pytest.importorskip("ax", minversion="1.3")
    from ax.api.client import Client
    from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig
    from ax.generation_strategy.generation_strategy import GenerationStrategy

    from hpt.integrations.ax import HptNode

    client = Client()
    client.configure_experiment(
        parameters=[
            RangeParameterConfig(name="x", parameter_type="float", bounds=(-5, 10)),
            RangeParameterConfig(name="rate", parameter_type="float", bounds=(1e-4, 1), scaling="log"),
            RangeParameterConfig(name="n", parameter_type="int", bounds=(1, 40)),
            ChoiceParameterConfig(name="kind", parameter_type="str", values=KINDS, is_ordered=False),
        ]
    )
    client.configure_optimization(objective="-loss")
    client.set_generation_strategy(GenerationStrategy(nodes=[HptNode(seed=4)]))
    found = []
    for _ in range(TRIALS):
        for index, config in client.get_next_trials(max_trials=1).items():
            found.append(config)
            client.complete_trial(index, raw_data={"loss": loss(config)})
    check(found, 4)


def test_bayesmark():
    from hpt.integrations.bayesmark import HptBayesmark

    api = {
        "x": {"type": "real", "space": "linear", "range": (-5.0, 10.0)},
        "rate": {"type": "real", "space": "log", "range": (1e-4, 1.0)},
        "n": {"type": "int", "space": "linear", "range": (1, 40)},
        "kind": {"type": "cat", "values": KINDS},
    }
    optimizer, found = HptBayesmark(api, seed=4), []
    for _ in range(TRIALS):
        found += optimizer.suggest(1)
        optimizer.observe(found[-1:], [loss(found[-1])])
    check(found, 4)


def test_hebo():
    pytest.importorskip("pandas")
    from hpt.integrations.hebo import HptHebo

    space = [
        {"name": "x", "type": "num", "lb": -5, "ub": 10},
        {"name": "rate", "type": "pow", "lb": 1e-4, "ub": 1},
        {"name": "n", "type": "int", "lb": 1, "ub": 40},
        {"name": "kind", "type": "cat", "categories": KINDS},
    ]
    optimizer, found = HptHebo(space, scramble_seed=4), []
    for _ in range(TRIALS):
        frame = optimizer.suggest(1)
        found += frame.to_dict("records")
        optimizer.observe(frame, [loss(found[-1])])
    check(found, 4)


def test_scikit_learn():
    pytest.importorskip("sklearn", minversion="1.6")
    import numpy as np
    from scipy.stats import loguniform, randint, uniform
    from sklearn.base import BaseEstimator
    from sklearn.utils import check_random_state

    from hpt.integrations.sklearn import HptSearchCV

    class Surface(BaseEstimator):
        def __init__(self, x=0, rate=1, n=1, kind="a"):
            self.x, self.rate, self.n, self.kind = x, rate, n, kind

        def fit(self, X, y=None):
            return self

        def score(self, X, y=None):
            return -loss(self.__dict__)

    spaces = {
        "x": uniform(-5, 15),
        "rate": loguniform(1e-4, 1),
        "n": randint(1, 41),
        "kind": KINDS,
    }
    search = HptSearchCV(Surface(), spaces, n_iter=TRIALS, cv=2, random_state=4, refit=False)
    found = search.fit(np.zeros((4, 1))).cv_results_["params"]
    check(found, int(check_random_state(4).randint(2**31)))
