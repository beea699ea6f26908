"""CatBoost's own loop with a look at every round: one log line each, a stop between rounds, a snapshot.

The snapshot is CatBoost's and holds its random states, so a resumed run ends in the same model. CatBoost
finds out by itself whether a snapshot is whole and belongs to the same data and parameters.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import catboost
import numpy as np

from hpt.algorithms.boosting import BINARY, MULTICLASS, REGRESSION, Best, Data, Rows
from hpt.algorithms.catboost.hyperparameters import TASKS, Settings
from hpt.algorithms.container import Log, StopRequest
from hpt.job.catalog.catboost import MAXIMIZED

_SNAPSHOT_SECONDS = 1  # a snapshot holds all predictions of the training rows: not every round


@dataclass
class _Rounds:
    """Called by CatBoost after each round; `info.iteration` counts from 1."""

    metric: str
    stop: StopRequest
    log: Log
    best: Best = field(default_factory=Best)
    done: int = 0

    def after_iteration(self, info: Any) -> bool:
        series = info.metrics["validation"][self.metric]
        number, value = info.iteration - 1, series[-1]
        for i in range(self.done, info.iteration):  # at first those of an earlier attempt too
            self.best = self.best.after(i, series[i], maximize=self.metric in MAXIMIZED)
        self.done = info.iteration
        self.log(
            f"{number}:\ttest: {value:.9g}\tbest: {self.best.value:.9g} ({self.best.round})"
            f"\t{self.metric} bestTest = {self.best.value:.9g}"
        )
        return not self.stop


def train(settings: Settings, data: Data, snapshot: Path, stop: StopRequest, log: Log) -> bytes | None:
    """Trains to `iterations` rounds in all, from the snapshot if there is one that fits.

    Parameters
    ----------
    settings
        What to train.
    data
        The rows.
    snapshot
        The file the run is resumed from and saved to.
    stop
        Looked at between rounds.
    log
        Prints a line.

    Returns
    -------
    bytes or None
        The model's file, or None if it was stopped before the first round.

    Raises
    ------
    UserError
        The labels do not suit the task.
    CatBoostError
        CatBoost's refusals.
    """
    loss, metric = _choose(settings, data)
    log(f"hpt: loss function {loss}, metric {metric}")
    if stop:
        return None
    snapshot.parent.mkdir(parents=True, exist_ok=True)
    parameters: dict[str, Any] = {**settings.library, "loss_function": loss, "eval_metric": metric}
    if "bagging_temperature" in parameters:
        parameters["bootstrap_type"] = "Bayesian"
    rounds = _Rounds(metric, stop, log)
    with tempfile.TemporaryDirectory(prefix="hpt-catboost-") as scratch:
        model = catboost.CatBoost({**parameters, "logging_level": "Silent", "train_dir": scratch})
        model.fit(
            _pool(data.train, data),
            eval_set=_pool(data.validation, data),
            callbacks=[rounds],
            use_best_model=True,
            early_stopping_rounds=settings.patience or None,
            save_snapshot=True,
            snapshot_file=str(snapshot.absolute()),
            snapshot_interval=_SNAPSHOT_SECONDS,
        )
        if not rounds.done:  # resumed after its last round: say its result again, this log may not have it
            value = float(model.get_best_score()["validation"][metric])
            log(f"{model.get_best_iteration()}:\tbest: {value:.9g}\t{metric} bestTest = {value:.9g}")
        log(f"bestIteration = {model.get_best_iteration()}")
        file = Path(scratch) / "model.cbm"
        model.save_model(str(file))
        return file.read_bytes()


def _choose(settings: Settings, data: Data) -> tuple[str, str]:
    """Loss function and metric, by what the labels say where they are left open."""
    task = settings.task or data.task()
    loss = settings.loss_function or {REGRESSION: "RMSE", BINARY: "Logloss", MULTICLASS: "MultiClass"}[task]
    if task == MULTICLASS or loss == "Logloss":
        data.class_count(f"loss function {loss}", 2 if task == BINARY else None)
    return loss, settings.metric or TASKS[task][0]


def _pool(rows: Rows, data: Data) -> Any:
    """CatBoost's form of some rows; it takes categories as integers or strings, not as reals."""
    features = rows.X
    if data.categories:
        features = (features if isinstance(features, np.ndarray) else features.toarray()).astype(object)
        for column in data.categories:
            features[:, column] = ["missing" if np.isnan(v) else str(int(v)) for v in features[:, column]]
    return catboost.Pool(features, rows.y, cat_features=list(data.categories) or None)
