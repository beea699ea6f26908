"""Published facts about SageMaker's k-means: metrics, directions, recommended ranges (behaviour 17)."""

from __future__ import annotations

from hpt.job.catalog.description import BuiltInAlgorithm, RecommendedRange, quality_pattern
from hpt.search.trial import ObjectiveType

METRICS = ("msd", "ssd")
"""Mean and sum of squared distances to the nearest centre."""

KMEANS = BuiltInAlgorithm(
    name="kmeans",
    module="hpt.algorithms.kmeans",
    metric_definitions=tuple(quality_pattern("test", name, ObjectiveType.MINIMIZE) for name in METRICS),
    epoch_resource=None,  # the metrics are known once, at the end
    checkpoint_support=True,
    recommended_ranges=(
        RecommendedRange("Integer", "epochs", 1, 10),
        RecommendedRange("Integer", "extra_center_factor", 4, 10),
        RecommendedRange("Integer", "mini_batch_size", 3000, 15000),
        RecommendedRange("Categorical", "init_method", values=("kmeans++", "random")),
    ),
    required_hyperparameters=("feature_dim", "k"),
    extra="kmeans",
    library="sklearn",
    labels=("0", "1"),
    reports_once=True,
)
"""The registry's entry."""
