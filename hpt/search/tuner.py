"""The tuner as a library: ask for a configuration, train as you like, tell how it went. No I/O.

Every method makes events of what it decides or is told and applies them (`hpt.search.decider`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from hpt.errors import InputError
from hpt.search import recording
from hpt.search.decider import locked
from hpt.search.events import (
    Event,
    NoiseKnown,
    ObservationAdded,
    Reported,
    TrialCreated,
    TrialEnded,
    TrialForgotten,
    TrialIdentified,
)
from hpt.search.known import Known, own
from hpt.search.numbers import counted, real_number
from hpt.search.proposing import NO_CLOCK
from hpt.search.state import Spaces, StoredTuner, state_of
from hpt.search.stopping.base import StoppingRule
from hpt.search.strategies.base import Strategy
from hpt.search.trial import Config, Decision, Trial, TrialStatus, parse_enum


class Tuner(Known):
    """Searches `space` for the configuration with the best objective.

        tuner = Tuner(space, objective="maximize", strategy="Bayesian", seed=123)
        [trial] = tuner.ask()
        tuner.tell(trial.number, train(trial.config))

    Any number of trials may be outstanding, and `tell` may end them in any order. A call that raises changes
    nothing, except that a report stays where the stopping rule then fails. Threads may call it at once: one
    at a time is served. A tuner can be pickled and copied if its strategy and stopping rule can; a strategy
    given by name always can. `state` and `restore` keep it as JSON.

    A host that makes trials of its own tells of them by `record`, and may call any trial by an id of its own.

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
    strategy_options
        Options of a strategy given by name, such as `first=0` of `Bayesian` or `max_resource=81` of
        `Hyperband`.

    Raises
    ------
    InputError
        An argument breaks its rule.
    """

    def __repr__(self) -> str:
        strategy = self._strategy_name or type(self._strategy).__name__
        ended, running = len(self._log.ended), len(self._log.running)
        best = "" if self._best is None else f", best {self._best.value:.6g} by trial {self._best.number}"
        return (
            f"<tuner: {self.objective}, {strategy}, seed {self.seed}, "
            f"{counted(ended + running, 'trial')} of which {running} running{best}>"
        )

    # -- ask, report, tell

    @locked
    def ask(
        self, count: int = 1, *, pending: Sequence[Config] = (), ids: Sequence[Hashable] | None = None
    ) -> list[Trial]:
        """New trials to run.

        Parameters
        ----------
        count
            How many; fewer or none are made when every configuration of the space was tried.
        pending
            Configurations that others are trying now, besides the running trials of this tuner.
        ids
            What the host will call the trials, one each.

        Returns
        -------
        list
            The trials, numbered on.

        Raises
        ------
        InputError
            `count` is not an integer of at least 1, a pending configuration lies outside the space, or ids
            are not as many, taken, or numbers.
        """
        if ids is not None:
            ids = [self._free(each) for each in ids]
            if len(ids) != count or len(set(ids)) != len(ids):
                raise InputError(f"ids {ids!r} are not {count} different ones; give one for each trial")
        created = self.propose(count, pending=pending)
        for place, event in enumerate(created):
            self.apply(event)
            if ids is not None:
                self.apply(TrialIdentified(NO_CLOCK, event.number, ids[place]))
        return [own(self._log.running[event.number]) for event in created]

    @locked
    def report(
        self, trial: int | Hashable, value: float, resource: float, *, late: str = "raise"
    ) -> Decision:
        """Take an interim value of a running trial's objective.

        Parameters
        ----------
        trial
            Its number, or the id that its host gave it.
        value
            A NaN or infinite one is kept but can never be the best.
        resource
            Units of progress so far, counted from 1 (an epoch, usually).
        late
            What to do where the trial has ended: `raise`, or `ignore` the report and say `STOP`.

        Returns
        -------
        Decision
            Whether the trial should go on. Once this was `STOP` it stays so; end the trial and `tell`.

        Raises
        ------
        UnknownTrialError, TrialStateError
            There is no such trial, or it has ended.
        InputError
            The value is not a number, or the resource is not a positive finite one.
        """
        number = self._timely(trial, late)
        report = recording.checked_report(value, resource)
        if number is None:
            return Decision.STOP
        self.apply(Reported(NO_CLOCK, number, report.value, report.resource))
        if self._log.running[number].status is TrialStatus.STOPPING:
            return Decision.STOP
        decision = self.judge(number)
        if decision is Decision.STOP:
            self.apply(self.stop(number, NO_CLOCK))
        return decision

    @locked
    def tell(
        self,
        trial: int | Hashable,
        value: float | None = None,
        *,
        status: str = TrialStatus.COMPLETED,
        noise: float | None = None,
        late: str = "raise",
    ) -> None:
        """End a trial.

        Parameters
        ----------
        trial
            Its number, or the id that its host gave it.
        value
            Its final objective; None takes the last reported one. NaN, infinity or no value at all leave it
            without a usable objective, as does the status `Failed`: the search then knows that this
            configuration failed.
        status
            `Completed`, `Failed` or `Stopped`, in any case.
        noise
            The standard error of the value; None: the search learns how noisy values are.
        late
            What to do where the trial has ended: `raise`, or `ignore` it.

        Raises
        ------
        UnknownTrialError, TrialStateError
            There is no such trial, or it has ended.
        InputError
            The value or its standard error is not a number, or the status does not end a trial.
        """
        number = self._timely(trial, late)
        end, error = recording.ending(status), recording.checked_noise(noise)
        final = recording.final_value(value, end, () if number is None else self._log.running[number].reports)
        if number is not None:
            if error is not None:
                self.apply(NoiseKnown(NO_CLOCK, number, error))
            self.apply(TrialEnded(NO_CLOCK, number, end, final))

    @locked
    def forget(self, trial: int | Hashable, *, late: str = "raise") -> None:
        """Withdraw a running trial: it is not pending, did not fail, and its configuration may be proposed
        again. Its number is not given again; its host may use its id again.

        trial: its number, or the id that its host gave it. late: what to do where it has ended, `raise` or
        `ignore`: what was observed stays.

        Raises:
            UnknownTrialError, TrialStateError: there is no such trial, or it has ended.
        """
        number = self._timely(trial, late)
        if number is not None:
            self.apply(TrialForgotten(NO_CLOCK, number))

    @locked
    def record(
        self,
        config: Config,
        *,
        id: Hashable | None = None,
        value: float | None = None,
        status: str | None = None,
        reports: recording.Reports = (),
        noise: float | None = None,
        definition: str | None = None,
        source: str | None = None,
        outside: str = "raise",
        extra: str = "raise",
    ) -> Trial | None:
        """Take a trial that a host made: pending, completed, stopped or failed. It takes the next number.

        Parameters
        ----------
        config
            What is tried or was.
        id
            What the host calls it; a string, usually.
        value
            Its final objective; None takes the last report. NaN means that it failed.
        status
            `InProgress`, `Completed`, `Stopped` or `Failed`, in any case. None: completed if there is a
            value, else in progress.
        reports
            Interim values: `Report`s, pairs of resource and value, or values by resource.
        noise
            The standard error of the value; None: the search learns how noisy values are.
        definition
            In a multi-algorithm search, the definition that is tried.
        source
            Of a related objective, the search it is from; then it is no trial of this one (`add`).
        outside
            What to do with a value outside its range, or a parameter without one: `raise`, `drop` the trial,
            or `clip` a number to the nearest end of its range.
        extra
            What to do with a name that the space does not know: `raise`, or `ignore` it.

        Returns
        -------
        Trial or None
            The trial; None if it was dropped, or is one of a related search.

        Raises
        ------
        InputError
            An argument breaks its rule; nothing was changed.
        """
        space = self._log.part(definition).space
        valid = recording.fitted(space, config, outside, extra)
        if id is not None:
            self._free(id)
        listed, error = recording.listed_reports(reports), recording.checked_noise(noise)
        state = _recorded_status(status, value)
        final = recording.final_value(value, state, listed)
        if valid is None:
            return None
        if source is not None:
            if final is not None:
                self.add(valid, final, definition, source=source)
            return None
        number = self._log.last_number + 1
        events: list[Event] = [TrialCreated(NO_CLOCK, number, valid, definition=definition)]
        if id is not None:
            events.append(TrialIdentified(NO_CLOCK, number, id))
        events += [Reported(NO_CLOCK, number, each.value, each.resource) for each in listed]
        if state.ended:
            events += [] if error is None else [NoiseKnown(NO_CLOCK, number, error)]
            events.append(TrialEnded(NO_CLOCK, number, state, final))
        for event in events:
            self.apply(event)
        return own(self._log.snapshot().trial(number))

    @locked
    def add(
        self,
        config: Config,
        value: float,
        definition: str | None = None,
        *,
        source: str | None = None,
        noise: float | None = None,
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
        noise
            The standard error of the value; None: the search learns how noisy values are. Of a related
            objective only the order counts, so that it has none.

        Raises
        ------
        InputError
            The configuration lies outside the space, the value is not a finite number, or its standard error
            is negative or of a related objective.
        """
        config = self._log.part(definition).space.validate(config)
        if source is not None and (not isinstance(source, str) or not source):
            raise InputError(f"source {source!r} is not a string; name the search the value is from, or None")
        error = recording.checked_noise(noise)
        if error is not None and source is not None:
            raise InputError(f"noise {noise!r} is of the related search {source!r}; leave it out")
        self.apply(ObservationAdded(NO_CLOCK, config, real_number(value, "value"), definition, source, error))

    def _timely(self, trial: int | Hashable, late: str) -> int | None:
        """The number of a running trial; None for one that has ended where that is to be ignored."""
        if recording.check_choice(late, "late", recording.LATE) == "raise":
            return self._running(trial)
        number = self._number(trial)
        return number if number in self._log.running else None

    # -- as JSON

    @locked
    def state(self) -> dict[str, Any]:
        """All that `restore` needs, of values that JSON has: readable by later versions too.

        A strategy or a stopping rule given as an object is not in it, nor are values that JSON does not have:
        give them again to `restore`.

        Raises:
            InputError: an id is not a string, or an option of the strategy cannot be written as JSON.
        """
        return state_of(self._log, self.seed, self._strategy_name, self._options)

    @classmethod
    def restore(
        cls,
        state: Mapping[str, Any],
        *,
        space: Spaces | None = None,
        strategy: str | Strategy | None = None,
        stopping_rule: StoppingRule | None = None,
    ) -> Tuner:
        """The tuner whose `state` this is: it goes on with the same suggestions.

        Parameters
        ----------
        state
            What `state` returned, also of an earlier version.
        space
            The space, where its values are of kinds that JSON does not have.
        strategy, stopping_rule
            What was given as an object.

        Returns
        -------
        Tuner
            A new one.

        Raises
        ------
        InputError
            This is no state, or an argument is missing or does not fit it.
        StorageError
            It was written by a newer version, or is damaged.
        """
        stored = StoredTuner(state, space)
        if strategy is None and stored.strategy is None:
            raise InputError("the strategy was given as an object; give it again as strategy=...")
        options = {} if strategy is not None else stored.options
        tuner = cls(
            stored.space,
            stored.objective,
            strategy or stored.strategy or "",
            seed=stored.seed,
            stopping_rule=stopping_rule,
            **options,
        )
        for event in stored.events():
            tuner.apply(event)
        return tuner


def _recorded_status(status: str | None, value: object) -> TrialStatus:
    """The status of a trial that a host made."""
    if status is None:
        return TrialStatus.IN_PROGRESS if value is None else TrialStatus.COMPLETED
    found = parse_enum(TrialStatus, status, "status")
    if found is TrialStatus.STOPPING or (value is not None and not found.ended):
        raise InputError(
            f"status {str(found)!r} does not go with the value {value!r}; use InProgress without a value, or "
            "Completed, Stopped or Failed"
        )
    return found
