"""Expected improvement, first points and proposals, through the Python door."""

from __future__ import annotations

import numpy as np
import pytest

from hpt import _core
from hpt.search import core
from tests.reference import gp
from tests.search.core.test_gaussian_process import CATEGORICAL, CONTINUOUS, INTEGER, SPACES, points


def test_published_values() -> None:  # behaviour 5.5
    value = _core.expected_improvement(np.array([0.30, 0.27, 0.28]), np.array([0.05, 0.01, 0.04]), 0.28)
    assert np.round(value, 5).tolist() == [0.01152, 0.01083, 0.01596]


def test_both_forms_agree_with_their_twins() -> None:
    rng = np.random.default_rng(1)
    mean, deviation, incumbent = rng.normal(0, 20, 500), np.exp(rng.normal(0, 1, 500)), rng.normal(size=500)
    ours = _core.log_expected_improvement(mean, deviation, incumbent)
    theirs = gp.log_expected_improvement(mean, deviation, incumbent)
    near = np.abs(mean - incumbent) < 90 * deviation
    np.testing.assert_allclose(ours[near], theirs[near], rtol=1e-10, atol=1e-11)
    close = np.abs(mean - incumbent) < 5 * deviation
    np.testing.assert_allclose(
        _core.expected_improvement(mean, deviation, incumbent)[close],
        gp.expected_improvement(mean, deviation, incumbent)[close],
        rtol=1e-8,
    )


def test_the_logarithm_stays_exact_a_thousand_deviations_away() -> None:
    far = _core.log_expected_improvement(np.array([10.0, 100.0, 1000.0, 1e8]), 1.0, 0.0)
    np.testing.assert_allclose(far[:3], [-55.5531220361224, -5010.12957880025, -500014.734452091], rtol=1e-14)
    assert far[3] == pytest.approx(-5e15)


@pytest.mark.parametrize("kind", SPACES)
def test_log_improvement_is_over_the_lowest_mean(kind: str) -> None:
    space, rng = SPACES[kind], np.random.default_rng(2)
    X, y, P = points(space, 15, rng), rng.normal(size=15), points(space, 30, rng)
    at = core.fit(space, X, y)
    model = core.Model(space, X, y, at)
    transform = _core.TargetTransform(y, at.tail_limit)
    mean, variance = model.predict(P)
    z = transform.forward(mean)
    incumbent = transform.forward(model.predict(X)[0].min())
    expected = gp.log_expected_improvement(z, np.sqrt(variance) / transform.slope(z), incumbent)
    np.testing.assert_allclose(model.log_expected_improvement(P), expected, rtol=1e-6, atol=1e-6)


def test_a_proposal_beats_a_dense_grid() -> None:
    rng = np.random.default_rng(3)
    X = rng.random((12, 2))
    y = np.sin(5 * X[:, 0]) + (X[:, 1] - 0.4) ** 2
    model = core.Model([CONTINUOUS] * 2, X, y, core.fit([CONTINUOUS] * 2, X, y))
    none = np.empty((0, 2))
    x = model.propose(none, none, 1, 13, doubling=np.inf)
    assert x is not None
    side = np.linspace(0, 1, 101)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    assert model.log_expected_improvement(x[np.newaxis])[0] >= model.log_expected_improvement(grid).max()


def test_a_mixed_proposal_beats_many_random_points() -> None:
    space, rng = SPACES["mixed"], np.random.default_rng(4)
    X = points(space, 25, rng)
    y = (X[:, 0] - 0.3) ** 2 + (X[:, 1] == 1) * 0.4 + (X[:, 2] - 0.5) ** 2 + X[:, 3] * (X[:, 4] == 0)
    model = core.Model(space, X, y, core.fit(space, X, y))
    none = np.empty((0, 5))
    x = model.propose(none, none, 1, 26, doubling=np.inf)
    assert x is not None
    best = model.log_expected_improvement(points(space, 20_000, rng)).max()
    assert model.log_expected_improvement(x[np.newaxis])[0] >= best


def test_proposals_depend_on_seed_and_number_only() -> None:
    space, rng = SPACES["mixed"], np.random.default_rng(5)
    X, y, none = points(space, 10, rng), rng.normal(size=10), np.empty((0, 5))
    pending = points(space, 3, rng)
    model = core.Model(space, X, y, core.fit(space, X, y))
    first = model.propose(pending, none, 1, 11)
    again = core.Model(space, X, y, core.fit(space, X, y)).propose(pending, none, 1, 11)
    assert first is not None
    assert np.array_equal(first, again)
    assert core.design_point(space, none, 1, 2).tolist() != core.design_point(space, none, 2, 2).tolist()


def test_the_search_itself_skips_what_was_tried() -> None:
    """Of 21 points all but one are tried; whatever the model prefers, the proposal is the one left."""
    space = (CATEGORICAL, INTEGER)
    every = np.array([[k, (level + 0.5) / 7] for k in range(3) for level in range(7)])
    y = np.arange(21.0)
    for left in (0, 10, 20):
        others = np.delete(np.arange(21), left)
        observed, pending, failed = others[:12], others[12:16], others[16:]
        model = core.Model(space, every[observed], y[observed], core.fit(space, every[observed], y[observed]))
        x = model.propose(every[pending], every[failed], 1, 21)
        assert x is not None
        assert x.tolist() == pytest.approx(every[left].tolist())
        assert model.propose(np.vstack([every[pending], x]), every[failed], 1, 22) is None
        assert core.design_point(space, every[others], 1, 21).tolist() == pytest.approx(every[left].tolist())
        assert core.design_point(space, every, 1, 22) is None


def test_a_widened_proposal_maximises_the_improvement_with_wider_deviations() -> None:
    """Its square is 1 + log2(1 + n / doubling): with n = doubling the variances are seen doubled."""
    rng = np.random.default_rng(6)
    X = rng.random((12, 2))
    y = np.sin(5 * X[:, 0]) + (X[:, 1] - 0.4) ** 2
    model = core.Model([CONTINUOUS] * 2, X, y, core.fit([CONTINUOUS] * 2, X, y, tail_limit=np.inf))
    none = np.empty((0, 2))
    x = model.propose(none, none, 1, 13, doubling=12.0)
    assert x is not None
    side = np.linspace(0, 1, 101)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    incumbent = model.predict(X)[0].min()

    def widened(P: np.ndarray) -> np.ndarray:
        mean, variance = model.predict(P)
        return gp.log_expected_improvement(mean, np.sqrt(2 * variance), incumbent)

    assert widened(x[np.newaxis])[0] >= widened(grid).max()
    with pytest.raises(ValueError, match="doubling"):
        model.propose(none, none, 1, 13, doubling=0.0)
