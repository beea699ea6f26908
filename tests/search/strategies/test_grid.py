"""Grid search (behaviour 4.2)."""

from __future__ import annotations

from itertools import product

import pytest

from hpt.errors import InputError
from hpt.search.history_log import HistoryLog
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.strategies.grid import GridStrategy, combination
from hpt.search.trial import ObjectiveType, TrialStatus

SPACE = SearchSpace(
    [CategoricalParameter("optimizer", ["sgd", "adam"]), CategoricalParameter("batch", [32, 64, 128])]
)


def ask(log: HistoryLog, count: int, seed: int = 1) -> list[tuple]:
    configs = [suggestion.config for suggestion in GridStrategy().suggest(log.snapshot(), count, seed)]
    for config in configs:
        log.create(log.last_number + 1, config)
    return [tuple(config.values()) for config in configs]


def new_log(space: SearchSpace = SPACE) -> HistoryLog:
    return HistoryLog(space, ObjectiveType.MINIMIZE)


def test_order_is_lexicographic_with_the_last_parameter_fastest():
    expected = [("sgd", 32), ("sgd", 64), ("sgd", 128), ("adam", 32), ("adam", 64), ("adam", 128)]
    assert ask(new_log(), 10) == expected
    log = new_log()
    assert [config for _ in range(8) for config in ask(log, 1)] == expected
    assert ask(log, 1) == []


def test_neither_seed_nor_results_matter():
    log = new_log()
    first = ask(log, 3, seed=1)
    log.end(2, TrialStatus.FAILED, None)
    log.end(1, TrialStatus.COMPLETED, 3.0)
    assert first + ask(log, 3, seed=99) == ask(new_log(), 6, seed=5)


@pytest.mark.parametrize("added", [[("sgd", 32)], [("adam", 128), ("sgd", 64)], [("adam", 32), ("adam", 64)]])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_added_combinations_are_skipped(added, after):
    log = new_log()
    asked = ask(log, after)
    for optimizer, batch in added:
        log.add({"optimizer": optimizer, "batch": batch}, 1.0)
    while more := ask(log, 1):
        asked += more
    every = list(product(["sgd", "adam"], [32, 64, 128]))
    assert asked == [combo for i, combo in enumerate(every) if combo not in added or i < after]


def test_a_history_made_otherwise_is_completed_too():
    log = new_log()
    log.create(1, {"optimizer": "adam", "batch": 64})
    log.create(2, {"optimizer": "adam", "batch": 128})
    assert sorted(ask(log, 10)) == sorted([("sgd", 32), ("sgd", 64), ("sgd", 128), ("adam", 32)])
    assert ask(log, 1) == []


def test_names_keep_their_declaration_order():
    assert list(combination(SPACE, 4)) == ["optimizer", "batch"]


def test_a_huge_grid_costs_no_more_than_what_is_asked():
    space = SearchSpace([CategoricalParameter(f"c{i}", range(10)) for i in range(20)])
    log = new_log(space)
    assert ask(log, 3) == [(0,) * 19 + (i,) for i in range(3)]
    assert space.size == 10**20


@pytest.mark.parametrize("other", [IntegerParameter("n", 1, 3), ContinuousParameter("x", 0, 1)])
def test_only_categoricals(other):
    space = SearchSpace([*SPACE.parameters, other])
    with pytest.raises(
        InputError, match=f"'Grid' takes categorical parameters only, and '{other.name}' is a "
    ):
        GridStrategy().suggest(new_log(space).snapshot(), 1, 1)
