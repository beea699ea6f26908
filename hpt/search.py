"""From a job's description to what decides in it."""

from __future__ import annotations

from hpt.job import TuningJobConfig
from hpt.stopping.base import StoppingRule
from hpt.strategies import make_strategy
from hpt.strategies.base import Strategy


def make_search(config: TuningJobConfig) -> tuple[Strategy, StoppingRule | None]:
    """The strategy and the stopping rule, if any, of a job whose seed is known."""
    if config.hyperband is not None:
        rule = config.hyperband.rule(config.seed or 0)
        if config.hyperband.model_based:
            from hpt.strategies.model_hyperband import ModelHyperbandStrategy

            return ModelHyperbandStrategy(rule=rule), None
        return make_strategy(config.strategy, rule=rule), None
    strategy = make_strategy(config.strategy)
    if config.early_stopping is None:
        return strategy, None
    return strategy, config.early_stopping.rule(config.limits.max_jobs)
