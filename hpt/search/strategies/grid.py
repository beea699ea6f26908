"""Grid search: every combination of categorical values once (behaviour 4.2)."""

from __future__ import annotations

from itertools import chain

from hpt.errors import InputError
from hpt.search.history import History
from hpt.search.space import CategoricalParameter, SearchSpace
from hpt.search.strategies.base import Seed, Suggestion
from hpt.search.trial import Config, Value


class GridStrategy:
    """The product of the value lists in lexicographic order: declaration order, last parameter fastest.

    Neither results nor the seed matter. Combinations that were added from elsewhere are skipped.
    """

    def check_space(self, space: SearchSpace) -> None:
        """Raises InputError unless every parameter is categorical."""
        for parameter in space.parameters:
            if not isinstance(parameter, CategoricalParameter):
                raise InputError(
                    f"strategy 'Grid' takes categorical parameters only, and {parameter.name!r} is a "
                    f"{type(parameter).__name__}; list its values in a CategoricalParameter or use 'Random'"
                )

    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        space = history.space
        self.check_space(space)
        size = space.size or 0
        count = min(count, size - history.distinct)
        suggestions: list[Suggestion] = []
        # Every trial took the first untried combination, so that those before `start` are all tried. A
        # history made otherwise may have left some: hence the second pass.
        start = min(history.last_number, size)
        for index in chain(range(start, size), range(start)):
            if len(suggestions) >= count:
                break
            config = combination(space, index)
            if not history.contains(config):
                suggestions.append(Suggestion(config))
        return suggestions


def combination(space: SearchSpace, index: int) -> Config:
    """Combination `index`, from 0, of a space of categoricals: one digit each, the last the lowest."""
    values: dict[str, Value] = {}
    for parameter in reversed(space.parameters):
        assert isinstance(parameter, CategoricalParameter), "check_space comes first"
        index, digit = divmod(index, parameter.count)
        values[parameter.name] = parameter.values[digit]
    return dict(reversed(values.items()))
