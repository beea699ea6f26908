"""Boosting round by round with LightGBM: resumable, stoppable between rounds, one log line a round.

A resumed run grows the trees the undisturbed one would have grown. LightGBM's random states are in no model
file, so every round reseeds them from (seed, round); it does so only where a parameter changes, hence the
detour in `_reseed`. Bagging is drawn again every `bagging_freq` rounds counted from the first round of all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpt.algorithms.boosting import MULTICLASS, Best, Data, task_of_labels
from hpt.algorithms.checkpoints import Checkpoints, Pace
from hpt.algorithms.container import StopRequest
from hpt.algorithms.lightgbm.hyperparameters import TASKS, Settings
from hpt.job.catalog.lightgbm import MAXIMIZED

if TYPE_CHECKING:
    import lightgbm

Log = Callable[[str], None]
_RESUMABLE = (
    "gbdt",
    "goss",
)  # dart rescales old trees, a random forest averages: neither goes on from a model
_STRIDE = 1_000_003  # between seeds of rounds, so that neighbouring jobs' seeds do not meet


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings completed by what the labels say. metrics: the first one counts."""

    settings: Settings
    metrics: tuple[str, ...]
    parameters: Mapping[str, Any]

    @property
    def maximize(self) -> bool:
        return self.metrics[0] in MAXIMIZED

    @property
    def resumable(self) -> bool:
        return self.parameters["boosting"] in _RESUMABLE


def plan(settings: Settings, data: Data, hint: str | None, log: Log) -> Plan:
    """Chooses task, objective and metrics; `hint` is the task the image names.

    Raises:
        UserError: the labels do not suit the task.
    """
    task = settings.task or task_of_labels(data, hint)
    objective = settings.objective or {"regression": "regression", "binary": "binary"}.get(task, "multiclass")
    metrics = settings.metrics or TASKS[task][:1]
    parameters: dict[str, Any] = dict(settings.library)
    if "cross_entropy" in metrics and settings.objective is None:
        objective = "cross_entropy"
    if task == MULTICLASS:
        parameters["num_class"] = data.class_count(f"objective {objective}", settings.num_class)
    elif objective == "binary":
        data.class_count("objective binary", 2)
    log(f"hpt: objective {objective}, metric {', '.join(metrics)}")
    return Plan(
        settings,
        metrics,
        {
            **parameters,
            "objective": objective,
            "metric": list(metrics),
            "deterministic": True,
            "force_row_wise": True,
            "feature_pre_filter": False,
        },
    )


def train(chosen: Plan, data: Data, checkpoints: Checkpoints, stop: StopRequest, log: Log) -> str | None:
    """Trains to `num_boost_round` rounds in all, from the newest valid checkpoint if there is one.

    Returns the model to keep as LightGBM's text, or None if it was stopped before the first round.
    """
    settings = chosen.settings
    state = _resume(chosen, checkpoints, log)
    booster = _booster(chosen, data, state.model, state.done)
    done, best = state.done, state.best
    if done:
        log(_line(booster, done - 1)[0])  # this log may not have it
    pace = Pace(lambda rounds: checkpoints.save(rounds - 1, _content(booster, chosen, best)), done)
    while done < settings.num_boost_round and not stop and not _out_of_patience(best, settings, done):
        _reseed(booster, chosen, done)
        booster.update()
        line, values = _line(booster, done)
        log(line)
        best = best.after(done, values[chosen.metrics[0]], maximize=chosen.maximize)
        done += 1
        if chosen.resumable:
            pace.reached(done)
    if chosen.resumable:
        pace.finish(done)
    if not done:
        return None
    if not settings.patience:
        return str(booster.model_to_string(num_iteration=-1))
    early = done < settings.num_boost_round and not stop
    log("Early stopping, best iteration is:" if early else "Did not meet early stopping. Best iteration is:")
    log(f"[{best.round}]\tvalidation's {chosen.metrics[0]}: {best.value:.9g}")
    return str(booster.model_to_string(num_iteration=best.round + 1))


