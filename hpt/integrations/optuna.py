"""Optuna's studies with the search of `hpt`: a sampler, and a pruner.

    from hpt.integrations.optuna import HptPruner, HptSampler
    study = optuna.create_study(sampler=HptSampler(seed=1), pruner=HptPruner())

Needs Optuna 5 (`hpt[optuna]`). One objective; constraints of trials are not seen.
"""

from __future__ import annotations

from threading import RLock
from typing import Any
from zlib import crc32

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

import hpt
from hpt.integrations.optuna_pruner import HptPruner, direction
from hpt.integrations.optuna_trials import ReadStudy, external, held, parameter, placed

__all__ = ["HptPruner", "HptSampler"]


class HptSampler(BaseSampler):
    """Bayesian search over all parameters that a study has seen, jointly.

    Where trials have different parameters (define by run), all of them are one flat space, in which a trial
    without a parameter stands in the middle of its range: the search sees what the trials share, which
    sampling such parameters independently does not. A parameter that no trial had yet is drawn at random, in
    the first trial the middle of its range.
    Pruned trials count as what others that went on became, failed ones and NaN as failures, running
    ones as pending. The values of an enqueued trial are held. Several processes on one storage work on one
    search: a trial that begins while others have no parameters yet gets the next place of one batch.
    All that it keeps is a cache.

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
        self._lock = RLock()
        self._read = ReadStudy()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_read": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=RLock(), _read=ReadStudy())

    def reseed_rng(self) -> None:
        """Nothing to do: randomness depends on the number of the trial."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Every parameter of any finished trial, with its latest distribution."""
        with self._lock:
            self._read.update(study)
            return self._read.distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        seed = self._checked_seed(study)
        if not search_space:
            return {}
        space = hpt.SearchSpace([parameter(name, each) for name, each in search_space.items()])
        middle = hpt.suggest(space, [], seed=0)[0]
        with self._lock:
            others = [each for each in self._read.update(study) if each.number != trial.number]
            observations = self._read.observations(search_space, middle)
        blank = sum(not each.params and each.number < trial.number for each in others)
        found = hpt.suggest(
            space,
            observations,
            pending=[placed(each.params, search_space, middle) for each in others if each.params],
            fixed=held(trial, search_space),
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
