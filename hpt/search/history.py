"""What a strategy and a stopping rule may use: an immutable view of everything that has happened.

n   observations with a usable objective          X: (n, d)   y: (n,)   in completion order
m   trials still running                          pending: (m, d)       in trial order
f   trials that ended without a usable objective  failed: (f, d)        in completion order
r   observations of one related search            related: X (r, d), y (r,)   in the order they were added
d   parameters of the space; 0 in the joint view of a multi-algorithm search, whose parts `History.of` gives
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from hpt.search.trial import (
    Addition,
    Config,
    ObjectiveType,
    Observation,
    Trial,
)

if TYPE_CHECKING:
    from hpt.search.history_log import HistoryLog
    from hpt.search.space import SearchSpace

Float64Array = NDArray[np.float64]


class Observations(NamedTuple):
    """Of one search: encoded configurations, (r, d), and objectives, (r,), always minimised; read-only."""

    X: Float64Array
    y: Float64Array


MULTI_ALGORITHM = "this is a multi-algorithm search over"


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
