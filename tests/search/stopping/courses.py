"""Trials that report, end, fail and are stopped in a random order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf, nan

import numpy as np

from hpt.search.history import History
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.strategies.base import Suggestion
from hpt.search.strategies.random import RandomStrategy
from hpt.search.trial import Decision
from hpt.search.tuner import Tuner

SPACE = SearchSpace([ContinuousParameter("x", 0, 1)])


class TwoAlgorithms:
    """Random configurations, in turns for one definition and the other."""

    def suggest(self, history: History, count: int, seed: int) -> list[Suggestion]:
        first = history.last_number + 1
        return [
            Suggestion(suggestion.config, "ab"[(first + i) % 2])
            for i, suggestion in enumerate(RandomStrategy().suggest(history, count, seed))
        ]


class Watched:
    """A rule whose every decision is handed to `check(history, number, decision)`."""

    def __init__(self, rule: object, check: Callable[[History, int, Decision], None]) -> None:
        self.rule, self.check = rule, check

    def decide(self, history: History, number: int) -> Decision:
        decision = self.rule.decide(history, number)  # type: ignore[attr-defined]
        self.check(history, number, decision)
        return decision


def run(rule: object, seed: int, *, objective: str, steps: int = 400, longest: int = 30) -> Iterator[Tuner]:
    """A tuner under that rule, step by step. Values lie on a coarse grid, so that many are equal."""
    rng = np.random.default_rng(seed)
    tuner = Tuner(SPACE, objective, TwoAlgorithms(), seed=seed, stopping_rule=rule)
    resource: dict[int, float] = {}
    stubborn: set[int] = set()
    for _ in range(steps):
        if not resource or (len(resource) < 8 and rng.random() < 0.2):
            [trial] = tuner.ask()
            resource[trial.number] = 0.0
            continue
        number = int(rng.choice(list(resource)))
        action = rng.random()
        if action < 0.04:
            tuner.tell(number, status=str(rng.choice(["Completed", "Failed", "Stopped"])))
            del resource[number]
            continue
        kind = rng.random()
        value = nan if kind < 0.02 else inf if kind < 0.03 else -inf if kind < 0.04 else rng.integers(8) / 4
        jump = rng.random()
        if jump < 0.9:
            resource[number] += 1 if jump < 0.85 else int(rng.integers(2, 12))
        decision = tuner.report(number, float(value), max(1.0, resource[number] - (jump > 0.97)))
        if decision is Decision.STOP and (number in stubborn or rng.random() < 0.7):
            tuner.tell(number, status="Stopped")  # the others go on reporting for a while
            del resource[number]
        elif decision is Decision.STOP:
            stubborn.add(number)
        elif resource[number] > longest:
            tuner.tell(number)
            del resource[number]
        yield tuner
