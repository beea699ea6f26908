"""Multi-algorithm search: fair starts, one choice of algorithm and configuration."""

from __future__ import annotations

import pickle
from collections import Counter
from math import inf
from typing import Any

import numpy as np
import pytest

from hpt.errors import InputError, TrialStateError
from hpt.search import core
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.stopping.successive_halving import SuccessiveHalving
from hpt.search.strategies import make_multi_algorithm_strategy
from hpt.search.strategies.hyperband import HyperbandStrategy
from hpt.search.strategies.multi_algorithm import MultiAlgorithmBayesian, MultiAlgorithmHyperband
from hpt.search.trial import Decision, Trial, TrialStatus
from hpt.search.tuner import Tuner

SPACES = {
    "good": SearchSpace([ContinuousParameter("x", 0, 1), ContinuousParameter("y", 0, 1)]),
    "poor": SearchSpace([ContinuousParameter("x", 0, 1)]),
    "near": SearchSpace([CategoricalParameter("kind", ["u", "v", "w"]), IntegerParameter("depth", 1, 9)]),
}


def objective(trial: Trial) -> float:
    c = trial.config
    match trial.definition:
        case "good":
            return (float(c["x"]) - 0.3) ** 2 + (float(c["y"]) - 0.7) ** 2
        case "poor":
            return 0.6 + abs(float(c["x"]) - 0.5)
        case _:
            return 0.05 + 0.02 * abs(int(c["depth"]) - 5) + 0.1 * "uvw".index(str(c["kind"]))


def run(tuner: Tuner, trials: int) -> Counter[str | None]:
    for _ in range(trials):
        [trial] = tuner.ask()
        tuner.tell(trial.number, objective(trial))
    return Counter(trial.definition for trial in tuner.trials)


@pytest.mark.parametrize("seed", range(3))
def test_the_better_algorithm_gets_the_trials_and_none_is_given_up(seed: int) -> None:
    tuner = Tuner(SPACES, "Minimize", MultiAlgorithmBayesian(max_jobs=60), seed=seed)
    shares = run(tuner, 60)
    assert shares["good"] > 30
    assert 59 // 12 <= shares["poor"] < 60 // 5
    assert tuner.best_trial is not None
    assert tuner.best_trial.definition == "good"
    assert tuner.best_value is not None
    assert tuner.best_value < 1e-3


def test_first_points_are_interleaved_and_leave_most_of_few_jobs() -> None:
    tuner = Tuner(SPACES, "Minimize", MultiAlgorithmBayesian(max_jobs=18), seed=1)
    run(tuner, 9)
    assert [trial.definition for trial in tuner.trials] == ["good", "poor", "near"] * 3
    few = Tuner(SPACES, "Minimize", MultiAlgorithmBayesian(max_jobs=6), seed=1)
    assert run(few, 6)["poor"] <= 2
    assert [trial.definition for trial in few.trials][:3] == ["good", "poor", "near"]


def test_a_bad_start_does_not_exclude_for_good() -> None:
    """The better half of one space is hidden from its first points."""

    def unlucky(trial: Trial) -> float:
        x = float(trial.config["x"])
        if trial.definition == "flat":
            return 1.0 - 0.01 * x
        return 0.0 if x > 0.93 else 5.0 - 0.1 * x

    one = SearchSpace([ContinuousParameter("x", 0, 1)])
    tuner = Tuner({"flat": one, "hidden": one}, "Minimize", MultiAlgorithmBayesian(max_jobs=100), seed=3)
    for _ in range(100):
        [trial] = tuner.ask()
        tuner.tell(trial.number, unlucky(trial))
    assert tuner.best_trial is not None
    assert tuner.best_trial.definition == "hidden"


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_many_at_once_equal_as_many_one_by_one(strategy: str) -> None:
    one, other = (Tuner(SPACES, "Minimize", strategy, seed=4) for _ in range(2))
    for tuner in (one, other):
        run(tuner, 20)
    eight = one.ask(8)
    assert eight == [other.ask()[0] for _ in range(8)]
    for trial in reversed(eight):
        one.tell(trial.number, objective(trial))
        other.tell(trial.number, objective(trial))
    assert one.ask() == other.ask()


