"""Published facts about SageMaker's k-NN: metrics, directions, recommended ranges (behaviour 17)."""

from __future__ import annotations

from hpt.job.catalog.description import BuiltInAlgorithm, RecommendedRange, quality_pattern
from hpt.search.trial import ObjectiveType

KNN = BuiltInAlgorithm(
    name="knn",
    module="hpt.algorithms.knn",
    metric_definitions=(
        quality_pattern("test", "accuracy", ObjectiveType.MAXIMIZE),
        quality_pattern("test", "mse", ObjectiveType.MINIMIZE),
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
    reports_once=True,
)
"""The registry's entry."""
