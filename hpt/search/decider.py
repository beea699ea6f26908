"""A search as a fold of events: what is proposed and judged is decided first, applied when it is recorded.

A caller that keeps the events can let the search decide without consequence (`propose`, `judge`), record the
events, and only then `apply` them; applying recorded events in order brings a new one to the same state.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import deepcopy
from functools import wraps
from math import isfinite
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import numpy as np

from hpt.errors import InputError, TrialStateError, UnknownTrialError
from hpt.search.events import (
    Event,
    NoiseKnown,
    ObservationAdded,
    ParentResult,
    Reported,
    StopDecided,
    StopReason,
    TrialCreated,
    TrialEnded,
    TrialForgotten,
    TrialIdentified,
)
from hpt.search.history import History
from hpt.search.history_log import HistoryLog
from hpt.search.holding import Pending, checked_fixed, holding, with_pending_elsewhere
from hpt.search.proposing import proposals
from hpt.search.space import SearchSpace
from hpt.search.stopping.base import StoppingRule
from hpt.search.strategies import make_multi_algorithm_strategy, make_strategy
from hpt.search.strategies.base import Strategy, check_integer, check_space
from hpt.search.strategies.randomness import check_seed
from hpt.search.trial import (
    Config,
    Decision,
    ObjectiveType,
    Observation,
    Report,
    Trial,
    Verdict,
    parse_enum,
)

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D", bound="Decider")


def locked(method: Callable[Concatenate[D, P], T]) -> Callable[Concatenate[D, P], T]:
    """A method that one thread at a time runs."""

    @wraps(method)
    def call(self: D, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self._lock:
            return method(self, *args, **kwargs)

    return call


class Decider:
    """What `Tuner` is built on, and all of it that a job needs. The arguments are those of `Tuner`."""

    def __init__(
        self,
        space: SearchSpace | Mapping[str, SearchSpace],
        objective: str = "Maximize",
        strategy: str | Strategy = "Bayesian",
        *,
        seed: int | None = None,
        stopping_rule: StoppingRule | None = None,
        **strategy_options: Any,
    ) -> None:
        _check_spaces(space)
        self._multi_algorithm = isinstance(space, Mapping)
        self.objective = parse_enum(ObjectiveType, objective, "objective")
        self.seed = secrets.randbits(32) if seed is None else check_seed(seed)
        self._strategy_name = strategy if isinstance(strategy, str) else None
        self._options = strategy_options
        if strategy_options and not isinstance(strategy, str):
            raise InputError(
                f"{', '.join(strategy_options)}: options are for a strategy given by name; "
                f"give them to the {type(strategy).__name__} as you make it"
            )
        self._strategy = self._make(strategy) if isinstance(strategy, str) else strategy
        if isinstance(strategy, type):
            raise InputError(
                f"strategy {strategy.__name__} is a class; give an instance, {strategy.__name__}(...)"
            )
        if not callable(getattr(self._strategy, "suggest", None)):
            raise InputError(
                f"strategy {strategy!r} has no method suggest; give a name or an object that has it"
            )
        if stopping_rule is not None and not callable(getattr(stopping_rule, "decide", None)):
            raise InputError(
                f"stopping_rule {stopping_rule!r} has no method decide; give an object that has it"
            )
        if stopping_rule is None and callable(getattr(self._strategy, "decide", None)):
            stopping_rule = cast(StoppingRule, self._strategy)  # Hyperband is both
        self._stopping_rule = stopping_rule
        for part in space.values() if isinstance(space, Mapping) else (space,):
            check_space(self._strategy, part)
        self._log = HistoryLog(space, self.objective)
        self._best: Trial | None = None
        self._best_added: Observation | None = None
        self._lock = RLock()

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = dict(self.__dict__)
            del state["_lock"]
            if self._strategy_name is not None:
                state["_strategy"] = None  # all that it holds is caches
                if cast(object, self._stopping_rule) is self._strategy:
                    state["_stopping_rule"] = None
            return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = RLock()
        if self._strategy_name is not None:
            self._strategy = self._make(self._strategy_name)
            if self._stopping_rule is None and callable(getattr(self._strategy, "decide", None)):
                self._stopping_rule = cast(StoppingRule, self._strategy)

    def _make(self, name: str) -> Strategy:
        make = make_multi_algorithm_strategy if self._multi_algorithm else make_strategy
        return make(name, **self._options)

    def __copy__(self: D) -> D:
        with self._lock:
            return deepcopy(self)  # two searches must not append to one log

    @property
    def space(self) -> SearchSpace:
        """The space, where there is one definition; InputError where there are several."""
        return self._log.space

    @property
    def history(self) -> History:
        """Everything that has happened, as strategies see it: an immutable view."""
        with self._lock:
            return self._log.snapshot()

    @locked
    def propose(
        self, count: int, *, pending: Sequence[Pending] = (), fixed: Config | None = None
    ) -> list[TrialCreated]:
        """What `ask(count)` would create. Nothing is applied.

        pending: configurations that others are trying now, besides the running trials; in a multi-algorithm
        search pairs of a definition and one of its configurations. fixed: values that all of them have.

        Raises:
            InputError: `count` is not an integer of at least 1, a pending configuration or a fixed value lies
                outside the space, or the strategy broke its contract.
        """
        check_integer(count, "count", 1, "ask for at least one trial")
        history = self._log.snapshot()
        history = with_pending_elsewhere(history, pending)
        if fixed:
            if self._multi_algorithm:
                raise InputError(
                    "fixed values of a multi-algorithm search belong to no definition; record a trial"
                )
            history = holding(history, self._strategy, checked_fixed(self._log.space, fixed))
        return proposals(self._strategy, history, int(count), self.seed)

    @locked
    def judge(self, number: int) -> Decision:
        """What the stopping rule says of a running trial as it stands. Nothing is applied.

        Raises:
            UnknownTrialError, TrialStateError: there is no such trial, or it has ended.
        """
        number = self._running(number)
        if self._stopping_rule is None:
            return Decision.CONTINUE
        return parse_enum(Decision, self._stopping_rule.decide(self.history, number), "decision")

    @locked
    def stop(self, number: int, time: float, reason: StopReason = StopReason.RULE) -> StopDecided:
        """The event that the stopping rule stops a running trial, `judge` having said so, and why. Nothing is
        applied.

        Raises:
            UnknownTrialError, TrialStateError: there is no such trial, or it has ended.
            InputError: `explain` of the rule gave no `Verdict`.
        """
        number = self._running(number)
        rule = self._stopping_rule
        explain = getattr(rule, "explain", None)
        verdict = explain(self.history, number) if callable(explain) else None
        if verdict is None:
            reports = self._log.running[number].reports
            verdict = Verdict(type(rule).__name__, len(reports), reports[-1].value if reports else None)
        if not isinstance(verdict, Verdict):
            raise InputError(f"{type(rule).__name__}.explain gave {verdict!r}; return a Verdict, or None")
        return StopDecided(
            time, number, reason, verdict.rule, verdict.report, verdict.value, verdict.threshold
        )

    @locked
    def apply(self, event: Event) -> None:
        """Take an event into the history. Kinds that do not concern the search are ignored.

        Raises:
            InputError: the event does not fit what has happened so far; nothing was changed.
        """
        log = self._log
        match event:
            case ObservationAdded():
                if not isfinite(event.value):
                    raise InputError(
                        f"value {event.value} is not finite; add only observations with an objective"
                    )
                self._add(event.config, event.value, event.definition, event.source, event.noise)
            case ParentResult():
                if event.config is not None:
                    source = None if event.same else event.parent
                    self._add(event.config, event.value, event.definition, source)
            case TrialCreated():
                if event.number != log.last_number + 1:
                    raise TrialStateError(
                        f"trial {event.number} does not follow trial {log.last_number}", number=event.number
                    )
                config = log.part(event.definition).space.validate(event.config)
                log.create(event.number, config, event.definition)
            case Reported():
                log.report(self._running(event.number), Report(event.resource, event.value))
            case StopDecided():
                number = self._running(event.number)
                if event.reason != StopReason.INTERRUPTED:  # an interrupted trial goes on later
                    log.mark_stopping(number, event.verdict)
            case TrialEnded():
                log.end(self._running(event.number), event.status, event.value)
                self._consider(log.ended[-1])
            case TrialIdentified():
                log.identify(self._running(event.number), self._free(event.id))
            case NoiseKnown():
                log.state_noise(self._running(event.number), event.noise)
            case TrialForgotten():
                log.forget(self._running(event.number))
            case _:
                pass

    def _add(
        self,
        config: Config,
        value: float,
        definition: str | None,
        source: str | None,
        noise: float | None = None,
    ) -> None:
        valid = self._log.part(definition).space.validate(config)
        self._log.add(valid, value, definition, source, noise)
        if source is None and (
            self._best_added is None or self._sign * value < self._sign * self._best_added.value
        ):
            self._best_added = Observation(valid, value, noise)

    @property
    def _sign(self) -> float:
        return -1.0 if self.objective is ObjectiveType.MAXIMIZE else 1.0

    def _free(self, id: Hashable) -> Hashable:
        """An id of a host, if no trial has it; that of a forgotten trial may be used again."""
        if isinstance(id, (bool, int, float, np.number)):
            raise InputError(f"id {id!r} is a number, as trials have one already; give a string")
        try:
            taken = self._log.ids.get(id)
        except TypeError:
            raise InputError(f"id {id!r} cannot be looked up; give a string") from None
        if id is None or (taken is not None and taken not in self._log.forgotten):
            what = "is None" if id is None else f"is that of trial {taken}"
            raise InputError(f"id {id!r} {what}; give each trial an id of its own")
        return id

    def _number(self, trial: int | Hashable) -> int:
        """The number of a trial given by its number or by its host's id; UnknownTrialError for none."""
        if isinstance(trial, (int, np.integer)) and not isinstance(trial, bool):
            if trial in self._log.reports:
                return int(trial)
            last = self._log.last_number
            raise UnknownTrialError(
                f"trial {trial} is unknown; "
                + (f"trials 1 to {last} were asked for" if last else "ask for a trial first"),
                number=trial,
            )
        try:
            number = None if isinstance(trial, (bool, float)) else self._log.ids.get(trial)
        except TypeError:  # a list, for example, which nothing can be looked up by
            number = None
        if number is None:
            raise UnknownTrialError(
                f"trial {trial!r} is unknown; give the number of a trial, such as trial.number, "
                "or the id that you gave it",
                number=trial,
            )
        return number

    def _running(self, trial: int | Hashable) -> int:
        """The number of a running trial."""
        number = self._number(trial)
        if number in self._log.running:
            return number
        if number in self._log.forgotten:
            how = "was forgotten"
        else:
            how = f"has ended as {self._log.ended[self._log.position[number]].status}"
        raise TrialStateError(f"trial {number} {how}; only a running trial can be changed", number=number)

    def _consider(self, trial: Trial) -> None:
        """Keep the trial if it is the best so far; of equal trials the one launched earlier is."""
        if trial.value is None:
            return
        best = self._best
        if (
            best is None
            or best.value is None
            or (self._sign * trial.value, trial.number) < (self._sign * best.value, best.number)
        ):
            self._best = trial


def _check_spaces(space: object) -> None:
    if isinstance(space, SearchSpace):
        return
    if not isinstance(space, Mapping):
        raise InputError(f"space is a {type(space).__name__}; make an hpt.SearchSpace of your parameters")
    if not space:
        raise InputError("space is an empty mapping; give the space of one definition or more by its name")
    for name, part in space.items():
        if not isinstance(name, str) or not name or not isinstance(part, SearchSpace):
            raise InputError(f"space: {name!r} is {part!r}; give an hpt.SearchSpace by a name")
