"""Published facts about SageMaker's LightGBM: metrics, directions, recommended ranges (behaviour 17)."""

from __future__ import annotations

from hpt.job.catalog.description import BuiltInAlgorithm, RecommendedRange, metric_patterns

MAXIMIZED = ("auc", "auc_mu", "average_precision")
"""Metrics that are better when larger."""

# binary_logloss and multi_logloss are published as to be maximised; they are losses (behaviour 17.1).
MINIMIZED = (
    *("binary_error", "binary_logloss", "cross_entropy", "fair", "huber", "l1", "l2"),
    *("multi_error", "multi_logloss", "rmse"),
)
"""Metrics that are better when smaller."""

LIGHTGBM = BuiltInAlgorithm(
    name="lightgbm",
    module="hpt.algorithms.lightgbm",
    # One line a round: [7]<TAB>validation's auc: 0.97<TAB>validation's rmse: 0.1. `#011` is a TAB as AWS's
    # log pipeline writes it. The published `auc: ([0-9\.]+)` reads the line too, without sign and exponent.
    metric_definitions=metric_patterns(
        r"\[[0-9]+\].*(?:\t|#011)validation's {metric}: ([^\s#]+)", maximized=MAXIMIZED, minimized=MINIMIZED
    ),
    epoch_resource="num_boost_round",
    checkpoint_support=True,
    recommended_ranges=(
        # As published. Rates this low need many more than the default 100 rounds; 0.01 to 0.3 suits those.
        RecommendedRange("Continuous", "learning_rate", 0.001, 0.01),
        RecommendedRange("Continuous", "feature_fraction", 0.1, 1.0),
        RecommendedRange("Continuous", "bagging_fraction", 0.1, 1.0),
        RecommendedRange("Integer", "num_leaves", 10, 100),
        RecommendedRange("Integer", "bagging_freq", 0, 10),
        RecommendedRange("Integer", "max_depth", 15, 100),
        RecommendedRange("Integer", "min_data_in_leaf", 10, 200),
    ),
    required_hyperparameters=(),
    extra="lightgbm",
    library="lightgbm",
    train_channels=("train", "training"),
    legal_intervals={
        **dict.fromkeys(("learning_rate", "feature_fraction", "bagging_fraction"), (1e-6, 1.0)),
        "num_leaves": (2, 131_072),
    },
    aliases=("lightgbm-classification-model", "lightgbm-regression-model"),
)
"""The registry's entry."""
