"""Hyperband over random configurations (behaviour 4.4)."""

from __future__ import annotations

from hpt.errors import InputError
from hpt.search.history import History
from hpt.search.stopping.adaptive_halving import AdaptiveHalving
from hpt.search.stopping.successive_halving import DEFAULT_FACTOR, SuccessiveHalving
from hpt.search.strategies.base import Seed, Suggestion
from hpt.search.strategies.random import RandomStrategy
from hpt.search.trial import Decision, Verdict


class HyperbandStrategy:
    """A strategy and a stopping rule in one: `Tuner` asks it for both when it is given no other rule.

        tuner = Tuner(space, strategy=HyperbandStrategy(max_resource=81))

    By name it is `RandomHyperband`; `Hyperband` is `ModelHyperbandStrategy`. The configuration of trial k
    depends on (seed, k), as in random search; what training it gets is decided by `AdaptiveHalving`, or by
    another rule of `SuccessiveHalving`'s kind. Trials must report their objective as they train.
    """

    by_definition = False
    """Whether trials of a multi-algorithm search are judged in the histories of their definitions."""

    def __init__(
        self,
        max_resource: float | None = None,
        min_resource: float = 1,
        *,
        eta: float = DEFAULT_FACTOR,
        brackets: int = 1,
        seed: int = 0,
        rule: SuccessiveHalving | None = None,
    ) -> None:
        """A strategy that has seen nothing.

        Parameters
        ----------
        max_resource, min_resource, eta, brackets, seed
            As `SuccessiveHalving` takes them.
        rule
            A rule to use instead of one made of these arguments.

        Raises
        ------
        InputError
            `max_resource` is missing, or an argument breaks its rule.
        """
        if rule is None and max_resource is None:
            raise InputError(
                "strategy 'Hyperband' needs to know the most reports a trial makes; give it as max_resource"
            )
        self.rule = rule or AdaptiveHalving(
            max_resource or 0, min_resource, eta=eta, brackets=brackets, seed=seed
        )
        self._random = RandomStrategy()

    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        return self._random.suggest(history, count, seed)

    def decide(self, history: History, number: int) -> Decision:
        return self.rule.decide(history, number)

    def explain(self, history: History, number: int) -> Verdict | None:
        return self.rule.explain(history, number)