@pytest.mark.parametrize("low", [0, 1e-5])
def test_caches_may_be_dropped_at_any_time(low: float) -> None:
    """Also where scales are chosen."""
    spaces = {**SPACES, "good": SearchSpace([ContinuousParameter(name, low, 1) for name in "xy"])}
    kept, dropped = (Tuner(spaces, "Minimize", "Bayesian", seed=9) for _ in range(2))
    for _ in range(25):
        [trial] = kept.ask()
        dropped = pickle.loads(pickle.dumps(dropped))
        assert dropped.ask() == [trial]
        for tuner in (kept, dropped):
            tuner.tell(trial.number, objective(trial))


def test_a_definition_that_always_fails_keeps_little_more_than_its_floor() -> None:
    tuner = Tuner(SPACES, "Minimize", MultiAlgorithmBayesian(max_jobs=48), seed=2)
    for _ in range(48):
        [trial] = tuner.ask()
        status = TrialStatus.FAILED if trial.definition == "good" else TrialStatus.COMPLETED
        tuner.tell(trial.number, objective(trial), status=status)
    shares = Counter(trial.definition for trial in tuner.trials)
    assert shares["good"] <= 6
    assert shares["near"] == max(shares.values())


def test_values_of_any_size_are_ranked() -> None:
    for scale in (1e-200, 1e200):
        tuner = Tuner(SPACES, "Minimize", "Bayesian", seed=5)
        for _ in range(30):
            [trial] = tuner.ask()
            tuner.tell(trial.number, scale * objective(trial))
        assert Counter(trial.definition for trial in tuner.trials)["poor"] < 8
    constant = Tuner(SPACES, "Minimize", "Bayesian", seed=5)
    for _ in range(30):
        constant.tell(constant.ask()[0].number, 1.0)
    assert len({trial.definition for trial in constant.trials}) == 3


def test_random_takes_turns_and_ignores_what_the_others_do() -> None:
    tuner = Tuner(SPACES, "Minimize", "Random", seed=6)
    trials = tuner.ask(9)
    assert [trial.definition for trial in trials] == ["good", "poor", "near"] * 3
    alone = Tuner({"good": SPACES["good"]}, "Minimize", "Random", seed=6)
    assert [t.config for t in alone.ask(3)] == [t.config for t in trials if t.definition == "good"]
    assert len({str(t.config["x"]) for t in trials if t.definition != "near"}) == 6  # not one seed for both


def test_a_definition_that_is_used_up_gives_its_turns_away() -> None:
    small = SearchSpace([CategoricalParameter("a", ["1", "2"])])
    for strategy in ("Random", "Bayesian"):
        tuner = Tuner({"small": small, "poor": SPACES["poor"]}, "Minimize", strategy, seed=1)
        for _ in range(12):
            [trial] = tuner.ask()
            tuner.tell(trial.number, 0.1 if trial.definition == "small" else objective(trial))
        assert Counter(trial.definition for trial in tuner.trials)["small"] == 2
    finite = Tuner({"small": small, "other": small}, "Minimize", "Random", seed=1)
    assert len(finite.ask(10)) == 4
    assert finite.ask() == []


def test_grid_is_one_definition_after_the_other() -> None:
    a = SearchSpace([CategoricalParameter("a", ["1", "2"]), CategoricalParameter("b", ["x", "y"])])
    b = SearchSpace([CategoricalParameter("c", ["3", "4", "5"])])
    tuner = Tuner({"first": a, "second": b}, strategy="Grid", seed=0)
    trials = tuner.ask(100)
    assert [trial.definition for trial in trials] == ["first"] * 4 + ["second"] * 3
    assert [dict(trial.config) for trial in trials[3:5]] == [{"a": "2", "b": "y"}, {"c": "3"}]
    with pytest.raises(InputError, match="categorical parameters only"):
        Tuner(SPACES, strategy="Grid")


