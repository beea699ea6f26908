"""The hyperparameters of SageMaker's LightGBM, read from strings and checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpt.algorithms.boosting import BINARY, MULTICLASS, REGRESSION, BoostingSettings
from hpt.algorithms.settings import Auto, Choice, Integer, Real, Rule, Schema, StringList, Switch
from hpt.job.catalog.lightgbm import LIGHTGBM, MAXIMIZED, MINIMIZED

TASKS = {
    REGRESSION: ("rmse", "l1", "l2", "huber", "fair"),
    BINARY: ("binary_logloss", "binary_error", "auc", "average_precision", "cross_entropy"),
    MULTICLASS: ("multi_logloss", "multi_error", "auc_mu"),
}
"""The metrics of each task, that of `auto` first."""

OBJECTIVES = {
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "poisson", "quantile"), REGRESSION),
    **dict.fromkeys(("mape", "gamma", "tweedie"), REGRESSION),
    **dict.fromkeys(("binary", "cross_entropy"), BINARY),
    **dict.fromkeys(("multiclass", "multiclassova"), MULTICLASS),
}
"""The task of each objective."""

_ALIASES = {
    "num_round": "num_boost_round",
    "num_iterations": "num_boost_round",
    "eta": "learning_rate",
    "reg_alpha": "lambda_l1",
    "reg_lambda": "lambda_l2",
    "boosting_type": "boosting",
    "random_state": "seed",
}

_PROGRAM_RULES: tuple[Rule, ...] = (
    Integer("num_boost_round", 1),
    Integer("early_stopping_rounds", -(2**31), 2**31 - 1),
    Auto(StringList("metric", (*MAXIMIZED, *MINIMIZED))),
    Auto(Choice("objective", tuple(OBJECTIVES))),
    Integer("num_class", 2),
)
_LIBRARY_RULES: tuple[Rule, ...] = (
    Real("learning_rate", 0, 1, open_low=True),
    Integer("num_leaves", 2, 131072),
    Real("feature_fraction", 0, 1, open_low=True),
    Real("feature_fraction_bynode", 0, 1, open_low=True),
    Real("bagging_fraction", 0, 1, open_low=True),
    Integer("bagging_freq", 0),
    Integer("max_depth", -(2**31), 2**31 - 1),
    Integer("min_data_in_leaf", 0),
    Real("max_delta_step"),
    Real("lambda_l1", 0),
    Real("lambda_l2", 0),
    Choice("boosting", ("gbdt", "dart", "rf", "goss")),
    Real("min_gain_to_split", 0),
    Real("min_sum_hessian_in_leaf", 0),
    Real("scale_pos_weight", 0, open_low=True),
    Choice("tree_learner", ("serial", "feature", "data", "voting")),
    Switch("is_unbalance"),
    Integer("max_bin", 2),
    Real("tweedie_variance_power", 1, 2, open_high=True),
    Integer("num_threads", 0),
    Integer("verbosity", -1, 3),
    Integer("seed", 0, 2**31 - 1),
)

_DEFAULTS = {
    "num_boost_round": 100, "early_stopping_rounds": 10, "learning_rate": 0.1, "num_leaves": 64,
    "feature_fraction": 0.9, "bagging_fraction": 0.9, "bagging_freq": 1, "max_depth": 6,
    "min_data_in_leaf": 3, "lambda_l1": 0.0, "lambda_l2": 0.0, "boosting": "gbdt", "max_bin": 255,
    "verbosity": -1, "seed": 1,
}  # fmt: skip


SCHEMA = Schema(
    title="LightGBM",
    prints=LIGHTGBM.metric,
    rules=(*_PROGRAM_RULES, *_LIBRARY_RULES),
    defaults=_DEFAULTS,
    aliases=_ALIASES,
    retired=("use_dask", "sagemaker_program", "sagemaker_submit_directory"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(BoostingSettings):
    """What to train. objective: None where the labels decide.

    metrics: to print, those the job names, the tuning objective first; empty means the task's own. The first
    one counts for early stopping.
    """

    num_boost_round: int
    metrics: tuple[str, ...]
    objective: str | None = None
    num_class: int | None = None
    seed: int


def read(given: Mapping[str, str]) -> Settings:
    """Settings from the flat map of strings.

    Raises:
        UserError: one message naming every broken rule.
    """
    reading = SCHEMA.read(given)
    values = reading.values
    metrics = reading.strings("metric")
    metrics = tuple(dict.fromkeys((reading.target, *metrics) if reading.target else metrics))
    task = OBJECTIVES.get(reading.string("objective"))
    for metric in metrics:
        own = next(task for task, metrics in TASKS.items() if metric in metrics)
        task = task or own
        if own != task:
            reading.errors.append(f"metric: {metric} is for {own}, but the task is {task}; keep to one task")
    if values["boosting"] == "rf" and not (
        reading.integer("bagging_freq") and reading.real("bagging_fraction") < 1
    ):
        reading.errors.append("boosting: 'rf' needs bagging_freq above 0 and bagging_fraction below 1")
    if values.get("is_unbalance") and "scale_pos_weight" in values:
        reading.errors.append("is_unbalance: true does not go with scale_pos_weight; keep one")
    if values.get("num_class") and task not in (None, MULTICLASS):
        reading.errors.append(
            f"num_class: is only for more than two classes, but the task is {task}; drop it"
        )
    reading.finish()
    return reading.build(Settings, metrics=metrics, task=task, library=reading.chosen(_LIBRARY_RULES))
