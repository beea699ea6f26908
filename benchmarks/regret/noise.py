"""What a search recommends under noise: its luckiest trial, or the one that it believes to be the best.

    python benchmarks/regret/noise.py [--seeds 10] [--trials 100] [--noise 0.01 0.1 0.5] [--only NAMES]

Normal noise, its deviation a share of (median of random points - best value). Regret is that of the
recommended configuration without noise, as a share of the same. Each function is searched as usual, those of
finite spaces also with `repeats=True`. Differences to the luckiest are paired by function and seed, with a
95 % bootstrap interval over both.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from problems import branin, cube, hartmann6

import hpt

Function = Callable[[Mapping[str, Any]], float]
Regrets = dict[tuple[str, int], list[float]]
AT = (25, 50, 100)


@dataclass(frozen=True)
class Noisy:
    """A function without its noise, its best value and the median of random points."""

    space: hpt.SearchSpace
    function: Function
    best: float
    median: float


def measured(space: hpt.SearchSpace, function: Function, best: float | None = None) -> Noisy:
    """best: None for a finite space, which is looked through at random."""
    values = [function(config) for config in space.sample(2000, np.random.default_rng(5))]
    return Noisy(space, function, min(values) if best is None else best, float(np.median(values)))


def bowl(d: int, ripples: float) -> Noisy:
    """Steep in some directions and flat in others, with local minima where there are ripples."""
    low = np.random.default_rng(d).uniform(0.2, 0.8, d)
    weight = 10 ** np.linspace(0, -1, d)

    def function(x: Mapping[str, Any]) -> float:
        off = np.array([x[f"x{i}"] for i in range(d)]) - low
        return float(weight @ off**2 + ripples * (1 - np.cos(6 * np.pi * off)).sum())

    return measured(cube(d, 0, 1), function, 0.0)


def table(*sizes: int) -> Noisy:
    """Effects of categories, and of pairs of the first two."""
    rng = np.random.default_rng(sizes)
    effects = [rng.normal(size=size) for size in sizes]
    pairs = 0.5 * rng.normal(size=sizes[:2])

    def function(x: Mapping[str, Any]) -> float:
        at = [int(x[f"c{i}"]) for i in range(len(sizes))]
        return float(sum(effect[k] for effect, k in zip(effects, at, strict=True)) + pairs[at[0], at[1]])

    space = [hpt.CategoricalParameter(f"c{i}", list(range(size))) for i, size in enumerate(sizes)]
    return measured(hpt.SearchSpace(space), function)


def lattice(x: Mapping[str, Any]) -> float:
    a, b = (x["a"] - 8) / 12, (x["b"] - 3) / 9
    return float(a**2 + b**2 + 0.3 * a * b)


def functions() -> dict[str, Noisy]:
    integers = hpt.SearchSpace([hpt.IntegerParameter("a", 1, 12), hpt.IntegerParameter("b", 1, 9)])
    return {
        "branin": measured(cube(2, 0, 1), branin, 0.39788735772973816),
        "hartmann6": measured(cube(6, 0, 1), hartmann6, -3.322368011415515),
        "bowl4": bowl(4, 0.0),
        "ripples3": bowl(3, 0.03),
        "table24": table(4, 3, 2),
        "table400": table(10, 8, 5),
        "lattice108": measured(integers, lattice),
    }


def run(
    noisy: Noisy, share: float, seed: int, trials: int, *, repeats: bool
) -> tuple[list[float], list[float]]:
    """The regrets of the luckiest and of the believed after `AT` trials."""
    tuner = hpt.Tuner(noisy.space, "minimize", seed=seed, repeats=repeats)
    rng, scale = np.random.default_rng([seed, 9]), noisy.median - noisy.best
    lucky: list[float] = []
    believed: list[float] = []
    for number in range(1, trials + 1):
        for trial in tuner.ask():  # none, where a finite space was tried
            value = noisy.function(trial.config) + share * scale * rng.standard_normal()
            tuner.tell(trial.number, value)
        if number in AT:
            for regrets, by in ((lucky, "value"), (believed, "belief")):
                found = tuner.best(by=by)
                assert found is not None
                regrets.append((noisy.function(found.config) - noisy.best) / scale)
    return lucky, believed


def show(title: str, results: Mapping[str, Regrets]) -> None:
    """A row for each way to recommend, and its differences to the first."""
    print(f"\n{title}")
    rng = np.random.default_rng(0)
    reference = results["luckiest"]
    for name, regrets in results.items():
        keys = [key for key in regrets if key in reference]
        if not keys:
            continue
        groups = [[key for key in keys if key[0] == own] for own in sorted({key[0] for key in keys})]
        cells = []
        for at in range(len(next(iter(regrets.values())))):
            drawn = []
            for _ in range(1000):
                chosen = [groups[g] for g in rng.integers(len(groups), size=len(groups))]
                drawn.append(np.mean([_difference(regrets, reference, own, at, rng) for own in chosen]))
            low, high = np.percentile(drawn, [2.5, 97.5])
            mean = np.mean([regrets[key][at] for key in keys])
            change = mean - np.mean([reference[key][at] for key in keys])
            cells.append(f"@{AT[at]} {mean:.4f} ({change:+.4f} [{low:+.4f}, {high:+.4f}])")
        print(f"{name:<24}", "  ".join(cells))


def _difference(
    regrets: Regrets, reference: Regrets, keys: Sequence[tuple[str, int]], at: int, rng: np.random.Generator
) -> float:
    drawn = [keys[i] for i in rng.integers(len(keys), size=len(keys))]
    return float(np.mean([regrets[key][at] - reference[key][at] for key in drawn]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.01, 0.1, 0.5])
    parser.add_argument("--only", nargs="+", help="names of functions")
    options = parser.parse_args()
    for share in options.noise:
        for finite in (False, True):
            results: dict[str, Regrets] = {"luckiest": {}, "believed": {}, "believed, with repeats": {}}
            for name, noisy in functions().items():
                if (noisy.space.size is not None) != finite or (options.only and name not in options.only):
                    continue
                for seed in range(options.seeds):
                    lucky, believed = run(noisy, share, seed, options.trials, repeats=False)
                    results["luckiest"][name, seed] = lucky
                    results["believed"][name, seed] = believed
                    if finite:
                        _, again = run(noisy, share, seed, options.trials, repeats=True)
                        results["believed, with repeats"][name, seed] = again
            if results["luckiest"]:
                show(f"{'finite' if finite else 'continuous'} spaces, noise {share:.0%}", results)
                sys.stdout.flush()


if __name__ == "__main__":
    main()
