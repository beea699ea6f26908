"""What the search of a stored job believes of its trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hpt.job.config import JobConfig
from hpt.job.decisions import make_search
from hpt.search import events as ev
from hpt.search.tuner import Tuner

_SEEN = (
    ev.ObservationAdded,
    ev.ParentResult,
    ev.TrialCreated,
    ev.Reported,
    ev.StopDecided,
    ev.TrialEnded,
    ev.TrialIdentified,
    ev.NoiseKnown,
    ev.TrialForgotten,
)
"""The kinds of events that a search sees: a fraction of those of a job."""


class Belief(NamedTuple):
    """The objective of a trial's configuration without noise, and its standard deviation."""

    mean: float
    deviation: float


class JobSearch:
    """A job and what happened in it, for what is costly to find out and rarely asked for."""

    def __init__(self, config: JobConfig, events: Sequence[ev.Event]) -> None:
        self._config = config
        self._events = [event for event in events if isinstance(event, _SEEN)]
        self._beliefs: dict[int, Belief] | None = None

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (self._config, [ev.to_json(event) for event in self._events])

    def beliefs(self) -> dict[int, Belief]:
        """Of the trials with a value, by their numbers, the best first; of more than 1,000 those of the best
        values. They are those of the model that proposes, or of Bayesian search where none does."""
        if self._beliefs is None:
            config = self._config
            strategy, rule = make_search(config)
            tuner = Tuner(
                config.space, config.objective_type, strategy, seed=config.seed or 0, stopping_rule=rule
            )
            for event in self._events:
                tuner.apply(event)
            self._beliefs = {
                each.number: Belief(each.believed, each.deviation)
                for each in tuner.beliefs(added=False)
                if each.number is not None and each.believed is not None and each.deviation is not None
            }
        return self._beliefs


def _restored(config: JobConfig, events: Sequence[tuple[str, str]]) -> JobSearch:
    return JobSearch(config, [ev.from_json(kind, body) for kind, body in events])
