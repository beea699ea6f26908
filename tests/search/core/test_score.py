"""Candidates of multiple models on one scale, against a slow twin."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from hpt import _core
from hpt.search import core
from hpt.search.parameters import Coordinate
from tests.reference import gp

LINE = (Coordinate("continuous", "linear", 0.0, 1.0, 0),)
PLANE = LINE * 2
NONE_1, NONE_2 = np.empty((0, 1)), np.empty((0, 2))


def models(stretch: float = 1.0) -> list[core.Model]:
    """A good function of one coordinate and a worse one of two, in units of any size."""
    rng = np.random.default_rng(3)
    X, P = rng.random((8, 1)), rng.random((12, 2))
    y = stretch * np.sin(5 * X[:, 0])
    w = stretch * (np.cos(4 * P[:, 0]) + P[:, 1] ** 2 - 0.2)
    fits = [core.fit(c, A, b, tail_limit=inf) for c, A, b in ((LINE, X, y), (PLANE, P, w))]
    return [core.Model(LINE, X, y, fits[0]), core.Model(PLANE, P, w, fits[1])]


def contenders(
    made: list[core.Model], pending: tuple[object, object] = (NONE_1, NONE_2)
) -> list[core.Contender]:
    rng = np.random.default_rng(7)
    return [
        core.Contender(made[0], rng.random((5, 1)), pending[0], 11, 9),  # type: ignore[arg-type]
        core.Contender(made[1], rng.random((6, 2)), pending[1], 12, 13),  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize("stretch", [1.0, 1e-30, 1e30])
def test_scores_are_the_log_expected_improvement_over_the_common_incumbent(stretch: float) -> None:
    made = models(stretch)
    incumbent = core.common_incumbent(made)
    for each, found in zip(contenders(made), core.score(contenders(made)), strict=True):
        mean, variance = each.model.predict(each.candidates)
        twin = gp.log_expected_improvement(mean / stretch, np.sqrt(variance) / stretch, incumbent / stretch)
        near = np.abs(mean - incumbent) < 30 * np.sqrt(variance)
        assert near.any()
        np.testing.assert_allclose(found[near] - np.log(stretch), twin[near], rtol=1e-7, atol=1e-7)


def test_the_common_incumbent_is_the_lowest_mean_of_all() -> None:
    made = models()
    each = [core.common_incumbent([model]) for model in made]
    assert core.common_incumbent(made) == min(each)


def test_uncertainty_counts() -> None:
    """Of two candidates with much the same mean, the one that is known less promises more."""
    X = np.array([[0.1], [0.2], [0.3]])
    at = core.Hyperparameters((0.1,), noise=1e-4, tail_limit=inf)
    model = core.Model(LINE, X, [0.0, 1.0, 0.5], at)
    [known, unknown] = core.score([core.Contender(model, [[0.2], [0.9]], NONE_1, 1, 1)])[0]
    assert unknown > known


def test_pending_trials_lower_what_their_neighbourhood_promises() -> None:
    made = models()
    best = made[0].propose(NONE_1, NONE_1, 1, 9)
    assert best is not None
    # With this seed an imagined outcome is below the other model's best, which is what moves the bar.
    one = [core.Contender(made[0], best[None], NONE_1, 2, 9), contenders(made)[1]]
    two = [core.Contender(made[0], best[None], best[None], 2, 9), contenders(made)[1]]
    before, after = core.score(one), core.score(two)
    assert after[0][0] < before[0][0]
    assert (after[1] != before[1]).all()  # outcomes imagined for one model move the bar for both
    again = core.score(two)
    assert all(np.array_equal(a, b) for a, b in zip(after, again, strict=True))


def test_a_proposal_may_have_to_beat_another_models_best() -> None:
    made = models()
    incumbent = core.common_incumbent(made)
    row = made[1].propose(NONE_2, NONE_2, 5, 13, incumbent)
    alone = made[1].propose(NONE_2, NONE_2, 5, 13)
    assert row is not None
    assert alone is not None
    [scores] = core.score([contenders(made)[0], core.Contender(made[1], [row, alone], NONE_2, 1, 1)])[1:]
    assert scores[0] >= scores[1] - 1e-6


def test_what_cannot_be_ranked() -> None:
    with pytest.raises(ValueError, match="nothing to rank"):
        core.score([])
    with pytest.raises(ValueError, match="needs a model"):
        core.common_incumbent([])
    y = np.array([0.0, 0.1, 0.2, 0.3, 50.0, 400.0])
    X = np.linspace(0, 1, 6)[:, None]
    compressed = core.Model(LINE, X, y, core.Hyperparameters((0.5,), tail_limit=2.0))
    with pytest.raises(ValueError, match="infinite tail limit"):
        core.score([core.Contender(compressed, X, NONE_1, 1, 1)])
    model = models()[0]
    with pytest.raises(ValueError, match="coordinates"):
        core.score([core.Contender(model, [[0.1, 0.2]], NONE_1, 1, 1)])
    with pytest.raises(ValueError, match="differ in their number"):
        _core.score([model._gp], [], [], [], [])
