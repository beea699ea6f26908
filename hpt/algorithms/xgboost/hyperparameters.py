"""The hyperparameters of SageMaker's XGBoost, read from strings and checked together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from hpt.algorithms.settings import BaseSettings, Choice, Integer, Reading, Real, Rule, Schema, StringList
from hpt.algorithms.xgboost.scores import CLASS_SCORES, SCORES, TWO_CLASS_SCORES
from hpt.job.catalog.xgboost import MAXIMIZED, MINIMIZED

CLASSIFICATION = (
    *("binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic"),
    *("multi:softmax", "multi:softprob"),
)
_OBJECTIVES = (
    *CLASSIFICATION,
    *("reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:absoluteerror", "reg:pseudohubererror"),
    *("reg:gamma", "reg:tweedie", "count:poisson", "rank:pairwise", "rank:ndcg", "rank:map"),
    *("survival:aft", "survival:cox"),
)
_UPDATERS = (
    *("grow_colmaker", "grow_histmaker", "grow_quantile_histmaker", "sync", "refresh", "prune"),
    *("shotgun", "coord_descent"),
)
_SWITCH = ("true", "false")

_ALIASES = {
    "learning_rate": "eta",
    "min_split_loss": "gamma",
    "reg_lambda": "lambda",
    "reg_alpha": "alpha",
}


@dataclass(frozen=True, slots=True)
class _Lists:
    """A nested list of numbers, handed to XGBoost as a string with `brackets` around its parts."""

    name: str
    example: str
    brackets: str = "[]"

    def read(self, text: str) -> str:
        try:
            value = json.loads(text.strip().replace("(", "[").replace(")", "]"))
        except ValueError:
            value = None
        if not isinstance(value, list):
            raise ValueError(f"must be a list such as {self.example}")
        return json.dumps(value).replace("[", self.brackets[0]).replace("]", self.brackets[1])


@dataclass(frozen=True, slots=True)
class _Metrics:
    """`eval_metric`: published names, some with a threshold (`error@0.7`, `ndcg@10`)."""

    name: str = "eval_metric"

    def read(self, text: str) -> tuple[str, ...]:
        metrics = StringList(self.name).read(text)
        for metric in metrics:
            reason = metric_problem(metric)
            if reason:
                raise ValueError(reason)
        return tuple(dict.fromkeys(metrics))


_BOOSTER_RULES: tuple[Rule, ...] = (
    Choice("booster", ("gbtree", "gblinear", "dart")),
    Integer("verbosity", 0, 3),
    Integer("nthread", 1),
    Real("eta", 0, 1),
    Real("gamma", 0),
    Integer("max_depth", 0),
    Real("min_child_weight", 0),
    Real("max_delta_step", 0),
    Real("subsample", 0, 1, open_low=True),
    Real("colsample_bytree", 0, 1, open_low=True),
    Real("colsample_bylevel", 0, 1, open_low=True),
    Real("colsample_bynode", 0, 1, open_low=True),
    Real("lambda", 0),
    Real("alpha", 0),
    Choice("tree_method", ("auto", "exact", "approx", "hist")),
    Real("scale_pos_weight", 0, open_low=True),
    StringList("updater", _UPDATERS),
    Integer("refresh_leaf", 0, 1),
    Choice("process_type", ("default",)),
    Choice("grow_policy", ("depthwise", "lossguide")),
    Integer("max_leaves", 0),
    Integer("max_bin", 2),
    Choice("sample_type", ("uniform", "weighted")),
    Choice("normalize_type", ("tree", "forest")),
    Real("rate_drop", 0, 1),
    Integer("one_drop", 0, 1),
    Real("skip_drop", 0, 1),
    Real("tweedie_variance_power", 1, 2, open_low=True, open_high=True),
    Choice("objective", _OBJECTIVES),
    Integer("num_class", 2),
    Real("base_score"),
    Integer("seed", -(2**31) + 1, 2**31 - 1),
    Integer("num_parallel_tree", 1),
    Choice("aft_loss_distribution", ("normal", "logistic", "extreme")),
    Real("aft_loss_distribution_scale", 0, open_low=True),
    Choice("sampling_method", ("uniform", "gradient_based")),
    _Lists("monotone_constraints", "(1, 0, -1)", "()"),
    _Lists("interaction_constraints", "[[0, 1], [2, 3, 4]]"),
)
_PROGRAM_RULES: tuple[Rule, ...] = (
    Integer("num_round", 1),
    Integer("csv_weights", 0, 1),
    Integer("early_stopping_rounds", 1),
    Choice("save_model_on_termination", _SWITCH),
    _Metrics(),
)

# Known to SageMaker's containers, without a meaning for the XGBoost that runs here: reported, then ignored.
_RETIRED = (
    "sketch_eps", "dsplit", "deterministic_histogram", "prob_buffer_row", "lambda_bias", "predictor",
    "_num_cv_round", "use_dask_gpu_training",
)  # fmt: skip


def metric_problem(metric: str) -> str | None:
    """Why `metric` cannot be printed, or None if it can."""
    name, at, threshold = metric.partition("@")
    if at:
        if name not in ("error", "ndcg", "map"):
            return f"has {metric!r}: only error, ndcg and map take a threshold after '@'"
        try:
            float(threshold.rstrip("-"))
        except ValueError:
            return f"has {metric!r}: what follows '@' must be a number"
    if name not in MAXIMIZED and name not in MINIMIZED:
        return f"names the metric {metric!r}; known are {', '.join((*MAXIMIZED, *MINIMIZED))}"
    return None


def maximizes(metric: str) -> bool:
    """Whether larger values of `metric` are better."""
    return metric.partition("@")[0] in MAXIMIZED


def _prints(target: str) -> bool:
    """Whether `target`, a channel and a metric, can be printed as it is named."""
    channel, _, metric = target.partition(":")
    return channel in ("train", "validation") and metric_problem(metric) is None


SCHEMA = Schema(
    title="XGBoost",
    prints=_prints,
    rules=(*_BOOSTER_RULES, *_PROGRAM_RULES),
    aliases=_ALIASES,
    retired=_RETIRED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(BaseSettings):
    """What to train.

    booster: parameters for XGBoost, as strings or numbers. native_metrics: printed from XGBoost's evaluation;
    own_metrics: from `scores`; if both are empty, XGBoost's default for the objective is printed.
    early_stopping_metric: None unless early stopping can work. csv_weights: 1 where CSV rows have a weight.
    target: the tuning objective, `validation:auc`.
    """

    num_round: int
    booster: Mapping[str, object]
    objective: str
    num_class: int = 0
    native_metrics: tuple[str, ...]
    own_metrics: tuple[str, ...]
    early_stopping_rounds: int | None = None
    early_stopping_metric: str | None
    csv_weights: int = 0


def read(given: Mapping[str, str]) -> Settings:
    """Settings from the flat map of strings.

    Raises:
        UserError: one message naming every broken rule.
    """
    reading = SCHEMA.read({name: text for name, text in given.items() if name != "_kfold"})
    reading.errors.extend(_refusals(given))
    reading.require({"num_round": "the number of boosting rounds, at least 1"})
    objective = reading.string("objective", "reg:squarederror")
    if objective == "reg:linear":
        objective = "reg:squarederror"  # its present name
    metrics = reading.strings("eval_metric")
    watched = reading.target.partition(":")[2] if reading.target else None
    if watched is not None and watched not in metrics:
        metrics = (*metrics, watched)
    reading.errors.extend(_cross_checks(objective, reading.values, metrics))
    reading.finish()
    stops_early = "early_stopping_rounds" in reading.values
    if stops_early and not metrics:
        reading.warnings.append("early_stopping_rounds has no effect without eval_metric")
    return reading.build(
        Settings,
        booster=_booster(reading, objective),
        objective=objective,
        native_metrics=tuple(metric for metric in metrics if metric not in SCORES),
        own_metrics=tuple(metric for metric in metrics if metric in SCORES),
        early_stopping_metric=(watched or metrics[-1]) if stops_early and metrics else None,
    )


def _booster(reading: Reading, objective: str) -> Mapping[str, object]:
    parameters = {**reading.chosen(_BOOSTER_RULES), "objective": objective}
    if "updater" in parameters:
        parameters["updater"] = ",".join(reading.strings("updater"))
    return parameters


def _refusals(given: Mapping[str, str]) -> list[str]:
    errors = []
    if "_kfold" in given:
        errors.append("_kfold: cross-validation in a training job is not supported; add a validation channel")
    for name, value in (("use_dask_gpu_training", "true"), ("predictor", "gpu_predictor")):
        if given.get(name) == value:
            errors.append(f"{name}: {value!r}: training on GPUs is not supported; drop it")
    return errors


def _cross_checks(objective: str, values: Mapping[str, object], metrics: tuple[str, ...]) -> list[str]:
    errors = []
    multi = objective.startswith("multi:")
    if multi and "num_class" not in values:
        errors.append(f"num_class: is required by objective {objective}")
    if not multi and "num_class" in values:
        errors.append(f"num_class: is only for multi:softmax and multi:softprob, not {objective}; drop it")
    for metric in metrics:
        if metric in CLASS_SCORES and objective not in CLASSIFICATION:
            errors.append(f"eval_metric: {metric} needs a classification objective, not {objective}")
        elif metric in TWO_CLASS_SCORES and multi:
            macro = f"{metric.partition('_')[0]}_macro"
            errors.append(f"eval_metric: {metric} is for two classes; with {objective} use {macro}")
        elif metric == "aft-nloglik" and objective != "survival:aft":
            errors.append(f"eval_metric: aft-nloglik needs objective survival:aft, not {objective}")
    return errors
