"""Boosting round by round: resumable to the bit, stoppable between rounds, one log line a round.

The exception to "to the bit" is XGBoost's `shotgun` updater (the default of gblinear), whose threads race.

Notation: n rows, d features, K classes; round numbers count from 0 as in XGBoost's own log.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import xgboost

from hpt.algorithms import program
from hpt.algorithms.boosting import Best
from hpt.algorithms.channels import Table
from hpt.algorithms.container import Log
from hpt.algorithms.loop import Loop, Steps, UnsuitableError
from hpt.algorithms.xgboost.hyperparameters import Settings, maximizes
from hpt.algorithms.xgboost.scores import CLASS_SCORES, SCORES, predicted_classes


@dataclass(frozen=True, slots=True)
class Data:
    """A channel as XGBoost holds it, with its labels for the metrics computed here."""

    name: str
    matrix: xgboost.DMatrix
    labels: Any


def build_data(name: str, table: Table, width: int, settings: Settings) -> Data:
    """A table as XGBoost holds it.

    Parameters
    ----------
    name
        The channel, as XGBoost's evaluation names it.
    table
        Its rows.
    width
        The number of features that all channels share.
    settings
        What to train.
    """
    matrix = xgboost.DMatrix(
        table.features(width),
        label=table.labels,
        weight=table.weights,
        qid=table.groups,
        nthread=settings.booster.get("nthread"),
    )
    if settings.objective == "survival:aft":
        # A plain label is an uncensored observation: both bounds are the label.
        matrix.set_float_info("label_lower_bound", table.labels)
        matrix.set_float_info("label_upper_bound", table.labels)
    return Data(name, matrix, table.labels)


def check_labels(name: str, table: Table, settings: Settings) -> None:
    """Refuses labels the objective cannot take.

    Raises:
        UserError: a label outside [0, 1] for two classes, or not a class number below num_class.
    """
    labels, objective = table.labels, settings.objective
    if objective.startswith(("binary:", "reg:logistic")):
        fits, rule = (labels >= 0) & (labels <= 1), "labels in [0, 1]"
    elif objective.startswith("multi:"):
        fits = (labels >= 0) & (labels < settings.num_class) & (labels == labels.round())
        rule = f"integer labels from 0 to num_class - 1 = {settings.num_class - 1}"
    else:
        return
    fix = "recode them or choose another objective"
    program.check_labels(name, labels, fits, f"objective {objective} needs {rule}", fix)


def train(settings: Settings, data: Sequence[Data], loop: Loop) -> bytes | None:
    """Trains to `num_round` rounds in all, from the newest checkpoint that fits if there is one.

    data: the channels, `train` first. Returns the model to keep in XGBoost's UBJSON format, or None if it was
    stopped before the first round.
    """
    booster, done = _start(settings, data, loop)

    def enough(done: int) -> bool:
        return _best(booster).is_old(done, settings.early_stopping_rounds)

    if done and (done >= settings.num_round or enough(done)):
        # A run that was killed after its last round: print its metrics again, this log may not have them.
        loop.log(_evaluate(booster, settings, data, done - 1)[0])
    resettable = settings.booster.get("booster") != "gblinear"
    steps = Steps(loop, done, settings.num_round, lambda: _encode(booster), enough)
    for number in steps:
        if resettable:
            # Reloading its own configuration renews XGBoost's tree updaters, whose random state is in no
            # checkpoint; with seed_per_iteration each round then depends on (model, seed, round) alone.
            booster.load_config(booster.save_config())
        booster.update(data[0].matrix, number)
        line, values = _evaluate(booster, settings, data, number)
        loop.log(line)
        _note_best(booster, settings, values, number)
    return _model(booster, settings, steps.done, loop.log) if steps.done else None


def _start(settings: Settings, data: Sequence[Data], loop: Loop) -> tuple[xgboost.Booster, int]:
    """A booster and its number of finished rounds: from a checkpoint if one fits, else new."""

    def load(number: int, content: bytes) -> tuple[xgboost.Booster, int]:
        booster = _booster(settings, data, bytearray(content))
        rounds = booster.num_boosted_rounds()
        if rounds != number + 1:
            raise UnsuitableError(f"holds {rounds} rounds")
        return booster, rounds

    return loop.resume(settings.num_round, load) or (_booster(settings, data), 0)


def _booster(settings: Settings, data: Sequence[Data], model: bytearray | None = None) -> xgboost.Booster:
    booster = xgboost.Booster(_parameters(settings), [channel.matrix for channel in data], model_file=model)
    # Checked already; XGBoost would warn of every parameter that only another booster or objective uses.
    booster.set_param({"validate_parameters": 0})
    return booster


def _parameters(settings: Settings) -> list[tuple[str, Any]]:
    parameters: dict[str, Any] = {"verbosity": 1, "seed": 0, **settings.booster}
    parameters["seed_per_iteration"] = 1
    if settings.own_metrics and not settings.native_metrics:
        parameters["disable_default_eval_metric"] = 1
    return [*parameters.items(), *(("eval_metric", metric) for metric in settings.native_metrics)]


def _evaluate(
    booster: xgboost.Booster, settings: Settings, data: Sequence[Data], number: int
) -> tuple[str, dict[str, float]]:
    """The log line of a round, `[n]<TAB>train-auc:0.9<TAB>validation-auc:0.8`, and its values by name.

    SageMaker prints five decimals, which makes ties of good models; nine digits hold a 32-bit value exactly.
    """
    native = booster.eval_set([(channel.matrix, channel.name) for channel in data], number)
    pairs = [entry.rpartition(":") for entry in native.split("\t")[1:]]
    values = {name: float(value) for name, _, value in pairs}
    for channel in data if settings.own_metrics else ():
        prediction = booster.predict(channel.matrix)
        classes = predicted_classes(prediction, settings.objective)
        for metric in settings.own_metrics:
            values[f"{channel.name}-{metric}"] = SCORES[metric](
                channel.labels, classes if metric in CLASS_SCORES else prediction
            )
    # The tuning objective comes last: a pattern that takes everything up to the next blank reads it even from
    # a log whose TABs became `#011`.
    target = (settings.target or "").replace(":", "-", 1)
    if target in values:
        values[target] = values.pop(target)
    return "\t".join([f"[{number}]", *(f"{name}:{value:.9g}" for name, value in values.items())]), values


def _note_best(booster: xgboost.Booster, settings: Settings, values: dict[str, float], number: int) -> None:
    """Keeps the best round in the model's own attributes, so that it is in every checkpoint."""
    metric = settings.early_stopping_metric
    value = values.get(f"validation-{metric}", math.nan)
    if metric is None or math.isnan(value):
        return
    best = _best(booster).after(number, value, maximize=maximizes(metric))
    booster.set_attr(best_iteration=str(best.round), best_score=repr(best.value))


def _best(booster: xgboost.Booster) -> Best:
    number, value = booster.attr("best_iteration"), booster.attr("best_score")
    return Best(int(number), float(value)) if number is not None and value is not None else Best()


def _encode(booster: xgboost.Booster) -> bytes:
    return bytes(booster.save_raw("ubj"))


def _model(booster: xgboost.Booster, settings: Settings, done: int, log: Log) -> bytes:
    """The model file's content; with early stopping, only the rounds up to the best."""
    best = _best(booster)
    if settings.early_stopping_rounds is not None and 0 <= best.round < done - 1:
        log(f"hpt: best validation-{settings.early_stopping_metric} {best.value:.9g} at round {best.round}")
        if settings.booster.get("booster") != "gblinear":  # a linear model has no rounds to leave out
            booster = booster[: best.round + 1]
    return _encode(booster)