@dataclass(frozen=True, slots=True)
class _State:
    model: str | None
    done: int
    best: Best


def _resume(chosen: Plan, checkpoints: Checkpoints, log: Log) -> _State:
    usable = checkpoints.usable(chosen.settings.num_boost_round, "num_boost_round", log)
    for number, content in usable if chosen.resumable else ():
        state = json.loads(content)
        if state["objective"] != _objective(chosen):
            log(f"hpt: checkpoint {number} is of objective {state['objective']}, passed over")
            continue
        log(f"hpt: resuming after round {number} from {checkpoints.stem}.{number}")
        return _State(state["model"], number + 1, Best(state["round"], float(state["value"])))
    return _State(None, 0, Best(-1, math.nan))


def _objective(chosen: Plan) -> str:
    """What old and new trees must have in common; the rest a user may change between attempts."""
    return f"{chosen.parameters['objective']} {chosen.parameters.get('num_class', 1)} {chosen.metrics[0]}"


def _content(booster: lightgbm.Booster, chosen: Plan, best: Best) -> bytes:
    model = booster.model_to_string(num_iteration=-1)
    state = {"round": best.round, "value": repr(best.value), "objective": _objective(chosen), "model": model}
    return json.dumps(state).encode()


def _out_of_patience(best: Best, settings: Settings, done: int) -> bool:
    return settings.patience > 0 and done > 0 and done - 1 - best.round >= settings.patience


def _booster(chosen: Plan, data: Data, model: str | None, done: int) -> lightgbm.Booster:
    import lightgbm

    parameters = {**chosen.parameters, **_seeds(chosen, done + 1)}  # any but those of the round to come
    train = lightgbm.Dataset(
        data.train.X, data.train.y, params=parameters, categorical_feature=list(data.categories)
    )
    validation = train.create_valid(data.validation.X, data.validation.y, params=parameters)
    start = lightgbm.Booster(model_str=model) if model is not None else None
    if start is not None:
        # What lightgbm.train(init_model=...) does: old trees as the start of the scores, then merged in. The
        # predictor only borrows `start`, which must live until both data sets are built.
        predictor = lightgbm.basic._InnerPredictor.from_booster(start, {})
        train._set_predictor(predictor)
        validation._set_predictor(predictor)
    booster = lightgbm.Booster(parameters, train)
    booster.add_valid(validation, "validation")
    del start
    return booster


def _seeds(chosen: Plan, number: int) -> dict[str, Any]:
    """The parameters that fix what is random in round `number`."""
    base = int(chosen.parameters["seed"])
    seeds: dict[str, Any] = {}

    def seed(count: int, use: int) -> int:
        return (base * _STRIDE + 3 * count + use) % (2**31 - 1)

    fraction, every = chosen.parameters["bagging_fraction"], chosen.parameters["bagging_freq"]
    if fraction < 1 and every and chosen.parameters["boosting"] != "goss":
        seeds["bagging_freq"] = 1  # drawn each round, from a seed that changes every `every` rounds
        seeds["bagging_seed"] = seed(number // every, 0)
        # LightGBM takes up a new bagging seed only when the fraction changes: by one unit in the last place.
        seeds["bagging_fraction"] = fraction if number % 2 else math.nextafter(fraction, 1)
    if min(chosen.parameters["feature_fraction"], chosen.parameters.get("feature_fraction_bynode", 1)) < 1:
        seeds["feature_fraction_seed"] = seed(number, 1)
    return seeds


def _reseed(booster: lightgbm.Booster, chosen: Plan, number: int) -> None:
    seeds = _seeds(chosen, number)
    if seeds and chosen.resumable:
        booster.reset_parameter(seeds)


def _line(booster: lightgbm.Booster, number: int) -> tuple[str, dict[str, float]]:
    """The log line of a round, `[n]<TAB>validation's auc: 0.9`, and its values; nine digits, not six."""
    values = {str(result[1]): float(result[2]) for result in booster.eval_valid()}
    return "\t".join([f"[{number}]", *(f"validation's {k}: {v:.9g}" for k, v in values.items())]), values
