"""What one suggestion costs: CPU seconds of ask + tell on a history of n observations, beside its peers.

    python benchmarks/bench_ask.py                                # this tuner alone
    python benchmarks/bench_ask.py --peer ~/peer/bin/python       # beside Optuna's GP sampler and TPE
    python benchmarks/bench_ask.py --peer PYTHON --peers optuna-tpe --n 100 500 1000 2000 --spaces 10 mixed
    python benchmarks/bench_ask.py --n 100 1000 --spaces 10 mixed --json raw.json --picture ask.svg
    python benchmarks/bench_ask.py --n 500 --spaces 1000 mixed1000                # wide spaces
    python benchmarks/bench_ask.py --n 500 1000 --spaces 10 --wall --threads 2  # by the clock, on free cores
    python benchmarks/bench_ask.py --n 1000 --spaces 10 --pending 7  # with that many trials running

Each engine is given the same n observations, then asked and told `--trials` times in a row. The first ask
meets cold caches and is reported apart; with --pending it comes with those of the trials that then run. Every
cell of the table is a process of its own on one thread, unless --threads gives this tuner's core more; the
peers run in the interpreter named by --peer, which has Optuna and torch. Times are CPU seconds of that
process, so that a busy machine counts little, except with --wall. `factors` is the mean in Cholesky factors
of order n (at most 1,000), timed between the asks, since the clock of a shared machine wobbles.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Config = dict[str, Any]
Step = Callable[[], None]
AskAndTell = tuple[Callable[[], Any], Callable[[Any], None]]
PEERS = ("optuna-gp", "optuna-tpe")
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def kinds(space: str) -> list[tuple[str, str]]:
    """Names and kinds of the parameters of a space: a number of continuous ones, `mixed`, or `mixed1000`."""
    if not space.startswith("mixed"):
        return [(f"x{i}", "continuous") for i in range(int(space))]
    d = int(space.removeprefix("mixed") or 16)
    each = {"continuous": d - 2 * (d // 4), "integer": d // 4, "categorical": d // 4}
    return [(f"{kind[:3]}{i}", kind) for kind, count in each.items() for i in range(count)]


def objective(config: Config) -> float:
    """A bowl with ripples, and a handicap for every category but the third; smallest at 0.4, 8 and "c"."""
    total = 0.0
    for value in config.values():
        if isinstance(value, str):
            total += 0.1 * abs("abcde".index(value) - 2)
        else:
            u = value / 20 if isinstance(value, int) else value
            total += (u - 0.4) ** 2 + 0.02 * abs(u * 5 - round(u * 5))
    return total


def observations(space: str, n: int) -> Iterator[tuple[Config, float]]:
    """Half of them anywhere, half closer and closer to the optimum, as in a search."""
    rng = random.Random(n)
    for k in range(n):
        config: Config = {}
        near = k % 2 == 1
        for name, kind in kinds(space):
            u = min(1.0, max(0.0, rng.gauss(0.4, 0.3 / (1 + 4 * k / n)))) if near else rng.random()
            if kind == "continuous":
                config[name] = u
            elif kind == "integer":
                config[name] = max(1, round(20 * u))
            else:
                config[name] = "abcde"[min(4, int(5 * u))]
        yield config, objective(config)


def ours(space: str, n: int, threads: int) -> AskAndTell:
    import hpt
    from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
    from hpt.search.strategies.bayesian import BayesianStrategy

    build = {
        "continuous": lambda name: ContinuousParameter(name, 0, 1, "Linear"),
        "integer": lambda name: IntegerParameter(name, 1, 20, "Linear"),
        "categorical": lambda name: CategoricalParameter(name, list("abcde")),
    }
    parameters = [build[kind](name) for name, kind in kinds(space)]
    strategy = BayesianStrategy(threads=threads)
    tuner = hpt.Tuner(SearchSpace(parameters), objective="minimize", strategy=strategy, seed=0)
    for config, value in observations(space, n):
        tuner.add(config, value)

    def tell(trial: hpt.Trial) -> None:
        tuner.tell(trial.number, objective(dict(trial.config)))

    return lambda: tuner.ask()[0], tell


def optunas(space: str, n: int, sampler: str) -> AskAndTell:
    import warnings

    import optuna

    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    chosen: Any
    if sampler == "gp":
        import torch

        torch.set_num_threads(1)
        chosen = optuna.samplers.GPSampler(seed=0)
    else:
        chosen = optuna.samplers.TPESampler(seed=0)
    build: dict[str, Any] = {
        "continuous": optuna.distributions.FloatDistribution(0, 1),
        "integer": optuna.distributions.IntDistribution(1, 20),
        "categorical": optuna.distributions.CategoricalDistribution(list("abcde")),
    }
    distributions = {name: build[kind] for name, kind in kinds(space)}
    study = optuna.create_study(sampler=chosen)
    create = optuna.trial.create_trial
    study.add_trials(
        [
            create(params=config, distributions=distributions, value=value)
            for config, value in observations(space, n)
        ]
    )

    def tell(trial: optuna.Trial) -> None:
        study.tell(trial, objective(trial.params))

    return lambda: study.ask(distributions), tell


def step_of(ask: Callable[[], Any], tell: Callable[[Any], None], pending: int) -> Step:
    """Asks for a trial and tells the result of the oldest, so that `pending` are left running."""
    running: deque[Any] = deque()

    def step() -> None:
        while len(running) <= pending:
            running.append(ask())
        tell(running.popleft())

    return step


def measure(
    engine: str, space: str, n: int, trials: int, threads: int, pending: int, clock: Callable[[], float]
) -> dict[str, Any]:
    """In this process: seconds of the cold first ask + tell and of `trials` more, and the peak memory."""
    ask, tell = (
        ours(space, n, threads) if engine == "hpt" else optunas(space, n, engine.removeprefix("optuna-"))
    )
    step = step_of(ask, tell, pending)
    factor = factorisation(min(n, 1000))
    seconds, factors = [], []
    for _ in range(trials + 1):
        for times, call in ((seconds, step), (factors, factor)):
            start = clock()
            call()
            times.append(clock() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "cold": seconds[0],
        "seconds": seconds[1:],
        "factor": statistics.median(factors),
        "peak_mib": peak,
    }


def factorisation(order: int) -> Step:
    """A Cholesky factor, by SciPy's LAPACK."""
    import numpy as np
    from scipy.linalg.lapack import dpotrf

    A = np.asfortranarray(np.eye(order) + 0.5)
    return lambda: dpotrf(A)


