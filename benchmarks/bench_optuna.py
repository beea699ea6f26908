"""CPU of Optuna's studies with the sampler of `hpt` and with Optuna's own: seconds of `study.optimize`.

    python benchmarks/bench_optuna.py      hpt and TPE at 1,000 trials, and what asks of GP cost on the way
    python benchmarks/bench_optuna.py hpt:1000 tpe:1000 gp:1000 [--seeds 3] [--space mixed]

`gp@300` measures what a trial costs once 300 are known, drawn at random: five trials after a first one, whose
fit begins from nothing. Between such points a line gives the CPU of a whole study, which the last line tells.

Needs Optuna 5, and torch for its GP sampler. Each sampler runs in a process of its own, on one thread;
imports are not counted. The objective is Hartmann's of six dimensions, or one of mixed parameters.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from itertools import pairwise

ASKS = 5

A = [
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
]
P = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]


def hartmann(trial):
    x = [trial.suggest_float(f"x{k}", 0, 1) for k in range(6)]
    terms = (sum(a * (u - p) ** 2 for a, u, p in zip(A[i], x, P[i], strict=True)) for i in range(4))
    return -sum(c * math.exp(-t) for c, t in zip((1, 1.2, 3, 3.2), terms, strict=True))


def mixed(trial):
    rate = trial.suggest_float("rate", 1e-5, 1, log=True)
    units = trial.suggest_int("units", 16, 512, log=True)
    drop = trial.suggest_float("drop", 0, 0.9, step=0.05)
    kind = trial.suggest_categorical("kind", ["a", "b", "c", "d"])
    flag = trial.suggest_categorical("flag", [True, False])
    x, y, z = (trial.suggest_float(name, -3, 3) for name in "xyz")
    return (
        math.log10(rate / 1e-3) ** 2
        + math.log2(units / 100) ** 2 / 4
        + (drop - 0.3) ** 2
        + (kind != "c") * (1 + abs(x))
        + (not flag) / 2
        + (x - 1) ** 2 / 4
        + (y + z) ** 2 / 9
        + (y - 1) ** 2 / 9
    )


def measure(kind, known, trials, seed, space):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if kind == "hpt":
        from hpt.integrations.optuna import HptSampler

        sampler = HptSampler(seed=seed)
    elif kind == "gp":
        import torch

        torch.set_num_threads(1)
        sampler = optuna.samplers.GPSampler(seed=seed)
    elif kind == "tpe":
        sampler = optuna.samplers.TPESampler(seed=seed)
    else:
        sampler = optuna.samplers.RandomSampler(seed=seed)
    study = optuna.create_study(sampler=sampler)
    if known:
        source = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
        source.optimize(globals()[space], n_trials=known - 1)
        study.add_trials(source.trials)
        study.optimize(globals()[space], n_trials=1)
    cpu, wall = time.process_time(), time.perf_counter()
    study.optimize(globals()[space], n_trials=trials)
    return {
        "sampler": kind,
        "space": space,
        "known": known,
        "trials": trials,
        "seed": seed,
        "cpu": round(time.process_time() - cpu, 2),
        "wall": round(time.perf_counter() - wall, 2),
        "best": study.best_value,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "runs", nargs="*", default=["hpt:1000", "tpe:1000", "gp@30", "gp@100", "gp@300", "gp@1000"]
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--space", choices=["hartmann", "mixed"], default="hartmann")
    parser.add_argument("--here", action="store_true", help="measure the one run in this process")
    given = parser.parse_args()
    if given.here:
        [run] = given.runs
        kind, known, trials = run.split("@")[0], 0, ASKS
        if "@" in run:
            known = int(run.split("@")[1])
        else:
            kind, trials = run.split(":")
        print(json.dumps(measure(kind, known, int(trials), given.seeds, given.space)))
        return
    single = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    for seed in range(given.seeds):
        asks = {}
        for run in given.runs:
            command = [sys.executable, __file__, run, "--here", "--seeds", str(seed), "--space", given.space]
            found = subprocess.run(
                command, env={**os.environ, **single}, check=True, capture_output=True, text=True
            )
            line = found.stdout.strip().splitlines()[-1]
            print(line, flush=True)
            result = json.loads(line)
            if result["known"]:
                asks.setdefault(result["sampler"], []).append((result["known"], result["cpu"] / ASKS))
        for kind, points in asks.items():
            points = [(0, points[0][1]), *sorted(points)]
            total = sum((b - a) * (x + y) / 2 for (a, x), (b, y) in pairwise(points))
            print(f"{kind}: {total:.0f} s of CPU for {points[-1][0]} trials, by what some of them cost")


if __name__ == "__main__":
    main()
