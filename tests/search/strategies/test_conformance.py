"""Every strategy keeps the contract of strategies."""

from __future__ import annotations

from hpt.search.stopping.successive_halving import SuccessiveHalving
from hpt.search.strategies import make_multi_algorithm_strategy, make_strategy
from hpt.search.strategies.base import Strategy
from hpt.search.strategies.model_hyperband import ModelHyperbandStrategy
from hpt.testing.strategies import GRID, MIXED, StrategySuite

SEVERAL = {"first": MIXED, "second": MIXED}
SEVERAL_GRIDS = {"first": GRID, "second": GRID}


class TestRandom(StrategySuite):
    def make(self) -> Strategy:
        return make_strategy("Random")


class TestGrid(StrategySuite):
    spaces = GRID
    trials = 6

    def make(self) -> Strategy:
        return make_strategy("Grid")


class TestBayesian(StrategySuite):
    def make(self) -> Strategy:
        return make_strategy("Bayesian")


class TestHyperband(StrategySuite):
    def make(self) -> Strategy:
        return make_strategy("Hyperband", rule=SuccessiveHalving(9))


class TestModelHyperband(StrategySuite):
    def make(self) -> Strategy:
        return ModelHyperbandStrategy(rule=SuccessiveHalving(9))


class TestJudgingModelHyperband(StrategySuite):
    def make(self) -> Strategy:
        return make_strategy("Hyperband", max_resource=9)


class TestMultiAlgorithmRandom(StrategySuite):
    spaces = SEVERAL
    finite = SEVERAL_GRIDS

    def make(self) -> Strategy:
        return make_multi_algorithm_strategy("Random")


class TestMultiAlgorithmBayesian(StrategySuite):
    spaces = SEVERAL
    finite = SEVERAL_GRIDS

    def make(self) -> Strategy:
        return make_multi_algorithm_strategy("Bayesian")


class TestMultiAlgorithmHyperband(StrategySuite):
    spaces = SEVERAL
    finite = SEVERAL_GRIDS

    def make(self) -> Strategy:
        return make_multi_algorithm_strategy("Hyperband", rule=SuccessiveHalving(9))
