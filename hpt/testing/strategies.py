"""What every search strategy promises, as tests. Subclass `StrategySuite` and define `make`.

class TestMine(StrategySuite):
    def make(self):
        return MyStrategy()
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from math import nan

import numpy as np
import pytest

from hpt.search.history_log import HistoryLog
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.strategies.base import Strategy, Suggestion
from hpt.search.trial import Config, ObjectiveType, TrialStatus

MIXED = SearchSpace(
    [
        ContinuousParameter("rate", 1e-5, 1, "Logarithmic"),
        IntegerParameter("depth", 1, 9),
        CategoricalParameter("kind", ["a", "b", "c"]),
    ]
)
GRID = SearchSpace(
    [CategoricalParameter("kind", ["a", "b", "c"]), CategoricalParameter("flag", ["on", "off"])]
)

Spaces = SearchSpace | Mapping[str, SearchSpace]


class StrategySuite:
    """The contract of `hpt.search.strategies.base.Strategy`.

    spaces: what is searched. finite: a small space, or None if the strategy repeats configurations. trials:
    how many trials a test runs.
    """

    spaces: Spaces = MIXED
    finite: Spaces | None = GRID
    trials = 18

    def make(self) -> Strategy:
        """A new strategy that has seen nothing."""
        raise NotImplementedError("define `make`, which makes a strategy")

    # -- helpers of the tests --------------------------------------------------------------------------------

    def log(self, spaces: Spaces | None = None) -> HistoryLog:
        return HistoryLog(self.spaces if spaces is None else spaces, ObjectiveType.MINIMIZE)

    @staticmethod
    def launch(log: HistoryLog, suggestions: list[Suggestion]) -> list[int]:
        """Create the trials of suggestions; their numbers."""
        for suggestion in suggestions:
            log.create(log.last_number + 1, suggestion.config, suggestion.definition)
        return list(range(log.last_number - len(suggestions) + 1, log.last_number + 1))

    @staticmethod
    def objective(config: Config) -> float:
        """Something to minimise, whatever the parameters are."""
        return float(sum(hash_of(name, value) for name, value in config.items()))

    def course(self, strategy: Strategy, seed: int, *, forget: bool = False) -> list[Suggestion]:
        """A search with trials that run, end and fail; every suggestion in order. forget: with a new strategy
        for each."""
        log, made, running = self.log(), list[Suggestion](), list[int]()
        while len(made) < self.trials:
            current = self.make() if forget else strategy
            suggestions = current.suggest(log.snapshot(), 1 + len(made) % 3, seed)
            assert suggestions, "a strategy must have suggestions while configurations are left"
            made += suggestions
            running += self.launch(log, suggestions)
            while len(running) > 3:
                number = running.pop(number_of(len(made), len(running)))
                self.end(log, number)
        return made

    def end(self, log: HistoryLog, number: int) -> None:
        """Every fifth trial fails, every seventh has no usable objective."""
        if number % 5 == 0:
            log.end(number, TrialStatus.FAILED, None)
        else:
            value = nan if number % 7 == 0 else self.objective(log.running[number].config)
            log.end(number, TrialStatus.COMPLETED, value)

    # -- the tests ------------------------------------------------------------------------------------------

    def test_suggestions_are_configurations_of_the_space(self) -> None:
        log = self.log()
        for suggestion in self.course(self.make(), 1):
            space = log.part(suggestion.definition).space
            assert space.validate(suggestion.config) == suggestion.config
            assert (suggestion.definition is not None) == isinstance(self.spaces, Mapping)

    def test_the_same_history_and_seed_give_the_same_suggestions(self) -> None:
        assert self.course(self.make(), 1) == self.course(self.make(), 1)

    def test_what_is_kept_between_calls_is_a_cache(self) -> None:
        assert self.course(self.make(), 2, forget=True) == self.course(self.make(), 2)

    def test_asking_for_eight_is_asking_eight_times_for_one(self) -> None:
        log, strategy = self.log(), self.make()
        for number in self.launch(log, strategy.suggest(log.snapshot(), 6, 3)):
            self.end(log, number)
        together = strategy.suggest(log.snapshot(), 8, 3)
        one_by_one = []
        for _ in range(8):
            suggestions = strategy.suggest(log.snapshot(), 1, 3)
            self.launch(log, suggestions)
            one_by_one += suggestions
        assert together == one_by_one

    def test_a_history_is_not_changed(self) -> None:
        log, strategy = self.log(), self.make()
        for number in self.launch(log, strategy.suggest(log.snapshot(), 6, 4)):
            self.end(log, number)
        history = log.snapshot()
        before = [copy.deepcopy(trial) for trial in history], history.y.copy()
        strategy.suggest(history, 2, 4)
        assert list(history) == before[0]
        assert np.array_equal(history.y, before[1])

    def test_histories_may_come_in_any_order(self) -> None:
        """An earlier view of a search, or another search, after a later one."""
        strategy, log = self.make(), self.log()
        views = []
        for _ in range(4):
            views.append(log.snapshot())
            for number in self.launch(log, self.make().suggest(log.snapshot(), 3, 5)):
                self.end(log, number)
        forward = [strategy.suggest(view, 2, 5) for view in views]
        strategy.suggest(self.log().snapshot(), 1, 5)
        assert [strategy.suggest(view, 2, 5) for view in reversed(views)] == forward[::-1]

    def test_strategies_can_be_sent_to_another_process(self) -> None:
        strategy, log = self.make(), self.log()
        for number in self.launch(log, strategy.suggest(log.snapshot(), 5, 6)):
            self.end(log, number)
        sent = pickle.loads(pickle.dumps(strategy))
        assert sent.suggest(log.snapshot(), 3, 6) == strategy.suggest(log.snapshot(), 3, 6)

    def test_a_finite_space_is_used_up_without_repeats(self) -> None:
        if self.finite is None:
            pytest.skip("this strategy repeats configurations")
        log, strategy, tried = self.log(self.finite), self.make(), []
        while suggestions := strategy.suggest(log.snapshot(), 4, 7):
            tried += suggestions
            for number in self.launch(log, suggestions):
                self.end(log, number)
            assert len(tried) <= 100, "a used-up space must give an empty list"
        keys = [log.key(suggestion.config, suggestion.definition) for suggestion in tried]
        parts = self.finite.values() if isinstance(self.finite, Mapping) else [self.finite]
        assert len(keys) == len(set(keys)) == sum(part.size or 0 for part in parts)

    @pytest.mark.parametrize("value", [0.0, 1e-300, 1e300, -1e300])
    def test_huge_tiny_and_equal_objectives(self, value: float) -> None:
        log, strategy = self.log(), self.make()
        for _ in range(min(self.trials, 12) // 2):
            suggestions = strategy.suggest(log.snapshot(), 2, 8)
            assert len(suggestions) == 2
            for number in self.launch(log, suggestions):
                log.end(number, TrialStatus.COMPLETED, value if number % 2 else 0.0)


def hash_of(name: str, value: object) -> float:
    """A number from 0 to about 1 for the value of a parameter, the same in every process."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(np.tanh(abs(value) % 17 / 17))
    return sum(map(ord, f"{name}{value}")) % 101 / 101


def number_of(turn: int, count: int) -> int:
    """Which of `count` running trials ends next."""
    return turn * 7 % count
