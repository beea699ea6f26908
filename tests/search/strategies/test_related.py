"""What a search takes from related ones: a good start where they agree with it, nothing where they do not."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from hpt.search.history_log import HistoryLog
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.strategies.bayesian import BayesianStrategy
from hpt.search.strategies.model_search import first_points
from hpt.search.strategies.related import FEW, MOST, _part, agreement
from hpt.search.trial import Config, ObjectiveType, TrialStatus
from hpt.search.tuner import Tuner

SPACE = SearchSpace(
    [
        ContinuousParameter("eta", 0, 1),
        ContinuousParameter("lambda", 1e-5, 1, "Logarithmic"),
        IntegerParameter("depth", 1, 10),
        CategoricalParameter("booster", ["gbtree", "dart"]),
    ]
)
Loss = Callable[[Config], float]


def loss(config: Config, eta: float = 0.3) -> float:
    return (
        (float(config["eta"]) - eta) ** 2
        + (math.log10(float(config["lambda"])) + 2) ** 2 / 10
        + (int(config["depth"]) - 6) ** 2 / 50
        + (0.0 if config["booster"] == "dart" else 0.1)
    )


def related(config: Config) -> float:
    """Of another scale, with its bottom nearby."""
    return 1000.0 * loss(config, eta=0.35) + 50.0


def parent(log: HistoryLog, objective: Loss, seed: int = 5, name: str = "old") -> list[Config]:
    configs = SPACE.sample(30, np.random.default_rng(seed))
    for config in configs:
        log.add(config, objective(config), source=name)
    return configs


def search(log: HistoryLog, trials: int, objective: Loss = loss, seed: int = 1) -> list[Config]:
    """One trial at a time, each asked of a strategy that remembers nothing."""
    configs = []
    for _ in range(trials):
        [suggestion] = BayesianStrategy().suggest(log.snapshot(), 1, seed)
        number = log.last_number + 1
        log.create(number, suggestion.config)
        log.end(number, TrialStatus.COMPLETED, objective(suggestion.config))
        configs.append(suggestion.config)
    return configs


def new_log() -> HistoryLog:
    return HistoryLog(SPACE, ObjectiveType.MINIMIZE)


def test_agreement_is_kendalls_tau() -> None:
    y = np.array([3.0, 1.0, 2.0, 2.0])
    assert agreement(y, y) == pytest.approx(5 / 6)  # one pair is equal
    assert agreement(y, -y) == pytest.approx(-5 / 6)
    assert agreement(y, np.exp(y)) == agreement(y, y)


def test_the_first_points_are_good_ones_of_the_related_search_and_the_middle() -> None:
    log = new_log()
    known = parent(log, related)
    first, second, third = search(log, 3)
    ranked = sorted(known, key=related)
    assert first in ranked[:3] and third in ranked[:8] and first != third
    assert second == SPACE.decode(np.array([[0.5, 0.5, 0.5, 0.5]]))[0]


def test_the_scale_of_a_related_search_does_not_matter() -> None:
    found = []
    for scale in (1.0, 1e-6, 1e9):
        log = new_log()
        parent(log, lambda config, scale=scale: scale * related(config) - 7 * scale)  # type: ignore[misc]
        found.append(search(log, 3))
    assert found[0] == found[1] == found[2]


def test_a_search_that_agrees_has_few_first_points() -> None:
    log = new_log()
    parent(log, related)
    search(log, FEW)
    trusted = BayesianStrategy()._search.related.trusted(log.snapshot())
    assert trusted is not None and trusted.fit is not None
    assert first_points(len(SPACE.parameters)) > FEW
    without = new_log()
    for trial in log.snapshot():
        without.create(trial.number, trial.config)
        without.end(trial.number, TrialStatus.COMPLETED, trial.value)
    assert search(log, 1) != search(without, 1)


def test_a_search_that_contradicts_is_left_alone() -> None:
    """From then on, whatever is suggested is what would be without it, to the bit."""
    log = new_log()
    parent(log, lambda config: -loss(config))
    search(log, first_points(len(SPACE.parameters)))
    assert BayesianStrategy()._search.related.trusted(log.snapshot()) is None
    without = new_log()
    for trial in log.snapshot():
        without.create(trial.number, trial.config)
        without.end(trial.number, TrialStatus.COMPLETED, trial.value)
    assert search(log, 6) == search(without, 6)


def test_of_related_searches_those_that_agree_are_used() -> None:
    log = new_log()
    parent(log, lambda config: -loss(config), name="contrary")
    parent(log, related, seed=6, name="kind")
    search(log, FEW)
    trusted = BayesianStrategy()._search.related.trusted(log.snapshot())
    assert trusted is not None
    assert trusted.weights[0] == 0.0 < trusted.weights[1]
    assert trusted.fit is trusted.known[1].fit


def test_it_helps() -> None:
    """After ten trials less than half of the loss is left that there is without one, in the median."""
    cold, warm = [], []
    for seed in range(12):
        log = new_log()
        cold.append(min(map(loss, search(log, 10, seed=seed))))
        log = new_log()
        parent(log, related, seed=seed)
        warm.append(min(map(loss, search(log, 10, seed=seed))))
    assert np.median(warm) < np.median(cold) / 2


def test_eight_asked_at_once_are_eight_asked_in_turn_and_memory_changes_nothing() -> None:
    log = new_log()
    parent(log, related)
    strategy = BayesianStrategy()
    together = [each.config for each in strategy.suggest(log.snapshot(), 8, 3)]
    search(log, 5)
    assert strategy.suggest(log.snapshot(), 1, 3) == BayesianStrategy().suggest(log.snapshot(), 1, 3)
    again = new_log()
    parent(again, related)
    in_turn = []
    for number in range(1, 9):
        [suggestion] = BayesianStrategy().suggest(again.snapshot(), 1, 3)
        again.create(number, suggestion.config)
        in_turn.append(suggestion.config)
    assert together == in_turn


def test_a_finite_space_is_used_up_without_repeats() -> None:
    space = SearchSpace([IntegerParameter("n", 1, 3), CategoricalParameter("c", ["a", "b"])])
    log = HistoryLog(space, ObjectiveType.MAXIMIZE)
    for config in space.decode(np.array([[x, c] for x in (0.1, 0.5, 0.9) for c in (0.0, 1.0)])):
        log.add(config, float(config["n"]), source="old")
    configs = [each.config for each in BayesianStrategy().suggest(log.snapshot(), 10, 1)]
    assert len(configs) == 6 == len({tuple(config.values()) for config in configs})
    assert configs[0]["n"] == 3


def test_the_best_and_a_spread_of_many_observations_are_taken() -> None:
    y = np.random.default_rng(0).permutation(1000.0 * np.arange(1000))
    rows = _part(y)
    assert len(rows) == MOST == len(set(rows.tolist())) and (np.diff(rows) > 0).all()
    taken = np.sort(y[rows])
    assert taken[: MOST // 2].tolist() == (1000.0 * np.arange(MOST // 2)).tolist()
    assert taken[-1] == y.max()


def test_a_tuner_with_related_observations_can_be_pickled() -> None:
    tuner = Tuner(SPACE, "Minimize", BayesianStrategy(), seed=4)
    for config in SPACE.sample(8, np.random.default_rng(1)):
        tuner.add(config, related(config), source="old")
    tuner.ask()
    copy = pickle.loads(pickle.dumps(tuner))
    assert [trial.config for trial in copy.ask(3)] == [trial.config for trial in tuner.ask(3)]


@pytest.mark.parametrize("source", ["", 3])
def test_a_source_is_a_name(source: object) -> None:
    tuner = Tuner(SPACE)
    with pytest.raises(ValueError, match="name the search the value is from"):
        tuner.add(SPACE.sample(1, np.random.default_rng(1))[0], 1.0, source=source)  # type: ignore[arg-type]
