"""The hyperparameters of SageMaker's k-means, read from strings and checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpt.algorithms.settings import Auto, BaseSettings, Choice, Integer, Real, Schema, StringList
from hpt.job.catalog.kmeans import KMEANS, METRICS

_STARTS = ("random", "kmeans++")

SCHEMA = Schema(
    title="k-means",
    prints=KMEANS.metric,
    rules=(
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
        StringList("eval_metrics", METRICS),
        Integer("seed", 0, 2**31 - 1),
    ),
    aliases={"_seed": "seed"},
    retired=("force_dense",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(BaseSettings):
    """What to train: `extra_center_factor` times `k` centres, moved by mini-batches, then reduced to `k`.

    half_life_time_size: rows after which a row counts half, 0 for never. local_lloyd_*: how the centres are
    reduced, from `local_lloyd_num_trials` starts.
    """

    feature_dim: int
    k: int
    epochs: int = 1
    extra_center_factor: int = 5
    mini_batch_size: int = 5000
    init_method: str = "random"
    half_life_time_size: int = 0
    local_lloyd_max_iter: int = 300
    local_lloyd_init_method: str = "kmeans++"
    local_lloyd_num_trials: int = 3
    local_lloyd_tol: float = 0.0001
    eval_metrics: tuple[str, ...]
    seed: int = 0


def read(given: Mapping[str, str]) -> Settings:
    """Settings from the flat map of strings.

    Raises:
        UserError: one message naming every broken rule.
    """
    reading = SCHEMA.read(given)
    reading.require({"feature_dim": "the number of features", "k": "the number of clusters"})
    reading.finish()
    metrics = reading.strings("eval_metrics") or ("msd",)
    if reading.target is not None:
        metrics = (*metrics, reading.target.partition(":")[2])
    return reading.build(Settings, eval_metrics=tuple(dict.fromkeys(metrics)))
