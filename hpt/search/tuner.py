"""The tuner as a library: ask for a configuration, train as you like, tell how it went. No I/O.

Every method decides, makes events of the decision and applies them. A caller that keeps the events can
therefore let the tuner decide without consequence (`propose`, `judge`), record the events, and only then
`apply` them; applying recorded events in order brings a new tuner to the same state.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from math import isfinite
from typing import Any, cast

import numpy as np

from hpt.errors import InputError, TrialStateError, UnknownTrialError
from hpt.search.events import (
    Event,
    ObservationAdded,
    ParentResult,
    Reported,
    StopDecided,
    StopReason,
    TrialCreated,
    TrialEnded,
)
from hpt.search.history import History, HistoryLog
from hpt.search.numbers import counted, real_number
from hpt.search.space import SearchSpace
from hpt.search.stopping.base import StoppingRule
from hpt.search.strategies import make_multi_algorithm_strategy, make_strategy
from hpt.search.strategies.base import Strategy, check_integer, check_space
from hpt.search.strategies.randomness import check_seed
from hpt.search.trial import Config, Decision, ObjectiveType, Report, Trial, TrialStatus, Verdict, parse_enum

_NO_CLOCK = 0.0


class Tuner:
    """Searches `space` for the configuration with the best objective.

        tuner = Tuner(space, objective="maximize", strategy="Bayesian", seed=123)
        [trial] = tuner.ask()
        tuner.tell(trial.number, train(trial.config))

    Any number of trials may be outstanding, and `tell` may end them in any order. A call that raises changes
    nothing, except that a report stays where the stopping rule then fails. Calls from several threads at once
    need a lock of yours. A tuner can be pickled and copied if its strategy and stopping rule can; a strategy
    given by name always can.

    Parameters
    ----------
    space
        The parameters to search over. For a multi-algorithm search, a mapping of the algorithms' names to
        their spaces; the `definition` of a trial then names its algorithm.
    objective
        `Maximize` or `Minimize`, in any case.
    strategy
        A registered name in any case, or an object with `suggest(history, count, seed)`.
    seed
        An integer below 2**64; None draws one, which is then the attribute `seed`.
    stopping_rule
        An object with `decide(history, number)`, asked at every report. None: the strategy itself if it has
        that method, as Hyperband does.

    Raises
    ------
    InputError
        An argument breaks its rule.
    """

    def __init__(
        self,
        space: SearchSpace | Mapping[str, SearchSpace],
        objective: str = "Maximize",
        strategy: str | Strategy = "Bayesian",
        *,
        seed: int | None = None,
        stopping_rule: StoppingRule | None = None,
    ) -> None:
        _check_spaces(space)
        self._multi_algorithm = isinstance(space, Mapping)
        self.objective = parse_enum(ObjectiveType, objective, "objective")
        self.seed = secrets.randbits(32) if seed is None else check_seed(seed)
        self._strategy_name = strategy if isinstance(strategy, str) else None
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

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._strategy_name is not None:
            state["_strategy"] = None  # all that it holds is caches
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._strategy_name is not None:
            self._strategy = self._make(self._strategy_name)

    def _make(self, name: str) -> Strategy:
        return make_multi_algorithm_strategy(name) if self._multi_algorithm else make_strategy(name)

    def __repr__(self) -> str:
        strategy = self._strategy_name or type(self._strategy).__name__
        ended, running = len(self._log.ended), len(self._log.running)
        best = "" if self._best is None else f", best {self._best.value:.6g} by trial {self._best.number}"
        return (
            f"<tuner: {self.objective}, {strategy}, seed {self.seed}, "
            f"{counted(ended + running, 'trial')} of which {running} running{best}>"
        )

    def __copy__(self) -> Tuner:
        return deepcopy(self)  # two tuners must not append to one log

    # -- what has happened

    @property
    def space(self) -> SearchSpace:
        """The space, where there is one definition; InputError where there are several."""
        return self._log.space

    @property
    def history(self) -> History:
        """Everything that has happened, as strategies see it: an immutable view."""
        return self._log.snapshot()

    @property
    def trials(self) -> list[Trial]:
        """Every trial asked for, in launch order."""
        return [_own(trial) for trial in sorted(self.history, key=lambda trial: trial.number)]

    @property
    def best_trial(self) -> Trial | None:
        """The trial with the best final objective, the earlier-launched of equals; None before there is one.

        Observations that were added are no trials and do not count.
        """
        return None if self._best is None else _own(self._best)

    @property
    def best_config(self) -> Config | None:
        """The configuration of the best trial."""
        return None if self._best is None else dict(self._best.config)

    @property
    def best_value(self) -> float | None:
        """The objective of the best trial, in your own sign."""
        return None if self._best is None else self._best.value

    # -- ask, report, tell

    def ask(self, count: int = 1) -> list[Trial]:
        """`count` new trials to run, fewer or none when every configuration of the space was tried.

        Raises:
            InputError: `count` is not an integer of at least 1.
        """
        created = self.propose(count)
        for event in created:
            self.apply(event)
        return [_own(self._log.running[event.number]) for event in created]

    def report(self, number: int, value: float, resource: float) -> Decision:
        """Take an interim value of a running trial's objective; says whether the trial should go on.

        resource: units of progress so far, counted from 1 (an epoch, usually). A NaN or infinite value is
        kept but can never be the best. Once the answer was `STOP` it stays so; end the trial and `tell`.

        Raises:
            UnknownTrialError, TrialStateError: there is no such trial, or it has ended.
            InputError: the value is not a number, or the resource is not a positive finite one.
        """
        number = self._running(number)
        event = Reported(_NO_CLOCK, number, real_number(value, "value"), real_number(resource, "resource"))
        if not (isfinite(event.resource) and event.resource > 0):
            raise InputError(
                f"resource {resource!r} is not a positive number; count units of progress from 1"
            )
        self.apply(event)
        if self._log.running[number].status is TrialStatus.STOPPING:
            return Decision.STOP
        decision = self.judge(number)
        if decision is Decision.STOP:
            self.apply(self.stop(number, _NO_CLOCK))
        return decision

    def tell(self, number: int, value: float | None = None, *, status: str = TrialStatus.COMPLETED) -> None:
        """End a trial.

        value: its final objective; None takes the last reported one. NaN, infinity or no value at all leave
        it without a usable objective, as does the status `Failed`: the search then knows that this
        configuration failed. status: `Completed`, `Failed` or `Stopped`, in any case.

        Raises:
            UnknownTrialError, TrialStateError: there is no such trial, or it has ended.
            InputError: the value is not a number, or the status does not end a trial.
        """
        number = self._running(number)
        end = parse_enum(TrialStatus, status, "status")
        if not end.ended:
            raise InputError(f"status {str(end)!r} does not end a trial; use Completed, Failed or Stopped")
        reports = self._log.running[number].reports
        if value is not None:
            final: float | None = real_number(value, "value")
        else:
            final = reports[-1].value if reports else None
        if end is TrialStatus.FAILED or (final is not None and not isfinite(final)):
            final = None
        self.apply(TrialEnded(_NO_CLOCK, number, end, final))

    def add(
        self, config: Config, value: float, definition: str | None = None, *, source: str | None = None
    ) -> None:
        """Add an objective measured elsewhere. It takes no trial number and shifts no seed.

        Parameters
        ----------
        config
            A configuration of the space.
        value
            Its objective.
        definition
            In a multi-algorithm search, the definition that was measured.
        source
            For a related objective (of other data, for example), a name for the search it is from. Bayesian
            search then takes into account how its values are ordered, as far as that agrees with this
            search's own results. None: the objective of this search was measured.

        Raises
        ------
        InputError
            The configuration lies outside the space, or the value is not a finite number.
        """
        config = self._log.part(definition).space.validate(config)
        if source is not None and (not isinstance(source, str) or not source):
            raise InputError(f"source {source!r} is not a string; name the search the value is from, or None")
        self.apply(ObservationAdded(_NO_CLOCK, config, real_number(value, "value"), definition, source))

    # -- decide, record, apply

    def propose(self, count: int) -> list[TrialCreated]:
        """What `ask(count)` would create. Nothing is applied.

        Raises:
            InputError: `count` is not an integer of at least 1, or the strategy broke its contract.
        """
        check_integer(count, "count", 1, "ask for at least one trial")
        suggestions = self._strategy.suggest(self.history, int(count), self.seed)
        if len(suggestions) > count:
            raise InputError(f"the strategy made {len(suggestions)} suggestions where {count} were asked for")
        first = self._log.last_number + 1
        return [
            TrialCreated(
                _NO_CLOCK,
                number,
                self._log.part(suggestion.definition).space.validate(suggestion.config),
                definition=suggestion.definition,
            )
            for number, suggestion in enumerate(suggestions, first)
        ]

    def judge(self, number: int) -> Decision:
        """What the stopping rule says of a running trial as it stands. Nothing is applied.

        Raises:
            UnknownTrialError, TrialStateError: there is no such trial, or it has ended.
        """
        number = self._running(number)
        if self._stopping_rule is None:
            return Decision.CONTINUE
        return parse_enum(Decision, self._stopping_rule.decide(self.history, number), "decision")

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
                config = log.part(event.definition).space.validate(event.config)
                log.add(config, event.value, event.definition, event.source)
            case ParentResult():
                if event.config is not None:
                    config = log.part(event.definition).space.validate(event.config)
                    log.add(config, event.value, event.definition, None if event.same else event.parent)
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
            case _:
                pass

    def _running(self, number: int) -> int:
        """The number, if it is a running trial's."""
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
            raise UnknownTrialError(
                f"trial {number!r} is unknown; give the number of a trial, such as trial.number",
                number=number,
            )
        if number in self._log.running:
            return int(number)
        if number in self._log.position:
            status = self._log.ended[self._log.position[number]].status
            raise TrialStateError(
                f"trial {number} has ended as {status}; only a running trial can be changed",
                number=number,
            )
        last = self._log.last_number
        raise UnknownTrialError(
            f"trial {number} is unknown; "
            + (f"trials 1 to {last} were asked for" if last else "ask for a trial first"),
            number=number,
        )

    def _consider(self, trial: Trial) -> None:
        """Keep the trial if it is the best so far; of equal trials the one launched earlier is."""
        if trial.value is None:
            return
        sign = -1.0 if self.objective is ObjectiveType.MAXIMIZE else 1.0
        best = self._best
        if (
            best is None
            or best.value is None
            or (sign * trial.value, trial.number) < (sign * best.value, best.number)
        ):
            self._best = trial


def _own(trial: Trial) -> Trial:
    """The trial with a configuration that its receiver may change without changing the history."""
    return replace(trial, config=dict(trial.config))


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
