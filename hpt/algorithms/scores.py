"""Scores of predictions that more than one program prints.

Notation: n rows, K classes; y: (n,) labels, p: (n,) predicted classes or values, C: (K, K) with
C[i, j] = rows of class i predicted as j. Definitions and conventions (a ratio 0/0 counts as 0; macro means go
over the classes that occur in y or p) are those of scikit-learn, which SageMaker's containers call; weights
are not used, as there.
"""

from __future__ import annotations

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


def per_class(y: Floats, p: Floats) -> tuple[Counts, Counts, Counts]:
    """Precision, recall and F1 of each class: (K,) each."""
    C = confusion(y, p)
    hits, predicted, actual = C.diagonal().copy(), C.sum(axis=0), C.sum(axis=1)
    return _ratio(hits, predicted), _ratio(hits, actual), _ratio(2 * hits, predicted + actual)


def positive(y: Floats, p: Floats) -> tuple[float, float, float]:
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
