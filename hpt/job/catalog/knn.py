"""Published facts about SageMaker's k-NN: metrics, directions, recommended ranges (AMT 17.1, 17.2)."""

from __future__ import annotations

from hpt.job.catalog.description import BuiltInAlgorithm, MetricPattern, RecommendedRange
from hpt.search.trial import ObjectiveType

_LINE = r"#quality_metric: host=\S+, test "

KNN = BuiltInAlgorithm(
    name="knn",
    module="hpt.algorithms.knn",
    metric_definitions=(
        MetricPattern("test:accuracy", rf"{_LINE}accuracy <score>=(\S+)", ObjectiveType.MAXIMIZE),
        MetricPattern("test:mse", rf"{_LINE}mse <loss>=(\S+)", ObjectiveType.MINIMIZE),
    ),
    epoch_resource=None,
    checkpoint_support=False,  # nothing is iterated: there is nothing to resume
    recommended_ranges=(
        RecommendedRange("Integer", "k", 1, 1024, "Logarithmic"),
        RecommendedRange("Integer", "sample_size", 256, 20_000_000, "Logarithmic"),
    ),
    required_hyperparameters=("feature_dim", "k", "predictor_type", "sample_size"),
    extra="knn",
    library="sklearn",
)
"""The registry's entry."""
