"""Random search: every configuration is drawn independently of all results (behaviour 4.3)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import islice, product

import numpy as np

from hpt.search.history import History
from hpt.search.space import SearchSpace
from hpt.search.strategies.base import Seed, Suggestion
from hpt.search.strategies.randomness import SAMPLE, generator
from hpt.search.trial import Config

DRAWS = 64
"""Draws that may hit tried configurations before the untried ones of a finite space are counted out."""


class RandomStrategy:
    """Uniform in scaled coordinates for numbers and over the values of categoricals, without repeats.

    The configuration of trial k depends on (seed, k) and on which configurations were launched or added
    before it, never on results, their order or the time. A finite space is used up to its last configuration:
    when `DRAWS` draws in a row were tried before, the choice is uniform among those that were not.
    """

    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        space, size = history.space, history.space.size
        taken: set[Hashable] = set()
        suggestions: list[Suggestion] = []
        for number in range(history.last_number + 1, history.last_number + 1 + count):
            left = None if size is None else size - history.distinct - len(taken)
            if left is not None and left <= 0:
                break
            config = _draw(history, taken, generator(seed, number, SAMPLE), left)
            taken.add(space.key(config))
            suggestions.append(Suggestion(config))
        return suggestions


def _draw(history: History, taken: set[Hashable], rng: np.random.Generator, left: int | None) -> Config:
    space = history.space
    for _ in range(DRAWS):
        [config] = space.sample(1, rng)
        if space.key(config) not in taken and not history.contains(config):
            return config
    if left is None:  # floats so close together that draws coincide: there is no list to count out
        return config
    untried = (
        each
        for each in _product(space)
        if (key := space.key(each)) not in taken and not history.contains_key(key)
    )
    return next(islice(untried, int(rng.integers(left)), None))


def _product(space: SearchSpace) -> Iterator[Config]:
    """Every configuration of a finite space."""
    names = [parameter.name for parameter in space.parameters]
    for values in product(*(parameter.listed() for parameter in space.parameters)):
        yield dict(zip(names, values, strict=True))
