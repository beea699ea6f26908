"""Training programs that come with `hpt`, and how a `TrainingImage` names them.

Importing this package loads facts only; each program runs as a separate process (`python -m <module>`).
"""

from __future__ import annotations

import re
from dataclasses import replace

from hpt.job.catalog.catboost import CATBOOST
from hpt.job.catalog.description import BuiltInAlgorithm, MetricPattern, RecommendedRange
from hpt.job.catalog.kmeans import KMEANS
from hpt.job.catalog.knn import KNN
from hpt.job.catalog.lightgbm import LIGHTGBM
from hpt.job.catalog.linear_learner import LINEAR_LEARNER
from hpt.job.catalog.xgboost import XGBOOST

__all__ = ["ALGORITHMS", "BuiltInAlgorithm", "MetricPattern", "RecommendedRange", "find_algorithm"]

ALGORITHMS: tuple[BuiltInAlgorithm, ...] = (XGBOOST, LIGHTGBM, CATBOOST, LINEAR_LEARNER, KNN, KMEANS)
"""Every built-in algorithm; adding one is one entry here."""

# <account>.dkr.ecr.<region>.amazonaws.com[.cn]/ is the registry; the repository and a tag or digest follow.
_REGISTRY = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.[a-z0-9.-]+/")
_IMAGE = re.compile(r"(?:sagemaker-)?(?P<name>[a-z0-9-]+)(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]{64})?")


def find_algorithm(image: str) -> BuiltInAlgorithm | None:
    """The built-in algorithm that `image` names, or None if it names none.

    `image` is a short name (`xgboost`, also with a version: `xgboost:1.7-1`) or a SageMaker image URI in any
    account and region. Other paths and registries are never taken for a built-in.

    >>> image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
    >>> find_algorithm(image).requested_version
    '1.7-1'
    >>> find_algorithm("./xgboost") is None
    True
    """
    match = _IMAGE.fullmatch(_REGISTRY.sub("", image.strip(), count=1))
    if match is None:
        return None
    for algorithm in ALGORITHMS:
        if match["name"] in (algorithm.name, *algorithm.aliases):
            return replace(algorithm, requested_version=match["tag"])
    return None
