"""Suggestions without state: what a host gives decides them, and a cache only what they cost."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from math import nan

import numpy as np
import pytest

import hpt
from hpt.errors import InputError
from hpt.search.strategies.random import RandomStrategy
from hpt.search.suggest import KEPT
from hpt.testing.strategies import GRID, MIXED

PLAIN = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1), hpt.ContinuousParameter("y", 0, 1)])


def objective(config):
    return (config["x"] - 0.3) ** 2 + (config["y"] - 0.6) ** 2


def observed(count, space=PLAIN):
    configs = space.sample(count, np.random.default_rng(4))
    return [(config, objective(config)) for config in configs]


def test_it_suggests_what_a_tuner_would_ask_for():
    tuner = hpt.Tuner(PLAIN, "Minimize", seed=0)
    observations, failed = [], []
    for k in range(14):
        [config] = hpt.suggest(PLAIN, observations, failed=failed, seed=0)
        [trial] = tuner.ask()
        assert config == trial.config
        if k % 5 == 4:
            tuner.tell(trial.number, status="Failed")
            failed.append(config)
        else:
            tuner.tell(trial.number, objective(config))
            observations.append((config, objective(config)))


def test_a_batch_is_one_suggestion_after_another_each_pending():
    known = observed(12)
    batch = hpt.suggest(PLAIN, known, count=3)
    pending = []
    for _ in range(3):
        pending += hpt.suggest(PLAIN, known, pending=pending)
    assert batch == pending


@pytest.mark.parametrize("count", [0, 2, 12, 40])
def test_workers_that_know_the_same_get_different_configurations(count):
    known = observed(count)
    found = [hpt.suggest(PLAIN, known, seed=seed)[0] for seed in range(4)]
    apart = [abs(a["x"] - b["x"]) + abs(a["y"] - b["y"]) for k, a in enumerate(found) for b in found[:k]]
    assert min(apart) > (1e-3 if count < 40 else 0)  # by then the optimum is known
    shares = [hpt.suggest(PLAIN, known, seed=3, count=2, worker=k) for k in range(2)]
    assert [*shares[0], *shares[1]] == hpt.suggest(PLAIN, known, seed=3, count=4, worker=0)
    assert hpt.suggest(PLAIN, known, seed=5) == hpt.suggest(PLAIN, known, seed=5)


def test_the_number_decides_randomness():
    known = observed(5)
    assert hpt.suggest(PLAIN, known, strategy="Random") == hpt.suggest(
        PLAIN, known, strategy="Random", number=6
    )
    assert hpt.suggest(PLAIN, known, strategy="Random") != hpt.suggest(
        PLAIN, known, strategy="Random", number=7
    )


def test_observations_in_any_form_and_values_that_are_not_finite():
    (a, u), (b, v) = observed(2)
    pairs = hpt.suggest(PLAIN, [(a, u), (b, v)], failed=[{"x": 0.1, "y": 0.1}])
    forms = [hpt.Observation(a, u), [b, v], ({"x": 0.1, "y": 0.1}, nan)]
    trials = [hpt.Trial(1, a, hpt.TrialStatus.COMPLETED, u), (b, v), ({"x": 0.1, "y": 0.1}, -np.inf)]
    assert hpt.suggest(PLAIN, forms) == hpt.suggest(PLAIN, trials) == pairs


# -- the cache


@pytest.mark.parametrize("strategy", ["Bayesian", "Random"])
def test_a_cache_changes_no_suggestion(strategy):
    """Histories that grow, shrink, change in the middle, of several searches and objectives."""
    rng, cache, known = np.random.default_rng(1), hpt.Cache(), observed(30)
    for turn in range(40):
        start = int(rng.integers(8)) if turn % 5 == 4 else 0
        part = known[start : start + 2 + int(rng.integers(20))]
        arguments = {
            "failed": [known[k][0] for k in range(25, 25 + int(rng.integers(3)))],
            "pending": [known[29][0]] * int(rng.integers(2)),
            "seed": int(rng.integers(3)),
            "objective": "Maximize" if turn % 7 == 6 else "Minimize",
            "strategy": strategy,
        }
        assert hpt.suggest(PLAIN, part, cache=cache, **arguments) == hpt.suggest(PLAIN, part, **arguments)


def test_a_cache_sees_what_changed_in_place():
    cache = hpt.Cache()
    config = {"x": 0.5, "y": 0.5}
    known = [*observed(6), (config, 0.1)]
    hpt.suggest(PLAIN, known, cache=cache)
    config["x"] = 0.9
    assert hpt.suggest(PLAIN, known, cache=cache) == hpt.suggest(PLAIN, known)


def test_a_cache_keeps_the_price_of_an_old_history_off():
    """The second call reads, validates and fits only what came since."""
    cache, known = hpt.Cache(), observed(40)
    hpt.suggest(PLAIN, known[:39], cache=cache)
    [entry] = cache._entries.values()
    log, read = entry._log, [each for _, each in entry._read]
    hpt.suggest(PLAIN, known, cache=cache)
    assert entry._log is log
    assert all(new is old for (_, new), old in zip(entry._read, read, strict=False))


def test_a_cache_is_bounded_and_its_copies_are_empty():
    cache = hpt.Cache()
    for k in range(KEPT + 3):
        hpt.suggest(
            hpt.SearchSpace([hpt.IntegerParameter("n", 1, 2 + k)]), [], cache=cache, strategy="Random"
        )
    assert len(cache._entries) == KEPT
    for twin in (copy.deepcopy(cache), pickle.loads(pickle.dumps(cache))):
        assert repr(twin) == "<cache of 0 searches>"


def test_threads_may_share_a_cache():
    cache, known = hpt.Cache(), observed(20)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: hpt.suggest(PLAIN, known[:k], cache=cache), range(8, 20)))
    assert found == [hpt.suggest(PLAIN, known[:k]) for k in range(8, 20)]


def test_a_strategy_may_be_an_object():
    own, known = RandomStrategy(), observed(3)
    assert hpt.suggest(PLAIN, known, strategy=own, cache=hpt.Cache()) == hpt.suggest(
        PLAIN, known, strategy="Random"
    )


# -- what does not fit


def test_finite_spaces_are_exhausted():
    configs = [{"kind": kind, "flag": flag} for kind in "abc" for flag in ("on", "off")]
    known = [(config, 0.5) for config in configs[:4]]
    found = hpt.suggest(GRID, known, pending=configs[4:5], count=3)
    assert found == configs[5:]
    assert hpt.suggest(GRID, known, pending=configs[4:], count=3) == []


def test_other_spaces_drop_what_does_not_fit():
    known = [*observed(4), ({"x": 2, "y": 0.5}, 0.1), ({"x": 0.5}, 0.1)]
    assert hpt.suggest(PLAIN, known, outside="drop") == hpt.suggest(PLAIN, known[:4])
    wider = [({**config, "z": 1}, value) for config, value in known[:4]]
    assert hpt.suggest(PLAIN, wider, extra="ignore") == hpt.suggest(PLAIN, known[:4])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": {"a": PLAIN}}, "space is a dict"),
        ({"observations": [3]}, "3 is no observation"),
        ({"observations": [({"x": 2, "y": 0}, 1)]}, "'x': 2.0 is out of range|'x': 2 is out of range"),
        ({"observations": [({"x": 0, "y": 0}, None)]}, "has no value"),
        ({"observations": [({"x": 0, "y": 0}, "high")]}, "value 'high' is not a number"),
        ({"observations": [({"x": 0, "y": 0}, 1, -1)]}, "noise -1 is negative"),
        ({"observations": [hpt.Trial(1, {"x": 0, "y": 0})]}, "has not ended"),
        ({"pending": [{"x": 0}]}, "lacks 'y'"),
        ({"count": 0}, "count 0"),
        ({"number": 0}, "number 0"),
        ({"worker": -1}, "worker -1"),
        ({"seed": -1}, "seed -1"),
        ({"objective": "best"}, "objective 'best' is not known"),
        ({"strategy": "Best"}, "strategy 'Best' is not known"),
        ({"strategy": 3}, "needs a method suggest"),
        ({"strategy": "Grid"}, "takes categorical parameters only"),
        ({"frist": 1}, "has no option 'frist'"),
    ],
)
def test_wrong_arguments(arguments, message):
    given = {"space": PLAIN, "observations": [], **arguments}
    with pytest.raises(InputError, match=message):
        hpt.suggest(given.pop("space"), given.pop("observations"), **given)


def test_it_works_on_every_kind_of_parameter():
    configs = MIXED.sample(8, np.random.default_rng(0))
    known = [(config, config["depth"]) for config in configs]
    assert len(hpt.suggest(MIXED, known, count=5, seed=2)) == 5
