"""The state of a tuner as JSON: its arguments and the events that lead to where it stands.

Written by `Tuner.state`, read by `Tuner.restore`, also by later versions: an unknown member or a newer
version is refused (`stored.newer`), events evolve as those of jobs do (`hpt.search.events`). Only finite
numbers stand in it, so that every reader of JSON can read it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hpt.errors import InputError
from hpt.search.events import (
    Event,
    NoiseKnown,
    ObservationAdded,
    Reported,
    StopDecided,
    StopReason,
    TrialCreated,
    TrialEnded,
    TrialForgotten,
    TrialIdentified,
    from_json,
    to_json,
)
from hpt.search.history_log import HistoryLog
from hpt.search.parameters import PARAMETER_KINDS, CategoricalParameter, Constant, Parameter
from hpt.search.space import SearchSpace
from hpt.search.stored import Step, damaged, newer, reading, refuse_unknown, upgraded
from hpt.search.trial import Config, Verdict
from hpt.search.values import is_plain

NO_CLOCK = 0.0
_STEPS: Sequence[Step] = ()
_MEMBERS = frozenset(("version", "space", "objective", "seed", "strategy", "options", "events"))
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

Spaces = SearchSpace | Mapping[str, SearchSpace]


def state_of(
    log: HistoryLog, seed: int, strategy: str | None, options: Mapping[str, object]
) -> dict[str, Any]:
    """What `StoredTuner` reads.

    Parameters
    ----------
    log
        What happened.
    seed
        Of the search.
    strategy, options
        The strategy's name and its options; None for an object, which is to be given again.

    Returns
    -------
    dict
        Of values that JSON has.

    Raises
    ------
    InputError
        An id is no string, or an option cannot be written as JSON.
    """
    try:
        plain = json.loads(json.dumps(dict(options), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"the options of the strategy cannot be written as JSON ({error})") from error
    return {
        "version": 1 + len(_STEPS),
        "space": _spaces({name: part.space for name, part in log.parts.items()} or log.space),
        "objective": str(log.objective),
        "seed": seed,
        "strategy": strategy,
        "options": plain,
        "events": [_written(log, event) for event in events_of(log)],
    }


class StoredTuner:
    """What `state_of` wrote, read again."""

    def __init__(self, state: object, space: Spaces | None) -> None:
        """space: instead of the stored one, whose values JSON may not have; it must be equal otherwise."""
        if not isinstance(state, Mapping) or "version" not in state:
            raise InputError("the state is not one that Tuner.state gave; give what it returned")
        data = upgraded(dict(state), state["version"], _STEPS, "the state of a tuner")
        refuse_unknown(data, _MEMBERS, "the state of a tuner")
        if space is None and _lacks_values(data.get("space")):
            raise InputError("the space has values that JSON does not have; give it again as space=...")
        with reading("the state of a tuner"):
            self.space = _read_spaces(data["space"]) if space is None else space
            self.objective: str = data["objective"]
            self.seed: int = data["seed"]
            self.strategy: str | None = data["strategy"]
            self.options: dict[str, Any] = data["options"]
            self._events: list[Any] = list(data["events"])
        if space is not None and json.loads(json.dumps(_spaces(space))) != data["space"]:
            raise InputError("the state is of another search space; give the space that it was made with")

    def events(self) -> Iterator[Event]:
        """What happened, in order."""
        for entry in self._events:
            with reading("an event of a tuner"):
                kind, body = entry
                if "config" in body:
                    part = self.space
                    space = part[body["definition"]] if isinstance(part, Mapping) else part
                    body = {**body, "config": _read_config(space, body["config"])}
                if isinstance(body.get("value"), str):
                    body = {**body, "value": _NOT_FINITE[body["value"]]}
            yield _event(kind, body)


def _event(kind: str, body: dict[str, Any]) -> Event:
    """As `from_json`, but a configuration may hold any objects."""
    config = body.get("config")
    if config is None:
        return from_json(kind, json.dumps(body))
    event = from_json(kind, json.dumps({**body, "config": {}}))
    object.__setattr__(event, "config", config)
    return event


def events_of(log: HistoryLog) -> list[Event]:
    """The events that lead to a log, in their order."""
    found: list[tuple[int, int, Event]] = []
    for added in log.additions:
        event = ObservationAdded(
            NO_CLOCK, added.config, added.value, added.definition, added.source, added.noise
        )
        found.append((added.version, 0, event))
    trials = [*log.ended, *log.running.values(), *(trial for trial, _ in log.forgotten.values())]
    for trial in trials:
        number, created = trial.number, log.created_at[trial.number]
        found.append((created, 0, TrialCreated(NO_CLOCK, number, trial.config, definition=trial.definition)))
        if trial.id is not None:
            found.append((created, 1, TrialIdentified(NO_CLOCK, number, trial.id)))
        for version, report in zip(log.reported_at[number], log.reports[number], strict=True):
            found.append((version, 0, Reported(NO_CLOCK, number, report.value, report.resource)))
        if number in log.stopping_at:
            found.append((log.stopping_at[number], 0, _stop(number, trial.stopped_by)))
        if number in log.noise:
            last = log.ended_at[log.position[number]] if number in log.position else log.version
            found.append((last, -1, NoiseKnown(NO_CLOCK, number, log.noise[number])))
    for version, trial in zip(log.ended_at, log.ended, strict=True):
        found.append((version, 0, TrialEnded(NO_CLOCK, trial.number, trial.status, trial.value)))
    for trial, version in log.forgotten.values():
        found.append((version, 0, TrialForgotten(NO_CLOCK, trial.number)))
    return [event for _, _, event in sorted(found, key=lambda entry: entry[:2])]


def _stop(number: int, verdict: Verdict | None) -> StopDecided:
    if verdict is None:
        return StopDecided(NO_CLOCK, number, StopReason.USER)
    return StopDecided(
        NO_CLOCK, number, StopReason.RULE, verdict.rule, verdict.report, verdict.value, verdict.threshold
    )


def _written(log: HistoryLog, event: Event) -> list[Any]:
    """The kind and the fields of an event, as JSON has them."""
    if isinstance(event, TrialIdentified) and not isinstance(event.id, str):
        raise InputError(f"id {event.id!r} is not a string, as the state of a tuner needs; use str(...)")
    config = getattr(event, "config", None)
    if config is None:
        kind, text = to_json(event)
        body = {name: value for name, value in json.loads(text).items() if value is not None}
    else:
        kind = type(event).__name__
        space = log.part(event.definition).space  # type: ignore[attr-defined]
        body = {name: getattr(event, name) for name in type(event).__slots__}
        if body.get("noise") is None:  # which earlier versions do not know
            body.pop("noise", None)
        body["config"] = {each.name: _stored_value(each, config[each.name]) for each in space.parameters}
    value = body.get("value")
    if isinstance(value, float) and not math.isfinite(value):
        body["value"] = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    body["time"] = NO_CLOCK
    return [kind, body]


def _spaces(space: Spaces) -> Any:
    if isinstance(space, Mapping):
        return {name: _space(each) for name, each in space.items()}
    return _space(space)


def _space(space: SearchSpace) -> list[Any]:
    return [_parameter(parameter) for parameter in space.parameters]


def _parameter(parameter: Parameter) -> list[Any]:
    kind, name = type(parameter).__name__, parameter.name
    if isinstance(parameter, Constant):
        return [kind, [name, _stored(parameter.value) if _is_stored(parameter) else {"objects": 1}]]
    if isinstance(parameter, CategoricalParameter):
        values = _stored(parameter.values) if _is_stored(parameter) else {"objects": parameter.count}
        return [kind, [name, values]]
    step = [] if parameter.step in (None, 1) else [parameter.step]
    return [kind, [name, parameter.min, parameter.max, str(parameter.scaling), *step]]


def _read_parameter(kind: str, fields: list[Any]) -> Parameter:
    if kind not in PARAMETER_KINDS:
        raise newer(f"the stored search space has a parameter of the unknown kind {kind!r}")
    if issubclass(PARAMETER_KINDS[kind], CategoricalParameter):
        return PARAMETER_KINDS[kind](*fields)
    name, low, high, scaling, *step = fields
    make: Any = PARAMETER_KINDS[kind]
    made: Parameter = make(name, low, high, scaling, step=step[0]) if step else make(name, low, high, scaling)
    return made


def _is_stored(parameter: Parameter) -> bool:
    """Whether JSON has the values of a parameter; of others their places in the list are stored."""
    return not isinstance(parameter, CategoricalParameter) or all(map(is_plain, parameter.values))


def _stored_value(parameter: Parameter, value: Any) -> Any:
    if isinstance(parameter, CategoricalParameter) and not _is_stored(parameter):
        return parameter.position(value)
    return _stored(value)


def _read_value(parameter: Parameter, stored: Any) -> Any:
    if isinstance(parameter, CategoricalParameter) and not _is_stored(parameter):
        return parameter.values[stored]
    return parameter.check(stored)


def _stored(value: Any) -> Any:
    """A value with tuples as lists."""
    return [_stored(each) for each in value] if isinstance(value, tuple) else value


def _lacks_values(document: Any) -> bool:
    """Whether a stored space has places of values in their stead."""
    if isinstance(document, dict):
        return any(map(_lacks_values, document.values()))
    listed = document if isinstance(document, list) else []
    return any(
        isinstance(each, list) and isinstance(each[-1], list) and isinstance(each[-1][-1], dict)
        for each in listed
    )


def _read_spaces(document: Any) -> Spaces:
    if isinstance(document, dict):
        return {name: _read_space(each) for name, each in document.items()}
    return _read_space(document)


def _read_space(document: list[Any]) -> SearchSpace:
    parameters: list[Parameter] = []
    for kind, fields in document:
        parameters.append(_read_parameter(kind, fields))
    return SearchSpace(parameters)


def _read_config(space: SearchSpace, stored: Mapping[str, Any]) -> Config:
    if not isinstance(stored, Mapping):
        raise damaged(f"a configuration is {stored!r}")
    return {each.name: _read_value(each, stored[each.name]) for each in space.parameters}
