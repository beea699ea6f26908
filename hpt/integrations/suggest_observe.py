"""A tuner behind `suggest(n)` and `observe(X, y)`, as bayesmark and HEBO call them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import Any

import numpy as np

import hpt
from hpt.integrations.scales import Scaled, inward, outward


class SuggestObserve:
    """What is suggested and not observed yet is pending; what others suggested counts too."""

    def __init__(self, scales: dict[str, Scaled], seed: int | None, strategy: str, **options: Any) -> None:
        if seed is None:
            seed = int(np.random.randint(2**31))  # noqa: NPY002 - these hosts seed the global generator
        self._scales = scales
        self._space = hpt.SearchSpace([each.parameter for each in scales.values()])
        self._tuner = hpt.Tuner(self._space, "Minimize", strategy, seed=seed, **options)

    def _suggest(self, count: int, fixed: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        held = inward(self._scales, fixed or {})
        found: list[Mapping[str, Any]] = [trial.config for trial in self._tuner.ask(count, fixed=held)]
        number = self._tuner.history.last_number
        while len(found) < count:  # a finite space is exhausted: these hosts want as many all the same
            number += 1
            found += hpt.suggest(
                self._space, [], strategy="Random", seed=self._tuner.seed, number=number, fixed=held
            )
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
