"""Syne Tune's schedulers with the search of `hpt`.

    from hpt.integrations.syne_tune import HptSearcher
    SingleObjectiveScheduler(space, metric="loss", searcher=HptSearcher(space, random_seed=1))

Needs Syne Tune 0.15 (`hpt[syne_tune]`).
"""

from __future__ import annotations

from copy import copy
from math import ceil, floor
from typing import Any

from syne_tune.config_space import (
    Categorical,
    Domain,
    FiniteRange,
    Float,
    Integer,
    Ordinal,
    Quantized,
    is_log_space,
    is_reverse_log_space,
)
from syne_tune.optimizer.schedulers.searchers.single_objective_searcher import SingleObjectiveBaseSearcher

import hpt

__all__ = ["HptSearcher"]


class HptSearcher(SingleObjectiveBaseSearcher):
    """Bayesian search in the configuration space of Syne Tune.

    Constants, orders, finite, quantised, logarithmic and reverse logarithmic ranges are kept. Trials that
    have reported nothing are pending. As schedulers do not say what they stop, trials that have reported
    count as what others that went further became, and those that went furthest as complete. Trials are known
    by the order in which they were suggested, as Syne Tune numbers them. Values are minimised; the scheduler
    turns the sign.

    Parameters
    ----------
    config_space, points_to_evaluate, random_seed
        As every searcher of Syne Tune takes them.
    strategy, options
        A name that `hpt.Tuner` takes, and its options.
    """

    def __init__(
        self,
        config_space: dict[str, Any],
        points_to_evaluate: list[dict[str, Any]] | None = None,
        random_seed: int | None = None,
        *,
        strategy: str = "Bayesian",
        **options: Any,
    ) -> None:
        super().__init__(config_space, points_to_evaluate, random_seed)
        parameters = [parameter(name, domain) for name, domain in config_space.items()]
        space, seed = hpt.SearchSpace(parameters), int(self.random_seed)
        if strategy.lower() == "bayesian":
            options = {"fidelity": True, **options}
        self._tuner = hpt.Tuner(space, "Minimize", strategy, seed=seed, **options)
        self._suggested = 0
        self._steps: dict[int, float] = {}
        self._known: set[str] = set()

    def suggest(self, **kwargs: Any) -> dict[str, Any] | None:
        given = self._next_points_to_evaluate()
        name = str(self._suggested)
        if given is not None:
            if self._tuner.record(given, id=name, outside="drop", extra="ignore") is not None:
                self._known.add(name)
            config: dict[str, Any] = given
        else:
            proposed = self._as_if_ended().propose(1)
            if not proposed:
                return None
            self._known.add(name)
            config = dict(proposed[0].config)
            self._tuner.record(config, id=name)
        self._suggested += 1
        return config

    def _as_if_ended(self) -> hpt.Tuner:
        """The tuner, all trials that have reported having ended as they stand."""
        begun = [trial for trial in self._tuner.history.running if trial.reports]
        if not begun:
            return self._tuner
        furthest, ended = max(self._steps.values()), copy(self._tuner)
        for trial in begun:
            whole = trial.reports[-1].resource >= furthest
            ended.tell(trial.number, status="Completed" if whole else "Stopped")
        return ended

    def on_trial_result(
        self, trial_id: int, config: dict[str, Any], metric: float, resource_level: float | None = None
    ) -> None:
        self._steps[trial_id] = resource_level or self._steps.get(trial_id, 0) + 1
        if self._is_known(trial_id, config):
            self._tuner.report(str(trial_id), metric, self._steps[trial_id], late="ignore")

    def on_trial_complete(self, trial_id: int, config: dict[str, Any], metric: float) -> None:
        if self._is_known(trial_id, config):
            self._tuner.tell(str(trial_id), metric, late="ignore")

    def on_trial_error(self, trial_id: int) -> None:
        if self._is_known(trial_id):
            self._tuner.tell(str(trial_id), status="Failed", late="ignore")

    def _is_known(self, trial_id: int, config: dict[str, Any] | None = None) -> bool:
        """Whether the search has the trial; one that was not suggested is recorded with its first news."""
        name = str(trial_id)
        if name in self._known:
            return True
        trial = config and self._tuner.record(config, id=name, outside="drop", extra="ignore")
        self._known |= {name} if trial else set()
        return bool(trial)


def parameter(name: str, domain: Any) -> Any:
    """One parameter of `hpt`."""
    if not isinstance(domain, Domain):
        return hpt.Constant(name, domain)
    if isinstance(domain, FiniteRange):
        return hpt.OrdinalParameter(name, list(dict.fromkeys(domain.values)))
    if isinstance(domain, Ordinal):
        return hpt.OrdinalParameter(name, domain.categories)
    if isinstance(domain, Categorical):
        return hpt.CategoricalParameter(name, domain.categories)
    sampler, low, high = domain.get_sampler(), domain.lower, domain.upper
    step = sampler.q if isinstance(sampler, Quantized) else None
    even = domain if step is None else domain.__class__(low, high)
    if step is not None:
        even.set_sampler(sampler.get_sampler(), allow_override=True)
        low, high = ceil(round(low / step, 9)) * step, floor(round(high / step, 9)) * step  # multiples of q
    scaling = (
        "Logarithmic"
        if is_log_space(even)
        else "ReverseLogarithmic"
        if is_reverse_log_space(even)
        else "Linear"
    )
    if isinstance(domain, Float):
        return hpt.ContinuousParameter(name, low, high, scaling, step=step)
    assert isinstance(domain, Integer)
    return hpt.IntegerParameter(name, low, high, scaling, step=step or 1)
