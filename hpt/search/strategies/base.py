"""The one method of a search strategy, and what its options are checked by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hpt.errors import InputError
from hpt.search.history import History
from hpt.search.space import SearchSpace
from hpt.search.trial import Config

Seed = int
"""An integer from 0 to 2**64 - 1. Randomness for trial k is drawn from a generator keyed by (seed, k)."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A configuration to try next; `definition` names its algorithm in a multi-algorithm job."""

    config: Config
    definition: str | None = None


class Strategy(Protocol):
    """A pure function of recorded history. Whatever it keeps between calls is a cache, never state."""

    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        """At most `count` configurations for the trials numbered on from `history.last_number`.

        Fewer, down to none, when every configuration of the space was tried. Asking for eight equals asking
        eight times for one, each suggestion pending when the next is made (`History.with_pending`).
        """
        ...


def one_by_one(
    choose: Callable[[History, Seed], Config | Suggestion | None], history: History, count: int, seed: Seed
) -> list[Suggestion]:
    """Suggestions made one after another, each pending when the next is made.

    Parameters
    ----------
    choose
        Makes one suggestion from a history and the seed; None: there are no more.
    history
        What has happened so far.
    count
        How many suggestions are made at most.
    seed
        The search's seed.

    Returns
    -------
    list
        The suggestions.
    """
    suggestions: list[Suggestion] = []
    for _ in range(count):
        choice = choose(history, seed)
        if choice is None:
            break
        suggestion = choice if isinstance(choice, Suggestion) else Suggestion(choice)
        suggestions.append(suggestion)
        history = history.with_pending([suggestion.config], suggestion.definition)
    return suggestions


def check_integer(count: object, name: str, least: int, advice: str) -> None:
    """Check an option, which may also be a NumPy integer.

    Parameters
    ----------
    count
        The value.
    name
        The option's name, for the message.
    least
        The smallest allowed value.
    advice
        Ends the message.

    Raises
    ------
    InputError
        It is not an integer of at least `least`.
    """
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < least:
        raise InputError(f"{name} {count!r} is not an integer of at least {least}; {advice}")


def check_space(strategy: Strategy, space: SearchSpace) -> None:
    """Refuse a space that the strategy cannot search: one that its own method `check_space`, if any, refuses.

    Raises:
        InputError: the strategy cannot search such a space.
    """
    check = getattr(strategy, "check_space", None)
    if check is not None:
        check(space)
