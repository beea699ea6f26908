"""Stopped trials and noisy values: what the model makes of them."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

import hpt
from hpt.errors import InputError
from hpt.search import core
from hpt.search.strategies.bayesian import BayesianStrategy
from hpt.search.strategies.fidelity import AtTheEnd, drawn_in
from hpt.testing.strategies import StrategySuite

LINE = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])


class TestWithFidelity(StrategySuite):
    finite = None

    def make(self):
        return BayesianStrategy(fidelity=True, first=3)


def curve(x, steps):
    """Falls by 1 at every step of four; the final value is (x - 0.3)^2."""
    return {step: (x - 0.3) ** 2 + 4 - step for step in range(1, steps + 1)}


def tuner_with(stopped, sign=1.0, **options):
    tuner = hpt.Tuner(LINE, "Minimize" if sign > 0 else "Maximize", seed=1, **options)
    for k, x in enumerate(np.linspace(0, 1, 12)):
        steps = 2 if k in stopped else 4
        reports = {step: sign * value for step, value in curve(x, steps).items()}
        tuner.record({"x": x}, status="Stopped" if k in stopped else "Completed", reports=reports)
    return tuner


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_stopped_trial_counts_by_what_it_would_have_become(sign):
    tuner = tuner_with({1, 5, 8, 11}, sign)
    y, noise = AtTheEnd()(tuner.history, 12)
    assert y == pytest.approx([max((x - 0.3) ** 2, min(y)) for x in np.linspace(0, 1, 12)])
    assert noise == pytest.approx(np.zeros(12), abs=1e-9)
    told = AtTheEnd()(tuner.history, 2)[0]  # the second was stopped when one had ended
    assert told == pytest.approx([0.09, max((1 / 11 - 0.3) ** 2, 0.09)])


def test_a_stopped_trial_is_never_the_best():
    tuner = hpt.Tuner(LINE, "Minimize", seed=1)
    for k in range(3):
        tuner.record({"x": k / 3}, reports={1: 10 + k, 2: 1 + k}, status="Completed")
    tuner.record({"x": 0.9}, reports={1: 5.0}, status="Stopped")
    y, noise = AtTheEnd()(tuner.history, 4)
    assert y.tolist() == [1, 2, 3, 1] and noise.tolist() == [0, 0, 0, 0]


def test_without_longer_trials_a_value_counts_as_it_is():
    tuner = hpt.Tuner(LINE, "Minimize", seed=1)
    tuner.add({"x": 0.1}, 5.0)
    tuner.record({"x": 0.2}, reports={1: 3.0}, status="Stopped")
    tuner.record({"x": 0.3}, reports={1: float("nan"), 2: 2.0}, status="Completed")
    assert AtTheEnd()(tuner.history, 3)[0].tolist() == [5, 3, 2]


def test_the_model_is_not_misled_by_where_trials_were_stopped():
    """The optimum's neighbours were stopped early, with values far above those of complete trials."""
    stopped = {2, 3, 4}
    misled = tuner_with(stopped).predict([{"x": 0.3}])[0][0]
    right = tuner_with(stopped, fidelity=True).predict([{"x": 0.3}])[0][0]
    assert misled > 1
    assert abs(right) < 0.05


def test_fidelity_is_a_boolean():
    with pytest.raises(InputError, match="fidelity 1 is not a boolean"):
        hpt.Tuner(LINE, fidelity=1)


# -- noise


def test_noisy_values_weigh_less():
    """One wrong value in the middle of a parabola: believed if nothing is known, ignored if it is noisy."""

    def predicted(noise):
        tuner = hpt.Tuner(LINE, "Minimize", seed=1)
        for x in np.linspace(0, 1, 15):
            wrong = abs(x - 0.5) < 1e-9
            tuner.record({"x": x}, value=(x - 0.3) ** 2 + 0.3 * wrong, noise=noise if wrong else None)
        return tuner.predict([{"x": 0.5}])[0][0]

    believed, doubted, ignored = predicted(None), predicted(0.1), predicted(3.0)
    assert believed > doubted > ignored
    assert abs(ignored - 0.04) < 0.02


def test_the_targets_are_those_of_the_textbook():
    """At the fixed point the model's means are K (K + D)^-1 y, with a kernel written out here."""
    rng, v = np.random.default_rng(0), 0.01
    x = rng.random(12)
    K = np.exp(-((x[:, np.newaxis] - x) ** 2) / 0.02)
    y, deviation = rng.standard_normal(12), np.where(np.arange(12) % 3 == 0, 0.3, 0.0)
    D = np.maximum(deviation**2, v)

    class Plain:
        def __init__(self, targets):
            self.mean = K @ np.linalg.solve(K + v * np.eye(12), targets)

        def predict(self, X):
            return self.mean[X], None

    spread = float(np.std(y))
    at = core.Hyperparameters((1.0,), noise=v / spread**2, tail_limit=inf)
    targets = drawn_in(Plain, np.arange(12), y, deviation, at)
    assert Plain(targets).mean == pytest.approx(K @ np.linalg.solve(K + np.diag(D), y), abs=1e-3)


def test_values_without_noise_are_what_they_were():
    one, other = hpt.Tuner(LINE, "Minimize", seed=1), hpt.Tuner(LINE, "Minimize", seed=1)
    for x in np.linspace(0, 1, 8):
        one.record({"x": x}, value=x**2)
        other.record({"x": x}, value=x**2, noise=0)
    assert one.propose(3) == other.propose(3)


def test_noise_is_part_of_the_state():
    tuner = hpt.Tuner(LINE, "Minimize", seed=1, fidelity=True)
    rng = np.random.default_rng(1)
    for x in np.linspace(0, 1, 10):
        tuner.record({"x": x}, value=x**2 + 0.3 * rng.standard_normal(), noise=0.3)
    assert hpt.Tuner.restore(tuner.state()).propose(2) == tuner.propose(2)
