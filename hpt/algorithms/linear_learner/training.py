"""Stochastic gradient descent with scikit-learn: resumable to the bit, stoppable between epochs.

scikit-learn takes a step a row. A step of size r over the mean gradient of B rows is, to first order, B steps
of size r / B, which is how `learning_rate` r and `mini_batch_size` B act here. `auto` starts at a rate
that is safe for the length of the rows and lets it fall. Of more classes than two, each is learned against
the rest.

Notation: n rows, d features, K columns of scores (1 for two classes and for values).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import SGDClassifier, SGDRegressor

from hpt.algorithms import log_lines, program
from hpt.algorithms.channels import Table
from hpt.algorithms.container import Log, UserError
from hpt.algorithms.linear_learner.hyperparameters import BALANCED, Settings
from hpt.algorithms.linear_learner.metrics import Value, evaluate, objective, threshold
from hpt.algorithms.loop import Loop, Steps

Floats = NDArray[np.float64]
_FASTEST = 0.05  # per row, for `auto`
_LARGEST = 1e100  # a weight; beyond it scores and losses are not even finite
_LOSSES = {
    "logistic": "log_loss",
    "softmax_loss": "log_loss",
    "hinge_loss": "hinge",
    "squared_loss": "squared_error",
    "absolute_loss": "epsilon_insensitive",
    "huber_loss": "huber",
    "eps_insensitive_squared_loss": "squared_epsilon_insensitive",
    "eps_insensitive_absolute_loss": "epsilon_insensitive",
}


@dataclass(frozen=True, slots=True)
class Rows:
    """X: (n, d) features as trained on, dense or CSR. y: (n,) labels as given."""

    X: Any
    y: Floats


@dataclass(frozen=True, slots=True)
class Scaling:
    """What was subtracted and divided by: (d,) for features, a number for labels."""

    shift: Floats
    spread: Floats
    label_shift: float
    label_spread: float


@dataclass
class _Progress:
    """What a checkpoint holds beside the weights: the best objective and the epochs since it improved."""

    best: float = math.inf
    stale: int = 0

    def note(self, value: float, tolerance: float) -> None:
        improved = not math.isfinite(self.best) or self.best - value > tolerance * abs(self.best)
        self.stale = 0 if improved else self.stale + 1
        self.best = min(self.best, value)


@dataclass
class Trainer:
    """One model, its rows by channel (`train` first) and where it stands."""

    settings: Settings
    rows: Mapping[str, Rows]
    scaling: Scaling
    model: Any
    progress: _Progress = field(default_factory=_Progress)

    @property
    def watched(self) -> str:
        """The channel whose objective decides on early stopping."""
        return "validation" if "validation" in self.rows else "train"

    def scores(self, channel: str) -> Floats:
        """(n,) or (n, K) raw scores, or predicted values in the units of the labels."""
        rows = self.rows[channel]
        if self.settings.is_regressor:
            values: Floats = self.model.predict(rows.X)
            return values * self.scaling.label_spread + self.scaling.label_shift
        raw: Floats = self.model.decision_function(rows.X)
        return raw

    def objective(self, channel: str) -> Value:
        spread = self.scaling.label_spread
        return objective(self.settings, self.rows[channel].y, self.scores(channel), spread)

    def metrics(self, channel: str) -> list[Value]:
        return evaluate(self.settings, self.rows[channel].y, self.scores(channel), self.threshold())

    def threshold(self) -> float:
        if not self.settings.is_binary:
            return 0.0
        return threshold(self.settings, self.rows[self.watched].y, self.scores(self.watched))

    def epoch(self, number: int) -> None:
        """One pass over the training rows, in an order that depends on the seed and the epoch alone."""
        rows = self.rows["train"]
        order = np.random.default_rng((self.settings.seed, number)).permutation(len(rows.y))
        y = (rows.y - self.scaling.label_shift) / self.scaling.label_spread
        extra: dict[str, Any] = {}
        if self.settings.num_classes:
            extra["classes"] = np.arange(self.settings.num_classes, dtype=np.float64)
        try:
            self.model.partial_fit(
                rows.X[order], y[order], sample_weight=_weights(self.settings, rows.y)[order], **extra
            )
            bounded = float(np.abs(self.model.coef_).max()) < _LARGEST
        except ValueError:  # scikit-learn's own check, for what is not even finite
            bounded = False
        if not bounded:
            raise UserError(f"the weights grew beyond bounds in epoch {number}; lower learning_rate")

    def state(self) -> bytes:
        progress = self.progress
        return program.pack(
            coef=self.model.coef_,
            intercept=self.model.intercept_,
            t=self.model.t_,
            best=progress.best,
            stale=progress.stale,
        )

    def restore(self, number: int, content: bytes) -> int:
        """Takes up the state after epoch `number`; returns the number of epochs done."""

        arrays = program.unpack(content)
        self.model.coef_, self.model.intercept_ = arrays["coef"], arrays["intercept"]
        self.model.t_ = float(arrays["t"])
        if self.settings.num_classes:
            self.model.classes_ = np.arange(self.settings.num_classes, dtype=np.float64)
        self.progress = _Progress(float(arrays["best"]), int(arrays["stale"]))
        return number + 1

    def result(self) -> bytes:
        """The model in the units of the data: scores are `X @ weights.T + bias`, weights: (K, d)."""
        spread = self.scaling.label_spread
        weights = np.atleast_2d(self.model.coef_) / self.scaling.spread * spread
        bias = np.atleast_1d(self.model.intercept_) * spread - weights @ self.scaling.shift
        return program.pack(
            predictor_type=np.array(self.settings.predictor_type),
            weights=weights,
            bias=bias + self.scaling.label_shift,
            threshold=np.array(self.threshold()),
        )


def prepare(settings: Settings, tables: Mapping[str, Table]) -> Trainer:
    """Scales features and labels by the training rows and sets up the model.

    Raises:
        UserError: a missing value, a wrong label, or another number of features than `feature_dim`.
    """
    if settings.num_classes:
        program.class_count(tables, f"predictor_type {settings.predictor_type}", settings.num_classes)
    width = program.check_width(tables, settings.feature_dim)
    program.check_complete(tables)
    raw = {name: table.features(width) for name, table in tables.items()}
    labels = tables["train"].labels.astype(np.float64)
    dense = tables["train"].dense is not None
    shift, spread = np.zeros(width), np.ones(width)
    if settings.normalize_data:
        shift, spread = _moments(raw["train"], dense)
    center, scale = 0.0, 1.0
    if settings.normalize_label:
        center, scale = float(labels.mean()), float(labels.std()) or 1.0
    rows = {}
    for name, X in raw.items():
        scaled = (X.astype(np.float64) - shift) / spread if dense else X.multiply(1 / spread).tocsr()
        rows[name] = Rows(scaled, tables[name].labels.astype(np.float64))
    model = _model(settings, rows["train"].X, dense)
    return Trainer(settings, rows, Scaling(shift, spread, center, scale), model)


def _moments(X: Any, dense: bool) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each column; sparse columns are not shifted, which would fill them."""
    wide = X.astype(np.float64)
    mean = np.asarray(wide.mean(axis=0)).ravel()
    square = np.asarray((wide**2 if dense else wide.multiply(wide)).mean(axis=0)).ravel()
    spread = wide.std(axis=0) if dense else np.sqrt(np.maximum(0, square - mean**2))
    # A constant column may have a spread of rounding errors alone.
    spread = np.where(spread > 1e-9 * np.sqrt(square), spread, 1.0)
    return (mean if dense else np.zeros_like(mean)), spread


