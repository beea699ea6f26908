"""The hyperparameters of SageMaker's k-NN, read from strings and checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpt.algorithms.settings import BaseSettings, Choice, Integer, Schema
from hpt.job.catalog.knn import KNN

SCHEMA = Schema(
    title="k-NN",
    prints=KNN.metric,
    rules=(
        Integer("feature_dim", 1),
        Integer("k", 1),
        Choice("predictor_type", ("classifier", "regressor")),
        Integer("sample_size", 1),
        Choice("index_type", ("faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ")),
        Choice("index_metric", ("L2", "INNER_PRODUCT", "COSINE")),
        Choice("dimension_reduction_type", ("sign", "fjlt")),
        Integer("dimension_reduction_target", 1),
        Integer("mini_batch_size", 1),
        Integer("seed", 0, 2**31 - 1),
    ),
    aliases={"_seed": "seed"},
    retired=("faiss_index_ivf_nlists", "faiss_index_pq_m", "iteration_tuning"),
)

_OBJECTIVES = {"test:accuracy": "classifier", "test:mse": "regressor"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(BaseSettings):
    """What to search: `sample_size` rows drawn at random, for the `k` nearest by `index_metric`.

    dimension_reduction_target: number of dimensions after a random projection, None for none.
    mini_batch_size: rows looked up at once.
    """

    feature_dim: int
    k: int
    predictor_type: str
    sample_size: int
    index_metric: str = "L2"
    dimension_reduction_target: int | None = None
    mini_batch_size: int = 5000
    seed: int = 0

    @property
    def classify(self) -> bool:
        return self.predictor_type == "classifier"


def read(given: Mapping[str, str]) -> Settings:
    """Settings from the flat map of strings.

    Raises:
        UserError: one message naming every broken rule.
    """
    reading = SCHEMA.read(given)
    reading.require(
        {
            "feature_dim": "the number of features",
            "k": "the number of neighbours",
            "predictor_type": "classifier or regressor",
            "sample_size": "the number of rows to draw from the training data",
        }
    )
    values = reading.values
    kind = reading.string("predictor_type")
    if kind and reading.target and _OBJECTIVES[reading.target] != kind:
        reading.errors.append(f"the tuning objective {reading.target} is not printed by a {kind}")
    reduced = values.get("dimension_reduction_target")
    if reduced is None and "dimension_reduction_type" in values:
        reading.errors.append("dimension_reduction_type: needs dimension_reduction_target; add it")
    if isinstance(reduced, int) and "feature_dim" in values and reduced >= reading.integer("feature_dim"):
        reading.errors.append(f"dimension_reduction_target: {reduced} must be below feature_dim")
    if reading.string("index_type", "faiss.Flat") != "faiss.Flat":
        reading.warnings.append(f"index_type {values['index_type']} is approximate; the search here is exact")
    if values.get("dimension_reduction_type") == "fjlt":
        reading.warnings.append("dimension_reduction_type fjlt is not available; sign runs")
    reading.finish()
    return reading.build(Settings)
