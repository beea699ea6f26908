"""Ax's experiments with the search of `hpt`: a generation node.

    from hpt.integrations.ax import HptNode
    client.set_generation_strategy(GenerationStrategy(nodes=[HptNode(seed=1)]))

Needs Ax 1.3 (`hpt[ax]`).
"""

from __future__ import annotations

from typing import Any

from ax.core.experiment import Experiment
from ax.core.parameter import DerivedParameter
from ax.core.trial_status import TrialStatus
from ax.exceptions.core import SearchSpaceExhausted, UnsupportedError
from ax.generation_strategy.external_generation_node import ExternalGenerationNode
from ax.storage.json_store.registry import CORE_DECODER_REGISTRY, CORE_ENCODER_REGISTRY

import hpt
from hpt.integrations.ax_space import observation, scale
from hpt.integrations.scales import inward, outward

__all__ = ["HptNode"]

STATUS = {
    TrialStatus.COMPLETED: hpt.TrialStatus.COMPLETED,
    TrialStatus.EARLY_STOPPED: hpt.TrialStatus.STOPPED,
    TrialStatus.FAILED: hpt.TrialStatus.FAILED,
    TrialStatus.ABANDONED: hpt.TrialStatus.FAILED,
}


class HptNode(ExternalGenerationNode):
    """Bayesian search over the parameters of an experiment, in any generation strategy.

    Ranges on linear, logarithmic and logit scales, choices, orders, fixed and derived parameters are kept, as
    are parameters that are fixed for the next trials. Dependent parameters are searched jointly in one flat
    space, in which an arm without one stands in the middle of its range. Standard errors count. Arms that
    wait for data are pending; failed and abandoned ones are failures; trials that stopped early count as
    what others that went on became. One objective; constraints of parameters or outcomes are refused.
    All that the node keeps is a cache: it is saved with the client, and goes on with the same candidates.

    Parameters
    ----------
    name
        Of the node.
    seed, strategy, options
        As `hpt.suggest` takes them, the options of the strategy as a dict.
    suggested_experiment_status, should_deduplicate, transition_criteria
        As every generation node of Ax takes them.
    """

    def __init__(
        self,
        name: str = "Hpt",
        *,
        seed: int = 0,
        strategy: str = "Bayesian",
        options: dict[str, Any] | None = None,
        suggested_experiment_status: Any = None,
        should_deduplicate: bool = True,
        transition_criteria: Any = None,
    ) -> None:
        node = {
            "suggested_experiment_status": suggested_experiment_status,
            "should_deduplicate": should_deduplicate,
            "transition_criteria": transition_criteria,
        }
        super().__init__(name=name, **node)
        given = dict(options or {})
        self.arguments = {"name": name, "seed": seed, "strategy": strategy, "options": given, **node}
        known = {"fidelity": True} if strategy.lower() == "bayesian" else {}
        self._call = {"strategy": strategy, "seed": seed, **known, **given}
        self._cache = hpt.Cache()
        self._fixed: dict[str, Any] = {}

    def _gen(self, *args: Any, fixed_features: Any = None, **kwargs: Any) -> Any:
        self._fixed = {} if fixed_features is None else dict(fixed_features.parameters)
        return super()._gen(*args, **kwargs)

    def update_generator_state(self, experiment: Experiment, data: Any) -> None:
        config = experiment.optimization_config
        if config is None or not config.objective.is_single_objective or config.outcome_constraints:
            raise UnsupportedError("hpt searches for one objective without constraints of outcomes")
        if experiment.search_space.parameter_constraints:
            raise UnsupportedError("hpt searches without constraints of parameters")
        self._space = experiment.search_space
        self._scales = {
            name: scale(each)
            for name, each in self._space.parameters.items()
            if not isinstance(each, DerivedParameter)
        }
        self._search = hpt.SearchSpace([each.parameter for each in self._scales.values()])
        self._middle = hpt.suggest(self._search, [], seed=0)[0]
        self._goal = "Minimize" if config.objective.minimize else "Maximize"
        [metric] = config.objective.metric_names
        frame = data.full_df
        rows = frame[frame["metric_name"] == metric].to_dict("records") if len(frame) else []
        curves: dict[tuple[int, str], list[Any]] = {}
        for row in rows:
            curves.setdefault((row["trial_index"], row["arm_name"]), []).append(row)
        ended = [each for each in experiment.trials.values() if each.status in STATUS]
        ended.sort(key=lambda each: (each.time_completed is None, each.time_completed or 0, each.index))
        self._known, self._seen = [], []
        for trial in ended:
            for arm in trial.arms:
                placed = self._placed(arm.parameters)
                curve = curves.get((trial.index, arm.name), [])
                self._known.append(observation(placed, STATUS[trial.status], curve))
                self._seen.append(arm.parameters)

    def get_next_candidate(self, pending_parameters: list[Any]) -> Any:
        waiting = [each for each in pending_parameters if each not in self._seen]
        found = hpt.suggest(
            self._search,
            self._known,
            pending=[self._placed(each) for each in waiting],
            fixed=inward(self._scales, self._fixed),
            objective=self._goal,
            worker=0,
            cache=self._cache,
            outside="drop",
            **self._call,
        )
        if not found:
            raise SearchSpaceExhausted("every configuration of the search space was tried")
        config = outward(self._scales, found[0])
        for name, each in self._space.parameters.items():
            if isinstance(each, DerivedParameter):
                config[name] = each.compute(config)
        cast = {name: each.cast(config[name]) for name, each in self._space.parameters.items()}
        return self._space._cast_parameterization(cast) if self._space.is_hierarchical else cast

    def _placed(self, parameters: Any) -> dict[str, Any]:
        """An arm as the search has it, the middle of the ranges for parameters that it does not have."""
        known = {name: value for name, value in parameters.items() if name in self._scales}
        return {**self._middle, **inward(self._scales, known)}


CORE_ENCODER_REGISTRY[HptNode] = lambda node: {"__type": "HptNode", **node.arguments}
CORE_DECODER_REGISTRY["HptNode"] = HptNode
