"""Criteria that complete a tuning job before it reaches its limits (behaviour 8)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hpt.errors import InputError
from hpt.job.rounding import as_float32
from hpt.search.numbers import check_count, finite_number
from hpt.search.trial import ObjectiveType

TARGET = "TargetObjectiveMetricValue"
NOT_IMPROVING = "BestObjectiveNotImproving"
CONVERGENCE = "ConvergenceDetected"

MIN_NOT_IMPROVING = 3
IMPROVEMENT = 0.01
"""A final objective improves on the best if it is better by this share of the best's absolute value
(behaviour 8.4).
"""


@dataclass(frozen=True, slots=True)
class CompletionCriteria:
    """The job completes as soon as one criterion is met. None disables a criterion.

    target: some final objective is at least (Maximize) or at most (Minimize) this. max_not_improving:
    this many final objectives in a row did not improve on the best. complete_on_convergence: True completes
    the job when the remaining regret is negligible, False only records the time; None does not check.

    Raises:
        InputError: a value breaks its rule.
    """

    target: float | None = None
    max_not_improving: int | None = None
    complete_on_convergence: bool | None = None

    def __post_init__(self) -> None:
        target, count = self.target, self.max_not_improving
        if target is not None:
            object.__setattr__(self, "target", finite_number(target, "target", "give one, or None"))
        if count is not None:
            check_count("max_not_improving", count, MIN_NOT_IMPROVING, "give one, or None")
        if self.complete_on_convergence not in (None, True, False):
            raise InputError(
                f"complete_on_convergence {self.complete_on_convergence!r} is not True, False or None; "
                "use one of them"
            )

    def without(self, names: Collection[str]) -> CompletionCriteria:
        """The criteria without `TARGET` or `CONVERGENCE`, where named: they end the job no more."""
        if not names:
            return self
        return CompletionCriteria(
            None if TARGET in names else self.target,
            self.max_not_improving,
            None if CONVERGENCE in names else self.complete_on_convergence,
        )

    def met(self, objective: ObjectiveType, best: float | None, not_improving: int, converged: bool) -> str:
        """The criterion that is met, "" if none is.

        Parameters
        ----------
        objective
            The direction.
        best
            The best final objective so far, None before the first.
        not_improving
            The largest number of final objectives in a row so far that did not improve on the best.
        converged
            Whether convergence was detected.

        Returns
        -------
        str
            `TARGET`, `NOT_IMPROVING`, `CONVERGENCE` or "".
        """
        if self.target is not None and best is not None and reaches(best, self.target, objective):
            return TARGET
        if self.max_not_improving is not None and not_improving >= self.max_not_improving:
            return NOT_IMPROVING
        return CONVERGENCE if self.complete_on_convergence and converged else ""


def reaches(value: float, target: float, objective: ObjectiveType) -> bool:
    """Whether a final objective is as good as the target, both rounded to 32 bits as the service holds them.

    >>> reaches(0.9, 0.8999999761581421, ObjectiveType.MAXIMIZE)
    True
    """
    value, target = as_float32(value), as_float32(target)
    return value >= target if objective is ObjectiveType.MAXIMIZE else value <= target


@dataclass(frozen=True, slots=True)
class Improvement:
    """The best final objective, and how many objectives in a row did not improve on it by `IMPROVEMENT`.

    A better value that improves by less still becomes the best, so many small gains count as no improvement.
    """

    best: float | None = None
    count: int = 0

    def after(self, value: float, objective: ObjectiveType) -> Improvement:
        """The same after a training job has ended with this final objective."""
        if self.best is None:
            return Improvement(value, 0)
        gain = value - self.best if objective is ObjectiveType.MAXIMIZE else self.best - value
        if gain > 0 and gain >= IMPROVEMENT * abs(self.best):
            return Improvement(value, 0)
        return Improvement(value if gain > 0 else self.best, self.count + 1)


def not_improving(values: Iterable[float], objective: ObjectiveType) -> int:
    """The counter after final objectives in order of completion (behaviour 8.4)."""
    improvement = Improvement()
    for value in values:
        improvement = improvement.after(value, objective)
    return improvement.count
