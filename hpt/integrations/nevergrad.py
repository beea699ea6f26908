"""Nevergrad's optimiser with the search of `hpt`, also in its registry as `HptOptimizer`.

    from hpt.integrations.nevergrad import HptOptimizer
    HptOptimizer(parametrization, budget=100, num_workers=4).minimize(function)

Needs Nevergrad 1.0.12 (`hpt[nevergrad]`).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np
from nevergrad import p
from nevergrad.optimization import base
from nevergrad.parametrization.choice import BaseChoice

import hpt

__all__ = ["HptOptimizer"]

HUGE = 1e19
"""Nevergrad tells of NaN and infinite losses as losses far above this."""


@base.registry.register
class HptOptimizer(base.Optimizer):
    """Bayesian search over the scalars, arrays and choices of a parametrization, at most 100 in all.

    Bounds, integers, logarithmic scales and orders (`TransitionChoice`) are kept; an unbounded scalar is
    searched within three of its standard deviations. What is within the options of a choice counts whatever
    option is chosen. Asked candidates are pending until they are told of; NaN and infinite losses are
    failures; points that were not asked for count, those outside the bounds at the nearest end. Several
    losses are searched for by their hypervolume, as Nevergrad gives it. The seed is drawn from the
    parametrization's random state at the first candidate.
    """

    def __init__(self, parametrization: Any, budget: int | None = None, num_workers: int = 1) -> None:
        super().__init__(parametrization, budget=budget, num_workers=num_workers)
        parameters = [parameter for _, each in parts(self.parametrization) for parameter in each]
        self._space = hpt.SearchSpace(parameters)
        self._kept: hpt.Tuner | None = None

    @property
    def _tuner(self) -> hpt.Tuner:
        if self._kept is None:
            seed = int(self.parametrization.random_state.randint(2**31))
            self._kept = hpt.Tuner(self._space, "Minimize", seed=seed)
        return self._kept

    def _internal_ask_candidate(self) -> Any:
        candidate = self.parametrization.spawn_child()
        trials = self._tuner.ask(ids=[candidate.uid])
        if not trials:  # a finite space is exhausted: Nevergrad wants a candidate all the same
            return self.parametrization.sample()
        for leaf, parameters in parts(candidate):
            values = [trials[0].config[parameter.name] for parameter in parameters]
            if isinstance(leaf, BaseChoice):
                leaf.indices.value = np.array(values)
            elif isinstance(leaf, p.Scalar):
                leaf.value = values[0]
            else:
                leaf.value = np.array(values).reshape(leaf.value.shape)
        return candidate

    def _internal_tell_candidate(self, candidate: Any, loss: float) -> None:
        if any(trial.id == candidate.uid for trial in self._tuner.history.running):
            self._tuner.tell(candidate.uid, loss if abs(loss) < HUGE else nan)
        else:
            self._internal_tell_not_asked(candidate, loss)

    def _internal_tell_not_asked(self, candidate: Any, loss: float) -> None:
        config: dict[str, Any] = {}
        for leaf, parameters in parts(candidate):
            found = leaf.indices.value if isinstance(leaf, BaseChoice) else leaf.value
            for parameter, value in zip(parameters, np.ravel(found).tolist(), strict=True):
                config[parameter.name] = value
        self._tuner.record(config, value=loss if abs(loss) < HUGE else nan, outside="clip")


def parts(parametrization: Any, path: str = "") -> Iterator[tuple[Any, list[Any]]]:
    """What varies in a parametrization, with the parameters of `hpt` that it has."""
    if isinstance(parametrization, BaseChoice):
        kind = (
            hpt.OrdinalParameter
            if isinstance(parametrization, p.TransitionChoice)
            else hpt.CategoricalParameter
        )
        count = len(np.ravel(parametrization.indices.value))
        yield parametrization, [kind(f"{path}#{k}", range(len(parametrization))) for k in range(count)]
        for k in range(len(parametrization)):
            yield from parts(parametrization.choices[k], f"{path}/{k}")
    elif isinstance(parametrization, p.Tuple | p.Dict):
        for name in parametrization if isinstance(parametrization, p.Dict) else range(len(parametrization)):
            yield from parts(parametrization[name], f"{path}/{name}")
    elif isinstance(parametrization, p.Array | p.Scalar):
        yield parametrization, ranges(parametrization, path)


def ranges(data: Any, path: str) -> list[Any]:
    """The ranges of a scalar or of the entries of an array."""
    values = np.ravel(np.asarray(data.value, dtype=float))
    spread = 3 * np.broadcast_to(np.ravel(data.sigma.value), values.shape)
    ends = [
        values + sign * spread if bound is None else np.broadcast_to(np.ravel(bound), values.shape)
        for bound, sign in zip(data.bounds, (-1, 1), strict=True)
    ]
    kind: Any = hpt.IntegerParameter if data.integer else hpt.ContinuousParameter
    scaling = "Logarithmic" if isinstance(data, p.Log) else "Linear"
    rounded = np.round if data.integer else np.asarray
    return [
        kind(f"{path}[{k}]", float(rounded(low)), float(rounded(high)), scaling)
        for k, (low, high) in enumerate(zip(*ends, strict=True))
    ]
