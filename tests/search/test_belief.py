"""The best by what a search believes: under noise the best value is the luckiest."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest

import hpt
from hpt.errors import InputError
from hpt.search.events import ObservationAdded
from hpt.search.space import CategoricalParameter, ContinuousParameter, SearchSpace
from hpt.search.strategies.random import RandomStrategy

SPACE = SearchSpace([ContinuousParameter("x", 0, 1), ContinuousParameter("y", 0, 1)])
SPACES = {"plain": SPACE, "kinds": SearchSpace([CategoricalParameter("kind", ["a", "b", "c"])])}


def loss(config: Any, definition: str | None = None) -> float:
    if definition == "kinds":
        return 0.2 + 0.1 * "abc".index(str(config["kind"]))
    return (float(config["x"]) - 0.3) ** 2 + (float(config["y"]) - 0.7) ** 2


def noisy(tuner: hpt.Tuner, trials: int, noise: float, seed: int = 0) -> hpt.Tuner:
    """Searched with normal noise of that deviation."""
    rng = np.random.default_rng(seed)
    sign = -1.0 if tuner.objective == "Maximize" else 1.0
    for _ in range(trials):
        [trial] = tuner.ask()
        value = loss(trial.config, trial.definition) + noise * rng.standard_normal()
        tuner.tell(trial.number, sign * value)
    return tuner


def test_what_is_believed_is_better_than_what_was_lucky() -> None:
    lucky, believed = 0.0, 0.0
    for seed in range(3):
        tuner = noisy(hpt.Tuner(SPACE, "Minimize", seed=seed), 30, 0.2, seed)
        best, belief = tuner.best(), tuner.best(by="belief")
        assert best is not None and belief is not None
        lucky, believed = lucky + loss(best.config), believed + loss(belief.config)
        assert best.believed is None and best.deviation is None
        assert belief.believed is not None and abs(belief.believed - loss(belief.config)) < 0.2
    assert believed < 0.7 * lucky


@pytest.mark.parametrize("objective", ["Minimize", "Maximize"])
def test_beliefs_are_what_predict_says_in_the_objective_s_sign(objective: str) -> None:
    tuner = noisy(hpt.Tuner(SPACE, objective, seed=1), 20, 0.1)
    beliefs = tuner.beliefs()
    assert sorted(each.number or 0 for each in beliefs) == list(range(1, 21))
    means, deviations = tuner.predict([each.config for each in beliefs])
    np.testing.assert_allclose([each.believed for each in beliefs], means, rtol=1e-9)
    np.testing.assert_allclose([each.deviation for each in beliefs], deviations, rtol=1e-9)
    ordered = means if objective == "Minimize" else -means
    assert (np.diff(ordered) >= 0).all()
    assert tuner.best(by="belief") == beliefs[0]
    assert pickle.loads(pickle.dumps(tuner)).beliefs() == beliefs, "what is kept is a cache"


@pytest.mark.parametrize("strategy", ["Random", RandomStrategy()])
def test_a_strategy_without_a_model_is_lent_one(strategy: Any) -> None:
    tuner = noisy(hpt.Tuner(SPACE, "Minimize", strategy, seed=3), 40, 0.1)
    belief = tuner.best(by="belief")
    assert belief is not None and belief.believed is not None and loss(belief.config) < 0.15
    with pytest.raises(InputError, match="has no model to predict with"):
        tuner.predict([belief.config])


def test_stopped_trials_are_believed_at_their_end() -> None:
    tuner = hpt.Tuner(SPACE, "Minimize", "Hyperband", seed=2, max_resource=9)
    for _ in range(20):
        [trial] = tuner.ask()
        for epoch in range(1, 10):
            if tuner.report(trial.number, loss(trial.config) + 1 / epoch, epoch) == "Stop":
                break
        tuner.tell(trial.number, status="Stopped" if epoch < 9 else "Completed")
    stopped = [each for each in tuner.beliefs() if each.status == "Stopped"]
    assert stopped and all(each.believed is not None and each.believed < each.value for each in stopped)
    best = tuner.best(by="belief")
    assert best is not None and best.status == "Completed"


def test_before_there_is_anything_to_believe() -> None:
    tuner = hpt.Tuner(SPACE, "Minimize", seed=1)
    assert tuner.best(by="belief") is None and tuner.beliefs() == []
    [trial] = tuner.ask()
    tuner.tell(trial.number, math.nan)
    assert tuner.best(by="belief") is None, "a failed trial has no objective"
    with pytest.raises(InputError, match="by 'luck' is not known; use one of 'value', 'belief'"):
        tuner.best(by="luck")
    [trial] = tuner.ask()
    tuner.tell(trial.number, 0.5)
    only = tuner.best(by="belief")
    assert only is not None and only.number == 2 and only.value == 0.5
    assert only.believed == pytest.approx(0.5) and only.deviation is not None and only.deviation >= 0


def test_of_one_configuration_the_earliest_observation() -> None:
    tuner = hpt.Tuner(SPACE, "Minimize", seed=1)
    for config, value in [((0.3, 0.7), 0.2), ((0.9, 0.1), 1.0), ((0.3, 0.7), 0.1), ((0.1, 0.1), 0.9)]:
        tuner.record(dict(zip("xy", config, strict=True)), value=value)
    belief = tuner.best(by="belief")
    assert belief is not None and belief.number == 1


def test_added_observations_count_unless_they_are_not_to() -> None:
    tuner = hpt.Tuner(SPACE, "Maximize", seed=1)
    tuner.add({"x": 0.3, "y": 0.7}, 0.9, noise=0.01)
    tuner.record({"x": 0.9, "y": 0.1}, value=0.1, noise=0.02)
    tuner.add({"x": 0.5, "y": 0.5}, 5.0, source="another")
    added, own = tuner.best(by="belief"), tuner.best(by="belief", added=False)
    assert added is not None and (added.value, added.noise, added.number) == (0.9, 0.01, None)
    assert own is not None and (own.value, own.noise, own.number) == (0.1, 0.02, 1)
    assert [tuner.history.observation(row).value for row in (0, 1)] == [0.9, 0.1]


def test_the_standard_error_of_an_added_value() -> None:
    exact, vague = (hpt.Tuner(SPACE, "Minimize", seed=1) for _ in range(2))
    for tuner, noise in ((exact, None), (vague, 0.5)):
        for x in np.linspace(0, 1, 9).tolist():
            tuner.add({"x": x, "y": 0.5}, (x - 0.5) ** 2)
        tuner.add({"x": 0.45, "y": 0.5}, -1.0, noise=noise)
    at = [{"x": 0.45, "y": 0.5}]
    assert exact.predict(at)[0][0] < -0.5 < vague.predict(at)[0][0]
    np.testing.assert_array_equal(vague.history.noise, [0.0] * 9 + [0.5])
    again = hpt.Tuner.restore(vague.state())
    np.testing.assert_array_equal(again.history.noise, vague.history.noise)
    assert again.best() == vague.best() and again.predict(at)[0] == vague.predict(at)[0]
    assert "noise" not in exact.state()["events"][0][1], "which earlier versions do not know"
    before = vague.state()
    for noise, source, message in (
        (-0.5, None, "noise -0.5 is negative"),
        (math.nan, None, "noise nan"),
        (0.5, "old", "noise 0.5 is of the related search 'old'; leave it out"),
    ):
        with pytest.raises(InputError, match=message):
            vague.add({"x": 0.1, "y": 0.5}, 0.5, noise=noise, source=source)
    assert vague.state() == before
    vague.apply(ObservationAdded(0.0, {"x": 0.2, "y": 0.5}, 0.5, noise=0.25))
    assert vague.history.noise[-1] == 0.25


def test_beliefs_of_several_definitions() -> None:
    tuner = noisy(hpt.Tuner(SPACES, "Maximize", seed=2), 30, 0.05)
    beliefs = tuner.beliefs()
    assert len(beliefs) == 30
    best = tuner.best(by="belief")
    assert best is not None and best.believed is not None and "x" in best.config
    mean, deviation = tuner.predict([best.config], "plain")
    assert mean[0] == pytest.approx(best.believed) and deviation[0] == pytest.approx(best.deviation)
    means, _ = tuner.predict([{"kind": kind} for kind in "abc"], "kinds")
    assert means[0] > means[2] and abs(means[0] + 0.2) < 0.1
    for definition, message in ((None, "name one"), ("other", "'other' is not one of them")):
        with pytest.raises(InputError, match=message):
            tuner.predict([best.config], definition)
    lent = noisy(hpt.Tuner(SPACES, "Maximize", "Random", seed=2), 20, 0.05)
    assert len(lent.beliefs()) == 20


def test_a_definition_without_observations_cannot_be_predicted() -> None:
    tuner = hpt.Tuner(SPACES, "Minimize", seed=2)
    tuner.record({"x": 0.5, "y": 0.5}, value=0.5, definition="plain")
    with pytest.raises(InputError, match="nothing was observed of 'kinds' yet"):
        tuner.predict([{"kind": "a"}], "kinds")
    best = tuner.best(by="belief")
    assert best is not None and best.number == 1


def test_known_noise_counts_in_a_multi_algorithm_search() -> None:
    exact, vague = (hpt.Tuner(SPACES, "Minimize", seed=1) for _ in range(2))
    for tuner, noise in ((exact, None), (vague, 0.5)):
        for x in np.linspace(0, 1, 9).tolist():
            tuner.add({"x": x, "y": 0.5}, (x - 0.5) ** 2, "plain")
        tuner.record({"x": 0.45, "y": 0.5}, value=-1.0, noise=noise, definition="plain")
    at = [{"x": 0.45, "y": 0.5}]
    assert exact.predict(at, "plain")[0][0] < -0.5 < vague.predict(at, "plain")[0][0]
