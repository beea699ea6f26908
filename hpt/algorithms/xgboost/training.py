"""Boosting round by round: resumable to the bit, stoppable between rounds, one log line a round.

The exception to "to the bit" is XGBoost's `shotgun` updater (the default of gblinear), whose threads race.

Notation: n rows, d features, K classes; round numbers count from 0 as in XGBoost's own log.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpt.algorithms.channels import Table
from hpt.algorithms.checkpoints import Checkpoints, Pace
from hpt.algorithms.container import StopRequest, UserError
from hpt.algorithms.xgboost.hyperparameters import Settings, maximizes
from hpt.algorithms.xgboost.scores import CLASS_SCORES, SCORES, predicted_classes

if TYPE_CHECKING:
    import xgboost

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Data:
    """A channel as XGBoost holds it, with its labels for the metrics computed here."""

    name: str
    matrix: xgboost.DMatrix
    labels: Any


@dataclass(frozen=True, slots=True)
class Best:
    """The best round so far of the early-stopping metric; travels inside the model's attributes."""

    round: int
    value: float


def build_data(name: str, table: Table, width: int, settings: Settings) -> Data:
    """Hands a table to XGBoost; `width` is the number of features all channels share."""
    import xgboost

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
    """Refuses labels the objective cannot take, in words.

    Raises:
        UserError: a label outside [0, 1] for two classes, or not a class number below num_class.
    """
    labels = table.labels
    wrong = None
    if settings.objective.startswith(("binary:", "reg:logistic")):
        wrong, rule = labels[(labels < 0) | (labels > 1)], "labels in [0, 1]"
    elif settings.objective.startswith("multi:"):
        whole = (labels >= 0) & (labels < settings.num_class) & (labels == labels.round())
        wrong, rule = labels[~whole], f"whole labels from 0 to num_class - 1 = {settings.num_class - 1}"
    if wrong is not None and len(wrong):
        raise UserError(
            f"channel {name!r}: objective {settings.objective} needs {rule}, but {len(wrong)} row(s) differ, "
            f"the first {wrong[0]:g}; recode them or choose another objective (labels are the first column)"
        )


def train(
    settings: Settings, data: Sequence[Data], checkpoints: Checkpoints, stop: StopRequest, log: Log
) -> bytes | None:
    """Trains to `num_round` rounds in all, from the newest valid checkpoint if there is one.

    Returns the model to keep, in XGBoost's UBJSON form, or None if it was stopped before the first round.
    """
    booster, done = _start(settings, data, checkpoints, log)
    if done and (done >= settings.num_round or _out_of_patience(booster, settings, done)):
        # A run that was killed after its last round: say its metrics again, this log may not have them.
        log(_evaluate(booster, settings, data, done - 1)[0])
    pace = Pace(lambda rounds: checkpoints.save(rounds - 1, bytes(booster.save_raw("ubj"))), done)
    resettable = settings.booster.get("booster") != "gblinear"
    while done < settings.num_round and not stop and not _out_of_patience(booster, settings, done):
        if resettable:
            # Reloading its own configuration renews XGBoost's tree updaters, whose random state is in no
            # checkpoint; with seed_per_iteration each round then depends on (model, seed, round) alone.
            booster.load_config(booster.save_config())
        booster.update(data[0].matrix, done)
        line, values = _evaluate(booster, settings, data, done)
        log(line)
        _note_best(booster, settings, values, done)
        done += 1
        pace.reached(done)
    pace.finish(done)
    return _model(booster, settings, done, log) if done else None


def _start(
    settings: Settings, data: Sequence[Data], checkpoints: Checkpoints, log: Log
) -> tuple[xgboost.Booster, int]:
    """A booster and its number of finished rounds: from a checkpoint if one fits, else new."""
    for number, content in checkpoints.usable(settings.num_round, "num_round", log):
        booster = _booster(settings, data, bytearray(content))
        rounds = booster.num_boosted_rounds()
        if rounds != number + 1:
            log(f"hpt: checkpoint {number} holds {rounds} rounds, passed over")
            continue
        log(f"hpt: resuming after round {number} from {checkpoints.stem}.{number}")
        return booster, rounds
    return _booster(settings, data), 0


def _booster(settings: Settings, data: Sequence[Data], model: bytearray | None = None) -> xgboost.Booster:
    import xgboost

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
    best = _best(booster)
    if best is None or (value > best.value if maximizes(metric) else value < best.value):
        booster.set_attr(best_iteration=str(number), best_score=repr(value))


def _best(booster: xgboost.Booster) -> Best | None:
    number, value = booster.attr("best_iteration"), booster.attr("best_score")
    return Best(int(number), float(value)) if number is not None and value is not None else None


def _out_of_patience(booster: xgboost.Booster, settings: Settings, done: int) -> bool:
    if settings.early_stopping_rounds is None or not done:
        return False
    best = _best(booster)
    return best is not None and done - 1 - best.round >= settings.early_stopping_rounds


def _model(booster: xgboost.Booster, settings: Settings, done: int, log: Log) -> bytes:
    """The model file's content; with early stopping, only the rounds up to the best."""
    best = _best(booster)
    if best is not None and best.round + 1 < done and settings.early_stopping_rounds is not None:
        log(f"hpt: best validation-{settings.early_stopping_metric} {best.value:.9g} at round {best.round}")
        if settings.booster.get("booster") != "gblinear":  # a linear model has no rounds to leave out
            booster = booster[: best.round + 1]
    return bytes(booster.save_raw("ubj"))
