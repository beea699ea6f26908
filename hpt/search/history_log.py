"""The growing record behind the views of a search."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Hashable, Mapping
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from hpt.errors import InputError
from hpt.search.growing import Prefix, Rows
from hpt.search.history import MULTI_ALGORITHM, Float64Array, History
from hpt.search.trial import (
    Addition,
    Config,
    ObjectiveType,
    Report,
    Trial,
    TrialStatus,
    Verdict,
)

if TYPE_CHECKING:
    from hpt.search.space import SearchSpace


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
            raise InputError(f"{MULTI_ALGORITHM} {', '.join(self.parts)}; ask history.of(name) for its space")
        return self._space

    def part(self, definition: str | None) -> HistoryLog:
        """The log of one definition of a multi-algorithm search; else this log, whatever the name."""
        if not self.parts:
            return self
        if definition not in self.parts:
            raise InputError(
                f"{MULTI_ALGORITHM} {', '.join(self.parts)}; {definition!r} is not one of them: name one"
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
