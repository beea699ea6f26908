"""The hyperparameters of SageMaker's k-NN, read from texts and checked together before training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpt.algorithms.settings import Choice, Integer, Rule, read_all
from hpt.job.catalog.knn import KNN

_RULES: tuple[Rule, ...] = (
    Integer("feature_dim", 1),
    Integer("k", 1),
    Choice("predictor_type", ("classifier", "regressor")),
    Integer("sample_size", 1),
    Choice("index_type", ("faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ")),
    Choice("index_metric", ("L2", "INNER_PRODUCT", "COSINE")),
    Choice("dimension_reduction_type", ("sign", "fjlt")),
    Integer("dimension_reduction_target", 1),
    Integer("mini_batch_size", 1),
    Integer("_seed", 0, 2**31 - 1),
)

_OBJECTIVES = {"test:accuracy": "classifier", "test:mse": "regressor"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What to search: `sample_size` rows drawn at random, for the `k` nearest by `metric`.

    reduced: number of dimensions after a random projection, None for none. batch: rows looked up at once.
    """

    feature_dim: int
    k: int
    classify: bool
    sample_size: int
    metric: str
    reduced: int | None
    batch: int
    seed: int
    target: str | None
    warnings: tuple[str, ...]


def read(texts: Mapping[str, str]) -> Settings:
    """Settings from the flat map of texts.

    Raises:
        UserError: one message naming every broken rule.
    """
    reading = read_all(
        texts,
        _RULES,
        title="k-NN",
        metrics=[metric.name for metric in KNN.metric_definitions],
        defaults={"index_type": "faiss.Flat", "index_metric": "L2", "mini_batch_size": 5000, "_seed": 0},
        aliases={"seed": "_seed"},
        retired=("faiss_index_ivf_nlists", "faiss_index_pq_m", "iteration_tuning"),
    )
    reading.require(
        {
            "feature_dim": "the number of features",
            "k": "the number of neighbours",
            "predictor_type": "classifier or regressor",
            "sample_size": "the number of rows to draw from the training data",
        }
    )
    values = reading.values
    kind = values.get("predictor_type")
    if kind and reading.target and _OBJECTIVES[reading.target] != kind:
        reading.errors.append(f"the tuning objective {reading.target} is not printed by a {kind}")
    reduced = values.get("dimension_reduction_target")
    if reduced is None and "dimension_reduction_type" in values:
        reading.errors.append("dimension_reduction_type: needs dimension_reduction_target; add it")
    if isinstance(reduced, int) and "feature_dim" in values and reduced >= reading.integer("feature_dim"):
        reading.errors.append(f"dimension_reduction_target: {reduced} must be below feature_dim")
    if values["index_type"] != "faiss.Flat":
        reading.warnings.append(f"index_type {values['index_type']} is approximate; the search here is exact")
    if values.get("dimension_reduction_type") == "fjlt":
        reading.warnings.append("dimension_reduction_type fjlt is not available; sign runs")
    reading.finish()
    return Settings(
        feature_dim=reading.integer("feature_dim"),
        k=reading.integer("k"),
        classify=kind == "classifier",
        sample_size=reading.integer("sample_size"),
        metric=str(values["index_metric"]),
        reduced=reduced if isinstance(reduced, int) else None,
        batch=reading.integer("mini_batch_size"),
        seed=reading.integer("_seed"),
        target=reading.target,
        warnings=tuple(reading.warnings),
    )
