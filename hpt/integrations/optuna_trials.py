"""The trials and distributions of Optuna as `hpt` has them."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

import hpt
from hpt.integrations.optuna_pruner import FINISHED, outcome

Distributions = dict[str, BaseDistribution]


class ReadStudy:
    """What was read of a study's finished trials, so that each is read once; a cache, of one study."""

    def __init__(self) -> None:
        self._of: Any = None
        self._seen: set[int] = set()
        self._latest: dict[str, tuple[int, BaseDistribution]] = {}  # by name, with the trial that has it
        self._ended: list[tuple[Any, FrozenTrial]] = []  # those with parameters, in the order of their ends
        self._space: Distributions = {}
        self._observations: dict[int, hpt.Observation] = {}

    def update(self, study: Study) -> list[FrozenTrial]:
        """Read what is new; returns the running trials."""
        of = study._storage, study._study_id
        if self._of != of:
            ReadStudy.__init__(self)
            self._of = of
        running, new = [], []
        for trial in study.get_trials(deepcopy=False):
            if trial.number in self._seen:
                continue
            if trial.state is TrialState.RUNNING:
                running.append(trial)
            elif trial.state in FINISHED:
                new.append(trial)
        for trial in new:
            self._seen.add(trial.number)
            for name, distribution in trial.distributions.items():
                if name not in self._latest or self._latest[name][0] < trial.number:
                    self._latest[name] = trial.number, distribution
            if trial.params:
                self._ended.append(((trial.datetime_complete, trial.number), trial))
        if new:
            self._ended.sort(key=lambda each: each[0])  # sorted but for the last few: as good as one pass
        return running

    @property
    def distributions(self) -> Distributions:
        """Every parameter of any finished trial, with its latest distribution."""
        return {name: self._latest[name][1] for name in sorted(self._latest)}

    def observations(self, space: Distributions, middle: Any) -> list[hpt.Observation]:
        """Those of the space, in the order in which they became known."""
        if self._space != space:
            self._space, self._observations = space, {}
        for _, trial in self._ended:
            if trial.number not in self._observations:
                self._observations[trial.number] = observation(trial, placed(trial.params, space, middle))
        return [self._observations[trial.number] for _, trial in self._ended]


def parameter(name: str, distribution: BaseDistribution) -> Any:
    """A categorical is searched by the places of its choices, which may be any objects."""
    if isinstance(distribution, CategoricalDistribution):
        return hpt.CategoricalParameter(name, range(len(distribution.choices)))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    kind: Any = (
        hpt.ContinuousParameter if isinstance(distribution, FloatDistribution) else hpt.IntegerParameter
    )
    scaling = "Logarithmic" if distribution.log else "Linear"
    return kind(name, distribution.low, distribution.high, scaling, step=distribution.step)


def external(distribution: BaseDistribution, value: Any) -> Any:
    return distribution.choices[value] if isinstance(distribution, CategoricalDistribution) else value


def internal(distribution: BaseDistribution, value: Any) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return int(distribution.to_internal_repr(value))
    return value


def placed(params: dict[str, Any], space: Distributions, middle: Any) -> dict[str, Any]:
    """The configuration of a trial, the middle of the ranges for parameters that it does not have."""
    config = {name: middle[name] for name in space}
    for name, value in params.items():
        if name in space:
            config[name] = internal(space[name], value)
    return config


def held(trial: FrozenTrial, space: Distributions) -> dict[str, Any]:
    """The values of an enqueued trial that lie in the space: Optuna takes them, the search the others."""
    found = {}
    for name, value in trial.system_attrs.get("fixed_params", {}).items():
        if name in space:
            try:
                inside = space[name]._contains(space[name].to_internal_repr(value))
            except (ValueError, TypeError):
                continue
            if inside:
                found[name] = internal(space[name], value)
    return found


def observation(trial: FrozenTrial, config: dict[str, Any]) -> hpt.Observation:
    known = outcome(trial)
    value = known["value"] if known["value"] is not None else (known["reports"] or [(0, float("nan"))])[-1][1]
    reports = tuple(hpt.Report(*each) for each in known["reports"])
    status = hpt.TrialStatus(known["status"])
    return hpt.Observation(MappingProxyType(config), value, reports=reports, status=status)