def test_hyperband_compares_within_a_definition() -> None:
    strategy = MultiAlgorithmHyperband(lambda: HyperbandStrategy(rule=SuccessiveHalving(9)))
    tuner = Tuner(SPACES, "Minimize", strategy, seed=7)
    trials = tuner.ask(12)
    assert Counter(trial.definition for trial in trials) == {"good": 4, "poor": 4, "near": 4}
    decisions = {}
    for trial in trials:  # all of `poor` are worse than all of `good`
        value = trial.number / 100 + (10.0 if trial.definition == "poor" else 0.0)
        decisions[trial.number] = tuner.report(trial.number, value, 1.0)
    first_three = [trial.number for trial in trials[:6]]
    assert all(decisions[number] is Decision.CONTINUE for number in first_three)
    assert decisions[12] is Decision.STOP


def test_what_the_tuner_refuses_in_a_multi_algorithm_search() -> None:
    for spaces in ({}, {"": SPACES["poor"]}, {"a": [ContinuousParameter("x", 0, 1)]}):
        with pytest.raises(InputError):
            Tuner(spaces)  # type: ignore[arg-type]
    tuner = Tuner(SPACES, seed=1)
    with pytest.raises(InputError, match="name one"):
        tuner.add({"x": 0.5}, 1.0)
    with pytest.raises(InputError, match="name one"):
        tuner.add({"x": 0.5}, 1.0, "other")
    with pytest.raises(InputError, match="multi-algorithm search"):
        _ = tuner.space
    assert len(tuner.history) == 0
    tuner.add({"x": 0.5}, 1.0, "poor")
    assert tuner.history.of("poor").X.tolist() == [[0.5]]
    assert tuner.history.of("good").X.shape == (0, 2)
    assert tuner.ask()[0].definition == "good"
    with pytest.raises(TrialStateError):
        tuner.apply(tuner.propose(2)[1])


def test_options_are_checked_at_once() -> None:
    with pytest.raises(InputError, match="max_resource"):
        make_multi_algorithm_strategy("Hyperband")
    with pytest.raises(InputError, match="not known"):
        make_multi_algorithm_strategy("magic")
    for jobs in (-5, 2.5, "x"):
        with pytest.raises(InputError, match=f"max_jobs {jobs!r} is not an integer of at least 1"):
            MultiAlgorithmBayesian(max_jobs=jobs)  # type: ignore[arg-type]


def test_one_space_is_refused() -> None:
    with pytest.raises(
        InputError, match="MultiAlgorithmBayesian is for a multi-algorithm search; give spaces by name"
    ):
        Tuner(SPACES["poor"], strategy=MultiAlgorithmBayesian()).ask()


def test_targets_are_transformed_together() -> None:
    y = [0.0, 1.0, 2.0, 3.0, 50.0]
    z = core.target_transform(y).forward(core._array(y, "y"))
    assert (z[1:] > z[:-1]).all()
    assert z[4] - z[3] < 10 * (z[1] - z[0])


def test_every_definition_explores_in_turn_and_takes_noise_into_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, propose = [], core.Model.propose

    def watched(self: core.Model, *args: Any, **options: Any) -> Any:
        asked.append((args[3], options["doubling"], options["acquisition"]))
        return propose(self, *args, **options)

    monkeypatch.setattr(core.Model, "propose", watched)
    rng, tuner = np.random.default_rng(1), Tuner(SPACES, "Minimize", MultiAlgorithmBayesian(), seed=1)
    for _ in range(60):
        [trial] = tuner.ask()
        noise = 0.1 * rng.normal() if trial.definition == "good" else 0.0
        tuner.tell(trial.number, objective(trial) + noise)
    assert {number % 2: doubling for number, doubling, _ in asked} == {0: inf, 1: core.DOUBLING}
    assert len({(number % 2, doubling) for number, doubling, _ in asked}) == 2
    assert {acquisition for _, _, acquisition in asked} == {"LogEI", "AugmentedLogEI"}
