"""Random spaces, each searched through random endings: every suggestion is a legal configuration.

    python -m tests.search.strategies.fuzz_spaces --spaces 1000 --seed 0

Prints the seed of the first space that fails; `test_fuzz_spaces.py` tries a few of them.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Mapping

import numpy as np

import hpt
from hpt.search import core
from hpt.search.space import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
    Parameter,
    SearchSpace,
)
from hpt.search.strategies.base import Strategy
from hpt.search.strategies.bayesian import BayesianStrategy
from hpt.search.strategies.multi_algorithm import MultiAlgorithmBayesian
from hpt.search.trial import Trial

LARGEST, TINIEST = float(np.finfo(float).max), 5e-324
CONTINUOUS = [
    (0.0, 1.0),
    (-1.0, 1.0),
    (1e-8, 1.0),
    (0.001, 0.999),
    (1.0, math.nextafter(1.0, 2.0)),
    (1e6, 1e6 + 1e-9),
    (0.0, TINIEST),
    (1e-300, 1e-299),
    (1e-300, 1e300),
    (TINIEST, LARGEST),
    (-LARGEST, LARGEST),
    (-(2.0**63), 2.0**63),
    (1.0, 2.0**63),
    (-1e300, -1e-300),
    (0.0, math.nextafter(1.0, 0.0)),
]
INTEGERS = [
    (0, 1),
    (1, 2),
    (-3, 4),
    (1, 1000),
    (1, 10**6),
    (1, 2**44),
    (2**44 - 1, 2**44),
    (0, 2**52),
    (2**63 - 1 - 2**52, 2**63 - 1),
    (-(2**63), -(2**63) + 2**52),
    (2**63 - 2, 2**63 - 1),
    (-(2**51), 2**51),
]
SCALINGS = ["Auto", "Linear", "Logarithmic", "ReverseLogarithmic"]


def some_parameter(name: str, rng: np.random.Generator) -> Parameter:
    kind = rng.choice(["continuous", "integer", "categorical"])
    if kind == "categorical":
        count = int(rng.choice([1, 2, 3, 8, 30]))
        values = [[str(k) for k in range(count)], [k / 7 for k in range(count)], [True, False][:count]]
        return CategoricalParameter(name, values[int(rng.choice(3))])
    make: type[ContinuousParameter | IntegerParameter] = ContinuousParameter
    ranges: list[tuple[float, float]] = [*CONTINUOUS]
    if kind == "integer":
        make, ranges = IntegerParameter, [*INTEGERS]
    low, high = ranges[int(rng.integers(len(ranges)))]
    for scaling in rng.permutation(SCALINGS).tolist():
        try:
            return make(name, low, high, scaling)
        except hpt.errors.InputError:  # this scaling is not for such a range; `Auto` is for all
            continue
    raise AssertionError((low, high))


def some_space(rng: np.random.Generator) -> SearchSpace:
    d = int(rng.choice([1, 2, 3, 4, 6, 10, 30, 100], p=[0.16, 0.2, 0.2, 0.16, 0.14, 0.1, 0.03, 0.01]))
    return SearchSpace([some_parameter(f"p{i}", rng) for i in range(d)])


def some_value(kind: str, number: int, rng: np.random.Generator) -> float:
    return {
        "normal": float(rng.normal()),
        "constant": 3.0,
        "ties": float(rng.integers(3)),
        "huge": float(rng.normal()) * 1e300,
        "tiny": float(rng.normal()) * 1e-300,
        "any size": float(np.clip(rng.standard_cauchy(), -100, 100) * 10.0 ** rng.integers(-300, 300)),
        "falling": 1.0 / number,
    }[kind]


def check(spaces: Mapping[str, SearchSpace] | SearchSpace, trial: Trial) -> None:
    space = spaces[str(trial.definition)] if isinstance(spaces, Mapping) else spaces
    assert list(trial.config) == [parameter.name for parameter in space.parameters]
    for parameter in space.parameters:
        value = trial.config[parameter.name]
        if isinstance(parameter, CategoricalParameter):
            assert any(
                value is each or (value == each and type(value) is type(each)) for each in parameter.values
            )
        else:
            assert type(value) is (int if isinstance(parameter, IntegerParameter) else float), value
            assert parameter.min <= value <= parameter.max, (parameter, value)  # NaN fails it too


def search(seed: int) -> int:
    """Search one random space; how many trials there were."""
    rng = np.random.default_rng([seed, 17])
    spaces: Mapping[str, SearchSpace] | SearchSpace = some_space(rng)
    strategy: Strategy = BayesianStrategy(
        acquisition=rng.choice([None, *core.ACQUISITIONS], p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1]),
        threads=int(rng.integers(1, 3)),
    )
    if rng.random() < 0.1:
        spaces = {"one": some_space(rng), "two": some_space(rng)}
        strategy = MultiAlgorithmBayesian()
    tuner = hpt.Tuner(spaces, str(rng.choice(["Minimize", "Maximize"])), strategy, seed=seed)
    kinds = ["normal", "constant", "ties", "huge", "tiny", "any size", "falling"]
    kind, failing = str(rng.choice(kinds)), float(rng.choice([0.0, 0.1, 0.9], p=[0.5, 0.4, 0.1]))
    if isinstance(spaces, SearchSpace):
        source = "old" if rng.random() < 0.3 else None
        for config in spaces.sample(int(rng.choice([0, 3, 20])), rng):
            tuner.add(config, some_value(kind, 1, rng), source=source)
    ended, goal, running = 0, int(rng.integers(5, 41)), list[int]()
    while ended < goal:
        if len(running) < 6:
            for trial in tuner.ask(int(rng.choice([1, 1, 2, 5]))):
                check(spaces, trial)
                running.append(trial.number)
        if not running:
            break  # the space is used up
        number = running.pop(int(rng.integers(len(running))))
        ended += 1
        if rng.random() >= failing:
            tuner.tell(number, some_value(kind, number, rng))
        elif rng.random() < 0.5:
            tuner.tell(number, float(rng.choice([math.nan, math.inf, -math.inf])))
        else:
            tuner.tell(number, status="Failed")
    return len(tuner.trials)


def run(spaces: int, seed: int) -> int:
    """Search so many spaces from a seed on, with what NumPy warns of an error; how many trials there were."""
    trials = 0
    for each in range(seed, seed + spaces):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                trials += search(each)
        except BaseException:
            print(f"seed {each} failed", flush=True)
            raise
    return trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--spaces", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.process_time()
    trials = run(arguments.spaces, arguments.seed)
    print(
        f"{arguments.spaces} spaces, {trials} trials in {time.process_time() - start:.0f} s of CPU: all legal"
    )


if __name__ == "__main__":
    main()
