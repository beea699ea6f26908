"""Boosting round by round with LightGBM: resumable, stoppable between rounds, one log line a round.

A resumed run grows the trees the undisturbed one would have grown. LightGBM's random states are in no model
file, so every round reseeds them from (seed, round); it does so only where a parameter changes, hence the
detour in `_reseed`. Bagging is drawn again every `bagging_freq` rounds counted from the first round of all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import lightgbm

from hpt.algorithms.boosting import MULTICLASS, Best, Data
from hpt.algorithms.container import Log
from hpt.algorithms.lightgbm.hyperparameters import TASKS, Settings
from hpt.algorithms.loop import Loop, Steps, UnsuitableError
from hpt.job.catalog.lightgbm import MAXIMIZED

# dart rescales old trees, a random forest averages: neither goes on from a model.
_RESUMABLE = ("gbdt", "goss")
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


def plan(settings: Settings, data: Data, log: Log) -> Plan:
    """Chooses task, objective and metrics.

    Raises:
        UserError: the labels do not suit the task.
    """
    task = settings.task or data.task()
    objective = settings.objective or {"regression": "regression", "binary": "binary"}.get(task, "multiclass")
    metrics = settings.metrics or TASKS[task][:1]
    parameters: dict[str, Any] = {**settings.library}
    if "cross_entropy" in metrics and settings.objective is None:
        objective = "cross_entropy"
    if task == MULTICLASS:
        parameters["num_class"] = data.class_count(f"objective {objective}", settings.num_class)
    elif objective == "binary":
        data.class_count("objective binary", 2)
    log(f"hpt: objective {objective}, metric {', '.join(metrics)}")
    parameters |= {"objective": objective, "metric": list(metrics)}
    parameters |= {"deterministic": True, "force_row_wise": True, "feature_pre_filter": False}
    return Plan(settings, metrics, parameters)


def train(chosen: Plan, data: Data, loop: Loop) -> str | None:
    """Trains to `num_boost_round` rounds in all, from the newest checkpoint that fits if there is one.

    Returns the model to keep in LightGBM's format, or None if it was stopped before the first round.
    """
    settings = chosen.settings
    state = _resume(chosen, loop)
    booster = _booster(chosen, data, state.model, state.done)
    best = state.best
    if state.done:
        loop.log(_line(booster, state.done - 1)[0])  # this log may not have it

    def content() -> bytes:
        return _content(booster, chosen, best)

    steps = Steps(
        loop,
        state.done,
        settings.num_boost_round,
        content if chosen.resumable else None,
        lambda done: best.is_old(done, settings.patience),
    )
    for number in steps:
        _reseed(booster, chosen, number)
        booster.update()
        line, values = _line(booster, number)
        loop.log(line)
        best = best.after(number, values[chosen.metrics[0]], maximize=chosen.maximize)
    if not steps.done:
        return None
    if not settings.patience:
        return str(booster.model_to_string(num_iteration=-1))
    early = steps.done < settings.num_boost_round and not loop.stop
    loop.log(
        "Early stopping, best iteration is:" if early else "Did not meet early stopping. Best iteration is:"
    )
    loop.log(f"[{best.round}]\tvalidation's {chosen.metrics[0]}: {best.value:.9g}")
    return str(booster.model_to_string(num_iteration=best.round + 1))


@dataclass(frozen=True, slots=True)
class _State:
    model: str | None = None
    done: int = 0
    best: Best = field(default_factory=Best)


def _resume(chosen: Plan, loop: Loop) -> _State:
    def load(number: int, content: bytes) -> _State:
        state = json.loads(content)
        if state["objective"] != _objective(chosen):
            raise UnsuitableError(f"is of objective {state['objective']}")
        return _State(state["model"], number + 1, Best(state["round"], float(state["value"])))

    if not chosen.resumable:
        return _State()
    return loop.resume(chosen.settings.num_boost_round, load) or _State()


def _objective(chosen: Plan) -> str:
    """What old and new trees must have in common; the rest a user may change between attempts."""
    return f"{chosen.parameters['objective']} {chosen.parameters.get('num_class', 1)} {chosen.metrics[0]}"


def _content(booster: lightgbm.Booster, chosen: Plan, best: Best) -> bytes:
    model = booster.model_to_string(num_iteration=-1)
    state = {"round": best.round, "value": repr(best.value), "objective": _objective(chosen), "model": model}
    return json.dumps(state).encode()


def _booster(chosen: Plan, data: Data, model: str | None, done: int) -> lightgbm.Booster:
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
    base = chosen.settings.seed
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