def run_apart(
    python: str, engine: str, space: str, n: int, trials: int, options: list[str]
) -> dict[str, Any]:
    """The same in a process of its own, on one thread of the BLAS."""
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
    command = [python, __file__, *options, "--worker", engine, space, str(n), str(trials)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return {"engine": engine, "space": space, "n": n, **json.loads(done.stdout.splitlines()[-1])}


def line(result: dict[str, Any], reference: float | None) -> str:
    """One row of the table, in milliseconds."""
    seconds = sorted(result["seconds"])
    mean = statistics.fmean(seconds)
    p99 = seconds[min(len(seconds) - 1, int(0.99 * len(seconds)))]
    columns = [mean, statistics.median(seconds), p99, seconds[-1], result["cold"]]
    ratio = "" if reference is None else f"{mean / reference:8.1f}x"
    return (
        f"{result['space']:>9} {result['n']:>6} {result['engine']:<11}"
        + "".join(f"{1e3 * value:>10.1f}" for value in columns)
        + f"{mean / result['factor']:>9.1f}{result['peak_mib']:>9.0f}{ratio}"
    )


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Mean cost against n, a panel for each space."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    spaces = list(dict.fromkeys(result["space"] for result in results))
    figure, panels = plt.subplots(1, len(spaces), figsize=(4 * len(spaces), 3.5), sharey=True, squeeze=False)
    for panel, space in zip(panels[0], spaces, strict=True):
        for engine in dict.fromkeys(result["engine"] for result in results):
            cells = [r for r in results if r["space"] == space and r["engine"] == engine]
            ns, means = [r["n"] for r in cells], [statistics.fmean(r["seconds"]) for r in cells]
            panel.loglog(ns, means, marker="o", label=engine)
        panel.set(title=f"{space} parameters", xlabel="observations")
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("CPU seconds per ask + tell")
    panels[0][0].legend()
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[20, 100, 500, 1000, 2000, 10_000])
    parser.add_argument("--spaces", nargs="+", default=["4", "10", "30", "mixed"])
    parser.add_argument("--trials", type=int, default=64, help="consecutive ask + tell, after the cold one")
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter that has optuna and torch")
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS, default=PEERS, help="which of them (default: both)"
    )
    parser.add_argument("--peer-trials", type=int, help="fewer for the peers, whose cost varies little")
    parser.add_argument("--peer-limit", type=int, default=2000, help="largest n at which peers run")
    parser.add_argument("--json", type=Path, help="write every single time there")
    parser.add_argument("--picture", type=Path, help="draw the means there (needs matplotlib)")
    parser.add_argument("--threads", type=int, default=1, help="of this tuner's core")
    parser.add_argument("--pending", type=int, default=0, help="trials that run while the next is asked for")
    parser.add_argument("--wall", action="store_true", help="by the clock, not by CPU seconds")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        engine, space, n, trials = options.worker
        clock = time.perf_counter if options.wall else time.process_time
        result = measure(engine, space, int(n), int(trials), options.threads, options.pending, clock)
        print(json.dumps(result))
        return
    if options.pending < 0:
        parser.error(f"--pending {options.pending} is below 0; give how many trials run meanwhile")
    if options.picture and importlib.util.find_spec("matplotlib") is None:
        parser.error("--picture needs matplotlib; install it, or leave the picture out")
    handed_on = ["--threads", str(options.threads), "--pending", str(options.pending)]
    handed_on += ["--wall"] if options.wall else []
    titles = [f"{title:>10}" for title in ("mean", "median", "p99", "max", "cold")]
    what = "the clock" if options.wall else "CPU"
    print(
        f"milliseconds of {what}\n    space      n engine     {''.join(titles)}  factors      MiB", flush=True
    )
    results = []
    for space in options.spaces:
        for n in options.n:
            mine = run_apart(sys.executable, "hpt", space, n, options.trials, handed_on)
            results.append(mine)
            print(line(mine, None), flush=True)
            for peer in options.peers if options.peer and n <= options.peer_limit else ():
                trials = options.peer_trials or options.trials
                result = run_apart(options.peer, peer, space, n, trials, handed_on)
                results.append(result)
                print(line(result, statistics.fmean(mine["seconds"])), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results))
    if options.picture:
        draw(results, options.picture)


if __name__ == "__main__":
    main()
