"""What one ask takes into account besides the history: values that are held, and trials elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from hpt.errors import InputError
from hpt.search.history import History
from hpt.search.history_log import HistoryLog
from hpt.search.numbers import brief
from hpt.search.parameters import CategoricalParameter, Constant, Parameter
from hpt.search.space import SearchSpace
from hpt.search.strategies.base import Strategy
from hpt.search.trial import Config, Value

Pending: TypeAlias = Config | tuple[str, Config]
"""A configuration that is being tried; in a multi-algorithm search, with the name of its definition."""


def with_pending_elsewhere(history: History, pending: Sequence[Pending]) -> History:
    """The history with configurations that others are trying.

    Raises:
        InputError: one lies outside its space, or belongs to no definition.
    """
    if not history.definitions:
        valid = [history.space.validate(cast(Config, config)) for config in pending]
        return history.with_pending(valid, numbered=False) if valid else history
    for each in pending:
        if not isinstance(each, tuple) or len(each) != 2 or each[0] not in history.definitions:
            raise InputError(
                f"pending has {brief(each)}, which belongs to no definition; give pairs of one of "
                f"{', '.join(history.definitions)} and a configuration of it"
            )
        definition, config = each
        valid = [history.of(definition).space.validate(config)]
        history = history.with_pending(valid, definition, numbered=False)
    return history


def checked_fixed(space: SearchSpace, fixed: Config) -> Config:
    """Values to hold, with canonical types, in the order of the space.

    Raises:
        InputError: these are no values by name, a name is unknown, or a value lies outside its range.
    """
    if not isinstance(fixed, Mapping):
        raise InputError(f"fixed {fixed!r} is no dict; give the values to hold by the names of parameters")
    known = {parameter.name: parameter for parameter in space.parameters}
    unknown = [name for name in fixed if name not in known]
    if unknown:
        raise InputError(
            f"fixed has {', '.join(map(repr, unknown))}, which the space does not know; its parameters are "
            f"{', '.join(map(repr, known))}"
        )
    return {name: each.check(fixed[name]) for name, each in known.items() if name in fixed}


def holding(history: History, strategy: Strategy, fixed: Config) -> History:
    """What a strategy is to be asked with, so that it proposes configurations with these values.

    One that says that it `holds` values sees them, with the history as it is. Any other gets the space that
    is left, and of the history the trials that lie in it.

    Parameters
    ----------
    history
        Of one space.
    strategy
        Whom it is for.
    fixed
        Values by name, as `checked_fixed` gives them.

    Returns
    -------
    History
        With the number of the last trial as it is.
    """
    space = history.space
    left = [parameter for parameter in space.columns if parameter.name not in fixed]
    if getattr(strategy, "holds", False) and left:
        return history.with_fixed(fixed)
    return _restricted(history, fixed)


def _restricted(history: History, fixed: Config) -> History:
    """The history of what is left of the space: a view that no later one is the continuation of."""
    space = history.space
    held = {each.name: each for each in space.parameters if each.name in fixed}
    rest = SearchSpace(
        _only(each, fixed[each.name]) if each.name in held else each for each in space.parameters
    )

    def lies_in(config: Config) -> bool:
        return all(each.key(config[name]) == each.key(fixed[name]) for name, each in held.items())

    log, elsewhere = HistoryLog(rest, history.objective), []
    for addition in history.additions:
        if lies_in(addition.config):
            log.add(addition.config, addition.value, addition.definition, addition.source)
    for trial in history:
        if not lies_in(trial.config):
            continue
        if not trial.number:
            elsewhere.append(trial.config)
            continue
        log.create(trial.number, trial.config)
        for report in trial.reports:
            log.report(trial.number, report)
        if trial.status.ended:
            log.end(trial.number, trial.status, trial.value)
    log.last_number = history.last_number
    return log.snapshot().with_pending(elsewhere, numbered=False)


def _only(parameter: Parameter, value: Value) -> Parameter:
    """The parameter with one value left."""
    if isinstance(parameter, CategoricalParameter):
        return CategoricalParameter(parameter.name, [value])
    return Constant(parameter.name, value)
