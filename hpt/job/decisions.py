"""The strategy and the stopping rule of a job."""

from __future__ import annotations

from hpt.job.config import HyperbandConfig, JobConfig
from hpt.job.draft import RANDOM_HYPERBAND
from hpt.search.stopping.base import StoppingRule
from hpt.search.strategies import make_multi_algorithm_strategy, make_strategy
from hpt.search.strategies.base import Strategy


def make_search(config: JobConfig) -> tuple[Strategy, StoppingRule | None]:
    """The strategy and the stopping rule, if any, of a job whose seed is known."""
    if config.definitions:
        return _multi_algorithm_search(config)
    if config.hyperband is not None:
        return make_strategy(_hyperband(config.hyperband), rule=config.hyperband.rule(config.seed or 0)), None
    options = {"repeats": True} if config.repeats else {}
    return make_strategy(config.strategy, **options), _early_stopping(config)


def _multi_algorithm_search(config: JobConfig) -> tuple[Strategy, StoppingRule | None]:
    """Stopping rules compare a trial only with trials of the same definition."""
    if config.hyperband is not None:
        rule = config.hyperband.rule(config.seed or 0)
        return make_multi_algorithm_strategy(_hyperband(config.hyperband), rule=rule), None
    options: dict[str, object] = {}
    if config.strategy == "Bayesian":
        options = {"max_jobs": config.limits.max_jobs, "repeats": config.repeats}
    return make_multi_algorithm_strategy(config.strategy, **options), _early_stopping(config)


def _hyperband(config: HyperbandConfig) -> str:
    """The strategy by the name under which `hpt.search` knows it."""
    return "Hyperband" if config.model_based else RANDOM_HYPERBAND


def _early_stopping(config: JobConfig) -> StoppingRule | None:
    return None if config.early_stopping is None else config.early_stopping.rule(config.limits.max_jobs)
