"""Other optimisers behind two lines of JSON a trial; run by another interpreter, which has them.

    python peers.py --list      the names of those it has, a JSON list

in:  {"optimiser": name, "space": [...], "seed": 0}, then {"ask": true} and {"tell": value} in turn
out: {"versions": {...}}, then a configuration for every ask

Each runs with the defaults of its project; BoTorch, which is a library to build optimisers of, as its own
tutorials do: Sobol' points first, then a Gaussian process and the log of the expected improvement.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from math import exp, log
from typing import Any, Protocol

Config = dict[str, Any]
Space = list[dict[str, Any]]
"""Of each parameter: name, kind; values of a category; min, max and log of a number."""


class Peer(Protocol):
    def ask(self) -> Config: ...
    def tell(self, value: float) -> None: ...


class Optuna:
    def __init__(self, space: Space, seed: int, sampler: str) -> None:
        import optuna
        from optuna import distributions

        def distribution(each: dict[str, Any]) -> distributions.BaseDistribution:
            if each["kind"] == "categorical":
                return distributions.CategoricalDistribution(each["values"])
            if each["kind"] == "integer":
                return distributions.IntDistribution(each["min"], each["max"], log=each["log"])
            return distributions.FloatDistribution(each["min"], each["max"], log=each["log"])

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=seed))
        self._space = {each["name"]: distribution(each) for each in space}

    def ask(self) -> Config:
        self._trial = self._study.ask(self._space)
        return dict(self._trial.params)

    def tell(self, value: float) -> None:
        self._study.tell(self._trial, value)


class Hebo:
    def __init__(self, space: Space, seed: int) -> None:
        import numpy as np
        from hebo.design_space.design_space import DesignSpace
        from hebo.optimizers.hebo import HEBO

        def variable(each: dict[str, Any]) -> dict[str, Any]:
            if each["kind"] == "categorical":
                return {"name": each["name"], "type": "cat", "categories": each["values"]}
            kinds = {("integer", True): "pow_int", ("integer", False): "int"}
            kind = kinds.get((each["kind"], each["log"]), "pow" if each["log"] else "num")
            return {"name": each["name"], "type": kind, "lb": each["min"], "ub": each["max"]}

        np.random.seed(seed)  # noqa: NPY002 - what HEBO draws from
        self._space = space
        self._hebo = HEBO(DesignSpace().parse([variable(each) for each in space]), scramble_seed=seed)

    def ask(self) -> Config:
        self._asked = self._hebo.suggest(1)
        row = self._asked.iloc[0]
        return {each["name"]: legal(each, row[each["name"]]) for each in self._space}

    def tell(self, value: float) -> None:
        import numpy as np

        self._hebo.observe(self._asked, np.array([[value]]))


class Smac:
    def __init__(self, space: Space, seed: int) -> None:
        from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer
        from smac import HyperparameterOptimizationFacade as Facade
        from smac import Scenario

        configurations = ConfigurationSpace(seed=seed)
        for each in space:
            if each["kind"] == "categorical":
                configurations.add(Categorical(each["name"], each["values"]))
            else:
                number = Integer if each["kind"] == "integer" else Float
                configurations.add(number(each["name"], (each["min"], each["max"]), log=each["log"]))
        self._space = space
        self._files = tempfile.TemporaryDirectory()
        scenario = Scenario(
            configurations, deterministic=True, n_trials=10**6, seed=seed, output_directory=self._files.name
        )
        # By default it has ten first points a parameter, more than a whole search has here.
        self._smac = Facade(
            scenario,
            lambda config, seed=0: 0.0,
            initial_design=Facade.get_initial_design(scenario, n_configs=10),
            intensifier=Facade.get_intensifier(scenario, max_config_calls=1),
            logging_level=False,
            overwrite=True,
        )
        logging.disable(logging.CRITICAL)

    def ask(self) -> Config:
        self._asked = self._smac.ask()
        config = dict(self._asked.config)
        return {each["name"]: legal(each, config[each["name"]]) for each in self._space}

    def tell(self, value: float) -> None:
        from smac.runhistory.dataclasses import TrialValue

        self._smac.tell(self._asked, TrialValue(cost=value), save=False)


class Botorch:
    """Numbers lie in the unit cube, on a logarithmic scale where that is theirs; a category is its index."""

    FIRST = 10

    def __init__(self, space: Space, seed: int) -> None:
        import torch

        torch.manual_seed(seed)
        self._space = space
        self._sobol = torch.quasirandom.SobolEngine(len(space), scramble=True, seed=seed)
        self._high = torch.tensor(
            [len(each["values"]) - 1.0 if each["kind"] == "categorical" else 1.0 for each in space]
        ).double()
        self._X: list[list[float]] = []
        self._y: list[list[float]] = []

    def ask(self) -> Config:
        if len(self._X) < self.FIRST:
            x = (self._sobol.draw(1).double()[0] * self._high).tolist()
        else:
            x = self._best()
        config = {}
        for each, u in zip(self._space, x, strict=True):
            if each["kind"] == "categorical":
                config[each["name"]] = each["values"][round(u)]
            elif each["log"]:
                low, high = log(each["min"]), log(each["max"])
                config[each["name"]] = legal(each, exp(low + u * (high - low)))
            else:
                config[each["name"]] = legal(each, each["min"] + u * (each["max"] - each["min"]))
        self._X.append([place(each, config[each["name"]]) for each in self._space])
        return config

    def tell(self, value: float) -> None:
        self._y.append([-value])

    def _best(self) -> list[float]:
        import torch
        from botorch.acquisition import LogExpectedImprovement
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import MixedSingleTaskGP, SingleTaskGP
        from botorch.optim import optimize_acqf, optimize_acqf_mixed_alternating
        from gpytorch.mlls import ExactMarginalLogLikelihood

        X, y = torch.tensor(self._X).double(), torch.tensor(self._y).double()
        categories = {
            i: list(range(len(each["values"])))
            for i, each in enumerate(self._space)
            if each["kind"] == "categorical"
        }
        integers = {
            i: [place(each, value) for value in range(each["min"], each["max"] + 1)]
            for i, each in enumerate(self._space)
            if each["kind"] == "integer"
        }
        model = MixedSingleTaskGP(X, y, cat_dims=list(categories)) if categories else SingleTaskGP(X, y)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        improvement = LogExpectedImprovement(model, best_f=y.max())
        bounds = torch.stack([torch.zeros_like(self._high), self._high])
        budget = {"q": 1, "num_restarts": 10, "raw_samples": 512}
        if categories or integers:
            found, _ = optimize_acqf_mixed_alternating(
                improvement, bounds, discrete_dims=integers, cat_dims=categories, **budget
            )
        else:
            found, _ = optimize_acqf(improvement, bounds, **budget)
        return list(found[0].tolist())


class Cmaes:
    """Numbers in the unit cube; as Optuna's CMA-ES sampler begins: in the middle, by a sixth of a range."""

    def __init__(self, space: Space, seed: int, kind: str) -> None:
        import cmaes
        import numpy as np

        d = len(space)
        if any(each["kind"] == "categorical" for each in space):
            raise SystemExit("CMA-ES takes no categories; leave it out of this problem")
        self._space = space
        bounds = np.tile([0.0, 1.0], (d, 1))
        self._cma = getattr(cmaes, kind)(mean=np.full(d, 0.5), sigma=1 / 6, bounds=bounds, seed=seed)
        self._told: list[Any] = []

    def ask(self) -> Config:
        self._asked = self._cma.ask()
        return {each["name"]: at(each, u) for each, u in zip(self._space, self._asked.tolist(), strict=True)}

    def tell(self, value: float) -> None:
        self._told.append((self._asked, value))
        if len(self._told) == self._cma.population_size:
            self._cma.tell(self._told)
            self._told = []


