"""Which observed configuration a model holds for the best, by its means and not by the luckiest value.

n   observations    m   of them that are looked at, those of the lowest values
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from hpt.search.history import Float64Array, History

VALUE, BELIEF = "value", "belief"
BY = (VALUE, BELIEF)
"""What the best observation is chosen by."""

MOST = 1000
"""So many observations are looked at: a model has an opinion of its own on no more."""

Predict = Callable[..., tuple[Float64Array, Float64Array]]


class Beliefs(NamedTuple):
    """rows: observations of the history that were looked at, ascending, (m,). means, deviations: of their
    configurations, (m,), of the minimised objective."""

    rows: list[int]
    means: Float64Array
    deviations: Float64Array


def predictor(strategy: Any, history: History) -> Predict:
    """`predict` of a strategy that has a model; of another, such as `Random`, that of a Bayesian search."""
    predict: Predict | None = getattr(strategy, "predict", None)
    if callable(predict):
        return predict
    if history.definitions:
        from hpt.search.strategies.multi_algorithm import MultiAlgorithmBayesian

        return MultiAlgorithmBayesian().predict
    from hpt.search.strategies.bayesian import BayesianStrategy

    return BayesianStrategy(fidelity=True).predict


def beliefs(predict: Predict, history: History, rows: Sequence[int]) -> Beliefs:
    """What a model says of observations, of more than `MOST` those of the lowest values.

    Parameters
    ----------
    predict
        What `predictor` gave.
    history
        Of which they are.
    rows
        Their rows, ascending; at least one.

    Returns
    -------
    Beliefs
        Of these, in the order of the history.
    """
    if len(rows) > MOST:
        lowest = np.argsort(history.y[list(rows)], kind="stable")[:MOST]
        rows = [rows[int(i)] for i in np.sort(lowest)]
    means, variances = np.empty(len(rows)), np.empty(len(rows))
    owners = history.owners[list(rows)] if history.definitions else np.zeros(len(rows))
    for place, name in enumerate(history.definitions or (None,)):
        own = np.flatnonzero(owners == place)
        if len(own):
            configs = [history.observation(rows[int(i)]).config for i in own]
            named = () if name is None else (name,)
            means[own], variances[own] = predict(history, configs, *named)
    return Beliefs(list(rows), means, np.sqrt(variances))
