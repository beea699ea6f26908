"""Published facts about SageMaker's linear learner: metrics, directions, ranges (behaviour 17)."""

from __future__ import annotations

from hpt.job.catalog.description import BuiltInAlgorithm, RecommendedRange, quality_pattern
from hpt.search.trial import ObjectiveType

# Published name -> the pattern of its name in the log.
SCORES = {
    "binary_classification_accuracy": "binary_classification_accuracy",
    "binary_f_beta": r"binary_f_[0-9.]+",
    "precision": "precision",
    "recall": "recall",
    "roc_auc_score": "roc_auc_score",
    "dcg": "dcg",
    "macro_f_beta": r"macro_f_[0-9.]+",
    "macro_precision": "macro_precision",
    "macro_recall": "macro_recall",
    "multiclass_accuracy": "multiclass_accuracy",
    "multiclass_top_k_accuracy": r"multiclass_top_k_accuracy_[0-9]+",
}
"""Metrics that are better when larger, and how the log spells them."""

LOSSES = {"absolute_loss": "absolute_loss", "mse": "mse", "rmse": "rmse", "objective_loss": r"\w+_objective"}
"""Metrics that are better when smaller, and how the log spells them."""

BINARY = ("binary_classification_accuracy", "binary_f_beta", "precision", "recall", "roc_auc_score")
MULTICLASS = tuple(name for name in SCORES if name not in BINARY)

_DIRECTIONS = {
    **dict.fromkeys(SCORES, ObjectiveType.MAXIMIZE),
    **dict.fromkeys(LOSSES, ObjectiveType.MINIMIZE),
}
_SPELLINGS = {**SCORES, **LOSSES}

LINEAR_LEARNER = BuiltInAlgorithm(
    name="linear-learner",
    module="hpt.algorithms.linear_learner",
    metric_definitions=tuple(
        quality_pattern(channel, name, direction, spelt=_SPELLINGS[name], epochs=True)
        for channel in ("validation", "test")
        for name, direction in _DIRECTIONS.items()
        if (channel, name) != ("test", "rmse")  # published for validation only
    ),
    epoch_resource="epochs",
    checkpoint_support=True,
    recommended_ranges=(
        RecommendedRange("Continuous", "wd", 1e-7, 1.0, "Logarithmic"),
        RecommendedRange("Continuous", "l1", 1e-7, 1.0, "Logarithmic"),
        RecommendedRange("Continuous", "learning_rate", 1e-5, 1.0, "Logarithmic"),
        RecommendedRange("Continuous", "positive_example_weight_mult", 1e-5, 1e5, "Logarithmic"),
        RecommendedRange("Integer", "mini_batch_size", 100, 5000),
        RecommendedRange("Categorical", "use_bias", values=("True", "False")),
    ),
    required_hyperparameters=("predictor_type",),
    extra="linear_learner",
    library="sklearn",
)
"""The registry's entry."""
