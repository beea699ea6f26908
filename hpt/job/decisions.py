"""The strategy and the stopping rule of a job."""

from __future__ import annotations

from functools import partial

from hpt.job.config import JobConfig
from hpt.search.stopping.base import StoppingRule
from hpt.search.strategies import make_multi_algorithm_strategy, make_strategy
from hpt.search.strategies.base import Strategy


def make_search(config: JobConfig) -> tuple[Strategy, StoppingRule | None]:
    """The strategy and the stopping rule, if any, of a job whose seed is known."""
    if config.definitions:
        return _multi_algorithm_search(config)
    if config.hyperband is not None:
        rule = config.hyperband.rule(config.seed or 0)
        if config.hyperband.model_based:
            from hpt.search.strategies.model_hyperband import ModelHyperbandStrategy

            return ModelHyperbandStrategy(rule=rule), None
        return make_strategy(config.strategy, rule=rule), None
    options = {"repeats": True} if config.repeats else {}
    return make_strategy(config.strategy, **options), _early_stopping(config)


def _multi_algorithm_search(config: JobConfig) -> tuple[Strategy, StoppingRule | None]:
    """Stopping rules compare a trial only with trials of the same definition."""
    if config.hyperband is not None:
        rule = config.hyperband.rule(config.seed or 0)
        if config.hyperband.model_based:
            from hpt.search.strategies.model_hyperband import ModelHyperbandStrategy
            from hpt.search.strategies.multi_algorithm import MultiAlgorithmHyperband

            return MultiAlgorithmHyperband(partial(ModelHyperbandStrategy, rule=rule)), None
        return make_multi_algorithm_strategy(config.strategy, rule=rule), None
    options: dict[str, object] = {}
    if config.strategy == "Bayesian":
        options = {"max_jobs": config.limits.max_jobs, "repeats": config.repeats}
    return make_multi_algorithm_strategy(config.strategy, **options), _early_stopping(config)


def _early_stopping(config: JobConfig) -> StoppingRule | None:
    return None if config.early_stopping is None else config.early_stopping.rule(config.limits.max_jobs)
