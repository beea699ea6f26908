"""Spaces of more than 100 coordinates: legal and untried proposals, the same bits, the few that matter."""

from __future__ import annotations

import numpy as np
import pytest

import hpt
from hpt.search import core
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.trial import Config


def space_of(d: int, kinds: str) -> SearchSpace:
    """So many parameters, of the kinds in turn."""
    makers = {
        "c": lambda name: ContinuousParameter(name, 0, 1, "Linear"),
        "i": lambda name: IntegerParameter(name, 0, 9, "Linear"),
        "k": lambda name: CategoricalParameter(name, ["a", "b", "c"]),
    }
    return SearchSpace([makers[kinds[i % len(kinds)]](f"x{i}") for i in range(d)])


@pytest.mark.parametrize(("d", "kinds"), [(101, "c"), (200, "cik"), (200, "k"), (1000, "c"), (1000, "cik")])
def test_proposals_are_legal_and_untried_and_threads_change_no_bit(d: int, kinds: str) -> None:
    space, rng = space_of(d, kinds), np.random.default_rng(d)
    X = space.encode(space.sample(14, rng))
    y = X[:, :9].sum(axis=1)
    none, rows = np.empty((0, d)), []
    for threads in (1, 2):
        at = core.fit(space.coordinates, X, y, threads=threads)
        assert at.warping == ()
        model = core.Model(space.coordinates, X, y, at, threads=threads)
        row = model.propose(none, none, 3, 15)
        assert row is not None
        rows.append(row)
    assert np.array_equal(rows[0], rows[1])
    [config] = space.decode(rows[0][np.newaxis])
    assert space.validate(config) == config
    assert np.array_equal(space.encode([config])[0], rows[0]) or kinds == "c"
    assert not (np.abs(X - rows[0]).max(axis=1) < 1e-9).any()


@pytest.mark.parametrize(("kinds", "better"), [("c", 0.1), ("cik", 0.6)])
def test_the_few_parameters_that_matter_are_found(kinds: str, better: float) -> None:
    """Six of 200: beside the best of as many random configurations."""
    space = space_of(200, kinds)

    def objective(config: Config) -> float:
        [row] = space.encode([config])
        return float(((row[3:63:10] - (row[3:63:10] > 1) - 0.2) ** 2).sum())

    tuner = hpt.Tuner(space, objective="minimize", strategy="Bayesian", seed=0)
    for _ in range(40):
        [trial] = tuner.ask()
        tuner.tell(trial.number, objective(trial.config))
    drawn = min(map(objective, space.sample(40, np.random.default_rng(0))))
    assert tuner.best_value is not None
    assert tuner.best_value < better * drawn
