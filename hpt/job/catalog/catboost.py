"""Published facts about SageMaker's CatBoost: metrics, directions, recommended ranges (behaviour 17)."""

from __future__ import annotations

from hpt.job.catalog.description import BuiltInAlgorithm, RecommendedRange, metric_patterns

MAXIMIZED = ("AUC", "Accuracy", "BalancedAccuracy", "F1", "Precision", "R2", "Recall")
"""Metrics that are better when larger."""

# Logloss and MultiClass are published as to be maximised; they are losses (behaviour 17.1).
MINIMIZED = ("Logloss", "MAE", "MedianAbsoluteError", "MultiClass", "RMSE")
"""Metrics that are better when smaller."""

CATBOOST = BuiltInAlgorithm(
    name="catboost",
    module="hpt.algorithms.catboost",
    # The published pattern `bestTest = ([0-9\.]+)` is the same for all, so it would read one metric under
    # twelve names; the log names the metric before it, and this pattern asks for the name.
    metric_definitions=metric_patterns(
        r"\b{metric} bestTest = (\S+)", maximized=MAXIMIZED, minimized=MINIMIZED
    ),
    epoch_resource="iterations",
    checkpoint_support=True,
    recommended_ranges=(
        RecommendedRange("Continuous", "learning_rate", 0.001, 0.01),
        RecommendedRange("Continuous", "random_strength", 0.0, 10.0),
        RecommendedRange("Integer", "depth", 4, 10),
        RecommendedRange("Integer", "l2_leaf_reg", 2, 10),
    ),
    required_hyperparameters=(),
    extra="catboost",
    library="catboost",
    train_channels=("train", "training"),
    legal_intervals={"learning_rate": (1e-6, 1.0), "depth": (1, 16)},
    aliases=("catboost-classification-model", "catboost-regression-model"),
)
"""The registry's entry."""