class Turbo(Botorch):
    """TuRBO-1 (Eriksson, Pearce, Gardner, Turner and Poloczek, NeurIPS 2019) as BoTorch's tutorial writes it,
    one point at a time: Thompson sampling in a trust region of which it changes about 20 coordinates."""

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space, seed)
        self._length, self._successes, self._failures, self._since = 0.8, 0, 0, 0
        self._patience = max(4, len(space))

    def tell(self, value: float) -> None:
        super().tell(value)
        before = max((y for [y] in self._y[self._since : -1]), default=-value)
        if len(self._y) - self._since <= self.FIRST:
            return
        better = -value > before + 1e-3 * abs(before)
        self._successes, self._failures = (self._successes + 1, 0) if better else (0, self._failures + 1)
        if self._successes == 10:
            self._length, self._successes = min(2 * self._length, 1.6), 0
        elif self._failures == self._patience:
            self._length, self._failures = self._length / 2, 0
        if self._length < 0.5**7:  # a new region
            self._length, self._successes, self._failures, self._since = 0.8, 0, 0, len(self._y)

    def ask(self) -> Config:
        if 0 < len(self._X) - self._since < self.FIRST:
            self._X, kept = self._X[self._since :], self._X[: self._since]
            config = super().ask()
            self._X = kept + self._X
            return config
        return super().ask()

    def _best(self) -> list[float]:
        import torch
        from botorch.fit import fit_gpytorch_mll
        from botorch.generation import MaxPosteriorSampling
        from botorch.models import SingleTaskGP
        from gpytorch.constraints import Interval
        from gpytorch.kernels import MaternKernel, ScaleKernel
        from gpytorch.likelihoods import GaussianLikelihood
        from gpytorch.mlls import ExactMarginalLogLikelihood

        X = torch.tensor(self._X[self._since :]).double()
        y = torch.tensor(self._y[self._since :]).double()
        y = (y - y.mean()) / y.std().clamp_min(1e-12)
        d = X.shape[1]
        kernel = ScaleKernel(
            MaternKernel(nu=2.5, ard_num_dims=d, lengthscale_constraint=Interval(0.005, 4.0))
        )
        likelihood = GaussianLikelihood(noise_constraint=Interval(1e-8, 1e-3))
        model = SingleTaskGP(X, y, covar_module=kernel, likelihood=likelihood)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(likelihood, model))
        center = X[y.argmax()]
        weights = kernel.base_kernel.lengthscale.squeeze().detach()
        weights = weights / weights.mean()
        weights = weights / weights.log().mean().exp()
        low = (center - weights * self._length / 2).clamp(0.0, 1.0)
        high = (center + weights * self._length / 2).clamp(0.0, 1.0)
        count = min(5000, max(2000, 200 * d))
        draws = low + (high - low) * torch.rand(count, d).double()
        changed = torch.rand(count, d) <= min(20.0 / d, 1.0)
        idle = torch.where(changed.sum(dim=1) == 0)[0]
        changed[idle, torch.randint(0, d, (len(idle),))] = True
        candidates = torch.where(changed, draws, center)
        with torch.no_grad():
            found = MaxPosteriorSampling(model=model, replacement=False)(candidates, num_samples=1)
        return list(found[0].tolist())


