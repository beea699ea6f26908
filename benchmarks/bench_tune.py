"""What `hpt.tune` costs beside calling the function in a loop.

    python benchmarks/bench_tune.py [--trials 50] [--noops 200] [--repeats 3] [--isolated]

The job: trials of a support vector classifier by cross-validation on scikit-learn's breast cancer data, which
the function imports and loads itself. Each way to run it does so in a fresh process: a loop of `Tuner.ask`
and `tell` that calls the function there and then, `hpt.tune` with one worker, with two and (`--isolated`)
with a process a trial, Optuna's TPE sampler, and joblib's processes with random configurations. Seconds of
wall time, the best of the repeats, and the ratio to the loop: of the whole job, imports included, and of what
comes after the first trial. Then a function that does nothing: milliseconds a trial, of a job in a temporary
directory and of a named one, each of whose commits waits for the disk. Limits: 1.3 times the loop with one
worker, 5 ms a trial.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hpt

RATIO_LIMIT, NOOP_LIMIT_MS = 1.3, 5.0
SPACE = hpt.SearchSpace(
    [
        hpt.ContinuousParameter("C", 1e-2, 1e3, "Logarithmic"),
        hpt.ContinuousParameter("gamma", 1e-6, 1e-1, "Logarithmic"),
    ]
)
ISOLATED = "hpt.tune, isolated"
CALLS = "BENCH_TUNE_CALLS"
"""The variable that names a file which takes the time, on the monotonic clock, of the end of each call."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--noops", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--isolated", action="store_true", help="also with a process a trial, which takes long"
    )
    parser.add_argument("--way", choices=WAYS, help="run one way in this process and print its seconds")
    options = parser.parse_args()
    if options.way is not None:
        print(json.dumps(WAYS[options.way](options.noops if "no-op" in options.way else options.trials)))
        return 0
    ratio = _compare(options)
    noop = _compare_noops(options)
    return 0 if ratio <= RATIO_LIMIT and noop <= NOOP_LIMIT_MS else 1


def _compare(options: argparse.Namespace) -> float:
    """Print the table of the job; returns the ratio of one worker to the loop."""
    print(f"{options.trials} trials of a support vector classifier: seconds, and ratio to the loop")
    print(f"{'':24}{'whole job':>16}{'after the first trial':>26}")
    base: tuple[float, float] | None = None
    ratio = 0.0
    for way in [way for way in WAYS if "no-op" not in way]:
        if way == ISOLATED and not options.isolated:
            continue
        peer = way.split()[0].rstrip(",")
        if peer in ("optuna", "joblib") and importlib.util.find_spec(peer) is None:
            print(f"{way:24}not installed")
            continue
        times = [_measure(way, options) for _ in range(options.repeats)]
        whole, after = (min(column) for column in zip(*times, strict=True))
        base = base or (whole, after)
        ratio = whole / base[0] if way == "hpt.tune" else ratio
        print(f"{way:24}{whole:9.2f} {whole / base[0]:6.2f}{after:19.2f} {after / base[1]:6.2f}", flush=True)
    print(f"{'limit':24}{'':9} {RATIO_LIMIT:6.2f}   with one worker")
    return ratio


def _compare_noops(options: argparse.Namespace) -> float:
    """Print what a no-op costs; returns the milliseconds a trial of a job without a name."""
    costs = {}
    for way in [way for way in WAYS if "no-op" in way]:
        costs[way] = 1000 * min(_measure(way, options)[1] for _ in range(options.repeats)) / options.noops
        print(f"{way:24}{costs[way]:9.2f} ms a trial", flush=True)
    print(f"{'limit':24}{NOOP_LIMIT_MS:9.2f} ms without a name")
    return costs["no-op"]


def _measure(way: str, options: argparse.Namespace) -> tuple[float, float]:
    command = [sys.executable, "-P", __file__, "--way", way]
    command += ["--trials", str(options.trials), "--noops", str(options.noops)]
    with tempfile.TemporaryDirectory() as directory:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HPT_HOME": directory}
        environment[CALLS] = str(Path(directory) / "calls")
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    whole, after = json.loads(done.stdout.splitlines()[-1])
    return whole, after


def _note() -> None:
    with Path(os.environ[CALLS]).open("a") as file:
        file.write(f"{time.monotonic()!r}\n")


def accuracy(config: dict[str, Any], report: object = None) -> float:
    """The mean accuracy of a support vector classifier in three-fold cross-validation."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    inputs, classes = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), SVC(C=config["C"], gamma=config["gamma"]))
    mean = float(cross_val_score(model, inputs, classes, cv=3).mean())
    _note()
    return mean


def _timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds that it takes, and how many of them come after its first call of the function."""
    began = time.monotonic()
    run()
    ended = time.monotonic()
    calls = Path(os.environ[CALLS])
    first = float(calls.read_text().split()[0]) if calls.exists() else began
    return ended - began, ended - first


def _loop(trials: int) -> tuple[float, float]:
    def run() -> None:
        tuner = hpt.Tuner(SPACE, seed=1)
        for _ in range(trials):
            [trial] = tuner.ask()
            tuner.tell(trial.number, accuracy(dict(trial.config)))

    return _timed(run)


def _tune(workers: int = 1, isolation: str = "worker") -> Callable[[int], tuple[float, float]]:
    def way(trials: int) -> tuple[float, float]:
        return _timed(
            lambda: hpt.tune(
                accuracy, SPACE, max_jobs=trials, max_parallel_jobs=workers, seed=1, isolation=isolation
            )
        )

    return way


def _optuna(trials: int) -> tuple[float, float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: Any) -> float:
        return accuracy(
            {
                "C": trial.suggest_float("C", 1e-2, 1e3, log=True),
                "gamma": trial.suggest_float("gamma", 1e-6, 1e-1, log=True),
            }
        )

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=1))
    return _timed(lambda: study.optimize(objective, n_trials=trials))


def _joblib(trials: int) -> tuple[float, float]:
    import joblib

    configs = [trial.config for trial in hpt.Tuner(SPACE, strategy="Random", seed=1).ask(trials)]
    return _timed(
        lambda: joblib.Parallel(n_jobs=2)(joblib.delayed(accuracy)(dict(config)) for config in configs)
    )


def _noop(name: str | None) -> Callable[[int], tuple[float, float]]:
    def way(trials: int) -> tuple[float, float]:
        space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])
        hpt.tune(_nothing, space, strategy="Random", max_jobs=2, seed=1)  # what this process imports
        return _timed(
            lambda: hpt.tune(_nothing, space, strategy="Random", max_jobs=trials, seed=1, name=name)
        )

    return way


def _nothing(config: dict[str, Any], report: object) -> float:
    return float(config["x"])


WAYS: dict[str, Callable[[int], tuple[float, float]]] = {
    "loop": _loop,
    "hpt.tune": _tune(),
    "hpt.tune, 2 workers": _tune(workers=2),
    ISOLATED: _tune(isolation="trial"),
    "optuna": _optuna,
    "joblib, 2 workers": _joblib,
    "no-op": _noop(None),
    "no-op, named": _noop("noop"),
}

if __name__ == "__main__":
    raise SystemExit(main())
