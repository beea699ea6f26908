"""Search quality on public problems: this project against random search and its peers.

    python benchmarks/regret/run.py [--seeds 5] [--trials 50] [--problems branin,training]
                                    [--peer PYTHON ...] [--optimisers hpt,cmaes] [--ablation]
                                    [--out regret.jsonl]

PYTHON is an interpreter that has Optuna (and torch, for its Gaussian process), HEBO, BoTorch or SMAC3; each
that it has takes part. Every optimiser gets the same seeds, and a noisy problem the same noise. Results are
appended to the file, one run a line; what is there is not run again. The report is made of the whole file: a
table, and a picture beside it where Matplotlib is installed.

Problems of 100 to 1,000 parameters (wide.py) run when they are named: --problems lasso200,rover200.

--ablation runs this project's search with one ingredient exchanged at a time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import psutil
from problems import Problem, problems
from report import report
from sklearn.exceptions import ConvergenceWarning
from variants import VARIANTS
from wide import wide_problems

import hpt


class Optimiser(Protocol):
    versions: dict[str, str]

    def cpu(self) -> float: ...
    def ask(self) -> Mapping[str, Any]: ...
    def tell(self, value: float) -> None: ...
    def close(self) -> None: ...


class Ours:
    def __init__(self, problem: Problem, name: str, seed: int) -> None:
        strategy = "Random" if name == "random" else VARIANTS[name]()
        self._tuner = hpt.Tuner(problem.space, objective="minimize", strategy=strategy, seed=seed)
        self._number = 0
        self.versions = {"hpt": hpt.__version__}

    def ask(self) -> Mapping[str, Any]:
        [trial] = self._tuner.ask()
        self._number = trial.number
        return trial.config

    def tell(self, value: float) -> None:
        self._tuner.tell(self._number, value)

    def cpu(self) -> float:
        return time.process_time()

    def close(self) -> None:
        pass


PEERS = Path(__file__).with_name("peers.py")


class Peer:
    """An optimiser in a process of another interpreter."""

    def __init__(self, problem: Problem, python: str, name: str, seed: int) -> None:
        self._process = subprocess.Popen(
            [python, str(PEERS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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
        self._send({"optimiser": name, "space": space, "seed": seed})
        self.versions: dict[str, str] = self._receive()["versions"]

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

    def cpu(self) -> float:
        return sum(psutil.Process(self._process.pid).cpu_times()[:2])

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
    values, best, lowest, true = [], [], float("inf"), float("nan")
    overhead = cpu = 0.0
    for trial in range(trials):
        start, used = time.perf_counter(), optimiser.cpu()
        config = optimiser.ask()
        overhead, cpu = overhead + time.perf_counter() - start, cpu + optimiser.cpu() - used
        value = problem.value(config, seed, trial)
        start, used = time.perf_counter(), optimiser.cpu()
        optimiser.tell(value)
        overhead, cpu = overhead + time.perf_counter() - start, cpu + optimiser.cpu() - used
        if value < lowest:
            lowest, true = value, problem.function(config) if problem.noise else value
        values.append(value)
        best.append(true)
    return {
        "values": values,
        "best": best,
        "seconds_per_trial": overhead / trials,
        "cpu_per_trial": cpu / trials,
    }


def peers(pythons: Sequence[str]) -> dict[str, str]:
    """Interpreters by the names of the peers that they have."""
    found: dict[str, str] = {}
    for python in pythons:
        try:
            listed = subprocess.run([python, str(PEERS), "--list"], stdout=subprocess.PIPE, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(
                f"--peer {python}: {error}; name an interpreter of Python 3.10 or newer"
            ) from None
        names = json.loads(listed.stdout)
        if not names:
            raise SystemExit(f"--peer {python} has none of Optuna, HEBO, BoTorch and SMAC3; install one")
        found = dict.fromkeys(names, python) | found
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--problems", default=",".join(problems()), help="names, with commas between")
    parser.add_argument(
        "--peer", nargs="+", default=[], metavar="PYTHON", help="interpreters that have peers installed"
    )
    parser.add_argument("--optimisers", help="only these and `random`, with commas between")
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("regret.jsonl"))
    options = parser.parse_args()
    known_problems = problems() | wide_problems()
    for name in options.problems.split(","):
        if name not in known_problems:
            parser.error(f"--problems: {name!r} is not known; choose of {', '.join(known_problems)}")
    warnings.simplefilter("ignore", ConvergenceWarning)
    others = peers(options.peer)
    names = ["hpt", "random", *others]
    names += [name for name in VARIANTS if name != "hpt"] if options.ablation else []
    if options.optimisers:
        wanted = options.optimisers.split(",")
        for name in wanted:
            if name not in names:
                parser.error(f"--optimisers: {name!r} is not there; choose of {', '.join(names)}")
        names = ["random", *(name for name in wanted if name != "random")]
    done = set()
    if options.out.exists():
        for line in options.out.read_text().splitlines():
            known = json.loads(line)
            if len(known["best"]) >= options.trials:
                done.add((known["problem"], known["optimiser"], known["seed"]))
    with options.out.open("a") as out:
        for seed in range(options.seeds):
            for problem in options.problems.split(","):
                for name in names:
                    if (problem, name, seed) in done:
                        continue
                    chosen = known_problems[problem]
                    optimiser: Optimiser = (
                        Peer(chosen, others[name], name, seed) if name in others else Ours(chosen, name, seed)
                    )
                    result = run(optimiser, chosen, seed, options.trials)
                    optimiser.close()
                    head = {
                        "problem": problem,
                        "optimiser": name,
                        "seed": seed,
                        "lowest": chosen.lowest,
                        "versions": optimiser.versions,
                    }
                    out.write(json.dumps(head | result) + "\n")
                    out.flush()
                print(f"seed {seed}: {problem}", file=sys.stderr, flush=True)
    report(options.out, options.trials)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
