"""Random search (behaviour 4.3, 4.6)."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from hpt.search.history_log import HistoryLog
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.strategies.random import RandomStrategy
from hpt.search.strategies.randomness import check_seed, generator
from hpt.search.trial import ObjectiveType, TrialStatus

MIXED = SearchSpace(
    [
        ContinuousParameter("eta", 0, 1),
        ContinuousParameter("lambda", 1e-5, 1, "Logarithmic"),
        IntegerParameter("depth", 1, 10),
        CategoricalParameter("booster", ["gbtree", "dart"]),
    ]
)


def ask(log: HistoryLog, count: int, seed: int = 1) -> list[dict]:
    """Suggest and launch, as the tuner does."""
    configs = [suggestion.config for suggestion in RandomStrategy().suggest(log.snapshot(), count, seed)]
    for config in configs:
        log.create(log.last_number + 1, config)
    return configs


def new_log(space: SearchSpace) -> HistoryLog:
    return HistoryLog(space, ObjectiveType.MINIMIZE)


def test_configuration_of_a_trial_depends_on_seed_and_number_alone():
    straight = ask(new_log(MIXED), 12)
    log = new_log(MIXED)
    stepwise = ask(log, 5)
    log.add({"eta": 0.5, "lambda": 0.1, "depth": 3, "booster": "dart"}, 1.0)
    log.end(4, TrialStatus.FAILED, None)
    log.end(1, TrialStatus.COMPLETED, 7.0)
    for _ in range(7):
        stepwise += ask(log, 1)
    assert stepwise == straight
    assert ask(new_log(MIXED), 12, seed=2) != straight
    assert len({MIXED.key(config) for config in straight}) == 12


def test_known_draws():
    """Pinned: the sequence of a seed is part of what users rely on."""
    rng = generator(123, 7, 0)
    counts = rng.integers(0, 2**63, size=2).tolist()
    assert counts == generator(123, 7, 0).integers(0, 2**63, size=2).tolist()
    assert ask(new_log(MIXED), 1, seed=123)[0] == PINNED


PINNED = {"eta": 0.8538285001368465, "lambda": 3.008060226591051e-05, "depth": 5, "booster": "dart"}


def test_streams_of_seeds_trials_and_uses_differ():
    draws = {
        tuple(generator(seed, number, use).random(4))
        for seed in (0, 1, 2**64 - 1)
        for number in (1, 2, 10**6)
        for use in (0, 1)
    }
    assert len(draws) == 18


@pytest.mark.parametrize("bad", [-1, 2**64, 1.0, "1", True, None])
def test_bad_seeds(bad):
    with pytest.raises(ValueError, match=r"is not an integer from 0 to 2\*\*64 - 1"):
        check_seed(bad)


def test_seeds():
    assert [check_seed(seed) for seed in (0, np.int64(5), np.uint64(2**64 - 1))] == [0, 5, 2**64 - 1]


def test_draws_are_uniform_across_trials():
    """Each trial has a generator of its own; together their first draws must still be uniform."""
    configs = ask(new_log(MIXED), 4000)
    U = MIXED.encode(configs)
    for column in (0, 1):
        counts = np.bincount((U[:, column] * 10).astype(int), minlength=10)
        assert ((counts - 400) ** 2 / 400).sum() < 27.9  # chi-squared, 9 degrees of freedom, 0.999
    depths = np.bincount([config["depth"] for config in configs], minlength=11)[1:]
    assert ((depths - 400) ** 2 / 400).sum() < 27.9
    lag = np.corrcoef(U[:-1, 0], U[1:, 0])[0, 1]
    assert abs(lag) < 4 / math.sqrt(4000)


def test_a_finite_space_is_used_up_without_repeats():
    space = SearchSpace([IntegerParameter("n", 1, 7), CategoricalParameter("c", [True, "x", 3])])
    log = new_log(space)
    log.add({"n": 4, "c": "x"}, 1.0)
    configs = ask(log, 8)
    log.end(2, TrialStatus.FAILED, None)
    while more := ask(log, 5):
        configs += more
    assert len(configs) == 20
    assert len({space.key(config) for config in configs}) == 20
    assert {"n": 4, "c": "x"} not in configs
    assert ask(log, 1) == []


def test_asking_for_many_equals_asking_one_by_one_until_the_end():
    space = SearchSpace([IntegerParameter("n", 1, 50, "Logarithmic"), CategoricalParameter("c", ["a", "b"])])
    log = new_log(space)
    assert ask(new_log(space), 1000) == [config for _ in range(100) for config in ask(log, 1)]


def test_the_last_of_ten_thousand_and_one_is_found_quickly():
    space = SearchSpace([IntegerParameter("n", 0, 10_000)])
    log = new_log(space)
    for n in range(10_001):
        if n != 7_777:
            log.create(log.last_number + 1, {"n": n})
    history = log.snapshot()
    start = time.process_time()
    found = [RandomStrategy().suggest(history, 3, seed) for seed in range(10)]
    assert (time.process_time() - start) / 10 < 0.1
    assert [[suggestion.config for suggestion in batch] for batch in found] == [[{"n": 7_777}]] * 10


def test_the_last_few_are_equally_likely():
    space = SearchSpace([IntegerParameter("n", 0, 5000)])
    log = new_log(space)
    left = {17, 2000, 2001, 4999}
    for n in sorted(set(range(5001)) - left):
        log.create(log.last_number + 1, {"n": n})
    history = log.snapshot()
    found = [RandomStrategy().suggest(history, 1, seed)[0].config["n"] for seed in range(200)]
    assert set(found) == left
    assert min(found.count(n) for n in left) > 25


def test_rare_values_of_a_logarithmic_scale_come_up_when_the_rest_is_used():
    space = SearchSpace([IntegerParameter(f"n{i}", 1, 2, "Logarithmic") for i in range(9)])
    configs = ask(new_log(space), 1000)
    assert len(configs) == len({space.key(config) for config in configs}) == 2**9


def test_indistinguishable_floats_do_not_hang():
    space = SearchSpace([ContinuousParameter("x", 1.0, math.nextafter(1.0, 2.0))])
    assert len(RandomStrategy().suggest(new_log(space).snapshot(), 1, 1)) == 1
    log = new_log(space)
    log.create(1, {"x": 1.0})
    log.create(2, {"x": math.nextafter(1.0, 2.0)})
    assert len(ask(log, 1)) == 1
    assert len(RandomStrategy().suggest(new_log(space).snapshot(), 8, 3)) == 8
