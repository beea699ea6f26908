"""Search strategies by name. A new one is a file beside this one and a line here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import cast

from hpt.errors import InputError
from hpt.search.strategies.base import Strategy

STRATEGIES: dict[str, str] = {
    "Grid": "hpt.search.strategies.grid:GridStrategy",
    "Random": "hpt.search.strategies.random:RandomStrategy",
    "Bayesian": "hpt.search.strategies.bayesian:BayesianStrategy",
    "Hyperband": "hpt.search.strategies.model_hyperband:ModelHyperbandStrategy",
    "RandomHyperband": "hpt.search.strategies.hyperband:HyperbandStrategy",
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
        InputError: there is no such strategy, an option that it needs is missing, or it has no such option.
    """
    module, _, kind = STRATEGIES[canonical_name(name)].partition(":")
    with _unknown_options(name):
        return cast(Strategy, getattr(import_module(module), kind)(**options))


@contextmanager
def _unknown_options(name: str) -> Iterator[None]:
    """Turns the error of a class that has no such option into one of the input."""
    try:
        yield
    except TypeError as error:
        found = re.search(r"unexpected keyword argument ('[^']*')|takes no arguments", str(error))
        if found is None:
            raise
        if found[1] is None:
            raise InputError(f"strategy {name!r} has no options; leave them out") from None
        what = f"strategy {name!r} has no option {found[1]}"
        raise InputError(f"{what}; `help` of its class lists them") from None


def make_multi_algorithm_strategy(name: str, **options: object) -> Strategy:
    """A new strategy of that name, in any case, for a multi-algorithm search.

    options: what `make_strategy` takes, and for `Bayesian` also `max_jobs`, how many trials there will be.

    Raises:
        InputError: as `make_strategy`.
    """
    from hpt.search.strategies import multi_algorithm

    name = canonical_name(name)
    if name == "Bayesian":
        with _unknown_options(name):
            return multi_algorithm.MultiAlgorithmBayesian(**options)  # type: ignore[arg-type]
    make_strategy(name, **options)  # reports a missing option now
    hyperband = multi_algorithm.MultiAlgorithmHyperband
    kinds = {"Grid": multi_algorithm.OneAfterAnother, "Hyperband": hyperband, "RandomHyperband": hyperband}
    return kinds.get(name, multi_algorithm.RoundRobin)(partial(make_strategy, name, **options))
