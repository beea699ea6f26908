"""Optuna's samplers behind two lines of JSON a trial; run by another interpreter, needs nothing but Optuna.

in:  {"space": [...], "seed": 0, "sampler": "gp" | "tpe"}, then {"ask": true} and {"tell": value} in turn
out: a configuration for every ask
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)


def distribution(parameter: dict[str, Any]) -> BaseDistribution:
    if parameter["kind"] == "categorical":
        return CategoricalDistribution(parameter["values"])
    log = parameter["log"]
    if parameter["kind"] == "integer":
        return IntDistribution(parameter["min"], parameter["max"], log=log)
    return FloatDistribution(parameter["min"], parameter["max"], log=log)


def main() -> None:
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    start = json.loads(sys.stdin.readline())
    samplers = {"gp": optuna.samplers.GPSampler, "tpe": optuna.samplers.TPESampler}
    study = optuna.create_study(sampler=samplers[start["sampler"]](seed=start["seed"]))
    space = {parameter["name"]: distribution(parameter) for parameter in start["space"]}
    print(json.dumps({"versions": {"optuna": optuna.__version__}}), flush=True)
    trial = None
    for line in sys.stdin:
        message = json.loads(line)
        if "tell" in message:
            study.tell(trial, message["tell"])
        else:
            trial = study.ask(space)
            print(json.dumps(trial.params), flush=True)


if __name__ == "__main__":
    main()
