"""Searches of Nevergrad: parametrizations of all kinds, workers, bad losses, points not asked for."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

ng = pytest.importorskip("nevergrad")

from hpt.integrations.nevergrad import HptOptimizer  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def mixed():
    return ng.p.Instrumentation(
        ng.p.Scalar(lower=-1, upper=3),
        lr=ng.p.Log(lower=1e-4, upper=1),
        kind=ng.p.Choice(["a", ng.p.Scalar(lower=0, upper=1)]),
        n=ng.p.Scalar(lower=1, upper=9).set_integer_casting(),
        order=ng.p.TransitionChoice([1, 2, 3]),
        arr=ng.p.Array(shape=(2, 2), lower=0, upper=5),
        free=ng.p.Scalar(),
        constant=4,
    )


def loss(x, lr, kind, n, order, arr, free, constant):
    assert constant == 4 and arr.shape == (2, 2) and 1e-4 <= lr <= 1.0001 and n == int(n)
    shift = 0.5 if kind == "a" else (kind - 0.25) ** 2
    return (
        (x - 1) ** 2
        + np.log10(lr / 0.01) ** 2
        + shift
        + abs(n - 4)
        + order
        - 1
        + ((arr - 2) ** 2).sum()
        + free**2
    )


def seeded(optimizer, seed=1):
    optimizer.parametrization.random_state.seed(seed)
    return optimizer


def test_it_minimises_a_sphere_and_repeats_it():
    found = [
        seeded(ng.optimizers.registry["HptOptimizer"](5, budget=60)).minimize(
            lambda x: ((x - 0.3) ** 2).sum()
        )
        for _ in range(2)
    ]
    assert ((found[0].value - 0.3) ** 2).sum() < 1e-3
    assert np.array_equal(found[0].value, found[1].value)


def test_parametrizations_of_all_kinds_and_workers():
    optimizer = seeded(HptOptimizer(mixed(), budget=60, num_workers=4))
    best = optimizer.minimize(loss, batch_mode=True)
    assert loss(*best.args, **best.kwargs) < 2.5
    assert optimizer.num_ask == 60


def test_bad_losses_are_failures_and_other_points_count():
    optimizer = seeded(HptOptimizer(mixed(), budget=40))
    optimizer.suggest(2.5, lr=0.01, kind="a", n=3, order=2, arr=np.ones((2, 2)), free=7.0, constant=4)
    for k in range(12):
        candidate = optimizer.ask()
        value = {3: float("nan"), 5: float("inf")}.get(k, loss(*candidate.args, **candidate.kwargs))
        optimizer.tell(candidate, value)
    other = optimizer.parametrization.sample()
    optimizer.tell(other, loss(*other.args, **other.kwargs))
    pending = [optimizer.ask() for _ in range(3)]
    history = optimizer._tuner.history
    assert (len(history.y), len(history.failed), len(history.pending)) == (11, 2, 3)
    assert len({repr(candidate.value) for candidate in pending}) == 3


def test_a_pickled_optimizer_goes_on_with_the_same_candidates():
    optimizer = seeded(HptOptimizer(2, budget=30))
    for _ in range(9):
        candidate = optimizer.ask()
        optimizer.tell(candidate, float((candidate.value**2).sum()))
    twin = pickle.loads(pickle.dumps(optimizer))
    for _ in range(3):
        assert np.array_equal(optimizer.ask().value, twin.ask().value)


def test_many_objectives_by_hypervolume_and_exhausted_choices():
    optimizer = seeded(HptOptimizer(ng.p.Array(shape=(2,), lower=0, upper=1), budget=20))
    optimizer.tell(ng.p.MultiobjectiveReference(), [2, 2])
    optimizer.minimize(lambda x: [float(x[0]), float((1 - x[0]) ** 2 + x[1])])
    assert len(optimizer.pareto_front()) > 2
    choices = seeded(HptOptimizer(ng.p.Choice([1, 2, 3]), budget=8))
    assert choices.minimize(float).value == 1
