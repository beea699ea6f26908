"""What a strategy and a stopping rule may use: an immutable view of everything that has happened.

n   observations with a usable objective          X: (n, d)   y: (n,)   in completion order
m   trials still running                          pending: (m, d)       in trial order
f   trials that ended without a usable objective  failed: (f, d)        in completion order
r   observations of one related search            related: X (r, d), y (r,)   in the order they were added
d   parameters of the space; 0 in the joint view of a multi-algorithm search, whose parts `History.of` gives
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from hpt.errors import InputError
from hpt.search.growing import Prefix, Rows
from hpt.search.trial import (
    Addition,
    Config,
    ObjectiveType,
    Observation,
    Report,
    Trial,
    TrialStatus,
    Verdict,
)

if TYPE_CHECKING:
    from hpt.search.space import SearchSpace

Float64Array = NDArray[np.float64]


class Observations(NamedTuple):
    """Of one search: encoded configurations, (r, d), and objectives, (r,), always minimised; read-only."""

    X: Float64Array
    y: Float64Array


class HistoryLog:
    """The growing record behind every `History`: append-only, so that views of the past stay true.

    Each configuration is encoded once. Every change has a number, the `version` after it, and
    the state of a trial at any version can be restored: so a `snapshot` copies nothing and costs the same
    however many trials run or have ended. In a multi-algorithm search, given as spaces by name, each
    definition also has a log of its own, which numbers its trials from 1.
    """

    def __init__(self, space: SearchSpace | Mapping[str, SearchSpace], objective: ObjectiveType) -> None:
        self.objective = objective
        self.parts: dict[str, HistoryLog] = {}
        self.owners: list[int] = []  # the place of the definition of each observation
        self.local: dict[int, int] = {}  # trial number -> its number in the log of its definition
        self._space: SearchSpace | None = None
        if isinstance(space, Mapping):
            self.parts = {name: HistoryLog(own, objective) for name, own in space.items()}
            self._place = {name: place for place, name in enumerate(self.parts)}
        else:
            self._space = space
        d = 0 if self._space is None else len(self._space.columns)
        self.X = Rows(d)
        self.y = Rows(1)
        self.errors = Rows(1)  # standard errors of y, 0 where none is known
        self.failed = Rows(d)
        self.related: dict[str, tuple[Rows, Rows]] = {}  # X and y of related searches by name
        self.added = 0  # observations that are no trial's
        self.ended: list[Trial] = []
        self.position: dict[int, int] = {}  # trial number -> index in `ended`
        self.running: dict[int, Trial] = {}
        self.reports: dict[int, list[Report]] = {}
        self.reported_at: dict[int, array[int]] = {}  # the version after each of those
        self.stopping_at: dict[int, int] = {}  # the version after it was first decided to stop a trial
        self.reporters: array[int] = array("q")  # the trial of every report, in the order they came
        self.created_at: dict[int, int] = {}  # the version after a trial was created,
        self.ended_at: array[int] = array("q")  # and after each of `ended` ended
        self.reported_before: array[int] = array("q")  # how many reports were made before that
        self.additions: list[Addition] = []  # what was added, in order
        self.added_at: dict[int, Addition] = {}  # those that are observations of this search
        self.observers: array[int] = array("q")  # the trial of each observation, 0 for an added one
        self.forgotten: dict[int, tuple[Trial, int]] = {}  # as it was, and the version after
        self.ids: dict[Hashable, int] = {}  # the trial of each id that a host gave
        self.noise: dict[int, float] = {}  # standard errors of the final objectives that have one
        self.rows: dict[int, Float64Array] = {}  # encoded configurations of trials, each (d,)
        self.seen: dict[Hashable, int] = {}  # configuration key -> how many keys came before it
        self._uses: dict[Hashable, int] = {}  # how many trials and observations have it
        self.last_number = 0
        self.version = 0  # grows with every change

    @property
    def space(self) -> SearchSpace:
        """The space of the only definition."""
        if self._space is None:
            raise InputError(
                f"{_MULTI_ALGORITHM} {', '.join(self.parts)}; ask history.of(name) for its space"
            )
        return self._space

    def part(self, definition: str | None) -> HistoryLog:
        """The log of one definition of a multi-algorithm search; else this log, whatever the name."""
        if not self.parts:
            return self
        if definition not in self.parts:
            raise InputError(
                f"{_MULTI_ALGORITHM} {', '.join(self.parts)}; {definition!r} is not one of them: name one"
            )
        return self.parts[definition]

    def key(self, config: Config, definition: str | None) -> Hashable:
        """Equal for equal configurations only."""
        part = self.part(definition)
        return part.space.key(config) if part is self else (definition, part.space.key(config))

    def encode(self, config: Config) -> Float64Array:
        """The row of a configuration, (d,)."""
        return np.empty(0) if self.parts else self.space.encode([config])[0]

    def _see(self, config: Config, definition: str | None) -> None:
        key = self.key(config, definition)
        self.seen.setdefault(key, len(self.seen))
        self._uses[key] = self._uses.get(key, 0) + 1

    def _minimised(self, value: float) -> Float64Array:
        return np.array([-value if self.objective is ObjectiveType.MAXIMIZE else value])

    def _observe(
        self, number: int, row: Float64Array, value: float, noise: float | None, definition: str | None
    ) -> None:
        self.observers.append(number)
        self.X.append(row)
        self.y.append(self._minimised(value))
        self.errors.append(np.array([noise or 0.0]))
        if self.parts and definition is not None:
            self.owners.append(self._place[definition])

    def add(
        self,
        config: Config,
        value: float,
        definition: str | None = None,
        source: str | None = None,
        noise: float | None = None,
    ) -> None:
        """Add an observation from elsewhere.

        Parameters
        ----------
        config
            A configuration of the space.
        value
            Its objective, in the user's own sign.
        definition
            In a multi-algorithm search, the definition that was measured.
        source
            The related search that it is from; None if the objective of this search was measured.
        noise
            The standard error of the value, None if it is not known.
        """
        self.version += 1
        addition = Addition(self.version, config, value, definition, source, noise)
        self.additions.append(addition)
        if self.parts:
            self.part(definition).add(config, value, source=source, noise=noise)
        row = self.encode(config)
        if source is not None:
            X, y = self.related.setdefault(source, (Rows(len(row)), Rows(1)))
            X.append(row)
            y.append(self._minimised(value))
            return
        self._see(config, definition)
        self.added += 1
        self.added_at[self.X.count] = addition
        self._observe(0, row, value, noise, definition)

    def create(self, number: int, config: Config, definition: str | None = None) -> None:
        self._see(config, definition)
        self.version += 1
        if self.parts:
            part = self.part(definition)
            self.local[number] = part.last_number + 1
            part.create(self.local[number], config, definition)
        self.created_at[number] = self.version
        self.rows[number] = self.encode(config)
        self.reports[number], self.reported_at[number] = [], array("q")
        self.running[number] = Trial(
            number, config, reports=Prefix(self.reports[number], 0), definition=definition
        )
        self.last_number = max(self.last_number, number)

    def identify(self, number: int, id: Hashable) -> None:
        """Give a running trial its host's id."""
        self.version += 1
        self.ids[id] = number
        self.running[number] = replace(self.running[number], id=id)
        if self.parts:
            definition = self.running[number].definition
            self.part(definition).identify(self.local[number], id)

    def state_noise(self, number: int, noise: float) -> None:
        """The standard error of the final objective that a running trial is about to end with."""
        self.version += 1
        self.noise[number] = noise
        if self.parts:
            self.part(self.running[number].definition).state_noise(self.local[number], noise)

    def report(self, number: int, report: Report) -> None:
        self.version += 1
        reports = self.reports[number]
        reports.append(report)
        self.reported_at[number].append(self.version)
        self.reporters.append(number)
        trial = self.running[number] = replace(self.running[number], reports=Prefix(reports, len(reports)))
        if self.parts:
            self.part(trial.definition).report(self.local[number], report)

    def mark_stopping(self, number: int, verdict: Verdict | None = None) -> None:
        self.version += 1
        trial = self.running[number]
        after = len(trial.reports) if trial.stopped_after is None else trial.stopped_after
        self.stopping_at.setdefault(number, self.version)
        self.running[number] = replace(
            trial,
            status=TrialStatus.STOPPING,
            stopped_after=after,
            stopped_by=verdict if trial.stopped_after is None else trial.stopped_by,
        )
        if self.parts:
            self.part(trial.definition).mark_stopping(self.local[number], verdict)

    def end(self, number: int, status: TrialStatus, value: float | None) -> None:
        self.version += 1
        row = self.rows[number]
        usable = status is not TrialStatus.FAILED and value is not None and isfinite(value)
        trial = replace(self.running[number], status=status, value=value if usable else None)
        self.ended.append(trial)
        self.ended_at.append(self.version)
        self.position[number] = len(self.ended) - 1
        self.reported_before.append(len(self.reporters))
        del self.running[number]  # last: another thread looks it up among the ended ones from here on
        if usable and value is not None:
            self._observe(number, row, value, self.noise.get(number), trial.definition)
        else:
            self.failed.append(row)
        if self.parts:
            self.part(trial.definition).end(self.local[number], status, value)

    def forget(self, number: int) -> None:
        """Withdraw a running trial: views from here on do not have it, unless asked for it by its number."""
        self.version += 1
        trial = self.running[number]
        self.forgotten[number] = trial, self.version
        del self.running[number]
        key = self.key(trial.config, trial.definition)
        self._uses[key] -= 1
        if not self._uses[key]:  # earlier views keep the former dictionary
            self.seen = {each: place for place, each in enumerate(e for e in self.seen if e != key)}
        if self.parts:
            self.part(trial.definition).forget(self.local[number])

    def snapshot(self) -> History:
        """Everything as it stands."""
        return History(self)

    def running_at(self, version: int, ended: int, last_number: int) -> list[int]:
        """The numbers of the trials that ran at a version, when so many had ended: those of the present and
        of those that ended or were forgotten since, in trial order.
        """
        since = [trial.number for trial in self.ended[ended:] if trial.number <= last_number]
        since += [
            number for number, (_, at) in self.forgotten.items() if version < at and number <= last_number
        ]
        return sorted([*(number for number in self.running if number <= last_number), *since])

    def trial_at(self, number: int, version: int) -> Trial:
        """A trial that ran at that version, as it was."""
        trial = self.running.get(number)
        if trial is not None and version == self.version:
            return trial
        if trial is None:
            ended = number in self.position
            trial = self.ended[self.position[number]] if ended else self.forgotten[number][0]
        count = bisect_right(self.reported_at[number], version)
        stopping = self.stopping_at.get(number, version + 1) <= version
        return Trial(
            number,
            trial.config,
            TrialStatus.STOPPING if stopping else TrialStatus.IN_PROGRESS,
            reports=Prefix(self.reports[number], count),
            definition=trial.definition,
            stopped_after=trial.stopped_after if stopping else None,
            stopped_by=trial.stopped_by if stopping else None,
            id=trial.id,
        )


