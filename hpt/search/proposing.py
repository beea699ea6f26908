"""What a strategy suggests, as the events that would create its trials."""

from __future__ import annotations

from hpt.errors import InputError
from hpt.search.events import TrialCreated
from hpt.search.history import History
from hpt.search.strategies.base import Seed, Strategy

NO_CLOCK = 0.0
"""The time of events where nobody has a clock."""


def proposals(strategy: Strategy, history: History, count: int, seed: Seed) -> list[TrialCreated]:
    """The trials that a strategy would create, numbered on from the history's last.

    Parameters
    ----------
    strategy
        Makes the suggestions.
    history
        What has happened so far.
    count
        How many trials at most.
    seed
        The search's seed.

    Returns
    -------
    list
        The events; fewer than `count` once every configuration of the space was tried.

    Raises
    ------
    InputError
        The strategy broke its contract.
    """
    suggestions = strategy.suggest(history, count, seed)
    if len(suggestions) > count:
        raise InputError(f"the strategy made {len(suggestions)} suggestions where {count} were asked for")
    return [
        TrialCreated(
            NO_CLOCK,
            number,
            history.space_of(suggestion.definition).validate(suggestion.config),
            definition=suggestion.definition,
        )
        for number, suggestion in enumerate(suggestions, history.last_number + 1)
    ]
