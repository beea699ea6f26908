"""Bayesian search against random search on four cheap real objectives.

    python benchmarks/bench_search.py [--seeds 20] [--trials 30]

Each objective trains a scikit-learn model on data that comes with scikit-learn and yields a cross-validated
loss. Both strategies get the same seeds and trials. The table shows, per objective, the median best loss of
each and the paired gain: how much lower Bayesian search's best loss is after all trials, in units of the
spread of random search's best losses, with a 95 % bootstrap interval of the mean over seeds. Passes if at
least three intervals lie above zero and none below it: `svr_diabetes`, whose losses have outliers a hundred
times their spread, was a tie in earlier searches.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from functools import cache

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

import hpt

Objective = Callable[[dict[str, object]], float]


@cache
def data(name: str) -> tuple[np.ndarray, np.ndarray]:
    loader = {"diabetes": load_diabetes, "digits": load_digits, "breast_cancer": load_breast_cancer}[name]
    X, y = loader(return_X_y=True)
    return (X[::3], y[::3]) if name == "digits" else (X, y)


def rmse_on_diabetes(model: Pipeline) -> float:
    return float(
        -cross_val_score(model, *data("diabetes"), cv=3, scoring="neg_root_mean_squared_error").mean()
    )


def svr_diabetes(config: dict[str, object]) -> float:
    model = make_pipeline(StandardScaler(), SVR(max_iter=20_000, **config))
    return rmse_on_diabetes(model)


def svc_breast_cancer(config: dict[str, object]) -> float:
    model = make_pipeline(StandardScaler(), SVC(max_iter=20_000, **config))
    return float(1 - cross_val_score(model, *data("breast_cancer"), cv=3, scoring="roc_auc").mean())


def kernel_ridge_diabetes(config: dict[str, object]) -> float:
    model = make_pipeline(StandardScaler(), KernelRidge(**config))
    return rmse_on_diabetes(model)


def sgd_digits(config: dict[str, object]) -> float:
    model = make_pipeline(
        StandardScaler(),
        SGDClassifier("log_loss", learning_rate="adaptive", max_iter=10, tol=None, random_state=0, **config),
    )
    return float(1 - cross_val_score(model, *data("digits"), cv=3).mean())


OBJECTIVES: dict[str, tuple[Objective, hpt.SearchSpace]] = {
    "svr_diabetes": (
        svr_diabetes,
        hpt.SearchSpace(
            [
                hpt.ContinuousParameter("C", 1e-3, 1e4, "Logarithmic"),
                hpt.ContinuousParameter("gamma", 1e-5, 10, "Logarithmic"),
                hpt.ContinuousParameter("epsilon", 0.01, 100, "Logarithmic"),
                hpt.CategoricalParameter("kernel", ["rbf", "sigmoid"]),
            ]
        ),
    ),
    "svc_breast_cancer": (
        svc_breast_cancer,
        hpt.SearchSpace(
            [
                hpt.ContinuousParameter("C", 1e-3, 1e4, "Logarithmic"),
                hpt.ContinuousParameter("gamma", 1e-5, 10, "Logarithmic"),
                hpt.CategoricalParameter("kernel", ["rbf", "sigmoid"]),
            ]
        ),
    ),
    "kernel_ridge_diabetes": (
        kernel_ridge_diabetes,
        hpt.SearchSpace(
            [
                hpt.ContinuousParameter("alpha", 1e-5, 100, "Logarithmic"),
                hpt.ContinuousParameter("gamma", 1e-5, 10, "Logarithmic"),
                hpt.CategoricalParameter("kernel", ["rbf", "laplacian"]),
            ]
        ),
    ),
    "sgd_digits": (
        sgd_digits,
        hpt.SearchSpace(
            [
                hpt.ContinuousParameter("alpha", 1e-7, 1, "Logarithmic"),
                hpt.ContinuousParameter("eta0", 1e-6, 10, "Logarithmic"),
                hpt.ContinuousParameter("l1_ratio", 0, 1),
                hpt.CategoricalParameter("penalty", ["l2", "l1", "elasticnet"]),
            ]
        ),
    ),
}


def best_losses(objective: Objective, space: hpt.SearchSpace, strategy: str, seed: int, trials: int) -> float:
    tuner = hpt.Tuner(space, objective="minimize", strategy=strategy, seed=seed)
    for _ in range(trials):
        [trial] = tuner.ask()
        tuner.tell(trial.number, objective(dict(trial.config)))
    assert tuner.best_value is not None
    return tuner.best_value


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=30)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    draw = np.random.default_rng(0)
    above = below = 0
    print(f"{options.trials} trials, {options.seeds} paired seeds")
    print(f"{'objective':22s} {'random':>10s} {'bayesian':>10s} {'gain':>7s}  95 % interval")
    for name, (objective, space) in OBJECTIVES.items():
        best = {
            strategy: np.array(
                [
                    best_losses(objective, space, strategy, seed, options.trials)
                    for seed in range(options.seeds)
                ]
            )
            for strategy in ("Random", "Bayesian")
        }
        gain = (best["Random"] - best["Bayesian"]) / max(best["Random"].std(), 1e-300)  # (seeds,)
        means = gain[draw.integers(0, len(gain), (10_000, len(gain)))].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        above, below = above + (low > 0), below + (high < 0)
        medians = [np.median(best[strategy]) for strategy in ("Random", "Bayesian")]
        print(f"{name:22s} {medians[0]:10.5g} {medians[1]:10.5g} {gain.mean():7.2f}  {low:.2f} to {high:.2f}")
    return 0 if above >= 3 and not below else 1


if __name__ == "__main__":
    raise SystemExit(main())
