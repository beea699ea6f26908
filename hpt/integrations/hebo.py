"""HEBO's face with the search of `hpt`.

    from hpt.integrations.hebo import HptHebo
    optimizer = HptHebo(DesignSpace().parse(space))    # in place of HEBO(...)

HEBO's data frames need pandas (`hpt[hebo]`); HEBO itself is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any

import pandas as pd

from hpt.integrations.scales import Scaled, choice, outward, scaled
from hpt.integrations.suggest_observe import SuggestObserve

__all__ = ["HptHebo"]


class HptHebo(SuggestObserve):
    """An optimizer with the face of `HEBO`: data frames of a `DesignSpace`, values to be minimised.

    `fix_input` holds values.

    Parameters
    ----------
    space
        A `DesignSpace`, or what its `parse` takes.
    scramble_seed
        Of the search; None: drawn from NumPy's global generator.
    rand_sample
        How many points come before the model.
    strategy, options
        A name that `hpt.Tuner` takes, and its options.
    """

    def __init__(
        self,
        space: Any,
        *,
        scramble_seed: int | None = None,
        rand_sample: int | None = None,
        strategy: str = "Bayesian",
        **options: Any,
    ) -> None:
        listed = getattr(space, "para_config", space)
        if rand_sample is not None:
            options["first"] = rand_sample
        super().__init__({each["name"]: scale(each) for each in listed}, scramble_seed, strategy, **options)

    def suggest(self, n_suggestions: int = 1, fix_input: Mapping[str, Any] | None = None) -> Any:
        return pd.DataFrame(self._suggest(n_suggestions, fix_input))

    def observe(self, X: Any, y: Any) -> None:
        self._observe(X.to_dict("records"), y)

    @property
    def best_x(self) -> Any:
        best = self._tuner.best()
        if best is None:
            raise RuntimeError("Not initialized yet!")
        return pd.DataFrame([outward(self._scales, best.config)])

    @property
    def best_y(self) -> float:
        best = self._tuner.best()
        if best is None:
            raise RuntimeError("Not initialized yet!")
        return best.value


def scale(given: Mapping[str, Any]) -> Scaled:
    name, kind = given["name"], given["type"]
    if kind == "cat":
        return choice(name, given["categories"])
    if kind == "bool":
        return choice(name, [False, True])
    low, high = given["lb"], given["ub"]
    if kind == "int_exponent":
        base = given["base"]
        places = range(round(log(low) / log(base)), round(log(high) / log(base)) + 1)
        return choice(name, [base**k for k in places], ordered=True)
    if kind == "step_int":
        step = round(given["step"])
        count = (round(high) - round(low)) // step
        return choice(name, [round(low) + k * step for k in range(count + 1)], ordered=True)
    scale = {"num": "linear", "int": "linear", "pow": "log", "pow_int": "log"}.get(kind)
    if scale is None:
        raise ValueError(f"{name!r}: the type {kind!r} is not known; use num, int, pow, pow_int, cat or bool")
    if kind in ("int", "pow_int"):
        low, high = round(low), round(high)
    return scaled(name, low, high, scale, integer=kind in ("int", "pow_int"))
