"""Metrics that SageMaker adds to XGBoost's own, from labels and predictions, by published name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hpt.algorithms.scores import accuracy, balanced_accuracy, mse, per_class, positive, r2

if TYPE_CHECKING:
    from hpt.algorithms.scores import Floats

CLASS_SCORES: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": lambda y, p: float(per_class(y, p)[2].mean()),
    "f1_binary": lambda y, p: positive(y, p)[2],
    "f1_macro": lambda y, p: float(per_class(y, p)[2].mean()),
    "precision": lambda y, p: positive(y, p)[0],
    "precision_macro": lambda y, p: float(per_class(y, p)[0].mean()),
    "precision_micro": accuracy,  # every row has one label, so hits / predictions over all classes
    "recall": lambda y, p: positive(y, p)[1],
    "recall_macro": lambda y, p: float(per_class(y, p)[1].mean()),
    "recall_micro": accuracy,
}
"""Scores of predicted classes, by published name."""

VALUE_SCORES: dict[str, Callable[[Any, Any], float]] = {"mse": mse, "r2": r2}
"""Scores of predicted values; XGBoost computes rmse and mae itself."""

SCORES = {**CLASS_SCORES, **VALUE_SCORES}
TWO_CLASS_SCORES = ("f1_binary", "precision", "recall")


def predicted_classes(prediction: Floats, objective: str) -> Floats:
    """(n,) classes from XGBoost's prediction: (n,) probabilities, margins or classes, or (n, K)."""
    import numpy as np

    if prediction.ndim == 2:
        classes: Floats = prediction.argmax(axis=1).astype(np.float32)
        return classes
    if objective in ("multi:softmax", "binary:hinge"):
        return prediction
    threshold = 0.0 if objective == "binary:logitraw" else 0.5
    return (prediction > threshold).astype(np.float32)
