"""Metrics that SageMaker adds to XGBoost's own, from labels and predictions.

Notation: n rows, K classes; y: (n,) labels, p: (n,) predicted classes or values, C: (K, K) with
C[i, j] = rows of class i predicted as j. Definitions and conventions (a ratio 0/0 counts as 0; macro means go
over the classes that occur in y or p) are those of scikit-learn, which SageMaker's container calls; weights
are not used, as there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Counts = NDArray[np.float64]


def confusion(y: Floats, p: Floats) -> Counts:
    """C: (K, K) over the classes that occur in `y` or `p`, in increasing order."""
    import numpy as np

    classes, index = np.unique(np.concatenate([y, p]), return_inverse=True)
    K, n = len(classes), len(y)
    return np.bincount(index[:n] * K + index[n:], minlength=K * K).reshape(K, K).astype(np.float64)


def _ratio(numerator: Counts, denominator: Counts) -> Counts:
    import numpy as np

    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _per_class(y: Floats, p: Floats) -> tuple[Counts, Counts, Counts]:
    """Precision, recall and F1 of each class: (K,) each."""
    C = confusion(y, p)
    hits, predicted, actual = C.diagonal().copy(), C.sum(axis=0), C.sum(axis=1)
    return _ratio(hits, predicted), _ratio(hits, actual), _ratio(2 * hits, predicted + actual)


def _positive(y: Floats, p: Floats) -> tuple[float, float, float]:
    """Precision, recall and F1 of class 1 against the rest."""
    precision, recall, f1 = (0.0, 0.0, 0.0)
    hits = float(((y == 1) & (p == 1)).sum())
    predicted, actual = float((p == 1).sum()), float((y == 1).sum())
    if predicted:
        precision = hits / predicted
    if actual:
        recall = hits / actual
    if predicted + actual:
        f1 = 2 * hits / (predicted + actual)
    return precision, recall, f1


def accuracy(y: Floats, p: Floats) -> float:
    return float((y == p).mean())


def balanced_accuracy(y: Floats, p: Floats) -> float:
    """Mean recall over the classes that occur in `y`."""
    C = confusion(y, p)
    occurs = C.sum(axis=1) > 0
    return float((C.diagonal()[occurs] / C.sum(axis=1)[occurs]).mean())


def mse(y: Floats, p: Floats) -> float:
    return float(((y.astype("float64") - p) ** 2).mean())


def r2(y: Floats, p: Floats) -> float:
    """1 - residual / total sum of squares; for constant labels 1 if predicted exactly, else 0."""
    labels = y.astype("float64")
    residual, total = float(((labels - p) ** 2).sum()), float(((labels - labels.mean()) ** 2).sum())
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return 1 - residual / total


CLASS_SCORES: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": lambda y, p: float(_per_class(y, p)[2].mean()),
    "f1_binary": lambda y, p: _positive(y, p)[2],
    "f1_macro": lambda y, p: float(_per_class(y, p)[2].mean()),
    "precision": lambda y, p: _positive(y, p)[0],
    "precision_macro": lambda y, p: float(_per_class(y, p)[0].mean()),
    "precision_micro": accuracy,  # every row has one label, so hits / predictions over all classes
    "recall": lambda y, p: _positive(y, p)[1],
    "recall_macro": lambda y, p: float(_per_class(y, p)[1].mean()),
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