def at(each: dict[str, Any], u: float) -> Any:
    """The value of a number at a place in [0, 1]."""
    if each["log"]:
        return legal(each, each["min"] * exp(u * log(each["max"] / each["min"])))
    return legal(each, each["min"] + u * (each["max"] - each["min"]))


def place(each: dict[str, Any], value: Any) -> float:
    if each["kind"] == "categorical":
        return float(each["values"].index(value))
    if each["log"]:
        return log(value / each["min"]) / log(each["max"] / each["min"])
    return float((value - each["min"]) / (each["max"] - each["min"]))


def legal(each: dict[str, Any], value: Any) -> Any:
    """The value as JSON has it, within its range whatever the optimiser's rounding."""
    if each["kind"] == "categorical":
        return str(value)
    number = round(value) if each["kind"] == "integer" else float(value)
    return min(each["max"], max(each["min"], number))


PEERS: dict[str, tuple[tuple[str, ...], Callable[[Space, int], Peer]]] = {
    "optuna_gp": (("optuna", "torch"), lambda space, seed: Optuna(space, seed, "GPSampler")),
    "optuna_tpe": (("optuna",), lambda space, seed: Optuna(space, seed, "TPESampler")),
    "hebo": (("hebo",), Hebo),
    "botorch": (("botorch",), Botorch),
    "turbo": (("botorch",), Turbo),
    "cmaes": (("cmaes",), lambda space, seed: Cmaes(space, seed, "CMA")),
    "sep_cmaes": (("cmaes",), lambda space, seed: Cmaes(space, seed, "SepCMA")),
    "smac": (("smac",), Smac),
}
"""What each needs, and how it is made."""


def main() -> None:
    if sys.argv[1:] == ["--list"]:
        print(json.dumps([name for name, (needs, _) in PEERS.items() if all(map(find_spec, needs))]))
        return
    warnings.simplefilter("ignore")
    start = json.loads(sys.stdin.readline())
    needs, make = PEERS[start["optimiser"]]
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # what a library prints is not an answer
        peer = make(start["space"], start["seed"])
        print(json.dumps({"versions": {each: version(each) for each in needs}}), file=answers, flush=True)
        for line in sys.stdin:
            message = json.loads(line)
            if "tell" in message:
                peer.tell(message["tell"])
            else:
                print(json.dumps(peer.ask()), file=answers, flush=True)


if __name__ == "__main__":
    main()
