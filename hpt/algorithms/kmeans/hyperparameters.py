"""The hyperparameters of SageMaker's k-means, read from texts and checked together before training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpt.algorithms.settings import Auto, Choice, Integer, Real, Rule, TextList, read_all
from hpt.job.catalog.kmeans import KMEANS, METRICS

_STARTS = ("random", "kmeans++")

_RULES: tuple[Rule, ...] = (
    Integer("feature_dim", 1),
    Integer("k", 1),
    Integer("epochs", 1),
    Auto(Integer("extra_center_factor", 1)),
    Integer("mini_batch_size", 1),
    Choice("init_method", _STARTS),
    Integer("half_life_time_size", 0),
    Integer("local_lloyd_max_iter", 1),
    Choice("local_lloyd_init_method", _STARTS),
    Auto(Integer("local_lloyd_num_trials", 1)),
    Real("local_lloyd_tol", 0, 1),
    TextList("eval_metrics", METRICS),
    Integer("_seed", 0, 2**31 - 1),
)

_DEFAULTS: dict[str, object] = {
    "epochs": 1, "mini_batch_size": 5000, "init_method": "random", "half_life_time_size": 0,
    "local_lloyd_max_iter": 300, "local_lloyd_init_method": "kmeans++", "local_lloyd_tol": 0.0001,
    "eval_metrics": ("msd",), "_seed": 0,
}  # fmt: skip

_AUTO_FACTOR = 5  # times k centres while the rows pass by
_AUTO_TRIALS = 3


@dataclass(frozen=True, slots=True)
class Settings:
    """`factor` times `k` centres are moved by mini-batches and then reduced to `k` by Lloyd's algorithm.

    half_life: rows after which a row counts half, 0 for never. lloyd_*: how the centres are reduced, from
    `lloyd_trials` starts.
    """

    feature_dim: int
    k: int
    epochs: int
    factor: int
    batch: int
    start: str
    half_life: int
    lloyd_iterations: int
    lloyd_start: str
    lloyd_trials: int
    lloyd_tolerance: float
    metrics: tuple[str, ...]
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
        title="k-means",
        metrics=[metric.name for metric in KMEANS.metric_definitions],
        defaults=_DEFAULTS,
        aliases={"seed": "_seed"},
        retired=("force_dense",),
    )
    reading.require({"feature_dim": "the number of features", "k": "the number of clusters"})
    reading.finish()
    values = reading.values
    named = values["eval_metrics"]
    metrics = named if isinstance(named, tuple) else ()
    if reading.target is not None:
        metrics = (*metrics, reading.target.partition(":")[2])
    factor, trials = values.get("extra_center_factor"), values.get("local_lloyd_num_trials")
    return Settings(
        feature_dim=reading.integer("feature_dim"),
        k=reading.integer("k"),
        epochs=reading.integer("epochs"),
        factor=factor if isinstance(factor, int) else _AUTO_FACTOR,
        batch=reading.integer("mini_batch_size"),
        start=str(values["init_method"]),
        half_life=reading.integer("half_life_time_size"),
        lloyd_iterations=reading.integer("local_lloyd_max_iter"),
        lloyd_start=str(values["local_lloyd_init_method"]),
        lloyd_trials=trials if isinstance(trials, int) else _AUTO_TRIALS,
        lloyd_tolerance=reading.real("local_lloyd_tol"),
        metrics=tuple(dict.fromkeys(metrics)),
        seed=reading.integer("_seed"),
        target=reading.target,
        warnings=tuple(reading.warnings),
    )
