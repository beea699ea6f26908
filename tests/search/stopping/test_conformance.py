"""Every stopping rule keeps the contract of stopping rules."""

from __future__ import annotations

from hpt.search.stopping.adaptive_halving import AdaptiveHalving
from hpt.search.stopping.base import StoppingRule
from hpt.search.stopping.median import MedianRule
from hpt.search.stopping.successive_halving import SuccessiveHalving
from hpt.search.strategies.model_hyperband import ModelHyperbandStrategy
from hpt.testing.stopping import StoppingRuleSuite


class TestMedianRule(StoppingRuleSuite):
    def make(self) -> StoppingRule:
        return MedianRule(min_trials=5)


class TestSuccessiveHalving(StoppingRuleSuite):
    def make(self) -> StoppingRule:
        return SuccessiveHalving(27)


class TestBrackets(StoppingRuleSuite):
    def make(self) -> StoppingRule:
        return SuccessiveHalving(9, brackets=3, seed=4, stops_at_max=False)


class TestAdaptiveHalving(StoppingRuleSuite):
    def make(self) -> StoppingRule:
        return AdaptiveHalving(9)


class TestModelHyperband(StoppingRuleSuite):
    def make(self) -> StoppingRule:
        return ModelHyperbandStrategy(9)
