"""The linear learner's metrics, from labels and raw scores, as the log spells them.

Notation: n rows, K classes; y: (n,) labels; s: (n,) scores of class 1 or (n, K) of each class, or (n,)
predicted values; t: the threshold above which a row is taken for class 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpt.algorithms import log_lines
from hpt.algorithms.linear_learner.hyperparameters import Settings
from hpt.algorithms.scores import accuracy, mse, per_class, positive
from hpt.job.catalog.linear_learner import SCORES

Floats = NDArray[np.float64]


class Value(NamedTuple):
    """The value of a metric: its published name and its name in the log."""

    name: str
    spelt: str
    value: float

    def line(self, channel: str, epoch: int | None = None) -> str:
        """The line of the log that says it."""
        return log_lines.quality(channel, self.spelt, self.value, score=self.name in SCORES, epoch=epoch)


def objective(settings: Settings, y: Floats, s: Floats, scale: float = 1.0) -> Value:
    """The mean loss, without weights and penalty, so that it compares across both.

    Parameters
    ----------
    settings
        Those of the model.
    y, s
        Labels and scores.
    scale
        The standard deviation the labels were divided by: widths of losses are in its units.
    """
    if settings.is_regressor:
        gap = np.abs(s - y)
        width = settings.loss_insensitivity * scale
        delta = settings.huber_delta * scale
        word, losses = {
            "squared_loss": ("mse", gap**2),
            "absolute_loss": ("absolute_loss", gap),
            "huber_loss": ("huber", np.where(gap <= delta, gap**2 / 2, delta * (gap - delta / 2))),
            "eps_insensitive_squared_loss": ("eps_insensitive_squared", np.maximum(0, gap - width) ** 2),
            "eps_insensitive_absolute_loss": ("eps_insensitive_absolute", np.maximum(0, gap - width)),
        }[settings.loss]
    elif settings.is_binary:
        margin = np.where(y == 1, s, -s)
        hinge = settings.loss == "hinge_loss"
        word = "hinge" if hinge else "binary_classification_cross_entropy"
        losses = np.maximum(0, 1 - margin) if hinge else np.logaddexp(0, -margin)
    else:
        index, rows = y.astype(np.int64), np.arange(len(y))
        if settings.loss == "hinge_loss":
            rivals = s.copy()
            rivals[rows, index] = -np.inf
            word, losses = "multiclass_hinge", np.maximum(0, 1 + rivals.max(axis=1) - s[rows, index])
        else:
            # One classifier against the rest for each class: probabilities are their shares (log-sum-exp).
            logs = -np.logaddexp(0, -s)  # (n, K)
            top = logs.max(axis=1, keepdims=True)
            total = top[:, 0] + np.log(np.exp(logs - top).sum(axis=1))
            word, losses = "multiclass_cross_entropy", total - logs[rows, index]
    return Value("objective_loss", f"{word}_objective", float(losses.mean()))


def evaluate(settings: Settings, y: Floats, s: Floats, t: float) -> list[Value]:
    """Every metric of the kind of prediction but the objective.

    Parameters
    ----------
    settings
        Those of the model.
    y, s
        Labels and scores.
    t
        The threshold between two classes.
    """
    beta = settings.f_beta
    if settings.is_regressor:
        square = mse(y, s)
        gap = float(np.abs(s - y).mean())
        return _values(mse=square, rmse=square**0.5, absolute_loss=gap)
    if settings.is_binary:
        p = (s > t).astype(np.float64)
        precision, recall, _ = positive(y, p)
        return [
            *_values(binary_classification_accuracy=accuracy(y, p)),
            Value("binary_f_beta", f"binary_f_{beta:.3f}", f_beta(precision, recall, beta)),
            *_values(precision=precision, recall=recall, roc_auc_score=roc_auc(y, s)),
        ]
    p = s.argmax(axis=1).astype(np.float64)
    precisions, recalls, _ = per_class(y, p)
    pairs = zip(precisions.tolist(), recalls.tolist(), strict=True)
    macro = sum(f_beta(precision, recall, beta) for precision, recall in pairs) / len(precisions)
    own = s[np.arange(len(y)), y.astype(np.int64)]
    rank = (s > own[:, None]).sum(axis=1)  # 0 where the label's class has the highest score
    top = f"multiclass_top_k_accuracy_{settings.accuracy_top_k}"
    return [
        *_values(multiclass_accuracy=accuracy(y, p)),
        Value("multiclass_top_k_accuracy", top, float((rank < settings.accuracy_top_k).mean())),
        *_values(dcg=float((1 / np.log2(rank + 2)).mean())),
        *_values(macro_recall=float(recalls.mean()), macro_precision=float(precisions.mean())),
        Value("macro_f_beta", f"macro_f_{beta:.3f}", macro),
    ]


def _values(**values: float) -> list[Value]:
    """Metrics that the log calls by their published names."""
    return [Value(name, name, value) for name, value in values.items()]


def f_beta(precision: float, recall: float, beta: float) -> float:
    """(1 + b^2) P R / (b^2 P + R), 0 where that is 0 / 0."""
    below = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / below if below else 0.0


def roc_auc(y: Floats, s: Floats) -> float:
    """The share of pairs (one of class 1, one not) in the right order, ties counting half; NaN if none."""
    _, group, sizes = np.unique(s, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[group]  # from 1, ties share their mean
    ones = float((y == 1).sum())
    pairs = ones * (len(y) - ones)
    return (float(ranks[y == 1].sum()) - ones * (ones + 1) / 2) / pairs if pairs else float("nan")


def threshold(settings: Settings, y: Floats, s: Floats) -> float:
    """The threshold that is best by the criterion, halfway between two scores; 0 where none is chosen."""
    criterion = settings.binary_classifier_model_selection_criteria
    if criterion in ("cross_entropy_loss", "loss_function"):
        return 0.0
    order = np.argsort(-s, kind="stable")
    s, y = s[order], y[order]
    cuts = np.append(np.flatnonzero(s[:-1] > s[1:]), len(s) - 1)  # predicted 1: rows up to each cut
    hits, predicted, ones = np.cumsum(y == 1)[cuts], cuts + 1.0, float((y == 1).sum())
    precision, recall = hits / predicted, hits / max(ones, 1.0)
    worth = {
        "accuracy": lambda: hits - (predicted - hits),
        "f_beta": lambda: hits / (settings.f_beta**2 * ones + predicted),
        "precision_at_target_recall": lambda: np.where(
            recall >= settings.target_recall, precision + 1, recall
        ),
        "recall_at_target_precision": lambda: np.where(
            precision >= settings.target_precision, recall + 1, precision
        ),
    }[criterion]()
    if criterion == "accuracy" and worth.max() <= 0:
        return float(s[0]) + 1.0  # nothing is best taken for class 1
    cut = int(cuts[int(np.argmax(worth))])
    return float((s[cut] + s[cut + 1]) / 2) if cut + 1 < len(s) else float(s[cut]) - 1.0
