"""Regret through every adapter of `hpt.integrations` beside that of `hpt.Tuner`, paired by problem and seed.

    python benchmarks/regret/hosts.py [--hosts optuna ax] [--problems branin] [--seeds 10] [--trials 50]

Needs the hosts: `pip install 'hpt[integrations]'`. A line a host: in how many runs the best value found is
the very same, and the mean difference of the best values in spreads of what the tuner found, with a bootstrap
interval.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import hpt

sys.path.insert(0, str(Path(__file__).resolve().parent))
from problems import problems

Steps = Callable[[hpt.SearchSpace, int], Iterator[Any]]


def numbers(space: hpt.SearchSpace) -> Iterator[tuple[str, Any, bool, bool]]:
    """Name, parameter, whether it is an integer and whether it is logarithmic; None for a choice."""
    for each in space.parameters:
        number = not isinstance(each, hpt.CategoricalParameter)
        yield (
            each.name,
            each,
            isinstance(each, hpt.IntegerParameter),
            number and each.scaling == "Logarithmic",
        )


def native(space: hpt.SearchSpace, seed: int) -> Iterator[Any]:
    tuner = hpt.Tuner(space, "Minimize", seed=seed)
    while True:
        [trial] = tuner.ask()
        tuner.tell(trial.number, (yield dict(trial.config)))


def optuna(space: hpt.SearchSpace, seed: int) -> Iterator[Any]:
    import optuna

    from hpt.integrations.optuna import HptSampler

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=HptSampler(seed=seed))
    while True:
        trial, config = study.ask(), {}
        for name, each, integer, log in numbers(space):
            if isinstance(each, hpt.CategoricalParameter):
                config[name] = trial.suggest_categorical(name, list(each.values))
            else:
                suggest = trial.suggest_int if integer else trial.suggest_float
                config[name] = suggest(name, each.min, each.max, log=log)
        study.tell(trial, (yield config))


def ray(space: hpt.SearchSpace, seed: int) -> Iterator[Any]:
    from ray import tune

    from hpt.integrations.ray import HptSearch

    domains = {}
    for name, each, integer, log in numbers(space):
        if isinstance(each, hpt.CategoricalParameter):
            domains[name] = tune.choice(list(each.values))
        else:
            kind = [[tune.uniform, tune.loguniform], [tune.randint, tune.lograndint]][integer][log]
            domains[name] = kind(each.min, each.max + integer)
    search, trial = HptSearch(domains, "loss", "min", seed=seed), 0
    while True:
        trial += 1
        value = yield search.suggest(str(trial))
        search.on_trial_complete(str(trial), {"loss": value, "training_iteration": 1})


def syne_tune(space: hpt.SearchSpace, seed: int) -> Iterator[Any]:
    from syne_tune import config_space as domain

    from hpt.integrations.syne_tune import HptSearcher

    domains = {}
    for name, each, integer, log in numbers(space):
        if isinstance(each, hpt.CategoricalParameter):
            domains[name] = domain.choice(list(each.values))
        else:
            kind = [[domain.uniform, domain.loguniform], [domain.randint, domain.lograndint]][integer][log]
            domains[name] = kind(each.min, each.max)
    searcher, trial = HptSearcher(domains, random_seed=seed), -1
    while True:
        trial, config = trial + 1, searcher.suggest()
        searcher.on_trial_complete(trial, config, (yield config))


def nevergrad(space: hpt.SearchSpace, seed: int) -> Iterator[Any]:
    import nevergrad as ng

    from hpt.integrations.nevergrad import HptOptimizer

    parameters: dict[str, Any] = {}
    for name, each, integer, log in numbers(space):
        if isinstance(each, hpt.CategoricalParameter):
            parameters[name] = ng.p.Choice(list(each.values))
        else:
            parameters[name] = (ng.p.Log if log else ng.p.Scalar)(lower=each.min, upper=each.max)
            if integer:
                parameters[name].set_integer_casting()
    optimizer = HptOptimizer(ng.p.Dict(**parameters), budget=10**6)
    optimizer._kept = hpt.Tuner(optimizer._space, "Minimize", seed=seed)  # else it draws a seed
    while True:
        candidate = optimizer.ask()
        optimizer.tell(candidate, (yield candidate.value))


def ax(space: hpt.SearchSpace, seed: int) -> Iterator[Any]:
    import logging

    from ax.api.client import Client
    from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig
    from ax.generation_strategy.generation_strategy import GenerationStrategy

    from hpt.integrations.ax import HptNode

    logging.getLogger("ax").setLevel(logging.ERROR)
    types = {str: "str", int: "int", float: "float", bool: "bool"}
    client, parameters = Client(), []
    for name, each, integer, log in numbers(space):
        if isinstance(each, hpt.CategoricalParameter):
            kind = types[type(each.values[0])]
            parameters.append(ChoiceParameterConfig(name, list(each.values), kind, is_ordered=False))
        else:
            kind, scale = ("int" if integer else "float"), ("log" if log else "linear")
            parameters.append(RangeParameterConfig(name, (each.min, each.max), kind, scaling=scale))
    client.configure_experiment(parameters)
    client.configure_optimization("-loss")
    client.set_generation_strategy(GenerationStrategy(nodes=[HptNode(seed=seed)]))
    while True:
        [(index, config)] = client.get_next_trials(max_trials=1).items()
        client.complete_trial(index, {"loss": (yield dict(config))})


def bayesmark(space: hpt.SearchSpace, seed: int) -> Iterator[Any]:
    from hpt.integrations.bayesmark import HptBayesmark

    api: dict[str, Any] = {}
    for name, each, integer, log in numbers(space):
        if isinstance(each, hpt.CategoricalParameter):
            api[name] = {"type": "cat", "values": list(each.values)}
        else:
            scale = "log" if log else "linear"
            api[name] = {"type": "int" if integer else "real", "space": scale, "range": (each.min, each.max)}
    optimizer = HptBayesmark(api, seed=seed)
    while True:
        [config] = optimizer.suggest(1)
        optimizer.observe([config], [(yield config)])


HOSTS: dict[str, Steps] = {each.__name__: each for each in (optuna, ray, nevergrad, syne_tune, ax, bayesmark)}


def best(host: Steps, problem: Any, seed: int, trials: int) -> float:
    """The best value, without noise, of the configurations that a search saw the best values of."""
    space = hpt.SearchSpace(sorted(problem.space.parameters, key=lambda each: each.name))  # as Optuna's
    steps, values, true = host(space, seed), [], []
    config = next(steps)
    for trial in range(trials):
        values.append(float(problem.value(config, seed, trial)))
        true.append(float(problem.function(config)))
        if trial + 1 < trials:
            config = steps.send(values[-1])
    return true[int(np.argmin(values))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", nargs="*", choices=HOSTS, default=list(HOSTS))
    parser.add_argument(
        "--problems", nargs="*", choices=problems(), default=["branin", "hartmann6", "training"]
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=50)
    given = parser.parse_args()

    def run(host: Steps) -> np.ndarray:
        return np.array(
            [
                [best(host, problems()[name], seed, given.trials) for seed in range(given.seeds)]
                for name in given.problems
            ]
        )

    base, rng = run(native), np.random.default_rng(0)
    spread = base.std(axis=1, keepdims=True) + 1e-12
    for name in given.hosts:
        found = run(HOSTS[name])
        differences = ((found - base) / spread).ravel()
        draws = rng.choice(differences, (2000, differences.size)).mean(axis=1)
        low, high = np.percentile(draws, [2.5, 97.5])
        same = np.isclose(found, base, rtol=1e-6).mean()
        print(
            f"{name}: same {same:.0%}, difference {differences.mean():+.3f} [{low:+.3f}, {high:+.3f}]",
            flush=True,
        )


if __name__ == "__main__":
    main()
