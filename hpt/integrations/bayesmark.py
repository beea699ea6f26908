"""bayesmark's optimizers with the search of `hpt`.

    from hpt.integrations.bayesmark import HptBayesmark
    experiment_main(HptBayesmark)    # in a wrapper file of bayesmark

Needs nothing: it has the face of `bayesmark.abstract_optimizer.AbstractOptimizer`, and does not import it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import hpt
from hpt.integrations.scales import Scaled, choice, scaled
from hpt.integrations.suggest_observe import SuggestObserve

__all__ = ["HptBayesmark"]


class HptBayesmark(SuggestObserve):
    """An optimizer that bayesmark runs: values to be minimised, of which infinite and NaN ones are failures.

    Parameters
    ----------
    api_config
        By name: `type` (`real`, `int`, `bool`, `cat`), and `range` with `space` (`linear`, `log`, `logit`,
        `bilog`), or `values`.
    seed
        None: drawn from NumPy's global generator, which bayesmark seeds.
    strategy, options
        A name that `hpt.Tuner` takes, and its options.
    """

    primary_import = "hpt"

    def __init__(
        self,
        api_config: Mapping[str, Mapping[str, Any]],
        *,
        seed: int | None = None,
        strategy: str = "Bayesian",
        **options: Any,
    ) -> None:
        self.api_config = api_config
        scales = {name: scale(name, each) for name, each in api_config.items()}
        super().__init__(scales, seed, strategy, **options)

    @classmethod
    def get_version(cls) -> str:
        return hpt.__version__

    def suggest(self, n_suggestions: int = 1) -> list[dict[str, Any]]:
        return self._suggest(n_suggestions)

    def observe(self, X: Sequence[Mapping[str, Any]], y: Any) -> None:
        self._observe(X, y)


def scale(name: str, given: Mapping[str, Any]) -> Scaled:
    kind, values = given["type"], given.get("values")
    if kind == "bool":
        return choice(name, [False, True])
    if values is not None:
        return choice(name, values if kind == "cat" else sorted(set(values)), ordered=kind != "cat")
    low, high = given["range"]
    return scaled(name, low, high, given.get("space", "linear"), integer=kind == "int")
