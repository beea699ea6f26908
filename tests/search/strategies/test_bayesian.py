"""Bayesian search (behaviour 4.5): a function of history that never repeats itself and finds the optimum."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from hpt.search.history_log import HistoryLog
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.strategies.base import Strategy
from hpt.search.strategies.bayesian import BayesianStrategy
from hpt.search.strategies.model_search import first_points
from hpt.search.strategies.random import RandomStrategy
from hpt.search.strategies.schedule import anchor
from hpt.search.trial import Config, ObjectiveType, TrialStatus

MIXED = SearchSpace(
    [
        ContinuousParameter("eta", 0, 1),
        ContinuousParameter("lambda", 1e-5, 1, "Logarithmic"),
        IntegerParameter("depth", 1, 10),
        CategoricalParameter("booster", ["gbtree", "dart"]),
    ]
)
FINITE = SearchSpace([IntegerParameter("n", 1, 5), CategoricalParameter("c", [True, "x", 3])])


def loss(config: Config) -> float:
    """A bowl with its bottom, 0, at eta 0.3, lambda 0.01, depth 6 and dart."""
    return (
        (float(config["eta"]) - 0.3) ** 2
        + (math.log10(float(config["lambda"])) + 2) ** 2 / 10
        + (int(config["depth"]) - 6) ** 2 / 50
        + (0.0 if config["booster"] == "dart" else 0.1)
    )


def ask(log: HistoryLog, count: int, seed: int = 1, strategy: Strategy | None = None) -> list[Config]:
    """Suggest and launch, as the tuner does; with a strategy of its own unless one is given."""
    strategy = strategy or BayesianStrategy()
    configs = [suggestion.config for suggestion in strategy.suggest(log.snapshot(), count, seed)]
    for config in configs:
        log.create(log.last_number + 1, config)
    return configs


def new_log(space: SearchSpace = MIXED, objective: ObjectiveType = ObjectiveType.MINIMIZE) -> HistoryLog:
    return HistoryLog(space, objective)


def sequential(
    trials: int, seed: int = 1, strategy: Strategy | None = None, objective: Callable[[Config], float] = loss
) -> tuple[HistoryLog, list[float]]:
    log, values = new_log(), []
    for number in range(1, trials + 1):
        [config] = ask(log, 1, seed, strategy)
        values.append(objective(config))
        log.end(number, TrialStatus.COMPLETED, values[-1])
    return log, values


def test_the_first_point_is_the_middle_of_every_range() -> None:
    [config] = ask(new_log(), 1)
    assert config["eta"] == 0.5
    assert config["lambda"] == pytest.approx(math.sqrt(1e-5))
    assert config["depth"] == 6  # of 1 ... 10 in equal shares the upper middle
    assert config["booster"] == "dart"


def test_first_points_depend_on_seed_and_number_alone() -> None:
    straight = ask(new_log(), 6)
    log = new_log()
    stepwise = ask(log, 2)
    log.end(2, TrialStatus.COMPLETED, 7.0)
    log.end(1, TrialStatus.FAILED, None)
    stepwise += ask(log, 4)
    assert stepwise == straight
    others = ask(new_log(), 6, seed=2)
    assert others[0] == straight[0]
    assert all(mine != theirs for mine, theirs in zip(straight[1:], others[1:], strict=True))
    assert first_points(4) == 6


def test_a_kept_cache_changes_no_bit() -> None:
    """One strategy object that lives through the search suggests what a new one suggests at every ask."""
    kept, cold = sequential(30, strategy=BayesianStrategy())[0], sequential(30)[0]
    assert [trial.config for trial in kept.ended] == [trial.config for trial in cold.ended]


def test_a_cache_of_another_search_is_not_mistaken_for_ones_own() -> None:
    shared = BayesianStrategy()
    sequential(12, seed=5, strategy=shared)
    mirrored = sequential(12, strategy=shared, objective=lambda config: -loss(config))[0]
    fresh = sequential(12, objective=lambda config: -loss(config))[0]
    assert [trial.config for trial in mirrored.ended] == [trial.config for trial in fresh.ended]


@pytest.mark.parametrize("observed", [0, 4, 15])
def test_asking_for_eight_is_asking_eight_times_for_one(observed: int) -> None:
    logs = [sequential(observed)[0] for _ in range(2)]
    at_once = ask(logs[0], 8)
    one_by_one = [config for _ in range(8) for config in ask(logs[1], 1)]
    assert at_once == one_by_one
    assert len({MIXED.key(config) for config in at_once}) == 8


def test_replaying_the_recorded_order_gives_the_recorded_suggestions() -> None:
    """Three at a time, ended out of order, some failed: a suggestion depends on what came before it alone."""
    rng = np.random.default_rng(3)
    script: list[tuple[str, int, float | None]] = []
    log, running = new_log(), list[int]()
    configs: list[Config] = []
    while len(configs) < 24:
        if len(running) < 3:
            configs += ask(log, 1)
            running.append(log.last_number)
            script.append(("ask", log.last_number, None))
            continue
        number = running.pop(int(rng.integers(3)))
        value = None if rng.random() < 0.2 else loss(log.running[number].config)
        log.end(number, TrialStatus.FAILED if value is None else TrialStatus.COMPLETED, value)
        script.append(("end", number, value))
    replayed, again = new_log(), list[Config]()
    for action, number, value in script:
        if action == "ask":
            again += ask(replayed, 1)
        else:
            status = TrialStatus.FAILED if value is None else TrialStatus.COMPLETED
            replayed.end(number, status, value)
    assert again == configs
    assert len({MIXED.key(config) for config in configs}) == len(configs)


@pytest.mark.parametrize("maximize", [False, True])
def test_a_finite_space_is_used_up_without_repeats(maximize: bool) -> None:
    log = new_log(FINITE, ObjectiveType.MAXIMIZE if maximize else ObjectiveType.MINIMIZE)
    log.add({"n": 4, "c": "x"}, 1.0)
    seen = [{"n": 4, "c": "x"}]
    while configs := ask(log, 2):
        seen += configs
        if len(log.running) >= 4:  # some fail, and stay known
            first = min(log.running)
            failed = first % 4 == 0
            value = None if failed else float(log.running[first].config["n"])
            log.end(first, TrialStatus.FAILED if failed else TrialStatus.COMPLETED, value)
    assert len(seen) == 15
    assert len({FINITE.key(config) for config in seen}) == 15
    assert ask(log, 1) == []
    assert ask(log, 8) == []


def test_asking_for_more_than_is_left_gives_what_is_left() -> None:
    log = new_log(FINITE)
    assert len(ask(log, 20)) == 15


def test_a_finite_space_too_large_to_list_is_used_up_too() -> None:
    space = SearchSpace([IntegerParameter("a", 1, 30), IntegerParameter("b", 1, 20, "Logarithmic")])  # 600
    log, left = new_log(space), {(7, 3), (30, 20), (1, 1)}
    for a, b in itertools.product(range(1, 31), range(1, 21)):
        if (a, b) in left:
            continue
        if b <= 2:
            log.add({"a": a, "b": b}, float(abs(a - 7) + b))
        else:
            log.create(log.last_number + 1, {"a": a, "b": b})
            log.end(log.last_number, TrialStatus.FAILED, None)
    found = ask(log, 5)
    assert {(config["a"], config["b"]) for config in found} == left


def test_failed_configurations_are_not_proposed_again() -> None:
    """The bottom of the bowl fails; the search neither returns to it nor stops there."""
    log = new_log()
    failures: list[Config] = []
    for number in range(1, 36):
        [config] = ask(log, 1)
        assert config not in failures
        if loss(config) < 0.01:
            failures.append(config)
            log.end(number, TrialStatus.FAILED, None)
        else:
            log.end(number, TrialStatus.COMPLETED, loss(config))
    assert failures
    assert len({MIXED.key(config) for config in failures}) == len(failures)


def test_nothing_but_failures_is_survived() -> None:
    log = new_log()
    for number in range(1, 26):
        [config] = ask(log, 1)
        log.end(number, TrialStatus.FAILED, None)
        MIXED.validate(config)
    assert len(log.seen) == 25


@pytest.mark.parametrize("values", [[5.0] * 30, [1e300, -1e300] * 15, [1e-300 * k for k in range(30)]])
def test_strange_objectives_are_survived(values: list[float]) -> None:
    log = new_log()
    for number, value in enumerate(values, 1):
        [config] = ask(log, 1)
        MIXED.validate(config)
        log.end(number, TrialStatus.COMPLETED, value)
    assert len(log.seen) == len(values)


def test_observations_from_elsewhere_count_and_shift_no_seed() -> None:
    log, bare = new_log(), new_log()
    rng = np.random.default_rng(4)
    added = MIXED.sample(12, rng)
    for config in added:
        log.add(config, loss(config))
    [first] = ask(log, 1)
    assert first != ask(bare, 1)[0], "twelve observations are enough for the model"
    assert loss(first) < min(map(loss, added)) + 0.1
    few = new_log()
    few.add(added[0], 1.0)
    assert ask(few, 4) == ask(new_log(), 4)


@pytest.mark.parametrize("sign", [1, -1])
def test_it_finds_the_bottom_where_random_search_does_not(sign: int) -> None:
    """Five seeds, 35 trials; also maximising the mirror image, where every suggestion must be the same."""
    objective = ObjectiveType.MINIMIZE if sign == 1 else ObjectiveType.MAXIMIZE
    best = []
    for seed in range(5):
        log, values = new_log(objective=objective), []
        for number in range(1, 36):
            [config] = ask(log, 1, seed)
            values.append(loss(config))
            log.end(number, TrialStatus.COMPLETED, sign * values[-1])
        best.append(min(values))
    random = [min(sequential(35, seed, RandomStrategy())[1]) for seed in range(5)]
    assert max(best) < 1e-3
    assert max(best) < min(random)


def test_suggestions_have_plain_types() -> None:
    for config in ask(new_log(), 3) + ask(sequential(8)[0], 2):
        assert [type(config[name]) for name in ("eta", "lambda", "depth", "booster")] == [
            float,
            float,
            int,
            str,
        ]
        assert MIXED.validate(config) == config


def test_anchors() -> None:
    assert [anchor(n) for n in range(34)] == [*range(33), 32]
    every = sorted({anchor(n) for n in range(1, 2000)})
    assert all(later - a == max(1, a // 16) for a, later in itertools.pairwise(every))
    assert all(anchor(n) <= n for n in range(2000))


@pytest.mark.parametrize("trials", [14, 15])
def test_every_other_trial_sees_deviations_widened(trials: int) -> None:
    log, _ = sequential(trials)
    plain, widened = (BayesianStrategy(doubling=n).suggest(log.snapshot(), 1, 1) for n in (math.inf, 0.001))
    assert (plain == widened) == (log.last_number % 2 == 1)  # the next number is even