_MULTI_ALGORITHM = "this is a multi-algorithm search over"


class History(Sequence[Trial]):
    """An immutable view: the trials that ended, in completion order, then the running ones by number."""

    def __init__(self, log: HistoryLog) -> None:
        self._log = log
        self._version = log.version
        self._ended = len(log.ended)
        self._n = log.X.count
        self._failed = log.failed.count
        self._related = {name: X.count for name, (X, _) in log.related.items()}
        self.added_count = log.added
        self._keys, self._seen = log.seen, len(log.seen)
        self._created = self.last_number = log.last_number
        self._running = len(log.running)
        self._numbers: list[int] | None = None  # of the running trials, once they are asked for
        self._extra: tuple[Trial, ...] = ()  # running ones that the log does not have
        self._extra_keys: frozenset[Hashable] = frozenset()
        self.fixed: Config = {}  # values that are held
        self.held: Float64Array | None = None  # their codes, (d,), NaN where a coordinate is free
        self.report_count = len(log.reporters)
        """How many reports were made so far."""
        self._parts = {name: part.snapshot() for name, part in log.parts.items()}

    def __repr__(self) -> str:
        return f"<history of {self._ended} ended trials and {self._running} running>"

    @property
    def definitions(self) -> tuple[str, ...]:
        """The names of the definitions of a multi-algorithm search, in their order; else empty."""
        return tuple(self._parts)

    def pinned(self) -> History:
        """This view, made safe to read in another thread while its source goes on growing."""
        self._running_numbers()
        for part in self._parts.values():
            part.pinned()
        return self

    def of(self, definition: str) -> History:
        """The history as a search over that definition alone would have it: its trials are numbered from 1.

        Raises:
            KeyError: there is no definition of that name.
        """
        return self._parts[definition]

    def local_number(self, number: int) -> int:
        """The number of a trial in the history of its definition; in a search of one space, the same."""
        return self._log.local.get(number, number)

    @property
    def owners(self) -> NDArray[np.intp]:
        """In a multi-algorithm search, the index in `definitions` of each observation's definition, (n,)."""
        return np.array(self._log.owners[: self._n], dtype=np.intp)

    @property
    def source(self) -> object:
        """What this is a view of. Of two views of one source, the later contains the earlier as it was."""
        return self._log

    @property
    def version(self) -> int:
        """How many changes of its source had been made when this view was taken."""
        return self._version

    @property
    def ended_count(self) -> int:
        """How many trials have ended: those at `history[i]` for i below it, each at the same cost."""
        return self._ended

    @property
    def space(self) -> SearchSpace:
        return self._log.space

    def space_of(self, definition: str | None) -> SearchSpace:
        """The space of one definition of a multi-algorithm search; else the space, whatever the name.

        Raises:
            InputError: there is no definition of that name.
        """
        return self._log.part(definition).space

    @property
    def objective(self) -> ObjectiveType:
        return self._log.objective

    @property
    def X(self) -> Float64Array:
        """Encoded configurations of the observations, (n, d), read-only, in completion order."""
        return self._log.X.view(self._n)

    @property
    def y(self) -> Float64Array:
        """Objectives of the observations, (n,), read-only, always minimised."""
        return self._log.y.view(self._n)[:, 0]

    @property
    def additions(self) -> Sequence[Addition]:
        """Observations from elsewhere, in order."""
        return [each for each in self._log.additions if each.version <= self._version]

    @property
    def observers(self) -> Sequence[int]:
        """The number of the trial of each observation, (n,), 0 for an added one."""
        return self._log.observers[: self._n]

    @property
    def noise(self) -> Float64Array:
        """Standard errors of the observations, (n,), read-only, 0 where none is known."""
        return self._log.errors.view(self._n)[:, 0]

    def observation(self, row: int) -> Observation:
        """One of the n observations, in the user's own sign."""
        number = self._log.observers[row]
        if not number:
            added = self._log.added_at[row]
            return Observation(dict(added.config), added.value, added.noise)
        trial = self.trial(number)
        assert trial.value is not None
        noise, reports = self._log.noise.get(number), tuple(trial.reports)
        return Observation(dict(trial.config), trial.value, noise, reports, trial.status, number, trial.id)

    @property
    def pending(self) -> Float64Array:
        """Encoded configurations of the running trials, (m, d), in trial order."""
        d = 0 if self._parts else len(self.space.columns)
        rows = [self._log.rows[number] for number in self._running_numbers()]
        rows += [self._log.encode(trial.config) for trial in self._extra]
        return np.array(rows, dtype=np.float64).reshape(len(rows), d)

    @property
    def failed(self) -> Float64Array:
        """Encoded configurations that ended without a usable objective, (f, d), in completion order."""
        return self._log.failed.view(self._failed)

    @property
    def related(self) -> dict[str, Observations]:
        """What was observed in related searches, by name, in the order in which they first appeared."""
        return {
            name: Observations(self._log.related[name][0].view(r), self._log.related[name][1].view(r)[:, 0])
            for name, r in self._related.items()
        }

    @property
    def running(self) -> Sequence[Trial]:
        own = (self._log.trial_at(number, self._version) for number in self._running_numbers())
        return (*own, *self._extra)

    def _running_numbers(self) -> list[int]:
        """The numbers of the running trials that the log has, in trial order."""
        if self._numbers is None:
            self._numbers = self._log.running_at(self._version, self._ended, self._created)
        return self._numbers

    def reporters(self, start: int) -> Sequence[int]:
        """The number of the trial that made each report, without the first `start`, in the order they came:
        what a rule that has read so many still needs. The k-th entry of a trial is its k-th report.
        """
        return self._log.reporters[start : self.report_count]

    def reported_before(self, start: int) -> Sequence[int]:
        """How many reports were made before each of the ended trials ended, without the first `start`."""
        return self._log.reported_before[start : self._ended]

    @property
    def ended(self) -> Sequence[Trial]:
        return self._log.ended[: self._ended]

    @property
    def distinct(self) -> int:
        """How many distinct configurations were launched or added."""
        return self._seen + len(self._extra_keys)

    def contains(self, config: Config) -> bool:
        """Whether this configuration was launched (running, ended or failed) or added before."""
        return self.contains_key(self.space.key(config))

    def contains_key(self, key: Hashable) -> bool:
        """The same for a configuration given by its `SearchSpace.key`."""
        return self._keys.get(key, self._seen) < self._seen or key in self._extra_keys

    def trial(self, number: int) -> Trial:
        """The trial of that number as it stood when this view was taken; KeyError if there was none."""
        if number > self._created:
            for trial in self._extra:
                if trial.number == number:
                    return trial
            raise KeyError(number)
        position = self._log.position.get(number, self._ended)
        if position < self._ended:
            return self._log.ended[position]
        if number not in self._log.reports:
            raise KeyError(number)
        return self._log.trial_at(number, self._version)

    def with_pending(
        self, configs: Sequence[Config], definition: str | None = None, *, numbered: bool = True
    ) -> History:
        """This history with further trials running, numbered on: `ask(8)` is 8 x `ask(1)`.

        numbered: not those that run elsewhere, whose number is 0 and which shift no seed.
        """
        start = self.last_number + 1
        extra = [Trial((start + i) * numbered, each, definition=definition) for i, each in enumerate(configs)]
        view = History.__new__(History)
        view.__dict__.update(self.__dict__)
        view._extra = (*self._extra, *extra)
        keys = {self._log.key(trial.config, definition) for trial in extra}
        view._extra_keys = self._extra_keys | {key for key in keys if not self.contains_key(key)}
        if self._parts and definition is not None:
            view._parts = self._parts | {
                definition: self._parts[definition].with_pending(configs, definition, numbered=numbered)
            }
        view.last_number = self.last_number + len(extra) * numbered
        return view

    def with_fixed(self, fixed: Config) -> History:
        """This history for a search that holds these valid values, not all that there are."""
        view = History.__new__(History)
        view.__dict__.update(self.__dict__)
        view.fixed = fixed
        columns = self.space.columns
        codes = [each.encode(fixed[each.name]) if each.name in fixed else np.nan for each in columns]
        view.held = np.array(codes)
        return view

    def __len__(self) -> int:
        return self._ended + self._running + len(self._extra)

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | Sequence[Trial]:
        if isinstance(index, slice):
            return (*self.ended, *self.running)[index]
        position = index + len(self) if index < 0 else index
        if 0 <= position < self._ended:
            return self._log.ended[position]
        return self.running[position - self._ended if position >= 0 else len(self)]

    def __iter__(self) -> Iterator[Trial]:
        yield from self.ended
        yield from self.running
