"""Our metrics against scikit-learn's, which SageMaker's container calls."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from hpt.algorithms.xgboost.scores import CLASS_SCORES, VALUE_SCORES, predicted_classes

CLASSWISE = {
    "accuracy": reference.accuracy_score,
    "balanced_accuracy": reference.balanced_accuracy_score,
    "f1": lambda y, p: reference.f1_score(y, p, average="macro", zero_division=0),
    "f1_macro": lambda y, p: reference.f1_score(y, p, average="macro", zero_division=0),
    "precision_macro": lambda y, p: reference.precision_score(y, p, average="macro", zero_division=0),
    "precision_micro": lambda y, p: reference.precision_score(y, p, average="micro", zero_division=0),
    "recall_macro": lambda y, p: reference.recall_score(y, p, average="macro", zero_division=0),
    "recall_micro": lambda y, p: reference.recall_score(y, p, average="micro", zero_division=0),
}
TWO_CLASSES = {
    "f1_binary": lambda y, p: reference.f1_score(y, p, zero_division=0),
    "precision": lambda y, p: reference.precision_score(y, p, zero_division=0),
    "recall": lambda y, p: reference.recall_score(y, p, zero_division=0),
}


def test_every_score_has_a_reference() -> None:
    assert set(CLASSWISE) | set(TWO_CLASSES) == set(CLASS_SCORES)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(5))
def test_class_scores_equal_the_reference(classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, 60).astype(np.float32)
    p = np.where(rng.random(60) < 0.6, y, rng.integers(0, classes, 60)).astype(np.float32)
    if seed == 0:
        p[p == 1] = 0  # a class that is never predicted
    if seed == 1:
        y[y == 0] = 1  # a class that is only predicted
    references = CLASSWISE | (TWO_CLASSES if classes == 2 else {})
    for name, score in references.items():
        assert CLASS_SCORES[name](y, p) == pytest.approx(score(y, p), abs=1e-12), name


def test_value_scores_equal_the_reference() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(1e4, 1, 50).astype(np.float32)
    p = (y + rng.normal(0, 0.5, 50)).astype(np.float32)
    wide, predicted = y.astype(np.float64), p.astype(np.float64)
    assert VALUE_SCORES["mse"](y, p) == pytest.approx(reference.mean_squared_error(wide, predicted))
    assert VALUE_SCORES["r2"](y, p) == pytest.approx(reference.r2_score(wide, predicted))
    assert VALUE_SCORES["r2"](np.ones(3, np.float32), np.ones(3, np.float32)) == 1
    assert VALUE_SCORES["r2"](np.ones(3, np.float32), np.zeros(3, np.float32)) == 0


def test_classes_follow_from_the_objective() -> None:
    one = np.array([-0.4, 0.4, 0.6], np.float32)
    assert predicted_classes(one, "binary:logistic").tolist() == [0, 0, 1]
    assert predicted_classes(one, "binary:logitraw").tolist() == [0, 1, 1]
    assert predicted_classes(np.array([2.0, 0.0], np.float32), "multi:softmax").tolist() == [2, 0]
    assert predicted_classes(np.array([[0.2, 0.5, 0.3]], np.float32), "multi:softprob").tolist() == [1]