def _weights(settings: Settings, y: Floats) -> Floats:
    """(n,) weights of rows with mean 1, so that they shift the balance and not the learning rate."""
    weights = np.ones(len(y))
    if settings.is_binary:
        ones = max(1.0, float((y == 1).sum()))
        weight = settings.positive_example_weight_mult
        weights[y == 1] = (len(y) - ones) / ones if weight == BALANCED else weight
    elif settings.balance_multiclass_weights and settings.num_classes:
        counts = np.bincount(y.astype(np.int64), minlength=settings.num_classes)
        weights = 1 / counts[y.astype(np.int64)]
    mean = weights.mean()
    return weights / mean if mean > 0 else np.ones(len(y))


def _model(settings: Settings, X: Any, dense: bool) -> Any:

    length = float((X**2 if dense else X.multiply(X)).sum()) / X.shape[0]
    batch = settings.mini_batch_size
    if settings.learning_rate is None:
        safe = min(_FASTEST, 1 / (1 + length)) * min(1.0, 1000 / batch)
        rate: dict[str, Any] = {"learning_rate": "invscaling", "eta0": safe, "power_t": 0.25}
    else:
        rate = {"learning_rate": "constant", "eta0": settings.learning_rate / batch}
    penalty = settings.wd + settings.l1
    width = {"huber_loss": settings.huber_delta, "absolute_loss": 0.0}.get(
        settings.loss, settings.loss_insensitivity
    )
    kind = SGDClassifier if settings.num_classes else SGDRegressor
    return kind(
        loss=_LOSSES[settings.loss],
        penalty="elasticnet",
        alpha=penalty,
        l1_ratio=float(np.clip(settings.l1 / penalty, 0, 1)) if penalty else 0.0,
        fit_intercept=settings.use_bias,
        epsilon=width,
        shuffle=False,
        random_state=settings.seed,
        **rate,
    )


def train(trainer: Trainer, loop: Loop) -> bytes | None:
    """Trains to `epochs` in all; the model, or None if it was stopped before the first epoch's end."""
    settings = trainer.settings
    done = loop.resume(settings.epochs, trainer.restore) or 0

    def enough(done: int) -> bool:
        return trainer.progress.stale >= settings.early_stopping_patience

    steps = Steps(loop, done, settings.epochs, trainer.state, enough)
    for number in steps:
        trainer.epoch(number)
        values = {name: trainer.objective(name) for name in trainer.rows if name != "test"}
        trainer.progress.note(values[trainer.watched].value, settings.early_stopping_tolerance)
        for name, value in values.items():
            loop.log(value.line(name, number))
        _print_target(trainer, loop.log, number)
        loop.log(log_lines.progress(number + 1, settings.epochs))
    if not steps.done:
        return None
    if steps.done < settings.epochs and not loop.stop:
        loop.log(f"hpt: stopped early after epoch {steps.done - 1}")
    for name in trainer.rows:
        for value in (trainer.objective(name), *trainer.metrics(name)):
            loop.log(value.line(name))
    return trainer.result()


def _print_target(trainer: Trainer, log: Log, epoch: int) -> None:
    """The tuning objective each epoch, so that training jobs can be compared before they end."""
    channel, _, name = (trainer.settings.target or "").partition(":")
    if channel == "validation" and name != "objective_loss":
        for value in trainer.metrics(channel):
            if value.name == name:
                log(value.line(channel, epoch))
