"""`hpt` as a library, on a gradient-boosting model of scikit-learn:

    python examples/library.py

First by hand: ask for a configuration, train as you like, tell the result. Then with `hpt.tune`, which does
the same in worker processes.
"""

from __future__ import annotations

from collections.abc import Callable

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import hpt

SPACE = hpt.SearchSpace(
    [
        hpt.ContinuousParameter("learning_rate", 0.005, 0.3, "Logarithmic"),
        hpt.ContinuousParameter("subsample", 0.3, 1),
        hpt.IntegerParameter("max_depth", 1, 6),
        hpt.CategoricalParameter("max_features", ["sqrt", "log2"]),
    ]
)
ROUNDS = 60


def train(config: dict[str, object], report: Callable[[float], None]) -> float:
    """Log loss on held-out data; reported while training, so that a tuner could stop a bad trial early."""
    data, labels = load_breast_cancer(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        data, labels, test_size=0.3, stratify=labels, random_state=0
    )
    model = GradientBoostingClassifier(**config, warm_start=True, random_state=0)
    loss = float("nan")
    for rounds in range(20, ROUNDS + 1, 20):
        model.set_params(n_estimators=rounds).fit(train_x, train_y)
        loss = log_loss(test_y, model.predict_proba(test_x))
        report(loss)
    return loss


def ask_and_tell() -> None:
    tuner = hpt.Tuner(SPACE, objective="minimize", strategy="Bayesian", seed=123)
    # An observation from elsewhere counts for the search without being a trial.
    tuner.add({"learning_rate": 0.1, "subsample": 0.8, "max_depth": 3, "max_features": "sqrt"}, 0.1318)
    best = float("inf")
    for _ in range(10):
        [trial] = tuner.ask()
        loss = train(dict(trial.config), lambda value: None)
        tuner.tell(trial.number, loss)
        best = min(best, loss)
        print(f"trial {trial.number:2d}: log loss {loss:.4f}, best so far {best:.4f}")


def tune() -> None:
    result = hpt.tune(
        train, SPACE, metric="logloss", objective="minimize", seed=123, max_jobs=12, max_parallel_jobs=2
    )
    print(f"{len(result.trials)} trials, ended by {result.completion_reason}")
    print(f"best: log loss {result.best_value:.4f} with {dict(result.best_config)}")


if __name__ == "__main__":
    ask_and_tell()
    tune()
