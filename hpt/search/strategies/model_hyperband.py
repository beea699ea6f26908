"""Hyperband by a Gaussian process over (configuration, resource): it proposes configurations and stops them.

d   parameters of the space; the model has d + 1 coordinates, the last being the resource
m, s   mean and deviation of the model       f*   the lowest mean at the end of another configuration
"""

from __future__ import annotations

from math import erfc, exp, inf, isfinite, log, pi, sqrt
from typing import Any, cast

import numpy as np

from hpt.search import core
from hpt.search.history import History
from hpt.search.stopping.adaptive_halving import AdaptiveHalving
from hpt.search.stopping.courses import Courses
from hpt.search.stopping.successive_halving import SuccessiveHalving
from hpt.search.strategies.auto_scale import Fit, ScaledSpace
from hpt.search.strategies.base import Seed, Suggestion, one_by_one
from hpt.search.strategies.hyperband import HyperbandStrategy
from hpt.search.strategies.model_search import ModelOptions, ModelSearch, first_points
from hpt.search.strategies.passages import Ends, Passages, Seen, at_the_end
from hpt.search.trial import Config, Decision, Trial, Verdict

ENDS = 3
"""No trial is given up before so many reached their end."""
FROM_ENDS = 3
"""One trial in so many is proposed from final values alone."""
PROMISE = "ExpectedImprovement"
"""The rule by which a trial is stopped that promises less than another would."""


class ModelHyperbandStrategy(HyperbandStrategy):
    """Configurations with the largest expected improvement at the full resource, given up at a rung where
    that is no longer worth what it costs.

    The model is that of Klein et al. ("Model-based Asynchronous Hyperparameter and Neural Architecture
    Search", 2020) on values at rungs that stand for what they let expect of the end (`Passages.targets`).
    How far lower rungs tell the end is the length scale of its resource. Running trials enter with outcomes
    imagined for their end. Until `first_points(d)` configurations are launched and three values known, points
    fill the space.

    One trial in `FROM_ENDS` is proposed as Bayesian search would, by a model of final values only, once there
    are `first_points(d)` of these: lower rungs cannot mislead it, nor blur what is close to the best.

    At a rung of an `AdaptiveHalving` rule the model decides instead of it: a trial goes on if its expected
    improvement at the end, for each unit of resource that it still needs, is at least that of the trial that
    would take its place, for each unit that this one needs from its start. Where early values mislead, their
    targets are all alike and the model does not follow them: trials then go on, as in Bayesian search. Until
    `ENDS` trials reached their end all go on, and ever after those of `AdaptiveHalving.judged`. Another rule
    decides by itself. Arguments are those of `HyperbandStrategy`.

    A pure function of the history: the kernel's hyperparameters depend on a prefix of the observations, in
    the order in which they came in. What is kept between calls is a cache.
    """

    by_definition = True

    def __init__(
        self,
        max_resource: float | None = None,
        min_resource: float = 1,
        *,
        rule: SuccessiveHalving | None = None,
        **options: Any,
    ) -> None:
        super().__init__(max_resource, min_resource, rule=rule, **options)
        self._search = _Search(self.rule)
        self._judge = _Judge(self.rule)

    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        return one_by_one(self._search.next, history, count, seed)

    def decide(self, history: History, number: int) -> Decision:
        return Decision.CONTINUE if self.explain(history, number) is None else Decision.STOP

    def explain(self, history: History, number: int) -> Verdict | None:
        """Why trial `number` is stopped after its latest report; None if it goes on."""
        trial = history.trial(number)
        if not isinstance(self.rule, AdaptiveHalving):
            return self.rule.explain(history, number)
        if not trial.reports or trial.status.ended:
            return None
        last = trial.reports[-1]
        if last.resource >= self.rule.max_resource:
            return self.rule.explain(history, number)
        if self.rule.judged(trial, self._judge.courses(history)) is None:
            return None
        if isfinite(last.value) and self._judge.is_worth_it(history, trial):
            return None
        return Verdict(PROMISE, len(trial.reports), last.value)


