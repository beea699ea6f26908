"""Search quality on public problems: this project against random search and, if given, Optuna's GP and TPE.

    python benchmarks/regret/run.py [--seeds 5] [--trials 50] [--problems branin,training]
                                    [--peer PYTHON] [--ablation] [--out regret.jsonl]

PYTHON is an interpreter that has Optuna (and torch, for its Gaussian process). Every optimiser gets the same
seeds, and a noisy problem the same noise. Results are appended to the file, one run a line; what is there
is not run again. The report is made of the whole file: a table, and a picture beside it where
Matplotlib is installed.

--ablation runs this project's search with one ingredient exchanged at a time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from problems import Problem, problems
from report import report
from sklearn.exceptions import ConvergenceWarning
from variants import VARIANTS

import hpt


class Optimiser(Protocol):
    def ask(self) -> Mapping[str, Any]: ...
    def tell(self, value: float) -> None: ...
    def close(self) -> None: ...


class Ours:
    def __init__(self, problem: Problem, name: str, seed: int) -> None:
        strategy = "Random" if name == "random" else VARIANTS[name]()
        self._tuner = hpt.Tuner(problem.space, objective="minimize", strategy=strategy, seed=seed)
        self._number = 0

    def ask(self) -> Mapping[str, Any]:
        [trial] = self._tuner.ask()
        self._number = trial.number
        return trial.config

    def tell(self, value: float) -> None:
        self._tuner.tell(self._number, value)

    def close(self) -> None:
        pass


class Peer:
    """An optimiser in a process of another interpreter."""

    def __init__(self, problem: Problem, python: str, sampler: str, seed: int) -> None:
        script = Path(__file__).with_name("optuna_peer.py")
        self._process = subprocess.Popen(
            [python, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        space = []
        for parameter in problem.space.parameters:
            if isinstance(parameter, hpt.CategoricalParameter):
                space.append({"name": parameter.name, "kind": "categorical", "values": parameter.values})
            else:
                kind = "integer" if isinstance(parameter, hpt.IntegerParameter) else "continuous"
                log = parameter.scaling.value == "Logarithmic"
                bounds = {"min": parameter.min, "max": parameter.max, "log": log}
                space.append({"name": parameter.name, "kind": kind, **bounds})
        self._send({"space": space, "seed": seed, "sampler": sampler})
        self.versions = self._receive()

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the peer ended with code {self._process.wait()}; its error is above")
        return dict(json.loads(line))

    def ask(self) -> Mapping[str, Any]:
        self._send({"ask": True})
        return self._receive()

    def tell(self, value: float) -> None:
        self._send({"tell": value})

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def run(optimiser: Optimiser, problem: Problem, seed: int, trials: int) -> dict[str, Any]:
    """`best` holds the noise-free value of the configuration that was best as observed, after every trial."""
    values, best, overhead, lowest, true = [], [], 0.0, float("inf"), float("nan")
    for trial in range(trials):
        start = time.perf_counter()
        config = optimiser.ask()
        overhead += time.perf_counter() - start
        value = problem.value(config, seed, trial)
        start = time.perf_counter()
        optimiser.tell(value)
        overhead += time.perf_counter() - start
        if value < lowest:
            lowest, true = value, problem.function(config) if problem.noise else value
        values.append(value)
        best.append(true)
    return {"values": values, "best": best, "seconds_per_trial": overhead / trials}


def optimisers(options: argparse.Namespace) -> Iterator[str]:
    yield "hpt"
    yield "random"
    if options.peer:
        yield from ("optuna_gp", "optuna_tpe")
    if options.ablation:
        yield from (name for name in VARIANTS if name != "hpt")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--problems", default=",".join(problems()))
    parser.add_argument("--peer", help="an interpreter that has Optuna")
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("regret.jsonl"))
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    done = set()
    if options.out.exists():
        for line in options.out.read_text().splitlines():
            known = json.loads(line)
            if len(known["best"]) >= options.trials:
                done.add((known["problem"], known["optimiser"], known["seed"]))
    with options.out.open("a") as out:
        for seed in range(options.seeds):
            for problem in options.problems.split(","):
                for name in optimisers(options):
                    if (problem, name, seed) in done:
                        continue
                    chosen = problems()[problem]
                    optimiser: Optimiser = (
                        Peer(chosen, options.peer, name.removeprefix("optuna_"), seed)
                        if name.startswith("optuna_")
                        else Ours(chosen, name, seed)
                    )
                    result = run(optimiser, chosen, seed, options.trials)
                    optimiser.close()
                    head = {"problem": problem, "optimiser": name, "seed": seed, "lowest": chosen.lowest}
                    out.write(json.dumps(head | result) + "\n")
                    out.flush()
                print(f"seed {seed}: {problem}", file=sys.stderr, flush=True)
    report(options.out, options.trials)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
