"""The table and the picture of a file of runs.

    python benchmarks/regret/report.py regret.jsonl [--trials 50]

regret = (best so far - lowest known) / (median of random search's values - lowest known), within 0 to 1.
Where a problem's lowest value is not known, it is the lowest any run in the file has seen.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

Curves = dict[tuple[str, str], dict[int, np.ndarray]]
"""(problem, optimiser) -> seed -> regret after each trial."""

FLOOR = 1e-4
"""Regrets below this count as this much where logarithms are taken."""


def curves(runs: Iterable[dict[str, Any]], trials: int) -> Curves:
    kept = [run for run in runs if len(run["best"]) >= trials]
    scale: dict[str, tuple[float, float]] = {}
    for problem in {run["problem"] for run in kept}:
        here = [run for run in kept if run["problem"] == problem]
        known = [run["lowest"] for run in here if run["lowest"] is not None]
        lowest = known[0] if known else min(min(run["best"]) for run in here)
        random = np.concatenate([run["values"] for run in here if run["optimiser"] == "random"])
        scale[problem] = lowest, float(np.median(random)) - lowest
    out: Curves = {}
    for run in kept:
        lowest, width = scale[run["problem"]]
        regret = np.clip((np.array(run["best"][:trials]) - lowest) / width, 0, 1)
        out.setdefault((run["problem"], run["optimiser"]), {})[run["seed"]] = regret
    return out


def interval(values: np.ndarray) -> str:
    """Mean over problems with a 95 % bootstrap interval."""
    draw = np.random.default_rng(0).integers(len(values), size=(4000, len(values)))
    low, high = np.quantile(values[draw].mean(axis=1), [0.025, 0.975])
    return f"{values.mean():7.3f} [{low:6.3f}, {high:6.3f}]"


def comparison(found: Curves, mine: str, other: str, at: int) -> str | None:
    """Mean regret of both, and over problems the difference of log10 regret and the share of seeds won."""
    ours, theirs, logs, won = [], [], [], []
    for problem in sorted({problem for problem, _ in found}):
        a, b = found.get((problem, mine), {}), found.get((problem, other), {})
        seeds = sorted(set(a) & set(b))
        if not seeds:
            continue
        x, y = (np.array([side[seed][at - 1] for seed in seeds]) for side in (a, b))
        ours.append(x.mean())
        theirs.append(y.mean())
        logs.append((np.log10(np.maximum(x, FLOOR)) - np.log10(np.maximum(y, FLOOR))).mean())
        won.append(np.where(np.abs(x - y) < 1e-12, 0.5, x < y).mean())
    if not ours:
        return None
    return (
        f"{other:18s} @{at:<4d} {np.mean(ours):.4f} against {np.mean(theirs):.4f}   "
        f"log10 {interval(np.array(logs))}   won {interval(np.array(won))}"
    )


def picture(found: Curves, path: Path) -> bool:
    try:
        from matplotlib import pyplot as plt
    except ImportError:
        return False
    figure, axes = plt.subplots(figsize=(6, 4))
    for name in sorted({name for _, name in found}):
        each = [np.mean(list(seeds.values()), axis=0) for (_, other), seeds in found.items() if other == name]
        axes.semilogy(np.arange(1, len(each[0]) + 1), np.mean(each, axis=0), label=name)
    axes.set(xlabel="trials", ylabel="mean regret")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)
    return True


def report(path: Path, trials: int) -> None:
    found = curves(map(json.loads, path.read_text().splitlines()), trials)
    names = sorted({name for _, name in found}, key=lambda name: (name != "hpt", name))
    print(f"mean regret after {trials} trials")
    print(f"{'problem':20s}" + "".join(f"{name[:14]:>15s}" for name in names))
    for problem in sorted({problem for problem, _ in found}):
        means = [found.get((problem, name)) for name in names]
        cells = (f"{np.mean([c[trials - 1] for c in m.values()]):15.4f}" if m else f"{'':15s}" for m in means)
        print(f"{problem:20s}" + "".join(cells))
    print("\nhpt against each: mean regret; difference of log10 regret (negative: hpt is better); share won")
    for name in names[1:]:
        for at in sorted({max(1, trials // 2), trials}):
            if line := comparison(found, "hpt", name, at):
                print(line)
    if picture(found, path.with_suffix(".png")):
        print(f"\npicture: {path.with_suffix('.png')}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path)
    parser.add_argument("--trials", type=int, default=50)
    options = parser.parse_args()
    report(options.runs, options.trials)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
