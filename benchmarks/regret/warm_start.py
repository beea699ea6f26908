"""The effect of a warm start: searches with a related parent, or with an unrelated one.

    python benchmarks/regret/warm_start.py [--seeds 20] [--trials 30] [--parent 50]

Every family holds functions that are alike: a seed draws one for the parent, on a scale of its own, and one
for the search itself. The parent searches for `--parent` trials without help. The unrelated parent searches
a random function of the same space. Regret is as in report.py; differences are paired by seed, with a 95 %
bootstrap interval.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from math import cos, pi
from typing import Any

import numpy as np
from problems import HARTMANN_A, HARTMANN_P, cube, problems, training, vector

import hpt

Function = Callable[[Mapping[str, Any]], float]


def branin(rng: np.random.Generator) -> Function:
    """With the six constants drawn from about their usual values."""
    low, high = np.array([[0.5, 0.1, 1, 5, 8, 0.03], [1.5, 0.15, 2, 7, 12, 0.05]])
    a, b, c, r, s, t = rng.uniform(low, high)

    def function(x: Mapping[str, Any]) -> float:
        u, v = 15 * x["x0"] - 5, 15 * x["x1"]
        return float(a * (v - b * u**2 + c * u - r) ** 2 + s * (1 - t) * cos(u) + s)

    return function


def hartmann6(rng: np.random.Generator) -> Function:
    """With other weights, moved a little."""
    weights = np.array([1.0, 1.2, 3.0, 3.2]) * rng.uniform(0.7, 1.3, 4)
    place = HARTMANN_P + rng.normal(0, 0.03, 6)
    return lambda x: float(-weights @ np.exp(-(HARTMANN_A * (vector(x) - place) ** 2).sum(axis=1)))


def shifted_training(rng: np.random.Generator) -> Function:
    """A simplified training run on other data: the best rate and the best width lie elsewhere."""
    rate, units = 10 ** rng.normal(0, 0.15), 2 ** rng.normal(0, 0.3)
    return lambda x: training({**x, "rate": x["rate"] * rate, "units": x["units"] * units})


def unrelated(space: hpt.SearchSpace, rng: np.random.Generator) -> Function:
    """A sum of 64 random waves."""
    d = len(space.parameters)
    waves = rng.normal(size=(64, d)) * rng.gamma(1.5, 1.5, size=d)
    phases, heights = rng.uniform(0, 2 * pi, 64), rng.normal(size=64)
    return lambda x: float(np.cos(waves @ space.encode([x])[0] + phases) @ heights)


FAMILIES: dict[str, tuple[hpt.SearchSpace, Callable[[np.random.Generator], Function]]] = {
    "branin": (cube(2, 0, 1), branin),
    "hartmann6": (cube(6, 0, 1), hartmann6),
    "training": (problems()["training"].space, shifted_training),
}
Results = list[tuple[Mapping[str, Any], float]]


def search(
    space: hpt.SearchSpace, function: Function, seed: int, trials: int, parent: Results | None = None
) -> Results:
    tuner = hpt.Tuner(space, objective="minimize", seed=seed)
    for config, value in parent or []:
        tuner.add(config, value, source="parent")
    found: Results = []
    for _ in range(trials):
        [trial] = tuner.ask()
        found.append((trial.config, function(trial.config)))
        tuner.tell(trial.number, found[-1][1])
    return found


def best(results: Results) -> np.ndarray:
    return np.minimum.accumulate([value for _, value in results])


def runs(family: str, seed: int, options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Regret after each trial without parents, with a related one and with an unrelated one."""
    space, draw = FAMILIES[family]
    own, other = draw(np.random.default_rng([seed, 0])), draw(np.random.default_rng([seed, 1]))
    strange = unrelated(space, np.random.default_rng([seed, 2]))
    scale = 10 ** np.random.default_rng([seed, 3]).uniform(-3, 3)
    parents: dict[str, Results | None] = {
        "cold": None,
        "related": [(x, scale * y) for x, y in search(space, other, 1000 + seed, options.parent)],
        "unrelated": search(space, strange, 1000 + seed, options.parent),
    }
    curves = {
        name: best(search(space, own, seed, options.trials, parent)) for name, parent in parents.items()
    }
    sample = np.array([own(x) for x in space.sample(2000, np.random.default_rng([seed, 4]))])
    exact = best(search(space, own, 5000 + seed, 100))[-1]
    lowest = min(sample.min(), exact, *(curve[-1] for curve in curves.values()))
    return {name: (curve - lowest) / (np.median(sample) - lowest) for name, curve in curves.items()}


def difference(warm: np.ndarray, cold: np.ndarray) -> str:
    draw = np.random.default_rng(0).integers(len(cold), size=(4000, len(cold)))
    low, high = np.quantile((warm - cold)[draw].mean(axis=1), [0.025, 0.975])
    return f"{(warm - cold).mean():+.4f} [{low:+.4f}, {high:+.4f}]"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--parent", type=int, default=50)
    options = parser.parse_args()
    half, last = options.trials // 2 - 1, options.trials - 1
    heads = ("cold @half", "cold @all", "warm @half", "warm @all")
    print(f"{'family':12s}{'parent':11s}" + "".join(f"{head:>11s}" for head in heads))
    for family in FAMILIES:
        found = []
        for seed in range(options.seeds):
            found.append(runs(family, seed, options))
            print(f"{family}: seed {seed}", file=sys.stderr, flush=True)
        cold = np.array([each["cold"] for each in found])
        for name in ("related", "unrelated"):
            warm = np.array([each[name] for each in found])
            means = [curves[:, at].mean() for curves in (cold, warm) for at in (half, last)]
            print(
                f"{family:12s}{name:11s}" + "".join(f"{mean:11.4f}" for mean in means),
                f"  warm @half - cold @all {difference(warm[:, half], cold[:, last])}",
                f"  warm - cold @all {difference(warm[:, last], cold[:, last])}",
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