class _Search:
    """The model of one history, kept along with it. Proposing and judging each have their own: a job proposes
    in another thread than it judges in."""

    def __init__(self, rule: SuccessiveHalving) -> None:
        self.rule = rule
        self._search = ModelSearch(ModelOptions())
        self._search_of_ends = ModelSearch(ModelOptions())
        self._passages: Passages | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_passages": None}

    def next(self, history: History, seed: Seed) -> Config | None:
        """The configuration to propose; None if all were tried."""
        space, number = history.space, history.last_number + 1
        if space.size is not None and history.distinct >= space.size:
            return None
        passages = self._of(history)
        seen, first = passages.view(history), first_points(len(space.columns))
        launched = len(history.y) + len(history.failed) + len(history.pending)
        if len(seen.y) < 3 or launched < first:
            return self._search.first_point(history, seed, number, number)
        if number % FROM_ENDS == 0 and seen.ended >= first:
            return self._next_from_ends(history, passages.ends(history, seen), seed, number // FROM_ENDS)
        fit, model = self._model(seen)
        row = self._search.propose(cast(History, seen), fit, model, seed, number)
        return None if row is None else ScaledSpace(space, fit.scaled.logarithmic).config(row[:-1])

    def _next_from_ends(self, history: History, ends: Ends, seed: Seed, place: int) -> Config | None:
        """As Bayesian search of final values would propose it; every second one explores, by their place."""
        search, seen = self._search_of_ends, cast(History, ends)
        fit = search.fit(seen, lambda a: ends.y[:a], transformed=False)
        model = search.model(seen, fit, ends.y)
        row = search.propose(seen, fit, model, seed, place, skipped=fit.scaled.place(history.X))
        return None if row is None else fit.scaled.config(row)

    def _of(self, history: History) -> Passages:
        if self._passages is None or not self._passages.courses.precedes(history):
            self._passages = Passages(history, self.rule)
        return self._passages

    def _model(self, seen: Seen) -> tuple[Fit, core.Model]:
        assert self._passages is not None
        targets = self._passages.targets
        fit = self._search.fit(cast(History, seen), targets, transformed=False)
        return fit, self._search.model(cast(History, seen), fit, targets(len(seen.y)))


class _Judge(_Search):
    """What trials promise, against what new ones do."""

    def __init__(self, rule: SuccessiveHalving) -> None:
        super().__init__(rule)
        self._judged: tuple[tuple[object, ...], bool] | None = None

    def __getstate__(self) -> dict[str, object]:
        return super().__getstate__() | {"_judged": None}

    def courses(self, history: History) -> Courses:
        """Brought up to this history."""
        courses = self._of(history).courses
        courses.read(history)
        return courses

    def is_worth_it(self, history: History, trial: Trial) -> bool:
        """Whether a running trial promises as much for what it still costs as the next one would."""
        key = history.source, history.version, trial.number, history.pending.tobytes()
        if self._judged is None or self._judged[0] != key:  # a rule is asked why after it was asked whether
            self._judged = key, self._promises_enough(history, trial)
        return self._judged[1]

    def _promises_enough(self, history: History, trial: Trial) -> bool:
        seen, rule = self._of(history).view(history), self.rule
        if seen.ended < ENDS:
            return True
        fit, model = self._model(seen)
        new = self._search.propose(cast(History, seen), fit, model, rule.seed, history.last_number + 1)
        if new is None:
            return True
        [own] = fit.scaled.place(at_the_end(history.space.encode([trial.config])))
        others = fit.scaled.place(at_the_end(seen.X[:, :-1]))
        others = others[(others != own).any(axis=1)]
        best = float(model.standardized_means(others).min())
        means, covariance = model.joint(np.array([own, new]), others[:0], rule.seed)
        promise, another = (
            log_improvement(float(m), sqrt(max(v, 0.0)), best)
            for m, v in zip(means, covariance.diagonal().tolist(), strict=True)
        )
        left = (rule.max_resource - trial.reports[-1].resource) / rule.max_resource
        return promise - log(left) >= another


def log_improvement(mean: float, deviation: float, best: float) -> float:
    """log E[max(best - f, 0)] of a normal f: of z = (best - mean) / deviation, log of its deviation times
    phi(z) + z Phi(z), which is phi(z) / z^2 far below 0.

    >>> round(log_improvement(0.0, 1.0, 0.0), 4), round(log_improvement(40.0, 1.0, 0.0), 1)
    (-0.9189, -808.3)
    """
    if deviation == 0:
        return log(best - mean) if best > mean else -inf
    z = (best - mean) / deviation
    if z < -30:
        return log(deviation) - z * z / 2 - log(2 * pi) / 2 - 2 * log(-z)
    return log(deviation) + log(exp(-z * z / 2) / sqrt(2 * pi) + z * erfc(-z / sqrt(2)) / 2)
