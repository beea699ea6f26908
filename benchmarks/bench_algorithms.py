"""How a multi-algorithm job spends its training jobs, and its result beside jobs of one algorithm.

    python benchmarks/bench_algorithms.py                   # invented functions: a minute
    python benchmarks/bench_algorithms.py --data DIR        # XGBoost, LightGBM, a linear learner: hours

Without data: three functions of 2, 4 and 3 parameters (one of them a choice) whose best values lie at 0, 0.02
and 0.5, of a spread of about 1: close, so that a wrong choice is easy, and clearly worse. With DIR, which
holds train.csv[.gz] and validation.csv[.gz], label first: real training programs, each job with as many
training jobs as the others. Prints a table: best value and share of each algorithm, for each seed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import hpt
from hpt.job.build import Algorithm, tuning_job
from hpt.search.strategies.multi_algorithm import MultiAlgorithmBayesian

SPACES = {
    "best": hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1), hpt.ContinuousParameter("y", 0, 1)]),
    "close": hpt.SearchSpace([hpt.ContinuousParameter(name, 0, 1) for name in "abcd"]),
    "worse": hpt.SearchSpace(
        [
            hpt.ContinuousParameter("x", 0, 1),
            hpt.ContinuousParameter("y", 0, 1),
            hpt.CategoricalParameter("kind", ["u", "v", "w"]),
        ]
    ),
}


def invented(name: str, config: hpt.search.trial.Config, noise: float) -> float:
    """A value to be minimised."""
    if name == "best":
        return 2 * (float(config["x"]) - 0.3) ** 2 + (float(config["y"]) - 0.8) ** 2 + noise
    if name == "close":
        return 0.02 + sum((float(config[each]) - 0.4) ** 2 for each in "abcd") + noise
    bowl = (float(config["x"]) - 0.5) ** 2 + (float(config["y"]) - 0.2) ** 2
    return 0.5 + bowl + 0.3 * "uvw".index(str(config["kind"])) + noise


def run_invented(spaces: dict[str, hpt.SearchSpace], trials: int, seed: int) -> tuple[float, Counter[str]]:
    """The best value without its noise, and how many trials each function got."""
    tuner = hpt.Tuner(spaces, "Minimize", MultiAlgorithmBayesian(max_jobs=trials), seed=seed)
    rng = np.random.default_rng(seed)
    best, counts = np.inf, Counter[str]()
    for _ in range(trials):
        [trial] = tuner.ask()
        name = str(trial.definition)
        value = invented(name, trial.config, 0.0)
        tuner.tell(trial.number, value + 0.005 * rng.standard_normal())
        best, counts = min(best, value), counts + Counter([name])
    return float(best), counts


def algorithms(data: Path, rounds: int) -> list[Algorithm]:
    """XGBoost, LightGBM and a linear learner on data with the label first, each over ranges that suit it."""

    def channels() -> dict[str, str]:
        found = {}
        for name in ("train", "validation"):
            [path] = sorted(data.glob(f"{name}.csv*"))[:1]
            found[name] = str(path)
        return found

    return [
        Algorithm(
            "xgboost",
            program="xgboost",
            metric="validation:auc",
            space=[
                hpt.ContinuousParameter("eta", 0.01, 1, "Logarithmic"),
                hpt.ContinuousParameter("min_child_weight", 1, 10),
                hpt.ContinuousParameter("alpha", 0, 2),
                hpt.IntegerParameter("max_depth", 1, 10),
            ],
            static={"objective": "binary:logistic", "eval_metric": "auc", "num_round": rounds, "nthread": 1},
            channels=channels(),
        ),
        Algorithm(
            "lightgbm",
            program="lightgbm",
            metric="auc",
            space=[
                hpt.ContinuousParameter("learning_rate", 0.01, 1, "Logarithmic"),
                hpt.ContinuousParameter("feature_fraction", 0.1, 1),
                hpt.IntegerParameter("num_leaves", 4, 100),
                hpt.IntegerParameter("min_data_in_leaf", 10, 200),
            ],
            static={"num_boost_round": rounds, "metric": "auc"},
            channels=channels(),
        ),
        Algorithm(
            "linear",
            program="linear-learner",
            metric="validation:roc_auc_score",
            space=[
                hpt.ContinuousParameter("wd", 1e-7, 1, "Logarithmic"),
                hpt.ContinuousParameter("learning_rate", 1e-5, 1, "Logarithmic"),
                hpt.IntegerParameter("mini_batch_size", 100, 5000),
            ],
            static={"predictor_type": "binary_classifier", "epochs": 5},
            channels=channels(),
        ),
    ]


def run_programs(
    chosen: Sequence[Algorithm], trials: int, seed: int, parallel: int
) -> tuple[float, Counter[str]]:
    """The best value, and how many training jobs each algorithm got."""
    with tempfile.TemporaryDirectory() as state:
        job = tuning_job("bench", algorithms=chosen, max_jobs=trials, max_parallel_jobs=parallel, seed=seed)
        result = hpt.run(job, state=state)
        assert result.best_value is not None
        return result.best_value, Counter(str(trial.definition) for trial in result.trials)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of train.csv[.gz] and validation.csv[.gz]")
    parser.add_argument("--trials", type=int, default=60, help="training jobs of each job (default: 60)")
    parser.add_argument("--seeds", type=int, default=20, help="seeds 0, 1, ... (default: 20)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--rounds", type=int, default=100, help="of boosting (default: 100)")
    parser.add_argument("--parallel", type=int, default=1, help="training jobs at a time (default: 1)")
    parser.add_argument("--only", nargs="*", help="jobs to run: together, or names of algorithms")
    options = parser.parse_args()
    if options.data is None:
        names, kinds = list(SPACES), {name: {name: space} for name, space in SPACES.items()}
        jobs = {"together": SPACES, **kinds}
    else:
        known = algorithms(options.data.resolve(), options.rounds)
        names = [each.name for each in known]
        jobs = {"together": known, **{algorithm.name: [algorithm] for algorithm in known}}  # type: ignore[dict-item]
    print(f"seed  job        best       {'  '.join(names)}")
    rows: dict[str, list[float]] = {}
    for seed in range(options.first, options.first + options.seeds):
        for kind, job in jobs.items():
            if options.only and kind not in options.only:
                continue
            if options.data is None:
                best, counts = run_invented(job, options.trials, seed)  # type: ignore[arg-type]
            else:
                best, counts = run_programs(job, options.trials, seed, options.parallel)  # type: ignore[arg-type]
            rows.setdefault(kind, []).append(best)
            shares = "  ".join(f"{counts[name]:>{len(name)}}" for name in names)
            print(f"{seed:>4}  {kind:<9}  {best:<9.6f}  {shares}", flush=True)
    summary = {
        kind: {"mean": float(np.mean(values)), "std": float(np.std(values))} for kind, values in rows.items()
    }
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
