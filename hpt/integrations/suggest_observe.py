"""The protocol of bayesmark and of HEBO, `suggest(n)` and `observe(X, y)`, with the search of `hpt`.

    from hpt.integrations.suggest_observe import HptBayesmark, HptHebo
    experiment_main(HptBayesmark)            # in a wrapper file of bayesmark
    optimizer = HptHebo(DesignSpace().parse(space))      # in place of HEBO(...)

Neither package is needed; HEBO's data frames need pandas (`hpt[hebo]`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, log, nan
from typing import Any

import numpy as np

import hpt
from hpt.integrations.scales import Scaled, choice, inward, outward, scaled

__all__ = ["HptBayesmark", "HptHebo"]


class _SuggestObserve:
    """A tuner behind the protocol: what is suggested and not observed yet is pending."""

    def __init__(self, scales: dict[str, Scaled], seed: int | None, strategy: str, **options: Any) -> None:
        if seed is None:
            seed = int(np.random.randint(2**31))  # noqa: NPY002 - these hosts seed the global generator
        self._scales = scales
        self._space = hpt.SearchSpace([each.parameter for each in scales.values()])
        self._tuner = hpt.Tuner(self._space, "Minimize", strategy, seed=seed, **options)

    def _suggest(self, count: int, fixed: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        held = inward(self._scales, fixed or {})
        found = [dict(trial.config) for trial in self._tuner.ask(count, fixed=held)]
        number = self._tuner.history.last_number
        while len(found) < count:  # a finite space is exhausted: these hosts want as many all the same
            number += 1
            found += hpt.suggest(self._space, [], strategy="Random", seed=self._tuner.seed, number=number, fixed=held)
        return [outward(self._scales, config) for config in found]

    def _observe(self, configs: Sequence[Mapping[str, Any]], values: Any) -> None:
        pending = {self._space.key(trial.config): trial.number for trial in self._tuner.history.running}
        for config, value in zip(configs, np.ravel(np.asarray(values, dtype=float)).tolist(), strict=True):
            placed, usable = inward(self._scales, config), value if isfinite(value) else nan
            number = None if self._space.lies_outside(placed) else pending.pop(self._key(placed), None)
            if number is None:
                self._tuner.record(placed, value=usable, outside="clip")
            else:
                self._tuner.tell(number, usable)

    def _key(self, config: Mapping[str, Any]) -> Any:
        return self._space.key(self._space.validate(config))


class HptBayesmark(_SuggestObserve):
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
        scales = {name: _of_bayesmark(name, each) for name, each in api_config.items()}
        super().__init__(scales, seed, strategy, **options)

    @classmethod
    def get_version(cls) -> str:
        return hpt.__version__

    def suggest(self, n_suggestions: int = 1) -> list[dict[str, Any]]:
        return self._suggest(n_suggestions)

    def observe(self, X: Sequence[Mapping[str, Any]], y: Any) -> None:
        self._observe(X, y)


class HptHebo(_SuggestObserve):
    """An optimizer with the face of `HEBO`: data frames of a `DesignSpace`, values to be minimised.

    space: a `DesignSpace`, or what its `parse` takes. The other parameters are as for `HptBayesmark`; None as
    scramble_seed draws one. `fix_input` holds values; `rand_sample` is how many points come before the model.
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
        super().__init__({each["name"]: _of_hebo(each) for each in listed}, scramble_seed, strategy, **options)

    def suggest(self, n_suggestions: int = 1, fix_input: Mapping[str, Any] | None = None) -> Any:
        import pandas

        return pandas.DataFrame(self._suggest(n_suggestions, fix_input))

    def observe(self, X: Any, y: Any) -> None:
        self._observe(X.to_dict("records"), y)

    @property
    def best_x(self) -> Any:
        import pandas

        best = self._tuner.best()
        if best is None:
            raise RuntimeError("Not initialized yet!")
        return pandas.DataFrame([outward(self._scales, best.config)])

    @property
    def best_y(self) -> float:
        best = self._tuner.best()
        if best is None:
            raise RuntimeError("Not initialized yet!")
        return best.value


def _of_bayesmark(name: str, given: Mapping[str, Any]) -> Scaled:
    kind, values = given["type"], given.get("values")
    if kind == "bool":
        return choice(name, [False, True])
    if values is not None:
        return choice(name, values if kind == "cat" else sorted(set(values)), ordered=kind != "cat")
    low, high = given["range"]
    return scaled(name, low, high, given.get("space", "linear"), integer=kind == "int")


def _of_hebo(given: Mapping[str, Any]) -> Scaled:
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
