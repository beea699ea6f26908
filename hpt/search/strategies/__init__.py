"""Search strategies by name. A new one is a file beside this one and a line here."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import cast

from hpt.errors import InputError
from hpt.search.strategies.base import Strategy

STRATEGIES: dict[str, str] = {
    "Grid": "hpt.search.strategies.grid:GridStrategy",
    "Random": "hpt.search.strategies.random:RandomStrategy",
    "Bayesian": "hpt.search.strategies.bayesian:BayesianStrategy",
    "Hyperband": "hpt.search.strategies.hyperband:HyperbandStrategy",
}
"""Module and class of each strategy, imported when it is first asked for."""


def canonical_name(name: str) -> str:
    """The strategy's name as the registry spells it; `name` may be in any case.

    Raises:
        InputError: there is no such strategy.
    """
    for known in STRATEGIES:
        if isinstance(name, str) and name.lower() == known.lower():
            return known
    known_names = ", ".join(STRATEGIES)
    raise InputError(f"strategy {name!r} is not known; use one of {known_names}")


def make_strategy(name: str, **options: object) -> Strategy:
    """A new strategy of that name, in any case; `options` are what its class takes.

    Raises:
        InputError: there is no such strategy, or an option that it needs is missing.
    """
    module, _, kind = STRATEGIES[canonical_name(name)].partition(":")
    return cast(Strategy, getattr(import_module(module), kind)(**options))


def make_multi_algorithm_strategy(name: str, **options: object) -> Strategy:
    """A new strategy of that name, in any case, for a multi-algorithm search.

    options: what `make_strategy` takes, and for `Bayesian` also `max_jobs`, how many trials there will be.

    Raises:
        InputError: as `make_strategy`.
    """
    from hpt.search.strategies import multi_algorithm

    name = canonical_name(name)
    if name == "Bayesian":
        return multi_algorithm.MultiAlgorithmBayesian(**options)  # type: ignore[arg-type]
    make_strategy(name, **options)  # reports a missing option now
    kinds = {"Grid": multi_algorithm.OneAfterAnother, "Hyperband": multi_algorithm.MultiAlgorithmHyperband}
    return kinds.get(name, multi_algorithm.RoundRobin)(partial(make_strategy, name, **options))
