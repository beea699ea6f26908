"""Published facts about SageMaker's XGBoost: metrics, directions, recommended ranges (behaviour 17)."""

from __future__ import annotations

import math

from hpt.job.catalog.description import BuiltInAlgorithm, RecommendedRange, metric_patterns

MAXIMIZED = (
    *("accuracy", "auc", "aucpr", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "map", "ndcg"),
    *("precision", "precision_macro", "precision_micro", "r2", "recall", "recall_macro", "recall_micro"),
)
"""Metrics that are better when larger."""

# interval-regression-accuracy is published in this group although its name says otherwise (behaviour 17.1).
MINIMIZED = (
    *(
        "aft-nloglik",
        "cox-nloglik",
        "error",
        "gamma-deviance",
        "gamma-nloglik",
        "interval-regression-accuracy",
    ),
    *("logloss", "mae", "mape", "merror", "mlogloss", "mphe", "mse", "poisson-nloglik", "rmse", "rmsle"),
    "tweedie-nloglik",
)
"""Metrics that are better when smaller."""

_REGEX = r"\[[0-9]+\].*(?:\t|#011)%s-{metric}:([^\s#]+)"

XGBOOST = BuiltInAlgorithm(
    name="xgboost",
    module="hpt.algorithms.xgboost",
    # One line a round: [7]<TAB>train-auc:0.98<TAB>validation-auc:0.97. `#011` is a TAB as AWS's log pipeline
    # writes it, accepted so that the pattern also reads logs copied from there. The value is all up to the
    # next TAB of either form: sign, exponent and nan included.
    metric_definitions=metric_patterns(
        _REGEX % "validation", maximized=MAXIMIZED, minimized=MINIMIZED, channel="validation"
    ),
    training_metrics=metric_patterns(
        _REGEX % "train", maximized=MAXIMIZED, minimized=MINIMIZED, channel="train"
    ),
    evaluated_by="eval_metric",
    epoch_resource="num_round",
    checkpoint_support=True,
    recommended_ranges=(
        RecommendedRange("Continuous", "alpha", 0.0, 1000.0),
        RecommendedRange("Continuous", "lambda", 0.0, 1000.0),
        RecommendedRange("Continuous", "eta", 0.1, 0.5),
        RecommendedRange("Continuous", "gamma", 0.0, 5.0),
        RecommendedRange("Continuous", "min_child_weight", 0.0, 120.0),
        RecommendedRange("Continuous", "subsample", 0.5, 1.0),
        RecommendedRange("Continuous", "colsample_bytree", 0.5, 1.0),
        RecommendedRange("Continuous", "colsample_bylevel", 0.1, 1.0),
        RecommendedRange("Continuous", "colsample_bynode", 0.1, 1.0),
        RecommendedRange("Integer", "max_depth", 0, 10),
        RecommendedRange("Integer", "max_delta_step", 0, 10),
        RecommendedRange("Integer", "num_round", 1, 4000),
    ),
    required_hyperparameters=("num_round",),
    extra="xgboost",
    library="xgboost",
    legal_intervals={
        "eta": (0.0, 1.0),
        "num_round": (1, math.inf),
        **dict.fromkeys(
            ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode"), (1e-6, 1.0)
        ),
    },
)
"""The registry's entry."""
