"""The hyperparameters of SageMaker's CatBoost, read from strings and checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpt.algorithms.boosting import BINARY, MULTICLASS, REGRESSION, BoostingSettings
from hpt.algorithms.settings import Auto, Choice, Integer, Real, Rule, Schema
from hpt.job.catalog.catboost import CATBOOST, MAXIMIZED, MINIMIZED

TASKS = {
    REGRESSION: ("RMSE", "MAE", "MedianAbsoluteError", "R2"),
    BINARY: ("AUC", "Logloss", "Precision", "Recall", "F1", "Accuracy", "BalancedAccuracy"),
    MULTICLASS: ("MultiClass", "Accuracy"),
}
"""The metrics of each task, that of `auto` first."""

LOSSES = {
    **dict.fromkeys(("RMSE", "MAE", "Poisson", "MAPE"), REGRESSION),
    **dict.fromkeys(("Logloss", "CrossEntropy"), BINARY),
    **dict.fromkeys(("MultiClass", "MultiClassOneVsAll"), MULTICLASS),
}
"""The task of each loss function."""

_ALIASES = {
    "num_boost_round": "iterations",
    "eta": "learning_rate",
    "max_depth": "depth",
    "reg_lambda": "l2_leaf_reg",
}

_PROGRAM_RULES: tuple[Rule, ...] = (
    Integer("early_stopping_rounds", -(2**31), 2**31 - 1),
    Auto(Choice("eval_metric", (*MAXIMIZED, *MINIMIZED))),
    Auto(Choice("loss_function", tuple(LOSSES))),
    Integer("verbose", 0),
)
_LIBRARY_RULES: tuple[Rule, ...] = (
    Integer("iterations", 1),
    Real("learning_rate", 0, 1, open_low=True),
    Integer("depth", 1, 16),
    Real("l2_leaf_reg", 0),
    Real("random_strength", 0),
    Integer("max_leaves", 2, 64),
    Real("rsm", 0, 1, open_low=True),
    Choice("sampling_frequency", ("PerTree", "PerTreeLevel")),
    Integer("min_data_in_leaf", 1),
    Real("bagging_temperature", 0),
    Auto(Choice("boosting_type", ("Ordered", "Plain"))),
    Real("scale_pos_weight", 0, open_low=True),
    Auto(Integer("max_bin", 1, 65535)),
    Choice("grow_policy", ("SymmetricTree", "Depthwise", "Lossguide")),
    Integer("random_seed", 0, 2**31 - 1),
    Integer("thread_count", -1),
)

_DEFAULTS = {
    "iterations": 500, "early_stopping_rounds": 5, "learning_rate": 0.009, "depth": 6, "l2_leaf_reg": 3.0,
    "random_strength": 1.0, "rsm": 1.0, "random_seed": 1,
}  # fmt: skip


SCHEMA = Schema(
    title="CatBoost",
    prints=CATBOOST.metric,
    rules=(*_PROGRAM_RULES, *_LIBRARY_RULES),
    defaults=_DEFAULTS,
    aliases=_ALIASES,
    retired=("sagemaker_program", "sagemaker_submit_directory"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(BoostingSettings):
    """What to train. loss_function: None where the labels decide.

    metric: the one to print and to watch, None for the task's own.
    """

    metric: str | None
    loss_function: str | None = None
    random_seed: int


def read(given: Mapping[str, str]) -> Settings:
    """Settings from the flat map of strings.

    Raises:
        UserError: one message naming every broken rule.
    """
    reading = SCHEMA.read(given)
    values = reading.values
    named, loss = reading.string("eval_metric"), reading.string("loss_function")
    if reading.target and named and named != reading.target:
        reading.errors.append(
            f"eval_metric: {named} is not the tuning objective {reading.target}, and one metric is printed; "
            "leave eval_metric out"
        )
    metric = reading.target or named or None
    tasks = [task for task, metrics in TASKS.items() if metric in metrics]
    task = LOSSES.get(loss) or (tasks[0] if len(tasks) == 1 else None)
    if metric and task and task not in tasks:
        reading.errors.append(f"eval_metric: {metric} is for {' or '.join(tasks)}, but {loss} is for {task}")
    if "max_leaves" in values and values.get("grow_policy") != "Lossguide":
        values.pop("max_leaves")
        reading.warnings.append("max_leaves has no effect without grow_policy Lossguide")
    reading.finish()
    return reading.build(Settings, metric=metric, task=task, library=reading.chosen(_LIBRARY_RULES))
