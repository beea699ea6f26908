"""Optuna's studies with the search of `hpt`: a sampler, and a pruner.

    from hpt.integrations.optuna import HptPruner, HptSampler
    study = optuna.create_study(sampler=HptSampler(seed=1), pruner=HptPruner())

Needs Optuna 5 (`hpt[optuna]`). One objective; constraints of trials are not seen.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

import hpt
from hpt.integrations.optuna_pruner import FINISHED, HptPruner, direction, outcome

__all__ = ["HptPruner", "HptSampler"]


class HptSampler(BaseSampler):
    """Bayesian search over all parameters that a study has seen, jointly.

    Where trials have different parameters (define by run), all of them are one flat space, in which a trial
    without a parameter stands in the middle of its range: the search sees what the trials share, which
    sampling such parameters independently does not. A parameter that no trial had yet is drawn at random, in
    the first trial the middle of its range.
    Pruned trials count as what others that went on became, failed ones and NaN as failures, running
    ones as pending. Several processes on one storage work on one search: a trial that begins while others
    have no parameters yet gets the next place of one batch. All that it keeps is a cache.

    Parameters
    ----------
    seed
        Of the search; None: that of the study's name, so that the processes of one study have the same.
    strategy
        A name that `hpt.suggest` takes.
    options
        Options of the strategy.
    """

    def __init__(self, *, seed: int | None = None, strategy: str = "Bayesian", **options: Any) -> None:
        if strategy.lower() == "bayesian":
            options = {"fidelity": True, **options}
        self._seed, self._strategy, self._options = seed, strategy, options
        self._cache = hpt.Cache()
        self._read: tuple[Any, dict[int, hpt.Observation]] = None, {}

    def reseed_rng(self) -> None:
        """Nothing to do: randomness depends on the number of the trial."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Every parameter of any finished trial, with its latest distribution."""
        found: dict[str, BaseDistribution] = {}
        for each in study.get_trials(deepcopy=False, states=FINISHED):
            found.update(each.distributions)
        return dict(sorted(found.items()))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        seed = self._checked_seed(study)
        if not search_space:
            return {}
        space = hpt.SearchSpace([parameter(name, each) for name, each in search_space.items()])
        middle = hpt.suggest(space, [], seed=0)[0]
        trials = study.get_trials(deepcopy=False)
        others = [each for each in trials if each.state is TrialState.RUNNING and each.number != trial.number]
        blank = sum(not each.params and each.number < trial.number for each in others)
        ended = [each for each in trials if each.state in FINISHED and each.params]
        ended.sort(key=lambda each: (each.datetime_complete, each.number))
        key = study.study_name, search_space
        if self._read[0] != key:
            self._read = key, {}
        seen = self._read[1]
        for each in ended:
            if each.number not in seen:
                seen[each.number] = observation(each, placed(each, search_space, middle))
        found = hpt.suggest(
            space,
            [seen[each.number] for each in ended],
            pending=[placed(each, search_space, middle) for each in others if each.params],
            objective=direction(study),
            strategy=self._strategy,
            seed=seed,
            number=trial.number + 1,
            worker=min(blank, 7),
            cache=self._cache,
            outside="drop",
            **self._options,
        )
        if not found:  # a finite space is exhausted: Optuna wants a value all the same
            found = hpt.suggest(space, [], strategy="Random", seed=seed, number=trial.number + 1, worker=0)
        return {name: external(each, found[0][name]) for name, each in search_space.items()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        seed = self._checked_seed(study) ^ crc32(param_name.encode())
        space = hpt.SearchSpace([parameter(param_name, param_distribution)])
        strategy = "Random" if trial.number else "Bayesian"  # which begins in the middle of every range
        [found] = hpt.suggest(space, [], strategy=strategy, seed=seed, number=trial.number + 1, worker=0)
        return external(param_distribution, found[param_name])

    def _checked_seed(self, study: Study) -> int:
        direction(study)
        return crc32(study.study_name.encode()) if self._seed is None else self._seed


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


def placed(trial: FrozenTrial, space: dict[str, BaseDistribution], middle: Any) -> dict[str, Any]:
    """The configuration of a trial, the middle of the ranges for parameters that it does not have."""
    config = {name: middle[name] for name in space}
    for name, value in trial.params.items():
        if name in space and isinstance(space[name], CategoricalDistribution):
            value = int(space[name].to_internal_repr(value))
        if name in space:
            config[name] = value
    return config


def observation(trial: FrozenTrial, config: dict[str, Any]) -> hpt.Observation:
    known = outcome(trial)
    value = known["value"] if known["value"] is not None else (known["reports"] or [(0, float("nan"))])[-1][1]
    reports = [hpt.Report(*each) for each in known["reports"]]
    return hpt.Observation(config, value, reports=reports, status=hpt.TrialStatus(known["status"]))
