"""Ray Tune's trials with the search of `hpt`.

    from hpt.integrations.ray import HptSearch
    config = tune.TuneConfig(metric="loss", mode="min", num_samples=50, search_alg=HptSearch())
    tune.Tuner(train, param_space=space, tune_config=config).fit()

Needs Ray 2.50 (`hpt[ray_tune]`).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from ray import cloudpickle
from ray.tune.search import Searcher
from ray.tune.search.sample import Categorical
from ray.tune.search.variant_generator import parse_spec_vars

import hpt
from hpt.integrations.ray_space import found, number, parameter

__all__ = ["HptSearch"]


class HptSearch(Searcher):
    """Bayesian search in the search space of Ray Tune.

    Nested dicts and lists, constants, ranges of all kinds and choices of any objects are kept as they are.
    Trials that a scheduler stops count as what others that went on became; errors and NaN, as failures.
    Running trials are pending. Unbounded and conditional domains and `grid_search` are refused.

    Parameters
    ----------
    space, metric, mode
        As everywhere in Ray; None: those of the tuner.
    seed, strategy, options
        As `hpt.Tuner` takes them.
    """

    def __init__(
        self,
        space: Mapping[str, Any] | None = None,
        metric: str | None = None,
        mode: str | None = None,
        *,
        seed: int | None = None,
        strategy: str = "Bayesian",
        **options: Any,
    ) -> None:
        super().__init__(metric=metric, mode=mode)
        self._metric: str | None
        self._mode: str | None
        if strategy.lower() == "bayesian":
            options = {"fidelity": True, **options}
        self._arguments = {"seed": seed, "strategy": strategy, **options}
        self._space = dict(space or {})
        self._tuner: hpt.Tuner | None = None
        self._make()

    def _make(self) -> None:
        if self._tuner is not None or not self._space or self._mode is None:
            return
        _, domains, grid = parse_spec_vars(self._space)
        if grid:
            raise ValueError("hpt does not search a grid_search; use choice(...) instead")
        self._paths = {"/".join(map(str, path)): path for path, _ in domains}
        self._domains = {"/".join(map(str, path)): domain for path, domain in domains}
        parameters = [parameter(*each) for each in self._domains.items()] or [hpt.Constant("-", None)]
        goal = "Maximize" if self._mode == "max" else "Minimize"
        self._tuner = hpt.Tuner(hpt.SearchSpace(parameters), goal, **self._arguments)

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any
    ) -> bool:
        if self._tuner is not None:
            return False
        self._metric, self._mode = metric or self._metric or "_metric", mode or self._mode or "max"
        self._space = self._space or dict(config)
        self._make()
        return True

    def suggest(self, trial_id: str) -> Any:
        if self._tuner is None:
            raise RuntimeError("the search has no space or mode; give them to the tuner or to HptSearch")
        trials = self._tuner.ask(ids=[trial_id])
        if not trials:
            return Searcher.FINISHED
        config = deepcopy(self._space)
        for name, domain in self._domains.items():
            value = trials[0].config[name]
            *way, last = self._paths[name]
            found(config, way)[last] = domain.categories[value] if isinstance(domain, Categorical) else value
        return config

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if self._tuner is not None and self._metric in result:
            step = result.get("training_iteration", 1)
            self._tuner.report(trial_id, number(result[self._metric]), max(1, step), late="ignore")

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        if self._tuner is None:
            return
        value = None if not result or self._metric not in result else number(result[self._metric])
        status = "Failed" if error else "Stopped" if value is None else "Completed"
        self._tuner.tell(trial_id, value, status=status, late="ignore")

    def add_evaluated_point(
        self,
        parameters: dict[str, Any],
        value: float,
        error: bool = False,
        pruned: bool = False,
        intermediate_values: list[float] | None = None,
    ) -> None:
        assert self._tuner is not None, "give HptSearch a space and a mode first"
        config: dict[str, Any] = {}
        for name, domain in self._domains.items():
            try:
                value_of = found(parameters, self._paths[name])
                config[name] = (
                    domain.categories.index(value_of) if isinstance(domain, Categorical) else value_of
                )
            except (KeyError, IndexError, ValueError):
                return  # tried in another space
        self._tuner.record(
            config,
            value=None if error else number(value),
            status="Failed" if error else "Stopped" if pruned else "Completed",
            reports=[(k + 1, number(v)) for k, v in enumerate(intermediate_values or ())],
            outside="drop",
        )

    def save(self, checkpoint_path: str) -> None:
        state = None if self._tuner is None else self._tuner.state()
        kept = {"space": self._space, "metric": self._metric, "mode": self._mode, "state": state}
        Path(checkpoint_path).write_bytes(cloudpickle.dumps(kept))

    def restore(self, checkpoint_path: str) -> None:
        kept = cloudpickle.loads(Path(checkpoint_path).read_bytes())
        self._space, self._metric, self._mode = kept["space"], kept["metric"], kept["mode"]
        self._tuner = None
        self._make()
        if kept["state"] is not None:
            self._tuner = hpt.Tuner.restore(kept["state"])
